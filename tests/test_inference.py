"""The inference form computes what the trained network computes."""

import pytest
import torch
from torch import nn

from medmamba.errors import RequestError
from medmamba.inference import InferenceForm
from medmamba.model import VARIANTS, MedMamba, MedMambaConfig
from medmamba.scan.steps import LADDER
from medmamba.ss2d import SS2D


def trained_like(config: MedMambaConfig) -> MedMamba:
    """A network whose norms and decays are as far from the start as training leaves them, so that a lost term shows."""
    torch.manual_seed(0)
    model = MedMamba(config).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.3)
        if isinstance(module, SS2D):
            module.A_log += torch.randn_like(module.A_log) / 20
    return model


@pytest.mark.parametrize("size", [(64, 64), (72, 100), (33, 47)], ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_agree(variant, size):
    model = trained_like(MedMambaConfig.variant(variant, num_outputs=6))
    pictures = torch.randn(2, 3, *size)
    torch.testing.assert_close(InferenceForm(model)(pictures), model(pictures), atol=1e-4, rtol=0)


def test_tied_decays_are_known_and_give_the_same():
    model = trained_like(MedMambaConfig.variant("T", num_outputs=6))
    pictures = torch.randn(2, 3, 64, 64)
    for module in model.modules():
        if isinstance(module, SS2D):
            module.tie_decays()
            module.backend = "reference"
    form = InferenceForm(model)
    assert {block.scanned.scan.known for blocks in form.blocks for block in blocks} == {LADDER}
    torch.testing.assert_close(form(pictures), model(pictures), atol=1e-4, rtol=0)


def test_every_stage_agrees_in_the_order_of_the_channels():
    model = trained_like(MedMambaConfig(depths=(2, 1, 2, 1), width=16, num_outputs=3))
    pictures = torch.randn(3, 3, 96, 64)
    for stage, expected in zip(InferenceForm(model).pyramid(pictures), model.pyramid(pictures), strict=True):
        torch.testing.assert_close(stage, expected, atol=1e-4, rtol=1e-4)


def test_the_network_it_was_made_from_is_left_alone():
    model = trained_like(MedMambaConfig(depths=(1, 1, 1, 1), width=16, num_outputs=3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pictures = torch.randn(1, 3, 64, 64)
    first = InferenceForm(model)(pictures)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(InferenceForm(model)(pictures), first)


def test_too_small_pictures_are_refused():
    model = trained_like(MedMambaConfig(depths=(1, 1, 1, 1), width=16, num_outputs=3))
    with pytest.raises(RequestError, match="at least 32 pixels"):
        InferenceForm(model)(torch.randn(1, 3, 31, 64))


def test_it_stays_in_float32_under_autocast():
    model = trained_like(MedMambaConfig((1, 1, 1, 1), 16, 3))
    form, pictures = InferenceForm(model), torch.randn(2, 3, 64, 64)
    want, logits = form.features(pictures), form(pictures)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(form.features(pictures), want)
        torch.testing.assert_close(form.head(want), logits)
        torch.testing.assert_close(form(pictures), logits)
        torch.testing.assert_close(form.pyramid(pictures.bfloat16())[-1], want, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("batch", [1, 3])
def test_bfloat16_rounds_the_local_branch_behind_the_first_stage_alone(batch):
    model = trained_like(MedMambaConfig.variant("T", num_outputs=6))
    pictures = torch.randn(batch, 3, 64, 64)
    exact, rounded = InferenceForm(model).features(pictures), InferenceForm(model, bfloat16=True).features(pictures)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.03 * exact.abs().max()
    first, *others = InferenceForm(model, bfloat16=True).blocks
    assert {convolution.weight.dtype for block in first for convolution in block.convolutions} == {torch.float32}
    for block in (block for blocks in others for block in blocks):
        assert {convolution.weight.dtype for convolution in block.convolutions} == {torch.bfloat16}
        scanned = block.scanned
        for product in (scanned.x_entry, scanned.gate, scanned.conv, scanned.x_proj, scanned.out):
            assert product.weight.dtype == torch.float32


def test_its_logits_have_no_gradients_though_the_networks_weights_have():
    form = InferenceForm(trained_like(MedMambaConfig((1, 1, 1, 1), 16, 3)).requires_grad_())
    assert not form.head(form.features(torch.randn(1, 3, 32, 32))).requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_it_does_not_stand_for_a_network_of_other_numbers(dtype):
    model = trained_like(MedMambaConfig((1, 1, 1, 1), 16, 3))
    assert InferenceForm.serves(model, torch.device("cpu"))
    assert not InferenceForm.serves(model.to(dtype), torch.device("cpu"))
