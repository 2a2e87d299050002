"""Share a kernel's tasks among torch's own threads.

numba's threading layers are not used: the one that every platform has aborts the process when two threads of a server
call it at once, and the others bring a second OpenMP, whose threads spin while torch's want the cores, and the other
way round. So where torch is built on GNU OpenMP the kernels run on that library's team (measured: docs/log.md);
elsewhere on a pool of plain threads, which does as well, if slower, since the kernels release the interpreter's lock.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

TEAM_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def share_out(kernel: Callable[..., None], tasks: int, *arguments: Any) -> None:
    """Call ``kernel(first, last, *arguments)`` on as many even shares of ``range(tasks)`` as torch uses threads."""
    if not tasks:
        return
    shares = min(torch.get_num_threads(), tasks)
    bounds = list(pairwise(tasks * share // shares for share in range(shares + 1)))
    if shares == 1:
        kernel(0, tasks, *arguments)
    elif openmp := _openmp():
        _on_team(openmp, kernel, bounds, arguments)
    else:
        list(_pool().map(lambda share: kernel(*share, *arguments), bounds))


@cache
def _openmp() -> ctypes.CDLL | None:
    """The GNU OpenMP library that torch has loaded, if it has."""
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        return ctypes.CDLL(str(path))
    return None


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="selective-scan")


def _on_team(
    openmp: ctypes.CDLL, kernel: Callable[..., None], bounds: list[tuple[int, int]], arguments: tuple[Any, ...]
) -> None:
    """Open a parallel region; each thread takes shares until none is left, so that a smaller team does them all too."""
    waiting, faults = list(bounds), []

    def body(_: int | None) -> None:
        while True:
            try:
                share = waiting.pop()
            except IndexError:
                return
            try:
                kernel(*share, *arguments)
            except Exception as error:  # an exception must not leave through C
                faults.append(error)

    openmp.GOMP_parallel(TEAM_BODY(body), None, ctypes.c_uint(len(bounds)), ctypes.c_uint(0))
    if faults:
        raise faults[0]
