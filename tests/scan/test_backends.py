"""Which backend runs: ``auto`` chooses, a named one runs or says why it cannot."""

from types import SimpleNamespace

import pytest
import torch

from medmamba import scan
from medmamba.errors import BackendUnavailable, RequestError

CPU, CUDA, META = (torch.device(name) for name in ("cpu", "cuda", "meta"))


@pytest.fixture
def no_mamba_ssm(monkeypatch):
    monkeypatch.setattr(scan.mamba_ssm, "why_unavailable", lambda: "the kernel is not there")


def test_auto_takes_the_kernels_on_a_cpu():
    assert scan.resolve("auto", CPU) == "cpu"


@pytest.mark.usefixtures("no_mamba_ssm")
@pytest.mark.parametrize("device", [CPU, CUDA, META])
def test_auto_always_finds_one(device):
    assert scan.resolve("auto", device) in scan.BACKENDS


def test_auto_prefers_a_gpu_kernel_on_a_gpu(monkeypatch):
    monkeypatch.setattr(scan.mamba_ssm, "why_unavailable", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    ours = SimpleNamespace(why_unavailable=lambda: None)
    monkeypatch.setitem(scan.BACKENDS, "triton", ours)
    assert scan.resolve("auto", CUDA) == "triton"
    ours.why_unavailable = lambda: "no C compiler"
    assert scan.resolve("auto", CUDA) == "mamba_ssm"
    assert scan.resolve("auto", CPU) == "cpu"


@pytest.mark.parametrize("backend", ["reference", "chunked", "cpu"])
def test_a_named_backend_that_can_run_is_taken(backend):
    assert scan.resolve(backend, CPU) == backend


@pytest.mark.usefixtures("no_mamba_ssm")
@pytest.mark.parametrize(
    ("backend", "device", "reasons"),
    [
        ("mamba_ssm", CPU, ["mamba_ssm: the kernel is not there", "cpu: can run", "reference: can run"]),
        ("cpu", CUDA, ["cpu: it scans on the CPU, and the tensors are on cuda", "mamba_ssm: the kernel is not there"]),
        ("abacus", CPU, ["no such backend", "auto, reference, chunked, cpu, triton, mamba_ssm"]),
    ],
)
def test_a_named_backend_that_cannot_run_lists_what_each_lacks(backend, device, reasons):
    with pytest.raises(BackendUnavailable) as error:
        scan.resolve(backend, device)
    for reason in reasons:
        assert reason in str(error.value)


def test_tensors_on_the_cpu_are_not_for_the_gpu_kernel(monkeypatch):
    monkeypatch.setattr(scan.mamba_ssm, "why_unavailable", lambda: None)
    with pytest.raises(BackendUnavailable, match="the tensors are on cpu"):
        scan.resolve("mamba_ssm", CPU)


@pytest.mark.usefixtures("no_mamba_ssm")
def test_a_scan_with_a_named_backend_never_falls_back(grid_inputs, sequence_inputs):
    with pytest.raises(BackendUnavailable):
        scan.cross_scan(*grid_inputs(2, 2, channels=2), backend="mamba_ssm")
    with pytest.raises(BackendUnavailable):
        scan.selective_scan(*sequence_inputs(2, channels=2), backend="mamba_ssm")


@pytest.mark.parametrize("backend", ["auto", "cpu", "reference"])
def test_all_backends_give_the_same(grid_inputs, sequence_inputs, backend):
    grid, sequence = grid_inputs(5, 7, channels=8), sequence_inputs(35, channels=8)
    want = scan.reference.cross_scan(*grid)
    torch.testing.assert_close(scan.cross_scan(*grid, backend=backend), want, atol=1e-4, rtol=1e-5)
    want = scan.reference.selective_scan(*sequence, True)
    torch.testing.assert_close(scan.selective_scan(*sequence, True, backend=backend), want, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("which", "change"),
    [
        ("delta", lambda t: t[:, :1]),
        ("A", lambda t: t[:, :1]),
        ("B", lambda t: t[:, :1]),
        ("C", lambda t: t[..., :1]),
        ("D", lambda t: t[:1]),
        ("delta_bias", lambda t: t[..., :1]),
    ],
)
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_shapes_that_do_not_fit_are_refused_before_a_kernel_reads_them(grid_inputs, backend, which, change):
    names = ("u", "delta", "A", "B", "C", "D", "delta_bias")
    arguments = dict(zip(names, grid_inputs(2, 3, channels=4), strict=True))
    arguments[which] = change(arguments[which])
    with pytest.raises(RequestError, match=rf"^{which} has the shape"):
        scan.cross_scan(**arguments, backend=backend)


def test_there_are_four_directions_at_most(grid_inputs):
    u, delta, A, B, C, D, bias = grid_inputs(2, 3, channels=4)
    five = [t.repeat_interleave(2, dim)[(slice(None),) * dim + (slice(5),)] for t, dim in ((delta, 3), (B, 3), (C, 3))]
    A, D, bias = (t.repeat_interleave(2, 0)[:5] for t in (A, D, bias))
    with pytest.raises(RequestError, match="not in 5"):
        scan.cross_scan(u, five[0], A, five[1], five[2], D, bias)


def test_sequences_that_do_not_fit_are_refused():
    u, rows = torch.randn(2, 5, 8), torch.randn(2, 2, 3, 8)
    A = -torch.rand(5, 3)
    with pytest.raises(RequestError, match="5 channels do not fall into 2 groups"):
        scan.selective_scan(u, u.abs(), A, rows, rows)
    with pytest.raises(RequestError, match=r"^B has the shape \(2, 1, 3, 4\)"):
        scan.selective_scan(u, u.abs(), A, rows[:, :1, :, :4], rows[:, :1])
