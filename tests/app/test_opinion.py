"""What the network says of a deck's case, for one student and for a room alike."""

import dataclasses
import json

import numpy as np
import pytest

from app import opinion
from app.service import Question, Service
from app.store import PictureStore
from medmamba.checkpoints import Card
from medmamba.deck import MODALITY
from medmamba.lessons import FAMILIAR, KNOWN, OTHER, is_answered

KIDNEY = ("cyst", "normal", "tumor")
KINDS = ("blood-cell microscopy", "X-ray", "CT", "OCT")


@pytest.fixture
def card(service) -> Card:
    return next(iter(service.usable().values()))


def test_the_opinion_is_the_service_s(service, png):
    said = opinion.ask(service, png(), "kidney-ct", KIDNEY)
    scores = service.classify(Question(service.hold(png()), task="kidney-ct")).answer.scores
    assert said.probabilities == pytest.approx({s.name: s.probability for s in scores})
    assert said.choice == max(scores, key=lambda s: s.probability).name
    assert np.shape(said.evidence["values"]) == (2, 2)
    assert set(said.notes) == {"en", "de"}
    assert len(said.checkpoint["sha256"]) == 64


def test_it_is_plain_data(service, png):
    for task, classes in (("kidney-ct", KIDNEY), (MODALITY, KINDS), (FAMILIAR, (KNOWN, OTHER))):
        said = dataclasses.asdict(opinion.ask(service, png(), task, classes))
        assert json.loads(json.dumps(said)).keys() == said.keys()


def test_of_some_classes_the_probabilities_are_those_given_that_it_is_one_of_them(service, png):
    every = opinion.ask(service, png(), "kidney-ct", KIDNEY).probabilities
    two = opinion.ask(service, png(), "kidney-ct", ("cyst", "tumor"))
    total = every["cyst"] + every["tumor"]
    assert two.probabilities == pytest.approx({name: every[name] / total for name in ("cyst", "tumor")})
    assert two.choice in two.probabilities


def test_other_classes_have_no_opinion(service, png):
    assert opinion.ask(service, png(), "kidney-ct", ("cyst", "stone")).choice is None
    said = opinion.ask(service, png(), "own", ("a", "b"))
    assert (said.choice, said.was_heard) == (None, True)  # for good, unlike where there is no checkpoint to ask


def test_without_a_checkpoint_the_network_was_not_heard(png, tmp_path):
    empty = Service(PictureStore(2**20, 900.0), root=tmp_path)
    assert not opinion.ask(empty, png(), "kidney-ct", KIDNEY).was_heard


def test_the_kinds_and_the_refusal_have_opinions_of_their_own_and_a_map(service, png):
    said = opinion.ask(service, png(), MODALITY, KINDS)
    assert set(said.probabilities) == set(KINDS)
    assert said.choice == said.recognised[0]
    of_modality = said.evidence
    said = opinion.ask(service, png(), FAMILIAR, (KNOWN, OTHER))
    assert said.choice == (OTHER if said.refused else KNOWN)
    assert said.probabilities == {}
    assert said.evidence == of_modality
    assert said.distance is not None


def test_which_questions_are_answered_and_how_they_read(card):
    assert is_answered("kidney-ct", KIDNEY, card)
    assert is_answered(MODALITY, KINDS[:2], card)
    assert is_answered(FAMILIAR, (KNOWN, OTHER), card)
    assert not is_answered(FAMILIAR, (KNOWN, "a"), card)
    assert not is_answered("own", KIDNEY, card)
    assert opinion.question_of("kidney-ct", card) == "Which kidney-ct is it?"
    assert opinion.question_of(FAMILIAR, card) == "learn.question.familiar"
    assert opinion.question_of("own", card) == opinion.question_of("kidney-ct", None) == ""
