"""Share a kernel's tasks among threads.

The kernels release the interpreter's lock, so plain threads are enough. numba's own threading layers are not used: the
one that every platform has aborts the process when two threads of a server call it at once, and the others bring a
second OpenMP whose spinning threads slow torch's.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import torch


@cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="selective-scan")


def share_out(kernel: Callable[..., None], tasks: int, *arguments: Any) -> None:
    """Call ``kernel(first, last, *arguments)`` on as many even shares of ``range(tasks)`` as torch uses threads."""
    shares = min(torch.get_num_threads(), tasks)
    bounds = [tasks * share // shares for share in range(shares + 1)]
    waiting = [_helpers().submit(kernel, first, last, *arguments) for first, last in pairwise(bounds[1:])]
    kernel(bounds[0], bounds[1], *arguments)
    for share in waiting:
        share.result()
