"""The adapter to mamba-ssm, on a CPU: what it hands over, in mamba-ssm's own words, and what comes back.

``selective_scan_fn`` is replaced by mamba-ssm's own ``selective_scan_ref`` where the package is installed (its compiled
kernel is not needed), else by the reference behind the published signature.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from medmamba.scan import mamba_ssm, reference

INTERFACE = "mamba_ssm.ops.selective_scan_interface"


def published_scan(monkeypatch):
    """``selective_scan_ref`` of an installed mamba-ssm, or a stand-in for it."""
    package = importlib.util.find_spec("mamba_ssm")
    if package is None:

        def stand_in(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False):
            return reference.selective_scan(u, delta, A, B, C, D, delta_bias, delta_softplus)

        return stand_in
    bare = ModuleType("mamba_ssm")  # the package's own __init__ imports every model it has
    bare.__path__ = list(package.submodule_search_locations)
    monkeypatch.setitem(sys.modules, "mamba_ssm", bare)
    monkeypatch.setitem(sys.modules, "selective_scan_cuda", ModuleType("selective_scan_cuda"))
    return importlib.import_module(INTERFACE).selective_scan_ref


@pytest.fixture
def no_mamba_ssm_imported():
    """Forget what was imported of mamba-ssm, and afterwards what a test imported of it."""

    def take_out():
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "mamba_ssm"}

    before = take_out()
    yield
    take_out()
    sys.modules.update(before)


@pytest.fixture
def kernel(no_mamba_ssm_imported, monkeypatch):
    """Stands for the CUDA kernel: refuses what the kernel's own checks refuse, and keeps what it was given."""
    scan, calls = published_scan(monkeypatch), []

    def selective_scan_fn(
        u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
    ):
        (batch, dim, length), (groups, states) = u.shape, B.shape[1:3]
        assert dim % groups == 0
        assert states <= 256
        wanted = {
            "u": (u, (batch, dim, length)),
            "delta": (delta, (batch, dim, length)),
            "A": (A, (dim, states)),
            "B": (B, (batch, groups, states, length)),
            "C": (C, (batch, groups, states, length)),
            "D": (D, (dim,)),
            "delta_bias": (delta_bias, (dim,)),
        }
        for name, (tensor, shape) in wanted.items():
            if tensor is not None:
                assert tensor.shape == shape, name
                assert tensor.dtype == torch.float32, name
                assert tensor.stride(-1) == 1 or tensor.size(-1) == 1, name
        assert z is None
        assert not return_last_state
        calls.append(wanted)
        return scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state)

    module = ModuleType(INTERFACE)
    module.selective_scan_fn = selective_scan_fn
    for name in ("mamba_ssm", "mamba_ssm.ops"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, INTERFACE, module)
    return calls


@pytest.mark.parametrize(("length", "groups"), [(1, 1), (49, 1), (63, 4)])
@pytest.mark.parametrize("softplus", [True, False])
def test_sequences(kernel, sequence_inputs, with_gradients, assert_close, as_float, length, groups, softplus):
    u, delta, A, B, C, D, bias = sequence_inputs(length, channels=8, groups=groups)
    if not softplus:
        delta, bias = delta.abs() / 4, bias.abs()
    arguments = (u, delta, A, B, C, D, bias)
    want = with_gradients(reference.selective_scan, arguments, delta_softplus=softplus)
    assert_close(with_gradients(mamba_ssm.selective_scan, as_float(arguments), delta_softplus=softplus), want)
    assert len(kernel) == 1


def test_grids_go_through_in_one_call(kernel, grid_inputs, with_gradients, assert_close, as_float):
    arguments = grid_inputs(5, 7, channels=12, batch=3)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(mamba_ssm.cross_scan, as_float(arguments)), want)
    assert [call["B"][1] for call in kernel] == [(3, 4, 16, 35)]


def test_skip_and_bias_may_be_left_out(kernel, sequence_inputs, as_float):
    u, delta, A, B, C, _, _ = as_float(sequence_inputs(9, channels=8))
    got = mamba_ssm.selective_scan(u, delta.abs(), A, B, C)
    torch.testing.assert_close(got, reference.selective_scan(u, delta.abs(), A, B, C))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_kernel_gets_float32_and_the_caller_his_dtype(kernel, sequence_inputs, dtype):
    arguments = [t.to(dtype) for t in sequence_inputs(9, channels=8)]
    assert mamba_ssm.selective_scan(*arguments, delta_softplus=True).dtype == dtype


def test_any_layout_in_memory(kernel, sequence_inputs, as_float):
    arguments = as_float(sequence_inputs(9, channels=8, groups=2))
    turned = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in arguments]
    want = mamba_ssm.selective_scan(*arguments, delta_softplus=True)
    assert torch.equal(mamba_ssm.selective_scan(*turned, delta_softplus=True), want)


@pytest.fixture
def looked_up_anew():
    """``why_unavailable`` looks once; here it looks again, and once more afterwards."""
    mamba_ssm.why_unavailable.cache_clear()
    yield
    mamba_ssm.why_unavailable.cache_clear()


@pytest.mark.usefixtures("looked_up_anew")
def test_without_a_gpu_the_reason_is_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device" in mamba_ssm.why_unavailable()


@pytest.mark.usefixtures("looked_up_anew", "no_mamba_ssm_imported")
def test_a_package_without_its_kernel_is_unavailable(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "mamba_ssm", ModuleType("mamba_ssm"))
    monkeypatch.setitem(sys.modules, "selective_scan_cuda", None)
    assert "selective_scan_cuda" in mamba_ssm.why_unavailable()


@pytest.mark.usefixtures("looked_up_anew")
def test_a_kernel_that_does_not_load_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    (tmp_path / "selective_scan_cuda.py").write_text("raise ImportError('undefined symbol: _ZN3c10')")
    monkeypatch.syspath_prepend(tmp_path)
    assert "undefined symbol: _ZN3c10" in mamba_ssm.why_unavailable()


@pytest.mark.gpu
def test_on_a_gpu(grid_inputs, with_gradients, assert_close):
    reason = mamba_ssm.why_unavailable()
    if reason:
        pytest.skip(reason)
    arguments = grid_inputs(14, 14, channels=96, batch=2)
    want = with_gradients(reference.cross_scan, arguments)
    got = with_gradients(mamba_ssm.cross_scan, [t.float().cuda() for t in arguments])
    assert_close({name: t.cpu() for name, t in got.items()}, want)
