"""MedMamba: counts and shapes of the paper's networks, and the order of everything inside."""

import pytest
import torch
from torch import nn

from medmamba.errors import RequestError
from medmamba.model import DropPath, MedMamba, MedMambaConfig, PatchEmbedding, PatchMerging, SSConvSSM

COUNTS = {  # parameters by number of classes; docs/paper.md of the project's notes, section A.3
    "T": {2: 14_454_146, 6: 14_457_222, 11: 14_461_067, 1000: 15_221_608},
    "S": {2: 18_622_082, 6: 18_625_158, 11: 18_629_003, 1000: 19_389_544},
    "B": {2: 39_860_738, 6: 39_864_838, 11: 39_869_963, 1000: 40_883_688},
}
BUFFERS = {"T": 10_974, "S": 15_594, "B": 26_934}
BLOCKS = {96: 80_784, 192: 281_376, 384: 1_041_984, 768: 4_000_896, 128: 134_336, 1024: 7_038_464}


def on_paper(variant, num_outputs=6, **options):
    """A network without memory for its weights."""
    with torch.device("meta"):
        return MedMamba(MedMambaConfig.variant(variant, num_outputs), **options)


def size(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("variant", "classes"), [(v, n) for v in COUNTS for n in COUNTS[v]])
def test_parameter_counts(variant, classes):
    assert size(on_paper(variant, classes)) == COUNTS[variant][classes]


@pytest.mark.parametrize("variant", BUFFERS)
def test_state_has_only_batch_norm_statistics_besides(variant):
    model = on_paper(variant)
    assert sum(t.numel() for t in model.state_dict().values()) - size(model) == BUFFERS[variant]


def test_blocks_of_every_width_have_their_count():
    blocks = {b.norm.normalized_shape[0] * 2: size(b) for v in ("T", "B") for s in on_paper(v).stages for b in s.blocks}
    assert {width: blocks[width] for width in BLOCKS} == BLOCKS


@pytest.mark.parametrize("variant", COUNTS)
def test_norms_have_their_constants_and_none_comes_last(variant):
    model = on_paper(variant)
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm)]
    batch_norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    blocks = sum(model.config.depths)
    assert len(norms) == 1 + 2 * blocks + 3  # patches; before and inside each SS2D; merging
    assert {n.eps for n in norms} == {1e-5}
    assert len(batch_norms) == 3 * blocks
    assert {(n.eps, n.momentum) for n in batch_norms} == {(1e-5, 0.1)}


@pytest.mark.parametrize("variant", COUNTS)
def test_drop_path_grows_linearly_over_all_blocks(variant):
    rates = [m.rate for m in on_paper(variant, drop_path=0.3).modules() if isinstance(m, DropPath)]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, 0.3, len(rates)))


def test_drop_path_takes_whole_pictures_and_keeps_the_mean():
    drop = DropPath(0.25).train()
    out = drop(torch.ones(4000, 2, 2, 3))
    torch.testing.assert_close(out.unique(), torch.tensor([0, 1 / 0.75]))
    assert (out.std((1, 2, 3)) == 0).all()
    assert out.mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(drop.eval()(out), out)


def test_drop_path_draws_with_the_generator_that_a_paused_run_keeps():
    """Whatever the device: a device's own generator would begin anew at each pause."""
    before = torch.get_rng_state()
    DropPath(0.5).draw(4, torch.device("meta"))
    assert not torch.equal(torch.get_rng_state(), before)


def test_drop_path_of_one_leaves_nothing():
    """As torchvision's StochasticDepth."""
    assert not DropPath(1.0).train()(torch.ones(3, 2, 2, 3)).any()


def test_drop_path_spares_the_convolved_half():
    block, x = SSConvSSM(16, d_state=4, drop_path=0.9999, backend="auto").eval(), torch.randn(3, 4, 4, 16)
    whole = block(x)
    block.drop_path.train()
    dropped = block(x)
    torch.testing.assert_close(dropped[..., 0::2], whole[..., 0::2])
    assert torch.equal(dropped[..., 1::2], x[..., 1::2])
    assert not torch.allclose(whole[..., 1::2], x[..., 1::2])


def test_the_halves_are_split_in_order_and_shuffled_together():
    """out[2k] = conv(left)[k], out[2k+1] = ssm(right)[k], plus the block's input."""
    block = SSConvSSM(8, d_state=4, drop_path=0.0, backend="auto").eval()
    block.conv, block.norm, block.ss2d = nn.Identity(), nn.Identity(), nn.Identity()
    x = torch.arange(8.0).expand(1, 2, 3, 8)
    assert (block(x) - x)[0, 0, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_the_convolved_half_is_the_papers_sequence():
    kinds = [type(m).__name__ for m in SSConvSSM(8, 4, 0.0, "auto").conv]
    assert kinds == ["BatchNorm2d", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "ReLU"]


def test_patch_merging_takes_rows_before_columns():
    merging = PatchMerging(1)
    merging.norm, merging.reduction = nn.Identity(), nn.Identity()
    grid = torch.tensor([[[1.0, 2], [3, 4]]])[..., None]
    assert merging(grid).flatten().tolist() == [1, 3, 2, 4]


def test_patch_merging_leaves_out_an_odd_row_and_column():
    merging, grid = PatchMerging(4), torch.randn(2, 5, 7, 4)
    assert torch.equal(merging(grid), merging(grid[:, :4, :6]))


def test_patches_are_cut_before_they_are_normalised():
    patches = PatchEmbedding(8)(torch.randn(2, 3, 12, 20))
    assert patches.shape == (2, 3, 5, 8)
    torch.testing.assert_close(patches.mean(-1), torch.zeros(2, 3, 5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("sides", [(32, 32), (64, 64), (33, 47), (72, 56), (101, 32), (224, 40)])
def test_any_size_from_32_pixels_on_in_silence(tiny_model, capfd, sides):
    logits = tiny_model(5)(torch.randn(2, 3, *sides))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sides", [(31, 64), (64, 31), (1, 1)])
def test_smaller_pictures_are_refused(tiny_model, sides):
    with pytest.raises(RequestError, match=rf"at least 32 pixels a side, not \({sides[0]}, {sides[1]}\)"):
        tiny_model()(torch.randn(1, 3, *sides))


def test_forward_is_head_of_features(tiny_model):
    model, x = tiny_model(5), torch.randn(2, 3, 64, 96)
    features = model.features(x)
    assert torch.equal(model(x), model.head(features))
    want = features.mean((1, 2)) @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(model.head(features), want)
    assert torch.equal(model.pool(features), features.mean((1, 2)))


def test_pyramid_has_the_last_block_of_each_stage(tiny_model):
    model, x = tiny_model(), torch.randn(2, 3, 72, 104)
    pyramid = model.pyramid(x)
    assert [tuple(g.shape) for g in pyramid] == [(2, 18, 26, 16), (2, 9, 13, 32), (2, 4, 6, 64), (2, 2, 3, 128)]
    assert torch.equal(pyramid[-1], model.features(x))
    for stage in range(3):
        rest = model.stages_from(model.stages[stage].merging(pyramid[stage]), first=stage + 1)
        assert all(torch.equal(a, b) for a, b in zip(rest, pyramid[stage + 1 :], strict=True))
    for stage, grid in enumerate(pyramid, start=1):
        assert torch.equal(model.continue_from(grid, stage), pyramid[-1])


def test_initial_weights_are_those_of_the_official_code():
    model = MedMamba(MedMambaConfig((1, 1, 1, 1), 48, 10))
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert module.bias is None or not module.bias.any(), name
        elif isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2  # as torch counts it, groups or not
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.15), name
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            assert (module.weight == 1).all(), name
            assert not module.bias.any(), name


def test_gradients_reach_every_parameter(tiny_model):
    model = tiny_model(5).train()
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("variant", ["S", "B"])
def test_the_larger_variants_learn(variant):
    model = MedMamba(MedMambaConfig.variant(variant, 2)).train()
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_without_gradients_the_answer_is_the_same(tiny_model):
    model, x = tiny_model(), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        quick = model(x)
    torch.testing.assert_close(quick, model(x))


def test_backends_agree(tiny_config, tiny_model):
    kernels = tiny_model(5)
    loop = MedMamba(tiny_config(5), backend="reference").eval()
    loop.load_state_dict(kernels.state_dict())
    x = torch.randn(2, 3, 72, 56)
    torch.testing.assert_close(kernels(x), loop(x), atol=1e-4, rtol=1e-4)


@pytest.mark.gpu
def test_a_gpu_gives_the_same(tiny_model):
    model, x = tiny_model(5), torch.randn(2, 3, 64, 64)
    want = model(x)
    torch.testing.assert_close(model.cuda()(x.cuda()).cpu(), want, atol=1e-3, rtol=1e-3)
