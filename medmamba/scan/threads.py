"""Share a kernel's tasks among torch's own threads.

numba's threading layers are not used: the one that every platform has aborts the process when two threads of a server
call it at once, and the others bring a second OpenMP, whose threads spin while torch's want the cores, and the other
way round. So where torch is built on GNU OpenMP the kernels run on that library's team (measured: docs/log.md);
elsewhere on a pool of plain threads, which does as well, if slower. Either way no thread of the team holds the
interpreter's lock.
"""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medmamba.scan.calls import address_of, all_done, record_of


def share_out(kernel: Any, tasks: int, width: int, *arrays: Tensor) -> None:
    """Call a compiled kernel for ``tasks`` tasks in as many threads as torch uses.

    Raises:
        MemoryError: no thread had room to work in.
    """
    if not tasks:
        return
    record = record_of(tasks, width, arrays)
    place, threads = address_of(record), min(torch.get_num_threads(), tasks)
    if threads == 1:
        kernel.ctypes(place)
    elif openmp := _openmp():
        openmp.GOMP_parallel(
            ctypes.c_void_p(kernel.address), ctypes.c_void_p(place), ctypes.c_uint(threads), ctypes.c_uint(0)
        )
    else:
        list(_pool().map(kernel.ctypes, [place] * threads))
    if not all_done(record):
        raise MemoryError("The scan found no memory to work in.")


@cache
def _openmp() -> ctypes.CDLL | None:
    """The GNU OpenMP library that torch has loaded, if it has."""
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        return ctypes.CDLL(str(path))
    return None


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="selective-scan")
