"""The shipped lessons: complete in both languages, from installed packages, readable."""

import io
import zipfile

import pytest
from PIL import Image

from medmamba import lessons
from medmamba.deck import MODALITY, Case, Deck, check_pictures, read_deck, write_deck


def test_every_lesson_is_there_in_both_languages():
    made = lessons.lessons()
    assert sorted(made) == ["kinds-de", "kinds-en", "refusals-de", "refusals-en"]
    for name in ("kinds", "refusals"):
        english, german = made[f"{name}-en"], made[f"{name}-de"]
        assert [c.truth for c in english.cases] == [c.truth for c in german.cases]
        assert all(a.text != b.text for a, b in zip(english.cases, german.cases, strict=True))
        assert all(case.text and case.source and case.licence for case in english.cases)


@pytest.mark.parametrize("name", ["kinds-en", "refusals-de"])
def test_a_lesson_is_a_deck_like_any_other(name):
    deck = lessons.lessons()[name]
    check_pictures(deck)
    again = read_deck(write_deck(deck))
    assert (again.task, again.classes, len(again.cases)) == (deck.task, deck.classes, len(deck.cases))


def test_the_kinds_are_the_checkpoints_and_both_answers_occur_among_the_refusals():
    made = lessons.lessons()
    assert made["kinds-en"].task == MODALITY
    assert len(made["kinds-en"].classes) > 8
    assert {case.truth for case in made["refusals-en"].cases} == {lessons.KNOWN, lessons.OTHER}


def test_a_folders_decks_come_after_the_lessons_and_a_bad_one_is_left_out(tmp_path, monkeypatch, caplog):
    (tmp_path / "DOE.zip").write_bytes(b"hello")
    (tmp_path / "ROE.zip").write_bytes(made_up("Mine"))
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.setenv("MEDMAMBA_DECKS", str(tmp_path))
    found = lessons.decks()
    [name] = found.keys() - lessons.lessons().keys()
    assert list(found)[-1] == name
    assert found[name].title == "Mine"
    assert "Deck 1, by name" in caplog.text
    assert "DOE" not in caplog.text + name
    assert "ROE" not in name


def own(folder):
    """(name, title) of a folder's decks."""
    return [(name, deck.title) for name, deck in lessons.decks(folder).items() if name.startswith("own-")]


def test_a_deck_keeps_its_name_whatever_comes_before_it(tmp_path):
    (tmp_path / "b.zip").write_bytes(made_up("Chosen"))
    [chosen] = own(tmp_path)
    (tmp_path / "a.zip").write_bytes(made_up("Came later"))
    (tmp_path / "c.zip").symlink_to(tmp_path / "went.zip")
    (tmp_path / ".git").mkdir()
    assert chosen[1] == "Chosen"
    assert chosen in own(tmp_path)
    assert len(own(tmp_path)) == 2
    (tmp_path / "b.zip").unlink()
    assert [title for _, title in own(tmp_path)] == ["Came later"]
    assert len(lessons._kept) == 1


def test_a_folder_is_read_again_when_a_file_in_it_has_changed(tmp_path):
    with zipfile.ZipFile(io.BytesIO(made_up("As it was"))) as archive:
        archive.extractall(tmp_path / "deck")
    [before] = own(tmp_path)
    description = tmp_path / "deck" / "deck.json"
    description.write_text(description.read_text().replace("As it was", "Corrected"))
    [after] = own(tmp_path)
    assert (before[1], after[1]) == ("As it was", "Corrected")
    assert before[0] != after[0]
    assert own(tmp_path) == [after]


def made_up(title):
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    return write_deck(Deck(title, "en", "own", (("a", "A"), ("b", "B")), (Case(buffer.getvalue(), "a"),)))
