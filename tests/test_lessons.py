"""The shipped lessons: complete in both languages, from installed packages, readable."""

import io

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
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    own = Deck("Mine", "en", "own", (("a", "A"), ("b", "B")), (Case(buffer.getvalue(), "a"),))
    (tmp_path / "DOE.zip").write_bytes(b"hello")
    (tmp_path / "ROE.zip").write_bytes(write_deck(own))
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.setenv("MEDMAMBA_DECKS", str(tmp_path))
    found = lessons.decks()
    assert list(found)[-1] == "own-2"
    assert found["own-2"].title == "Mine"
    assert "Deck 1, by name" in caplog.text
    assert "DOE" not in caplog.text
