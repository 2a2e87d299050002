"""Which parameters each optimiser changes, and by how much."""

import copy

import pytest
import torch
from torch.nn import functional as F

from medmamba import optimisers
from medmamba.errors import RequestError
from medmamba.model import MedMamba

BLOCK = "stages.0.blocks.0."
DENSE = {"conv.1.weight", "conv.4.weight", "conv.7.weight", "ss2d.in_proj.weight", "ss2d.out_proj.weight"}

needs_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")


def with_gradients(model, seed=0):
    """The model, with a made-up gradient at every parameter."""
    random = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)
    return model


def test_weight_decay_is_for_matrices_and_kernels(tiny_config):
    model = MedMamba(tiny_config())
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = optimisers.decay_groups(dict(model.named_parameters()), 0.05)
    decayed, free = ([names[p] for p in group["params"]] for group in groups)
    assert sorted(decayed + free) == sorted(names.values())
    assert not any(name.endswith((".A_log", ".D", "bias")) or "norm" in name for name in decayed)
    of_block = {name.removeprefix(BLOCK) for name in decayed if name.startswith(BLOCK)}
    assert of_block == DENSE | {"ss2d.conv.weight", "ss2d.x_proj_weight", "ss2d.dt_proj_weight"}
    assert [group["weight_decay"] for group in groups] == [0.05, 0.0]


@needs_muon
def test_muon_steps_every_direction_of_a_matrix_alike_and_leaves_the_rest_to_adamw(tiny_config):
    model = with_gradients(MedMamba(tiny_config()))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimisers.optimiser("muon", model, learning_rate=1e-3, weight_decay=0.0).step()
    steps = {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}
    assert all(step.abs().max() > 0 for step in steps.values())
    of_muon = [name for name in steps if name.removeprefix(BLOCK) in DENSE]
    assert len(of_muon) == len(DENSE)
    for name in of_muon:  # singular values as flat as five steps of Newton and Schulz make them
        matrix = steps[name].flatten(1)
        singular = torch.linalg.svdvals(matrix) / (1e-3 * 0.2 * max(matrix.shape) ** 0.5)
        assert 0.5 < singular.min() < singular.max() < 1.5, name
    for name in ("classifier.weight", "patch_embedding.proj.weight", BLOCK + "ss2d.A_log", BLOCK + "ss2d.D"):
        assert torch.allclose(steps[name].abs(), torch.tensor(1e-3), rtol=1e-3), name  # Adam's first step


@needs_muon
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_changes_kernels_in_place_however_they_lie_in_memory(tiny_config, layout):
    model = with_gradients(MedMamba(tiny_config()))
    kernel = dict(model.named_parameters())[BLOCK + "conv.1.weight"]
    kernel.data = kernel.data.contiguous(memory_format=layout)
    before, gradient = kernel.detach().clone(), kernel.grad.clone()
    optimisers.optimiser("muon", model, 1e-3, 0.0).step()
    steps = before - kernel.detach()
    left, _, right = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    straight = (left @ right).flatten()
    assert F.cosine_similarity(steps.flatten(), straight, dim=0) > 0.9
    assert kernel.is_contiguous(memory_format=layout)


@needs_muon
def test_muon_goes_on_from_its_state(tiny_config):
    models = [MedMamba(tiny_config()) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    first, second = (optimisers.optimiser("muon", model, 1e-3, 0.05) for model in models)
    with_gradients(models[0])
    first.step()
    models[1].load_state_dict(models[0].state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for model, optimiser in zip(models, (first, second), strict=True):
        optimiser.zero_grad()
        assert all(parameter.grad is None for parameter in model.parameters())
        for group in optimiser.param_groups:
            group["lr"] = 3e-4
        with_gradients(model, seed=1)
        optimiser.step()
    for mine, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(mine, other)


def test_what_there_is_not(tiny_config, monkeypatch):
    model = MedMamba(tiny_config())
    with pytest.raises(RequestError, match="no optimiser 'sgd'; there are: adamw"):
        optimisers.optimiser("sgd", model, 0.1, 0.0)
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(RequestError, match=r"needs torch 2\.9"):
        optimisers.optimiser("muon", model, 0.1, 0.0)
