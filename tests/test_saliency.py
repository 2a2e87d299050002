"""Evidence maps: each is its definition, Grad-CAM of the last stage is CAM, and no map is stretched."""

from itertools import product

import numpy as np
import pytest
import torch

from medmamba.classifier import Classifier
from medmamba.errors import RequestError
from medmamba.saliency import METHODS, WITHDRAWN, EvidenceMap, deletion_score, evidence_map, modality_map


@pytest.fixture(scope="module")
def classifier(generalist):
    return Classifier.load(generalist, device="cpu")


@pytest.fixture
def answer(classifier, picture):
    return classifier.answer(picture(90, 120), task="skin")


@pytest.mark.parametrize("class_name", ["naevus", "melanoma", "keratosis"])
def test_grad_cam_of_the_last_stage_is_cam(classifier, answer, class_name):
    values = evidence_map(classifier, answer, class_name).values
    output = ["naevus", "melanoma", "keratosis"].index(class_name)
    weights, bias = classifier.model.classifier.weight[output], classifier.model.classifier.bias[output]
    cam = answer.grids[-1] @ weights / answer.grids[-1][..., 0].numel()
    assert np.abs(values - cam.numpy()).max() < 1e-5
    assert values.sum() == pytest.approx((answer.logits[output] - bias).item(), abs=1e-4)
    assert values.dtype == np.float32


def test_classes_of_the_second_task_have_their_own_outputs(classifier, picture):
    answer = classifier.answer(picture(), task="chest")
    for i, name in enumerate(("clear", "opaque")):
        bias = classifier.model.classifier.bias[3 + i]
        values = evidence_map(classifier, answer, name).values
        assert values.sum() == pytest.approx((answer.logits[3 + i] - bias).item(), abs=1e-4)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_grad_cam_of_an_earlier_stage_is_its_definition(classifier, answer, stage):
    """Channel weights are the mean gradient of the logit, by autograd through the whole network."""
    model, inputs = classifier.model, classifier.card.transform.to_tensor(answer.seen[None])
    grids = model.pyramid(inputs.requires_grad_())
    gradient = torch.autograd.grad(model.head(grids[-1])[0, 1], grids[stage - 1])[0]
    want = (gradient.mean((1, 2)) * grids[stage - 1]).sum(-1)[0].detach().numpy()
    got = evidence_map(classifier, answer, "melanoma", stage=stage).values
    np.testing.assert_allclose(got, want, atol=1e-5 + 1e-4 * np.abs(want).max())


@pytest.mark.parametrize(("method", "stage"), list(product(METHODS, (1, 2, 3, 4))))
def test_every_method_maps_every_stage(classifier, answer, method, stage):
    evidence = evidence_map(classifier, answer, "melanoma", method, stage)
    side = {1: 16, 2: 8, 3: 4, 4: 2}[stage]
    assert evidence.values.shape == (side, side)
    assert np.isfinite(evidence.values).all()
    assert (evidence.method, evidence.stage, evidence.class_name) == (method, stage, "melanoma")
    assert evidence.reference > 0


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_integrated_gradients_sum_to_what_the_picture_adds_to_its_mean_cell(classifier, answer, stage):
    grid, model = answer.grids[stage - 1][None], classifier.model
    mean = grid.mean((1, 2), keepdim=True).expand_as(grid)
    with torch.inference_mode():
        want = model.head(model.continue_from(grid, stage)) - model.head(model.continue_from(mean, stage))
    for output, class_name in enumerate(("naevus", "melanoma", "keratosis")):
        values = evidence_map(classifier, answer, class_name, "integrated-gradients", stage).values
        assert values.dtype == np.float32
        assert values.sum() == pytest.approx(want[0, output].item(), abs=0.05)


def test_integrated_gradients_of_the_last_stage_are_grad_cam_less_its_mean(classifier, answer):
    cam, compared = (evidence_map(classifier, answer, "melanoma", method).values for method in METHODS)
    np.testing.assert_allclose(compared, cam - cam.mean(), atol=1e-5)


def test_the_network_is_left_as_it_was(classifier, answer, picture):
    hooks = [len(m._forward_hooks) for m in classifier.model.modules()]
    for method in METHODS:
        evidence_map(classifier, answer, "melanoma", method)
    assert [len(m._forward_hooks) for m in classifier.model.modules()] == hooks
    assert not any(p.requires_grad or p.grad is not None for p in classifier.model.parameters())
    assert not classifier.model.training
    assert torch.equal(classifier.answer(picture(90, 120), task="skin").logits, answer.logits)


def test_the_scale_is_the_cards_for_the_default_map_and_the_maps_own_otherwise(classifier, answer, picture):
    assert evidence_map(classifier, answer, "melanoma").reference == 0.25
    for method, stage in (("integrated-gradients", 4), ("grad-cam", 2)):
        evidence = evidence_map(classifier, answer, "melanoma", method, stage)
        assert evidence.reference == pytest.approx(max(evidence.values.max(), 1e-6))
    chest = evidence_map(classifier, classifier.answer(picture(), "chest"), "clear")  # the card has no scale for it
    assert chest.reference == pytest.approx(max(chest.values.max(), 1e-6))


def test_no_positive_evidence_is_an_answer():
    against = EvidenceMap(np.full((2, 2), -1, np.float32), "grad-cam", 4, "melanoma", 1.0)
    assert not against.is_positive_anywhere
    assert EvidenceMap(np.array([[0, 0.1]], np.float32), "grad-cam", 4, "melanoma", 1.0).is_positive_anywhere


def test_smooth_maps_keep_values_at_the_centres_of_cells():
    cells = np.array([[0, 3], [1, -2]], np.float32)
    smooth = EvidenceMap(cells, "grad-cam", 4, "melanoma", 1.0).smooth(20, 60)
    assert smooth.shape == (20, 60)
    assert (smooth[0, 0], smooth[0, -1], smooth[-1, 0], smooth[-1, -1]) == (0, 3, 1, -2)
    assert smooth.max() == 3
    assert smooth.min() == -2
    assert smooth[9:11, 29:31].mean() == pytest.approx(cells.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"class_name": "opaque"}, "no class 'opaque'; it has: naevus, melanoma, keratosis"),
        ({"class_name": "melanoma", "method": "guess"}, "no evidence map 'guess'; there are: grad-cam, integrated"),
        ({"class_name": "melanoma", "stage": 0}, "no stage 0"),
        ({"class_name": "melanoma", "stage": 5}, "no stage 5"),
    ],
)
def test_what_cannot_be_mapped_is_refused(classifier, answer, request_, message):
    with pytest.raises(RequestError, match=message):
        evidence_map(classifier, answer, **request_)


@pytest.mark.parametrize("method", WITHDRAWN)
def test_a_withdrawn_method_says_so_and_what_there_is(classifier, answer, method):
    with pytest.raises(RequestError, match=r"no longer offered.* there are: grad-cam, integrated-gradients\.") as said:
        evidence_map(classifier, answer, "melanoma", method)
    assert repr(method) in str(said.value)


def test_a_task_without_classes_has_no_maps(classifier, picture):
    with pytest.raises(RequestError, match="it has: none"):
        evidence_map(classifier, classifier.answer(picture(), task="retina"), "melanoma")


def test_the_deletion_score_is_the_same_every_time(classifier, answer):
    evidence = evidence_map(classifier, answer, "melanoma")
    score = deletion_score(classifier, answer, evidence)
    assert score == deletion_score(classifier, answer, evidence)
    assert score != deletion_score(classifier, answer, evidence, seed=1)
    assert 0 <= score.beaten <= 1


def test_the_deletion_score_finds_the_evidence(classifier, answer, monkeypatch):
    """A stand-in network that only looks at the marked corner loses its certainty there and nowhere else."""
    cells = np.zeros((8, 8), np.float32)
    cells[:2, :3] = 1
    evidence = EvidenceMap(cells, "grad-cam", 4, "melanoma", 1.0)
    before = next(s.probability for s in answer.scores if s.name == "melanoma")

    def answer_batch(pictures, task):
        assert task == "skin"
        changed = [(p[:10, :16] != answer.seen[:10, :16]).any(-1).mean() for p in pictures]
        return [_Answer(before * (1 - share)) for share in changed]

    class _Answer:
        def __init__(self, probability):
            self.scores = [type("Score", (), {"name": "melanoma", "probability": probability})]

    monkeypatch.setattr(classifier, "answer_batch", answer_batch)
    score = deletion_score(classifier, answer, evidence)
    assert score.fall > 0.8 * before
    assert score.random_fall < 0.5 * before
    assert score.beaten >= 0.9


def test_a_modalitys_map_sums_to_its_router_logit(classifier, picture):
    answer = classifier.answer(picture())
    task, layout = answer.routes[0][0], classifier.card.layout
    map_ = modality_map(classifier, answer, layout.task(task).modality)
    output = layout.router.start + layout.route(task)
    bias = float(classifier.model.classifier.bias[output])
    assert float(map_.values.sum()) == pytest.approx(float(answer.logits[output]) - bias, abs=1e-3)
    with pytest.raises(RequestError, match="does not recognise"):
        modality_map(classifier, answer, "astrology")
