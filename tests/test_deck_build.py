"""A deck out of a labelled folder: the mix, the balance, the seed, and the command from end to end."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medmamba import deck_build, lessons
from medmamba.classifier import Classifier
from medmamba.cli import main
from medmamba.deck import Deck, check_pictures, read_deck, write_deck
from medmamba.deck_build import Candidate, candidates, choose, kinds_of


def made_up(tmp_path, margins):
    """Candidates of the given margins by class."""
    return [Candidate(tmp_path / f"{name}{i}", name, m) for name, ms in margins.items() for i, m in enumerate(ms)]


def test_kinds_by_hand(tmp_path):
    found = made_up(tmp_path, {"a": [-0.2, 0.1, 0.5], "b": [0.9, -0.01, 0.0]})
    assert kinds_of(found) == ["wrong", "hard", "easy", "easy", "wrong", "hard"]


def test_the_mix_and_the_balance(tmp_path):
    random = np.random.default_rng(0)
    found = made_up(tmp_path, {name: random.uniform(-0.5, 1, 60) for name in "abcd"})
    kinds = dict(zip(found, kinds_of(found), strict=True))
    chosen = choose(found, 20, seed=1)
    assert len(set(chosen)) == 20
    assert Counter(kinds[c] for c in chosen) == {"wrong": 6, "hard": 6, "easy": 8}
    assert Counter(c.truth for c in chosen) == dict.fromkeys("abcd", 5)


def test_what_is_missing_is_made_up(tmp_path):
    found = made_up(tmp_path, {"a": [0.9] * 10, "b": [0.1, 0.2], "c": [-0.1]})
    chosen = choose(found, 8, seed=3)
    assert Counter(c.truth for c in chosen) == {"a": 5, "b": 2, "c": 1}
    assert len(choose(found, 50, seed=3)) == 13
    assert choose([], 5, seed=1) == []


def test_the_seed_decides(tmp_path):
    found = made_up(tmp_path, {name: np.linspace(-1, 1, 40) for name in "ab"})
    assert choose(found, 10, seed=1) == choose(found, 10, seed=1)
    assert choose(found, 10, seed=1) != choose(found, 10, seed=2)


@pytest.fixture
def folder(tmp_path, picture):
    for i, name in enumerate(("lymphocyte", "platelet")):
        (tmp_path / "cells" / name).mkdir(parents=True)
        for seed in range(4):
            Image.fromarray(picture(seed=10 * i + seed)).save(tmp_path / "cells" / name / f"DOE{seed}.png")
    (tmp_path / "cells" / "platelet" / "DOE9.png").write_bytes(b"hello")
    (tmp_path / "cells" / ".ipynb_checkpoints").mkdir()
    return tmp_path / "cells"


def test_margins_are_the_networks(folder):
    classifier = Classifier.load("generalist")
    found = list(candidates(classifier, folder, "blood-cells"))
    assert [c.truth for c in found] == ["lymphocyte"] * 4 + ["platelet"] * 4  # the damaged one is left out
    answer = classifier.answer(np.asarray(Image.open(found[2].path)), "blood-cells")
    shares = {s.name: s.probability for s in answer.scores}
    assert found[2].margin == pytest.approx(
        shares["lymphocyte"] - max(p for name, p in shares.items() if name != "lymphocyte"), abs=1e-4
    )


def test_the_command_makes_a_deck_and_checks_it(folder, tmp_path, capsys):
    out = tmp_path / "deck.zip"
    build = ["deck", "build", str(folder), "--task", "blood-cells", "--n", "6", "--licence", "CC0", "--out", str(out)]
    assert main(build) == 0
    deck = read_deck(out)
    check_pictures(deck)
    assert Counter(case.truth for case in deck.cases) == {"lymphocyte": 3, "platelet": 3}
    assert {case.licence for case in deck.cases} == {"CC0"}
    assert b"DOE" not in out.read_bytes()
    first = out.read_bytes()
    assert main(build) == 0
    assert out.read_bytes() == first
    assert main(["deck", "check", str(out)]) == 0
    assert "6 cases, every picture can be read" in capsys.readouterr().out


def test_a_deck_that_asks_whether_the_network_should_answer_is_one_that_it_answers(tmp_path, capsys):
    decks = lessons.lessons()
    foreign = Deck("Shapes", "en", "own", (("a", "A"), ("b", "B")), (replace(decks["kinds-en"].cases[0], truth="a"),))
    for deck, is_answered in ((decks["refusals-en"], True), (decks["kinds-en"], True), (foreign, False)):
        (tmp_path / "deck.zip").write_bytes(write_deck(deck))
        assert main(["deck", "check", str(tmp_path / "deck.zip")]) == 0
        assert ("will not answer" in capsys.readouterr().out) is not is_answered


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--task", "none"], "no task of that name"),
        (["--task", "brain-mri"], "class folders"),
        (["--n", "0"], "1 to 200"),
    ],
)
def test_what_cannot_be_built_is_said(folder, capsys, change, words):
    assert main(["deck", "build", str(folder), "--task", "blood-cells", *change]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--language", "de-DE"], "language is not like en or de"),
        (["--title", 121 * "t"], "title is longer than 120"),
        (["--source", 501 * "s"], "source is longer than 500"),
        (["--licence", 201 * "l"], "licence is longer than 200"),
    ],
)
def test_what_no_deck_may_say_is_refused_before_the_work(folder, capsys, monkeypatch, change, words):
    monkeypatch.setattr(deck_build, "candidates", None)
    assert main(["deck", "build", str(folder), "--task", "blood-cells", *change]) == 2
    assert words in capsys.readouterr().err


def test_no_picture_that_can_be_read_is_said(tmp_path, capsys):
    (tmp_path / "cells" / "platelet").mkdir(parents=True)
    (tmp_path / "cells" / "platelet" / "DOE9.png").write_bytes(b"hello")
    assert main(["deck", "build", str(tmp_path / "cells"), "--task", "blood-cells"]) == 2
    assert "hold no picture that can be read" in capsys.readouterr().err
