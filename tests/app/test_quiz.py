"""One student and a deck: what is scored, and what may be told when."""

import csv
import io
from dataclasses import replace

import pytest

from app.opinion import Opinion
from app.quiz import CONFIDENCES, HEADER, Quiz, Response, Tally, results, table
from medmamba.deck import Case, Deck
from medmamba.errors import RequestError

DECK = Deck("Shapes", "en", "shapes", (("a", "A"), ("=b", "=B")), tuple(Case(b"x", t) for t in ("a", "=b", "a", "=b")))


@pytest.fixture
def quiz():
    quiz = Quiz(DECK, (3, 2, 1, 0))  # truths in this order: =b a =b a
    quiz.answer(0, Response("=b", "sure", (0.25, 0.5)))
    quiz.answer(1, Response("=b", "sure"))
    quiz.answer(2, Response("a", "guess"))
    return quiz


def said(choice, share=0.7):
    return Opinion(choice, {choice: share}, checkpoint={"title": "T", "version": "1", "sha256": "f00"})


def test_scores_by_hand(quiz):
    found = results(quiz, {0: said("a"), 1: said("=b"), 3: said("a")})
    assert found.all == Tally(3, 1)
    assert found.by_confidence == {"guess": Tally(1, 0), "fairly": Tally(0, 0), "sure": Tally(2, 1)}
    assert found.by_class == {"a": Tally(1, 0), "=b": Tally(2, 1)}
    assert found.misses == (1, 2)
    assert found.network == Tally(2, 0)  # of the two cases that were answered and that it answered
    assert found.student_beside == Tally(2, 1)
    assert found.network_wrong == Tally(2, 1)
    assert found.agreed == 1


def test_a_network_without_an_answer_counts_nowhere(quiz):
    found = results(quiz, {0: Opinion(), 1: Opinion()})
    assert (found.network, found.network_wrong, found.agreed) == (Tally(0, 0), Tally(0, 0), 0)


def test_a_network_that_declined_was_neither_right_nor_wrong(quiz):
    declined = replace(said("a"), refused=True)
    found = results(quiz, {0: declined, 1: said("=b"), 2: declined})
    assert (found.network, found.student_beside, found.declined) == (Tally(1, 0), Tally(1, 0), 2)
    assert (found.network_wrong, found.agreed) == (Tally(1, 0), 1)
    refusal = Opinion("a", refused=True)  # to the question whether it should answer, that is its answer
    assert results(quiz, {0: refusal}).network == Tally(1, 0)


def test_nothing_is_told_before_the_answer(quiz):
    with pytest.raises(RequestError, match="Answer first"):
        quiz.answered(3)
    quiz.answer(3, Response("a", "fairly"))
    assert quiz.answered(3).truth == "a"


@pytest.mark.parametrize(
    ("position", "response", "words"),
    [
        (0, Response("a", "sure"), "answered already"),
        (4, Response("a", "sure"), "no such case"),
        (-1, Response("a", "sure"), "no such case"),
        (3, Response("c", "sure"), "none of the choices"),
        (3, Response("a", "certain"), "confidence must be"),
        (3, Response("a", "sure", (0.5, 1.2)), "on the picture"),
        (3, Response("a", "sure", (float("nan"), 0.2)), "on the picture"),
    ],
)
def test_bad_answers_are_refused(quiz, position, response, words):
    with pytest.raises(RequestError, match=words):
        quiz.answer(position, response)
    assert len(quiz.responses) == 3


def test_the_table_holds_versions_and_no_formula(quiz):
    rows = list(csv.DictReader(io.StringIO(table(quiz, {0: said("=b", 0.7)}, "No device."))))
    assert tuple(rows[0]) == HEADER
    assert rows[0] | {"mark_x": "0.2500", "mark_y": "0.5000", "network_probability": "0.700000"} == rows[0]
    assert [(row["position"], row["case"], row["right"]) for row in rows] == [
        ("1", "4", "1"),
        ("2", "3", "0"),
        ("3", "2", "0"),
    ]
    assert [(row["truth"], row["answer"]) for row in rows] == [("'=B", "'=B"), ("A", "'=B"), ("'=B", "A")]
    assert rows[0]["network"] == "'=B"
    assert (rows[0]["sha256"], rows[1]["sha256"], rows[1]["network"]) == ("f00", "", "")
    assert {row["notice"] for row in rows} == {"No device."}


def test_orders_differ_between_quizzes():
    long = Deck("Long", "en", "shapes", DECK.classes, DECK.cases * 25)
    orders = {Quiz.shuffled(long).order for _ in range(5)}
    assert len(orders) == 5
    assert all(sorted(order) == list(range(100)) for order in orders)


def test_every_confidence_has_words():
    from app.texts import languages, texts_for

    for code in languages():
        assert all(texts_for(code)(f"learn.confidence.{name}") for name in CONFIDENCES)
