"""Answers: probabilities, routes, words, and the ways in which a question may not fit."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from medmamba import checkpoints, onednn, registry, scan
from medmamba.classifier import Band, Classifier, ClassScore, Novelty, PredictionSet, band_of, is_reliable, words_for
from medmamba.errors import BackendUnavailable, CheckpointError, RequestError
from medmamba.inference import InferenceForm
from medmamba.tasks import OutputLayout


@pytest.fixture(scope="module")
def classifier(generalist):
    return Classifier.load(generalist, device="cpu")


@pytest.fixture(scope="module")
def single(specialist):
    return Classifier.load(specialist, device="cpu")


def probabilities(answer):
    return {score.name: score.probability for score in answer.scores}


def assert_same(one, other):
    assert (one.task, one.chosen_by, one.band) == (other.task, other.chosen_by, other.band)
    assert probabilities(one) == pytest.approx(probabilities(other), abs=1e-5)
    assert dict(one.routes) == pytest.approx(dict(other.routes), abs=1e-5)
    assert dict(one.modalities) == pytest.approx(dict(other.modalities), abs=1e-5)
    assert (one.novelty is None) == (other.novelty is None)
    if one.novelty:
        assert one.novelty.score == pytest.approx(other.novelty.score, rel=1e-3)
    assert np.array_equal(one.seen, other.seen)
    torch.testing.assert_close(one.logits, other.logits, atol=1e-4, rtol=1e-4)


def test_probabilities_are_the_calibrated_softmax(classifier, picture):
    answer = classifier.answer(picture(90, 120), task="skin")
    want = (answer.logits[:3] / 2.0).softmax(0)  # the card's temperature for skin
    assert list(probabilities(answer)) == ["naevus", "melanoma", "keratosis"]
    assert [s.probability for s in answer.scores] == pytest.approx(want.tolist())
    assert sum(probabilities(answer).values()) == pytest.approx(1)
    assert answer.top.name == max(probabilities(answer), key=probabilities(answer).get)


def test_logits_are_the_networks(classifier, picture):
    answer = classifier.answer(picture())
    inputs = classifier.card.transform.to_tensor(picture()[None])
    torch.testing.assert_close(answer.logits, classifier.model(inputs)[0], atol=1e-4, rtol=1e-4)
    assert np.array_equal(answer.seen, picture())
    assert [g.shape[-1] for g in answer.grids] == [16, 32, 64, 128]


def test_routes_and_modalities_add_up(classifier, picture):
    answer = classifier.answer(picture(seed=3))
    want = (answer.logits[7:] / 0.5).softmax(0).tolist()  # the card's temperature for the router
    assert dict(answer.routes) == pytest.approx(dict(zip(["skin", "chest", "retina"], want, strict=True)))
    assert dict(answer.modalities) == pytest.approx(dict(zip(["dermatoscopy", "X-ray", "OCT"], want, strict=True)))
    for ranked in (answer.routes, answer.modalities):
        shares = [share for _, share in ranked]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("surest", [25.0, 400.0])  # single precision rounds the softmax of the first to 1, double not
def test_no_probability_is_rounded_to_certain(generalist, picture, monkeypatch, surest):
    classifier = Classifier.load(generalist, device="cpu")
    logits = torch.tensor([[surest, 0, 0, 0, 0, 0, 0, surest, 0, 0]])
    monkeypatch.setattr(classifier.model, "head", lambda grid: logits)
    answer = classifier.answer(picture(), task="skin")
    assert torch.equal(answer.logits, logits[0])
    for share in (answer.top.probability, answer.routes[0][1], answer.modalities[0][1]):
        assert 0.999 < share < 1


def test_tasks_of_one_modality_share_it(generalist, picture, tasks):
    loaded = checkpoints.load(generalist)
    renamed = tuple(replace(t, modality="X-ray") if t.name == "retina" else t for t in tasks)
    card = replace(loaded.card, layout=OutputLayout.generalist(renamed))
    answer = Classifier(replace(loaded, card=card), "cpu").answer(picture())
    routes = dict(answer.routes)
    assert dict(answer.modalities)["X-ray"] == pytest.approx(routes["chest"] + routes["retina"])


def test_the_router_chooses_unless_the_user_does(classifier, picture):
    answers = [classifier.answer(picture(seed=seed)) for seed in range(4)]
    assert all((a.task, a.chosen_by) == (a.routes[0][0], "router") for a in answers)
    for task in ("skin", "chest", "retina", "moles"):
        asked = classifier.answer(picture(), task=task)
        assert (asked.task, asked.chosen_by) == (task, "user")


@pytest.mark.parametrize("task", ["skin", "chest", "retina", "moles"])
def test_asking_again_equals_asking(classifier, picture, task):
    again = classifier.reanswer(classifier.answer(picture()), task)
    assert_same(again, classifier.answer(picture(), task))


def test_a_batch_equals_one_by_one(classifier, picture):
    pictures = [picture(50 + 10 * seed, 80, seed) for seed in range(4)]
    for together, alone in zip(classifier.answer_batch(pictures), map(classifier.answer, pictures), strict=True):
        assert_same(together, alone)
    for together, alone in zip(
        classifier.answer_batch(pictures, "chest"), [classifier.answer(p, "chest") for p in pictures], strict=True
    ):
        assert_same(together, alone)


def test_an_answer_keeps_its_own_grids_and_square_only(classifier, picture):
    answer = classifier.answer_batch([picture(seed=seed) for seed in range(4)])[0]
    assert [grid.untyped_storage().nbytes() for grid in answer.grids] == [grid.nbytes for grid in answer.grids]
    assert answer.seen.base is None
    assert answer.nbytes == answer.seen.nbytes + sum(grid.nbytes for grid in answer.grids)


def test_threads_share_a_classifier(classifier, picture):
    pictures = [picture(seed=seed) for seed in range(4)]
    want = [classifier.answer(p) for p in pictures]
    with ThreadPoolExecutor(4) as threads:
        for got, alone in zip(threads.map(classifier.answer, pictures * 3), want * 3, strict=True):
            assert_same(got, alone)


def test_a_task_without_classes_has_no_scores(classifier, picture):
    answer = classifier.answer(picture(), task="retina")
    assert answer.scores == ()
    assert answer.band is None
    assert answer.top is None
    assert answer.novelty is not None


def test_novelty_is_told_for_tasks_with_a_threshold(classifier, picture):
    answer = classifier.answer(picture(), task="chest")
    assert answer.novelty.threshold == 50.0
    assert answer.novelty.score == pytest.approx(answer.distances[1].item())
    assert classifier.answer(picture(), task="moles").novelty is None
    assert not Novelty(1.0, 2.0).refused
    assert Novelty(2.1, 2.0).refused


def test_a_single_task_needs_no_router(single, picture):
    answer = single.answer(picture())
    assert (answer.task, answer.chosen_by) == ("skin", "only")
    assert answer.modalities == answer.routes == ()
    assert answer.novelty is None
    assert sum(probabilities(answer).values()) == pytest.approx(1)
    assert single.answer(picture(), task="skin").chosen_by == "user"


@pytest.mark.parametrize("task", ["brain", "", "Skin"])
def test_unknown_tasks_are_refused_with_the_known_ones(classifier, picture, task):
    answer = classifier.answer(picture())
    for ask in (lambda: classifier.answer(picture(), task), lambda: classifier.reanswer(answer, task)):
        with pytest.raises(RequestError, match=f"has no task '{task}'; it has: skin, chest, retina, moles"):
            ask()


def test_several_tasks_without_router_need_one_named(specialist, tmp_path, tiny_model, tasks, picture):
    layout = OutputLayout(tasks[:2])
    card = replace(checkpoints.read_card(specialist), layout=layout, config=tiny_model(5).config)
    checkpoints.save(tmp_path / "both", card, tiny_model(5), {}, torch.rand(1, 3, 64, 64))
    classifier = Classifier.load(tmp_path / "both", device="cpu")
    with pytest.raises(RequestError, match="choose a task: skin, chest"):
        classifier.answer(picture())
    assert classifier.answer(picture(), "chest").chosen_by == "user"


@pytest.mark.parametrize(("backend", "rearranged"), [("auto", True), ("cpu", True), ("reference", False)])
def test_a_named_scan_is_the_one_that_runs(generalist, classifier, picture, backend, rearranged):
    named = Classifier.load(generalist, device="cpu", backend=backend)
    assert isinstance(named.network, InferenceForm) == rearranged
    assert_same(named.answer(picture()), classifier.answer(picture()))


@pytest.mark.parametrize("has", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_bfloat16_if_it_is_wanted_and_the_processor_has_it(generalist, monkeypatch, wanted, has):
    monkeypatch.setattr(onednn, "MULTIPLIES_BFLOAT16", has)
    form = Classifier.load(generalist, device="cpu", bfloat16=wanted).network
    assert isinstance(form, InferenceForm)
    expected = torch.bfloat16 if wanted and has else torch.float32
    assert form.blocks[1][0].convolutions[0].weight.dtype == expected


def test_a_named_scan_that_cannot_run_is_refused(generalist, monkeypatch):
    monkeypatch.setattr(scan.mamba_ssm, "why_unavailable", lambda: "the kernel is not there")
    with pytest.raises(BackendUnavailable, match="the kernel is not there"):
        Classifier.load(generalist, device="cpu", backend="mamba_ssm")


@pytest.mark.parametrize("width", [8, 10])
def test_widths_of_other_peoples_networks(specialist, tmp_path, tiny_model, picture, width):
    model = tiny_model(3, width=width)
    card = replace(checkpoints.read_card(specialist), config=model.config)
    checkpoints.save(tmp_path / "other", card, model, {}, torch.rand(1, 3, 64, 64))
    classifier = Classifier.load(tmp_path / "other", device="cpu")
    want = classifier.model(card.transform.to_tensor(picture()[None]))[0]
    torch.testing.assert_close(classifier.answer(picture()).logits, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "value"), [("classifier.weight", 3e38), ("patch_embedding.norm.weight", 1e38)])
def test_finite_weights_that_overflow_do_not_answer(generalist, picture, name, value):
    loaded = registry.load(generalist)
    loaded.model.get_parameter(name).fill_(value)
    with pytest.raises(CheckpointError, match="lead to numbers that are not finite"):
        Classifier(loaded, "cpu").answer(picture())


def test_an_unknown_checkpoint_is_refused():
    with pytest.raises(CheckpointError, match="no checkpoint 'nonsense'"):
        Classifier.load("nonsense")


@pytest.mark.parametrize(
    ("shares", "kind", "labels", "words"),
    [
        ((0.1, 0.8, 0.1), "likely", ("B",), "likely B"),
        ((0.79, 0.01, 0.2), "undecided", ("A", "C"), "not sure between A and C"),
        ((0.3, 0.2, 0.5), "undecided", ("C", "A"), "not sure between C and A"),
        ((0.4, 0.35, 0.25), "uncertain", (), "uncertain"),
        ((0.55, 0.45), "undecided", ("A", "B"), "not sure between A and B"),
    ],
)
def test_probabilities_in_words(shares, kind, labels, words):
    scores = [ClassScore(letter.lower(), letter, p) for letter, p in zip("ABC", shares, strict=False)]
    band = band_of(scores, {"likely": 0.8})
    assert band == Band(kind, labels)
    assert band.words == words


CERTAIN = (ClassScore("a", "A", 0.95), ClassScore("b", "B", 0.05))


def off(said, right, surest=None):
    """Metrics of a task whose answers are right more or less often than they say, and an empty bin.

    surest: how many of some further answers are right that say 0.9.
    """
    bins = {"pictures": [0, 50], "confidence": [None, said], "accuracy": [None, right]}
    if surest is not None:
        bins = {name: [*column, more] for (name, column), more in zip(bins.items(), (20, 0.9, surest), strict=True)}
    return {"skin": {"ece": {"value": 0.2}, "reliability": bins}}


@pytest.mark.parametrize(
    ("metrics", "kind", "held_back", "words"),
    [
        ({"skin": {"ece": {"value": 0.15}}}, "likely", None, "likely A"),
        ({"skin": {"ece": {"value": 0.1501}}}, "uncertain", "miscalibrated", "far off on test pictures"),
        (off(said=0.9, right=0.7), "uncertain", "miscalibrated", "far off on test pictures"),
        (off(said=0.7, right=0.9), "likely", None, "likely"),
        (off(said=0.5, right=0.9, surest=0.25), "uncertain", "miscalibrated", "far off on test pictures"),
        (off(said=0.5, right=0.9, surest=0.9), "likely", None, "likely"),
        (off(said=0.7, right=0.4, surest=0.95), "uncertain", "miscalibrated", "far off on test pictures"),
        ({"skin": {"ece": {"value": None}}}, "uncertain", "unmeasured", "nobody has measured"),
        ({"chest": {"ece": {"value": 0.01}}}, "uncertain", "unmeasured", "nobody has measured"),
    ],
)
def test_nothing_is_called_likely_where_the_probabilities_do_not_hold(classifier, metrics, kind, held_back, words):
    band = words_for(replace(classifier.card, metrics=metrics), "skin", CERTAIN)
    assert (band.kind, band.held_back) == (kind, held_back)
    assert words in band.words


@pytest.mark.parametrize("name", sorted(checkpoints.list_checkpoints()))
def test_of_shipped_weights_no_task_is_trusted_whose_likely_answers_were_mostly_wrong(name):
    card = checkpoints.read_card(checkpoints.default_root() / name)
    for task, metrics in card.metrics.items():
        likely = metrics.get("bands", {}).get("likely", {}) if isinstance(metrics, dict) else {}
        if likely.get("pictures"):
            assert not is_reliable(metrics, card.bands["likely"]) or likely["right"] > 0.7, task


def with_card(classifier, **changes):
    """The same network under a changed card."""
    card = replace(classifier.card, **changes)
    return Classifier(checkpoints.Checkpoint(card, classifier.model, classifier.novelty), "cpu")


def test_answers_follow_the_cards_calibration_error(classifier, picture):
    sure = {"temperatures": {"skin": 0.01}}  # makes one class certain
    held = with_card(classifier, metrics={"skin": {"ece": {"value": 0.3}}}, **sure).answer(picture(), "skin")
    free = with_card(classifier, metrics={"skin": {"ece": {"value": 0.1}}}, **sure).answer(picture(), "skin")
    assert (held.band.kind, free.band.kind) == ("uncertain", "likely")
    assert probabilities(held) == probabilities(free)


@pytest.mark.parametrize(("threshold", "size"), [(0.0, 3), (1.1, 1)])
def test_a_prediction_set_has_the_classes_from_the_threshold_on(classifier, picture, threshold, size):
    answer = with_card(classifier, prediction_sets={"skin": threshold}).answer(picture(), "skin")
    assert len(answer.prediction_set.names) == size
    assert answer.top.name in answer.prediction_set.names
    assert answer.prediction_set.coverage is None
    assert not answer.prediction_set.falls_short


def test_there_is_no_prediction_set_without_a_threshold_or_classes(classifier, picture):
    card = {"prediction_sets": {"skin": 0.1, "retina": 0.1}}
    for task in ("chest", "retina"):
        assert with_card(classifier, **card).answer(picture(), task).prediction_set is None


def test_a_set_falls_short_when_its_interval_lies_below_the_promise(classifier, picture):
    for high, short in ((0.89, True), (0.91, False)):
        coverage = {"value": 0.85, "low": 0.8, "high": high}
        metrics = {"skin": {"prediction_sets": {"coverage": coverage, "mean_size": 2.0}}}
        answer = with_card(classifier, prediction_sets={"skin": 0.1}, metrics=metrics).answer(picture(), "skin")
        assert answer.prediction_set == PredictionSet(answer.prediction_set.names, coverage)
        assert answer.prediction_set.falls_short == short
