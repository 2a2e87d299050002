"""The randomisation test of evidence maps: Grad-CAM passes, and a map that ignores the weights fails."""

import numpy as np
import pytest
import torch

from medmamba import checkpoints, sanity
from medmamba.saliency import EvidenceMap


@pytest.fixture(scope="module")
def checkpoint(generalist):
    return checkpoints.load(generalist)


@pytest.fixture
def asked(picture):
    return [("skin", np.stack([picture(64, 64, seed) for seed in range(6)])), ("chest", picture(64, 64, 9)[None])]


PARTS = ["head", "stage 4", "stage 3", "stage 2", "stage 1", "stem"]


def test_grad_cam_depends_on_the_weights(checkpoint, asked):
    before = {name: tensor.clone() for name, tensor in checkpoint.model.state_dict().items()}
    found = sanity.check(checkpoint, asked)
    assert [(step.mode, step.part) for step in found] == [(m, p) for m in ("cascade", "alone") for p in PARTS]
    assert all(-1 <= step.correlation <= 1 and -1 <= step.ssim <= 1 for step in found)
    assert sanity.passes(found)
    assert found == sanity.check(checkpoint, asked)
    assert all(torch.equal(before[name], tensor) for name, tensor in checkpoint.model.state_dict().items())


def test_a_map_of_the_pictures_edges_fails(checkpoint, asked):
    def edges(classifier, squares, task, classes):
        rows = [np.abs(np.diff(square.mean(-1), axis=0)) for square in squares]
        maps = [row[:60].reshape(4, 15, 4, 16).mean((1, 3)).astype(np.float32) for row in rows]
        return [EvidenceMap(values, "edges", 4, name, 1.0) for values, name in zip(maps, classes, strict=True)]

    found = sanity.check(checkpoint, asked, edges)
    assert not sanity.passes(found)
    assert [step.correlation for step in found] == pytest.approx([1] * 12)
    assert [step.ssim for step in found] == pytest.approx([1] * 12)


def test_flat_maps_are_left_out_and_counted(checkpoint, asked):
    """Of seven pictures, two that have no evidence anywhere."""

    def some_flat(classifier, squares, task, classes):
        ramp = np.arange(16, dtype=np.float32).reshape(4, 4)
        maps = [ramp * (number > 0) for number in range(len(squares))]
        return [EvidenceMap(values, "ramp", 4, name, 1.0) for values, name in zip(maps, classes, strict=True)]

    found = sanity.check(checkpoint, asked, some_flat)
    assert [step.flat for step in found] == [2] * 12
    assert [step.correlation for step in found] == pytest.approx([1] * 12)
    assert sanity.passes(found) is False


def test_nothing_is_said_of_maps_that_are_all_flat(checkpoint, asked):
    """As those of a network for small pictures are, whose last grid has one cell."""

    def flat(classifier, squares, task, classes):
        return [EvidenceMap(np.ones((1, 1), np.float32), "flat", 4, name, 1.0) for name in classes]

    found = sanity.check(checkpoint, asked, flat)
    assert {(step.correlation, step.ssim, step.flat) for step in found} == {(None, None, 7)}
    assert sanity.passes(found) is None


def test_each_step_randomises_its_part_and_in_a_cascade_those_before(checkpoint):
    trained = {name: part.state_dict() for name, part in sanity.parts_of(checkpoint.model).items()}
    steps = 0
    for part, mode, model in sanity._randomised(checkpoint.model, seed=0):
        changed = {
            name
            for name, own in sanity.parts_of(model).items()
            if any(not torch.equal(trained[name][key], tensor) for key, tensor in own.state_dict().items())
        }
        assert changed == (set(PARTS[: PARTS.index(part) + 1]) if mode == "cascade" else {part})
        steps += 1
    assert steps == 12


def test_the_class_mapped_is_the_one_that_the_trained_network_found(checkpoint, asked):
    met = []

    def note(classifier, squares, task, classes):
        met.append((task, tuple(classes)))
        return [EvidenceMap(np.eye(3, dtype=np.float32), "none", 4, name, 1.0) for name in classes]

    sanity.check(checkpoint, asked, note)
    assert len(met) == 2 * 13
    assert len(set(met)) == 2
