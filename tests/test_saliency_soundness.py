"""Evidence maps on grids of both signs: what is offered is sound with the shipped weights, what is withdrawn is not.

Steady: a picture of which every value is changed by at most one grey level has nearly the same map.
Supporting: where a map is high, putting the picture's mean cell in place lowers the logit of the class.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
import pytorch_grad_cam
import skimage
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from medmamba import images
from medmamba.classifier import Answer, Classifier
from medmamba.saliency import METHODS, evidence_map

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
PICTURES = (TEST_FILES / "CT_small.dcm", TEST_FILES / "MR_small.dcm", Path(skimage.__file__).parent / "data/retina.jpg")
STAGES = (1, 2, 3, 4)
ALIKE, MOVED = 0.9, 0.4  # measured on 21 pictures: 0.972 and 0.18 at worst for Grad-CAM, 0.991 and 0.13 for the other
SUPPORT = {1: 0.3, 2: 0.4, 3: 0.8, 4: 0.999}  # measured on 21 pictures, mean: 0.63, 0.65, 0.96, 1
REGIONS = 5  # a side: the cells of the shipped network's last stage


@dataclass(frozen=True)
class Case:
    """A picture with its answer, and the answer to the picture changed by up to one grey level."""

    answer: Answer
    changed: Answer
    output: int


@pytest.fixture(scope="module")
def shipped():
    return Classifier.load("generalist", device="cpu")


@pytest.fixture(scope="module")
def cases(shipped):
    random, layout = np.random.default_rng(0), shipped.card.layout
    found = []
    for path in PICTURES:
        answer = shipped.answer(images.read(path).display())
        task = next(name for name, _ in answer.routes if layout.task(name).classes)
        answer = shipped.reanswer(answer, task)
        changed = answer.seen + random.integers(-1, 2, answer.seen.shape)
        output = layout.outputs(task).start + [score.name for score in answer.scores].index(answer.top.name)
        found.append(Case(answer, shipped.answer(changed.clip(0, 255).astype(np.uint8), task), output))
    return found


@pytest.mark.parametrize(("method", "stage"), list(product(METHODS, STAGES)))
def test_one_grey_level_hardly_moves_a_map(shipped, cases, method, stage):
    for case in cases:
        name = case.answer.top.name
        before, after = (evidence_map(shipped, a, name, method, stage).values for a in (case.answer, case.changed))
        assert correlation(before, after) > ALIKE
        assert np.linalg.norm(after - before) < MOVED * np.linalg.norm(before)


@pytest.mark.parametrize(("name", "pole"), [("GradCAMPlusPlus", -2), ("XGradCAM", 0)])
def test_maps_that_divide_by_a_sum_of_activations_turn_over_where_it_passes_a_number(name, pole):
    """Of one channel, and a logit of its first cell alone: the map is the grid or its negative, times any size."""
    gradient = np.zeros((1, 1, 2, 2), np.float32)
    gradient[..., 0, 0] = 1
    grid = np.array([[[[2, -1], [-1, 0]]]], np.float32)
    cam = getattr(pytorch_grad_cam, name)(torch.nn.Linear(1, 1), target_layers=[])
    below, above = (
        cam.get_cam_image(None, None, None, grid + (pole + step) / grid.size, gradient, False)[0]
        for step in (-0.01, 0.01)
    )
    assert correlation(below, above) < -0.99
    assert min(np.abs(below).max(), np.abs(above).max()) > 50


@pytest.mark.parametrize("stage", STAGES)
def test_what_integrated_gradients_mark_supports_the_class(shipped, cases, stage):
    falls = [falls_of(shipped, case, stage) for case in cases]
    support = {
        method: np.mean(
            [
                correlation(
                    regions(evidence_map(shipped, case.answer, case.answer.top.name, method, stage).values), fall
                )
                for case, fall in zip(cases, falls, strict=True)
            ]
        )
        for method in METHODS
    }
    assert support["integrated-gradients"] > SUPPORT[stage]
    if stage == 4:
        assert support["grad-cam"] > SUPPORT[stage]
    else:  # as the page says under such a map
        assert support["grad-cam"] < support["integrated-gradients"]


@pytest.mark.parametrize("name", ["GradCAMPlusPlus", "XGradCAM", "LayerCAM", "EigenCAM", "EigenCAM with a sign"])
def test_what_withdrawn_maps_mark_does_not_support_the_class(shipped, cases, name):
    support = [
        correlation(regions(withdrawn(name, shipped, case.answer, 3, case.output)), falls_of(shipped, case, 3))
        for case in cases
    ]
    assert np.mean(support) < SUPPORT[3]


def test_a_sign_by_agreement_flips_where_there_is_hardly_any():
    """Of the two channels one varies more, and the logit depends on the other one: Eigen-CAM shows the first."""
    more, less = np.array([[3, -3], [3, -3]]), np.array([[1, 1], [-1, -1]])
    grid = np.stack([more, less], -1).astype(np.float32)
    maps = [with_sign(eigen_cam(grid), grid @ np.array([weight, 1], np.float32)) for weight in (0.01, -0.01)]
    np.testing.assert_allclose(maps[0], more, atol=1e-5)
    np.testing.assert_allclose(maps[1], -more, atol=1e-5)


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_hires_cam_sums_to_nothing_in_the_cells_that_are_merged(shipped, cases, stage):
    """The merging's layer norm does not change with the size of its input, so the gradient along it is zero."""
    for case in cases:
        values = withdrawn("HiResCAM", shipped, case.answer, stage, case.output)
        side = len(values) // 2
        assert np.abs(values.reshape(side, 2, side, 2).sum((1, 3))).max() < 0.01 * np.abs(values).max()


@pytest.mark.parametrize("method", [*METHODS, "GradCAMPlusPlus", "LayerCAM", "ScoreCAM"])
def test_the_sign_that_a_channel_happens_to_have_does_not_matter(generalist, picture, method):
    """Grid and head with channels turned over are the same network."""
    plain, turned = (Classifier.load(generalist, device="cpu") for _ in range(2))
    answer = plain.answer(picture(), task="skin")
    signs = torch.ones(answer.grids[-1].shape[-1])
    signs[::2] = -1
    turned.model.classifier.weight.data *= signs
    other = replace(answer, grids=(*answer.grids[:-1], answer.grids[-1] * signs))
    if method in METHODS:
        maps = [evidence_map(c, a, "melanoma", method).values for c, a in ((plain, answer), (turned, other))]
    else:
        maps = [withdrawn(method, c, a, 4, 1, logits=plain) for c, a in ((plain, answer), (turned, other))]
    assert np.allclose(*maps, atol=1e-5) == (method in METHODS)


def withdrawn(name, classifier, answer, stage, output, logits=None):
    """A map (h, w) by the grad-cam package's definition. logits: whom Score-CAM asks, if not the classifier."""
    grid = answer.grids[stage - 1].clone()[None]
    with torch.enable_grad():
        entry = grid.clone().requires_grad_()
        logit = classifier.model.head(classifier.model.continue_from(entry, stage))[0, output]
        gradient = torch.autograd.grad(logit, entry)[0]
    if name.startswith("EigenCAM"):
        values = eigen_cam(grid[0].numpy())
        return with_sign(values, (grid * gradient.mean((1, 2)))[0].sum(-1).numpy()) if "sign" in name else values
    cam = getattr(pytorch_grad_cam, name)((logits or classifier).model, target_layers=[])
    pictures = classifier.card.transform.to_tensor(answer.seen[None])
    grids = (tensor.permute(0, 3, 1, 2).numpy() for tensor in (grid, gradient))
    return cam.get_cam_image(pictures, None, [ClassifierOutputTarget(output)], *grids, False)[0]


def eigen_cam(grid):
    """As the grad-cam package's, which decomposes into all the left vectors as well: (h, w, channels) -> (h, w)."""
    cells = grid.reshape(-1, grid.shape[-1])
    left, sizes, _ = np.linalg.svd(cells - cells.mean(0), full_matrices=False)
    return (left[:, 0] * sizes[0]).reshape(grid.shape[:2])


def with_sign(values, evidence):
    return values if correlation(values, evidence) > 0 else -values


def falls_of(classifier, case, stage):
    """(REGIONS, REGIONS): by how much the logit falls with the mean cell in place of a region's."""
    grid = case.answer.grids[stage - 1].clone()
    side = len(grid) // REGIONS
    grids = grid.repeat(REGIONS**2, 1, 1, 1)
    for i, (row, column) in enumerate(np.ndindex(REGIONS, REGIONS)):
        grids[i, row * side : (row + 1) * side, column * side : (column + 1) * side] = grid.mean((0, 1))
    with torch.inference_mode():
        logits = classifier.model.head(classifier.model.continue_from(grids, stage))[:, case.output]
    return (case.answer.logits[case.output] - logits).reshape(REGIONS, REGIONS).numpy()


def regions(values):
    side = len(values) // REGIONS
    return values.reshape(REGIONS, side, REGIONS, side).sum((1, 3))


def correlation(a, b):
    return float(np.corrcoef(a.reshape(-1), b.reshape(-1))[0, 1])
