"""The selective scan and its backends: one signature, that of mamba-ssm, and one definition, ``reference``.

``cross_scan`` is what SS2D calls; ``selective_scan`` is the one-dimensional scan. Both take ``backend``:

    auto         the first that runs on the tensors' device: triton, mamba_ssm, cpu, reference
    reference    plain PyTorch, any device, slow
    chunked      plain PyTorch in a short graph, any device, for export and compilers
    cpu          numba kernels, forward and backward
    triton       our Triton kernels on a GPU, forward and backward
    mamba_ssm    mamba-ssm's CUDA kernel

A backend that was named and cannot run raises ``BackendUnavailable`` with the reason; only ``auto`` may choose.

On a GPU ``auto`` prefers triton: torch's CUDA build brings it, with no CUDA toolkit to install, so that most run the
same code, and copies no sequences. That is not a measurement: so far its kernels have run in Triton's interpreter only.
"""

import importlib
from types import ModuleType

import torch
from torch import Tensor

from medmamba.errors import BackendUnavailable, RequestError
from medmamba.scan import chunked, cpu, mamba_ssm, reference

# Triton's module is imported when it is asked for: that takes a while, and Triton is not on every machine.
BACKENDS: dict[str, ModuleType | None] = {
    "reference": reference,
    "chunked": chunked,
    "cpu": cpu,
    "triton": None,
    "mamba_ssm": mamba_ssm,
}

MOST_DIRECTIONS = 4


def _module(backend: str) -> ModuleType:
    return BACKENDS[backend] or importlib.import_module("medmamba.scan.triton_gpu")


def why_unavailable(backend: str, device: torch.device) -> str | None:
    """Why ``backend`` cannot scan tensors on ``device``, or None when it can."""
    if backend not in BACKENDS:
        return f"no such backend; there are: auto, {', '.join(BACKENDS)}"
    if backend == "cpu" and device.type != "cpu":
        return f"it scans on the CPU, and the tensors are on {device.type}"
    if backend == "triton":
        if device.type != "cuda":
            return f"it scans on CUDA, and the tensors are on {device.type}"
        if not torch.cuda.is_available():
            return "torch sees no CUDA device"
        try:
            return _module(backend).why_unavailable()
        except ImportError as error:
            return f"Triton does not import ({error}); see requirements-gpu.txt"
    if backend == "mamba_ssm":
        return mamba_ssm.why_unavailable() or (
            f"it scans on CUDA, and the tensors are on {device.type}" if device.type != "cuda" else None
        )
    return None


def resolve(backend: str, device: torch.device) -> str:
    """The name of the backend that will run.

    Raises:
        BackendUnavailable: a named backend cannot run; the message lists what each backend lacks.
    """
    if backend == "auto":
        order = ("triton", "mamba_ssm", "cpu", "reference")
        return next(name for name in order if why_unavailable(name, device) is None)
    if why_unavailable(backend, device):
        reasons = "; ".join(f"{name}: {why_unavailable(name, device) or 'can run'}" for name in {backend, *BACKENDS})
        raise BackendUnavailable(f"The scan backend {backend!r} cannot run here. {reasons}")
    return backend


def _check(**given: tuple[Tensor | None, tuple[int, ...]]) -> None:
    """Raises ``RequestError`` for the first tensor, by name, that is there and has not the shape beside it."""
    for name, (tensor, shape) in given.items():
        if tensor is not None and tensor.shape != shape:
            raise RequestError(f"{name} has the shape {tuple(tensor.shape)}, and the other tensors ask for {shape}.")


def cross_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    delta_softplus: bool = True,
    *,
    backend: str = "auto",
) -> Tensor:
    """Scan a grid in the directions of SS2D and sum them; shapes as in ``reference.cross_scan``.

    Raises:
        BackendUnavailable: as ``resolve``.
        RequestError: the shapes do not fit together; a kernel would read what is not theirs.
    """
    batch, height, width, channels = u.shape
    directions, states = A.shape[0], A.shape[-1]
    of_steps, of_channels = (batch, height, width, directions, states), (directions, channels)
    _check(A=(A, (*of_channels, states)), B=(B, of_steps), C=(C, of_steps), D=(D, of_channels))
    _check(delta=(delta, (batch, height, width, *of_channels)), delta_bias=(delta_bias, of_channels))
    if not 1 <= directions <= MOST_DIRECTIONS:
        raise RequestError(f"A grid is scanned in 1 to {MOST_DIRECTIONS} directions, not in {directions}.")
    return _module(resolve(backend, u.device)).cross_scan(u, delta, A, B, C, D, delta_bias, delta_softplus)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    backend: str = "auto",
) -> Tensor:
    """Scan sequences; shapes as in ``reference.selective_scan``.

    Raises:
        BackendUnavailable: as ``resolve``.
        RequestError: the shapes do not fit together.
    """
    batch, channels, length = u.shape
    groups, states = B.shape[1], A.shape[-1]
    of_steps = (batch, groups, states, length)
    _check(delta=(delta, (batch, channels, length)), A=(A, (channels, states)), B=(B, of_steps), C=(C, of_steps))
    _check(D=(D, (channels,)), delta_bias=(delta_bias, (channels,)))
    if channels % groups:
        raise RequestError(f"{channels} channels do not fall into {groups} groups.")
    return _module(resolve(backend, u.device)).selective_scan(u, delta, A, B, C, D, delta_bias, delta_softplus)
