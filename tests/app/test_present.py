import dataclasses
import re

import numpy as np
import pytest

from app import present
from app.service import Question
from app.texts import PERCENT, texts_for
from medmamba.classifier import Band, Novelty, PredictionSet
from medmamba.saliency import DeletionScore, EvidenceMap

EN = texts_for("en")


@pytest.fixture
def analysis(service, png):
    return service.classify(Question(service.hold(png()), task="kidney-ct"))


def changed(analysis, **fields):
    return dataclasses.replace(analysis, answer=dataclasses.replace(analysis.answer, **fields))


def test_every_class_is_shown_with_its_probability_most_probable_first(analysis):
    html = present.answer(analysis, EN)
    scores = sorted(analysis.answer.scores, key=lambda s: -s.probability)
    places = [html.index(f'data-class="{score.name}"') for score in scores]
    assert places == sorted(places)
    for score in scores:
        assert EN.percent(score.probability) in html
    measured = analysis.card.metrics["kidney-ct"]["classes"]["cyst"]["sensitivity"]["value"]
    assert f"{measured * 100:.1f}{PERCENT} of its test pictures" in html
    assert html.count('aria-pressed="true"') == 1


def test_classes_that_the_card_has_a_prior_for_can_be_thought_more_or_less_frequent(analysis):
    html = present.answer(analysis, EN)
    assert 'data-part="prevalence"' in html
    assert all(f'data-prior="{prior}"' in html for prior in analysis.card.priors["kidney-ct"].values())
    for priors in ({}, {"kidney-ct": {"cyst": 1.0, "normal": 0.0}}):
        card = dataclasses.replace(analysis.card, priors=priors)
        assert "prevalence" not in present.answer(dataclasses.replace(analysis, card=card), EN)


@pytest.mark.parametrize(("code", "kept"), [("en", "result was kept from before"), ("de", "lag schon vor")])
def test_an_answer_says_how_long_it_took_or_that_it_was_kept(service, png, code, kept):
    question = Question(service.hold(png()))
    first, again = (present.answer(service.classify(question), texts_for(code)) for _ in range(2))
    assert re.search(r"Test generalist 0\.1 · \d+ ms<", first)
    assert kept not in first
    assert kept in again
    assert " ms<" not in again


def test_the_users_choice_is_marked_as_such(analysis):
    html = present.answer(analysis, EN)
    assert "Asked as" in html
    assert "Your choice. The network itself would say" in html


def test_words_from_a_card_are_escaped(analysis):
    task = dataclasses.replace(analysis.task, question="<img src=x>", caveat="<b>")
    layout = dataclasses.replace(analysis.card.layout, tasks=(task,), routed=())
    html = present.answer(dataclasses.replace(analysis, card=dataclasses.replace(analysis.card, layout=layout)), EN)
    assert "<img src=x>" not in html
    assert "&lt;img src=x&gt;" in html


def test_a_refused_picture_has_no_probabilities_until_asked_for(analysis):
    refused = changed(analysis, novelty=Novelty(9.0, 3.0))
    html = present.answer(refused, EN)
    assert "data-class" not in html
    assert "data-anyway" in html
    assert "Nearest kind: CT" in html
    assert "mm-certainty" not in html
    assert "mm-question" not in html
    assert "About this question" not in html
    assert not present.is_shown(refused, anyway=False)
    assert "data-class" in present.answer(refused, EN, anyway=True)
    assert present.is_shown(refused, anyway=True)


def test_a_task_without_classes_says_so(service, png):
    analysis = service.classify(Question(service.hold(png()), task="retinal-oct"))
    assert "no classifier for it is included" in present.answer(analysis, EN)
    assert not present.is_shown(analysis, anyway=True)


def with_card(analysis, **fields):
    return dataclasses.replace(analysis, card=dataclasses.replace(analysis.card, **fields))


def test_what_is_held_back_is_said_with_its_reason(analysis):
    wrong = with_card(analysis, metrics={"kidney-ct": {"ece": {"value": 0.301}}})
    html = present.answer(changed(wrong, band=Band("uncertain", (), "miscalibrated")), EN)
    assert "the probabilities of this question do not hold" in html
    assert f"off by 30.1{PERCENT} on average (its calibration error; the limit is 15.0{PERCENT})" in html
    html = present.answer(changed(with_card(analysis, metrics={}), band=Band("uncertain", (), "unmeasured")), EN)
    assert "nobody has checked these probabilities" in html
    html = present.answer(changed(analysis, band=Band("likely", ("Cyst",))), EN)
    assert "Likely: Cyst" in html
    assert f"begins at 80.0{PERCENT}" in html


def test_classes_that_are_mostly_missed_are_not_ruled_out(analysis):
    first, *others = sorted(analysis.answer.scores, key=lambda score: -score.probability)

    def measured(*shares):
        named = zip((first, *others), shares, strict=False)
        classes = {score.name: {"sensitivity": {"value": share}} for score, share in named}
        return with_card(analysis, metrics={"kidney-ct": {"classes": classes}})

    words = present.missed_words(measured(0.1, 0.499, 0.0), EN)
    assert f"recognised: {others[1].label} (0.0{PERCENT}), {others[0].label} (49.9{PERCENT}). A low" in words
    assert words in present.answer(measured(0.1, 0.499, 0.0), EN)
    assert others[0].label not in present.missed_words(measured(0.1, 0.5, 0.0), EN)
    for silent in (measured(0.1, 0.5, 0.5), measured(0.1), with_card(analysis, metrics={})):
        assert present.missed_words(silent, EN) == ""


def test_the_prediction_set_is_hidden_until_asked_for(analysis):
    assert 'data-part="set" role="status" hidden' in present.answer(analysis, EN)
    html = present.answer(analysis, EN, sets=True)
    assert 'data-part="set" role="status">' in html
    assert "Cyst, Normal, Tumor (3 of 3 classes)" in html
    assert "72.0 % had the truth in their set (95 % interval 68.0 % to 76.0 %)".replace(" %", PERCENT) in html
    assert "less than nine in ten" in html


def test_a_set_that_keeps_its_promise_or_was_not_measured(analysis):
    kept = changed(analysis, prediction_set=PredictionSet(("cyst",), {"value": 0.9, "low": 0.85, "high": 0.94}))
    assert "less than nine in ten" not in present.answer(kept, EN, sets=True)
    unknown = changed(analysis, prediction_set=PredictionSet(("cyst",), None))
    assert "Nobody has measured how often" in present.answer(unknown, EN, sets=True)
    assert "data-sets" not in present.answer(changed(analysis, prediction_set=None), EN, sets=True)


def test_warnings_of_the_reader_are_shown(analysis):
    image = analysis.image.replace(warnings=("The window was missing.",))
    assert "The window was missing." in present.answer(dataclasses.replace(analysis, image=image), EN)


@pytest.mark.parametrize(
    ("said", "modality", "is_contradicted"),
    [
        ("CT", "CT", False),
        ("MR", "CT", True),
        ("DX", "X-ray", False),
        ("DX", "CT", True),
        ("SM", "blood-cell microscopy", False),
        ("PT", "CT", True),
        ("OT", "CT", False),
        ("SC", "CT", False),
        (None, "CT", False),
    ],
)
def test_a_header_that_contradicts_the_question_is_told(analysis, said, modality, is_contradicted):
    image = analysis.image.replace(tags={} if said is None else {"Modality": said}, warnings=("Another.",))
    task = dataclasses.replace(analysis.task, modality=modality)
    layout = dataclasses.replace(analysis.card.layout, tasks=(task,), routed=())
    card = dataclasses.replace(analysis.card, layout=layout)
    warned = dataclasses.replace(analysis, image=image, card=card)
    assert [words.startswith("By its header") for words in warned.warnings] == [True] * is_contradicted + [False]
    assert (f"modality {said}, but" in present.answer(warned, EN)) == is_contradicted
    for chosen_by, is_held_back in (("router", is_contradicted), ("user", False)):
        sure = changed(warned, band=Band("likely", ("Cyst",)), chosen_by=chosen_by)
        assert ("Uncertain: by its header the file is" in present.answer(sure, EN)) == is_held_back
        assert ("Likely: Cyst" in present.answer(sure, EN)) != is_held_back


def make_map(values, method="grad-cam", stage=4):
    return EvidenceMap(np.array(values, np.float32), method, stage, "cyst", reference=1.0)


def test_a_map_tells_its_cell_size_and_that_it_is_no_outline(analysis):
    note = present.evidence(make_map([[0.5, 0], [0, 0]]), analysis, EN)["note"]
    assert "not an outline of a lesion" in note
    assert "2 × 2 cells, each 40 × 48 pixels" in note


def test_no_positive_evidence_is_an_answer(analysis):
    assert "No positive evidence for Cyst" in present.evidence(make_map([[-1, 0], [0, 0]]), analysis, EN)["note"]


def test_a_map_without_a_scale_says_so(analysis):
    note = present.evidence(make_map([[1, 0], [0, 0]], "integrated-gradients"), analysis, EN)["note"]
    assert "no absolute scale" in note


@pytest.mark.parametrize(
    ("method", "stage", "said"),
    [
        ("grad-cam", 4, set()),
        ("grad-cam", 3, {"often misses"}),
        ("integrated-gradients", 4, {"mean cell"}),
        ("integrated-gradients", 1, {"mean cell"}),
    ],
)
def test_what_a_method_can_and_cannot_show_is_said(analysis, method, stage, said):
    note = present.evidence(make_map([[1, 0], [0, 0]], method, stage), analysis, EN)["note"]
    assert {words for words in ("often misses", "mean cell") if words in note} == said


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (DeletionScore(0.31, 0.02, 0.95), "marks something"),
        (DeletionScore(0.01, 0.02, 0.4), "not be relied on"),
        (DeletionScore(-0.1, -0.2, 0.9), "not be relied on"),
    ],
)
def test_trust_in_one_line(score, verdict):
    assert verdict in present.trust(score, EN)
