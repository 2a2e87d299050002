"""How the benchmark measures: calls in turn, medians, processes of their own, and the facts of the machine."""

import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from medmamba.errors import MedMambaError

Timings = dict[str, float]  # milliseconds, or megabytes in a table whose title says so

CLEAR_REFS = Path("/proc/self/clear_refs")


def machine(device: torch.device) -> str:
    """Facts a reader needs to place the figures."""
    processor = torch.cuda.get_device_name() if device.type == "cuda" else _processor()
    threads = torch.get_num_threads()
    return (
        f"{processor}, {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}, "
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}"
    )


def _processor() -> str:
    """The processor's name; Linux keeps it where ``platform`` does not look."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def interleaved(candidates: Mapping[str, Callable[[], Any]], rounds: int, device: torch.device) -> Timings:
    """Median milliseconds of each candidate; all are called in turn, once to warm up and then ``rounds`` times.

    The order is drawn anew for each round, or one would always find the caches as the same other one left them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    orders = random.Random(0)
    for turn in range(rounds + 1):
        for name in orders.sample(list(candidates), len(candidates)):
            start = time.perf_counter()
            candidates[name]()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1e3 for name, values in seconds.items()}


def in_new_process(code: str, **environment: str) -> float:
    """The number that a fresh Python prints last for some code of ours.

    Raises:
        MedMambaError: it failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
        )
        return float(done.stdout.split()[-1])
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise MedMambaError(f"A part of the benchmark failed in its own process: {type(error).__name__}.") from error


def can_measure_memory() -> bool:
    """Whether the system lets a process forget its peak of resident memory: Linux."""
    return CLEAR_REFS.exists()


def memory_taken(call: Callable[[], Any], device: torch.device) -> float:
    """Megabytes by which memory peaks during a call: the GPU's, or the resident memory of this process (Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    CLEAR_REFS.write_text("5", encoding="ascii")  # sets VmHWM, the peak, back to the present (proc(5))
    before = _resident("VmHWM")
    call()
    return (_resident("VmHWM") - before) / 1024


def _resident(field: str) -> int:
    """A field of the process's status, in kilobytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(f"{field}:"))


def without_avx512() -> dict[str, str]:
    """What makes numba compile for this processor as if it ended at AVX2."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    kept = {name: on and not name.startswith("avx512") for name, on in features.items()}
    return {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(kept.items())),
    }
