"""The Triton kernels against the float64 reference: in Triton's interpreter, and on a GPU where there is one.

Triton reads TRITON_INTERPRET when it is first imported, and from then on a process either interprets all kernels or
none. So ``test_in_the_interpreter`` starts a second pytest on this file with the variable set, which collects the
functions named ``check_...``; in the first pytest they are no tests. Another process compiles the kernels for a GPU,
with the compiler that comes with Triton: that finds what the interpreter lets pass, such as a variable whose type
changes inside a loop.
"""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medmamba import scan
from medmamba.errors import BackendUnavailable
from medmamba.scan import reference

REPOSITORY = Path(__file__).parents[2]

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed; it comes with torch's CUDA builds"
)


@pytest.fixture
def triton_gpu(monkeypatch):
    """The kernels; in the interpreter in small chunks, so that small grids have several, and many walkers a program."""
    module = importlib.import_module("medmamba.scan.triton_gpu")
    if "TRITON_INTERPRET" in os.environ:
        monkeypatch.setattr(module, "CHUNK", 4)
        monkeypatch.setattr(module, "WALKERS", 64)
    return module


@pytest.mark.parametrize(
    ("height", "width", "channels", "batch"),
    [(1, 1, 8, 2), (1, 5, 8, 1), (5, 1, 20, 1), (3, 4, 20, 2), (7, 7, 8, 2)],
)
def check_every_grid(triton_gpu, grid_inputs, with_gradients, assert_close, as_float, height, width, channels, batch):
    arguments = grid_inputs(height, width, channels, batch)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(triton_gpu.cross_scan, as_float(arguments)), want, 2e-6)


@pytest.mark.parametrize("delta", [-12.0, 25.0])
def check_step_sizes_from_tiny_to_huge(
    triton_gpu, grid_inputs, with_gradients, assert_close, as_float, monkeypatch, delta
):
    monkeypatch.setattr(triton_gpu, "WIDEST_BLOCK", 8)
    arguments = grid_inputs(3, 4, channels=12, delta=delta, skip=False)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(triton_gpu.cross_scan, as_float(arguments)), want, 5e-6)


@pytest.mark.parametrize(("directions", "states"), [(1, 1), (2, 5), (3, 64)])
def check_step_sizes_as_they_are(triton_gpu, grid_inputs, with_gradients, assert_close, as_float, directions, states):
    u, delta, A, B, C, D, bias = grid_inputs(3, 3, channels=8, batch=2, states=states, directions=directions)
    arguments = (u, delta.abs() / 4, A, B, C, D, bias.abs())
    want = with_gradients(reference.cross_scan, arguments, delta_softplus=False)
    assert_close(with_gradients(triton_gpu.cross_scan, as_float(arguments), delta_softplus=False), want, 2e-6)


def check_whole_chunks_of_one_walker(triton_gpu, grid_inputs, with_gradients, assert_close, as_float, monkeypatch):
    """As on a GPU."""
    monkeypatch.undo()
    assert (triton_gpu.CHUNK, triton_gpu.WALKERS) == (16, 1)
    arguments = grid_inputs(3, 6, channels=4, directions=2)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(triton_gpu.cross_scan, as_float(arguments)), want, 2e-6)


def check_bfloat16(triton_gpu, grid_inputs, with_gradients, assert_close):
    """What is lost is the rounding of the outputs to 8 bits alone: half a unit of the last is at most 2**-8 of them."""
    arguments = [t.bfloat16() for t in grid_inputs(3, 4, channels=20)]
    want = with_gradients(reference.cross_scan, [t.double() for t in arguments])
    got = with_gradients(triton_gpu.cross_scan, arguments)
    assert all(t.dtype == torch.bfloat16 for t in got.values())
    assert_close({"y": got["y"]}, {"y": want["y"]}, 2**-8)
    assert_close(got, want, 1e-2)  # the weights of the gradients are rounded too


def check_any_layout_in_memory_gives_the_same(triton_gpu, grid_inputs, with_gradients, as_float):
    arguments = as_float(grid_inputs(2, 3, channels=8, batch=2))
    turned = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in arguments]
    want, got = (with_gradients(triton_gpu.cross_scan, layout) for layout in (arguments, turned))
    assert all(torch.equal(got[name], want[name]) for name in want)


def check_places_are_counted_in_64_bits(triton_gpu, grid_inputs, with_gradients, as_float, monkeypatch):
    """In 32 bits, an offset into a tensor of 2**31 numbers and more would wrap around to before its start."""
    places, far, right = triton_gpu._places, 2**30, []

    def noting(strides, *at):
        image, step, k, inner = (part.handle.data.astype(np.int64) for part in at)
        want = far * ((image + step + k)[:, None] + inner[None, :])
        right.append(np.array_equal(places((far,) * 4, *at).handle.data, want))
        return places(strides, *at)

    monkeypatch.setattr(triton_gpu, "_places", noting)
    with_gradients(triton_gpu.cross_scan, as_float(grid_inputs(2, 2, channels=8, batch=3)))
    assert right
    assert all(right)


def check_only_the_states_before_chunks_are_kept(triton_gpu, grid_inputs, as_float):
    y = triton_gpu.cross_scan(*(t.requires_grad_() for t in as_float(grid_inputs(3, 4, channels=8))))
    kept = y.grad_fn.next_functions[0][0].saved_tensors[7]
    assert kept.untyped_storage().nbytes() == kept.nbytes


def check_sequences_in_groups(triton_gpu, sequence_inputs, with_gradients, assert_close, as_float):
    arguments = sequence_inputs(9, channels=16, groups=2)
    want = with_gradients(reference.selective_scan, arguments, delta_softplus=True)
    assert_close(with_gradients(triton_gpu.selective_scan, as_float(arguments), delta_softplus=True), want, 2e-6)


def check_sequences_without_skip_and_bias(triton_gpu, sequence_inputs):
    u, delta, A, B, C, _, _ = (t.float() for t in sequence_inputs(9, channels=8))
    want = reference.selective_scan(u, delta.abs() / 4, A, B, C)
    torch.testing.assert_close(triton_gpu.selective_scan(u, delta.abs() / 4, A, B, C), want)


def run_python(*arguments, **environment):
    """Another Python at the repository's root, and what it says; fails with that if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@needs_triton
def test_in_the_interpreter():
    options = ["-q", "-p", "no:cacheprovider", "-o", "python_functions=check_"]
    said = run_python("-m", "pytest", *options, __file__, TRITON_INTERPRET="1")
    assert re.search(r"\d+ passed", said), said
    assert "skipped" not in said, said


COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from types import SimpleNamespace

triton.runtime.driver.set_active(SimpleNamespace(
    get_current_target=lambda: GPUTarget("cuda", 80, 32), get_current_device=lambda: 0, get_current_stream=lambda _: 0
))
from medmamba.scan import triton_gpu

class CompileOnly:
    def __init__(self, kernel):
        self.kernel = kernel
    def __getitem__(self, grid):
        return self.compile
    def compile(self, *arguments, **options):
        compiled = self.kernel.warmup(*arguments, grid=(1,), **options)
        print(self.kernel.__name__, len(compiled.asm["cubin"]))

for name, value in list(vars(triton_gpu).items()):
    if isinstance(value, triton.runtime.JITFunction) and {"A", "images"} <= set(value.arg_names):  # not the helpers
        setattr(triton_gpu, name, CompileOnly(value))
shapes = (2, 5, 7, 96), (2, 5, 7, 4, 96), (4, 96, 16), (2, 5, 7, 4, 16), (2, 5, 7, 4, 16), (4, 96), (4, 96)
triton_gpu.cross_scan(*(torch.zeros(shape, requires_grad=True) for shape in shapes)).sum().backward()
"""


@needs_triton
def test_the_kernels_compile_for_a_gpu(tmp_path):
    said = run_python("-c", COMPILE, TRITON_CACHE_DIR=str(tmp_path))
    kernels = ["_scan_from_zero", "_carry", "_outputs", "_adjoints_from_zero", "_carry", "_gradients"]
    assert [line.split()[0] for line in said.splitlines()] == kernels


def test_triton_is_imported_only_when_asked_for():
    code = "import sys, torch; torch.cuda.is_available = lambda: False; from medmamba import scan; "
    code += "[scan.resolve('auto', torch.device(d)) for d in ('cpu', 'cuda')]; print('triton' in sys.modules)"
    assert run_python("-c", code).split() == ["False"]


def test_tensors_on_the_cpu_are_refused_with_the_reason(grid_inputs):
    with pytest.raises(BackendUnavailable, match="triton: it scans on CUDA, and the tensors are on cpu"):
        scan.cross_scan(*grid_inputs(2, 2, channels=2), backend="triton")


def test_a_machine_without_triton_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "medmamba.scan.triton_gpu", None)
    assert "does not import" in scan.why_unavailable("triton", torch.device("cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("side", "channels"), [(56, 96), (13, 100)])
def test_on_a_gpu(grid_inputs, with_gradients, assert_close, side, channels, dtype):
    arguments = [t.to("cuda", dtype) for t in grid_inputs(side, side, channels, batch=2)]
    want = with_gradients(reference.cross_scan, [t.double() for t in arguments])
    got = with_gradients(scan.cross_scan, arguments, backend="triton")
    assert_close(got, want, 5e-5 if dtype == torch.float32 else 1e-2)
