"""The selective scan on an NVIDIA GPU through mamba-ssm's CUDA kernel, when that kernel is installed.

Recent mamba-ssm releases leave the Mamba-1 kernel out of the package unless it is built with
``MAMBA_KEEP_CUDA_BUILD=TRUE``, so the kernel module itself is looked for, not the package alone.
"""

import importlib
from functools import cache

import torch
from torch import Tensor

from medmamba.scan import reference


@cache
def why_unavailable() -> str | None:
    """The reason why this backend cannot run here, or None."""
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    try:
        importlib.import_module("selective_scan_cuda")
        importlib.import_module("mamba_ssm.ops.selective_scan_interface")
    except Exception as error:  # a kernel built for another torch raises whatever its loader raises
        return f"mamba-ssm's CUDA scan does not import ({type(error).__name__}: {error}); see requirements-gpu.txt"
    return None


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """``reference.selective_scan`` by mamba-ssm: everything contiguous and float32, since the kernel's state is."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    u_32, delta, A, B, C = (t.float().contiguous() for t in (u, delta, A, B, C))
    D, delta_bias = (None if t is None else t.float().contiguous() for t in (D, delta_bias))
    return selective_scan_fn(
        u_32, delta, A, B, C, D, z=None, delta_bias=delta_bias, delta_softplus=delta_softplus, return_last_state=False
    ).to(u.dtype)


def cross_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    delta_softplus: bool = True,
) -> Tensor:
    """``reference.cross_scan`` with mamba-ssm's kernel for the sequences."""
    return reference.cross_scan(u, delta, A, B, C, D, delta_bias, delta_softplus, scan=selective_scan)
