"""How the benchmark measures: order of calls, machine facts, other processes."""

import pytest
import torch

from medmamba import timing
from medmamba.errors import MedMambaError

CPU = torch.device("cpu")


def test_candidates_are_called_in_turn():
    called = []
    timings = timing.interleaved({name: lambda name=name: called.append(name) for name in "abc"}, 8, CPU)
    orders = ["".join(called[first : first + 3]) for first in range(0, len(called), 3)]
    assert [sorted(order) for order in orders] == [list("abc")] * 9  # once to warm up
    assert len(set(orders)) > 1
    assert list(timings) == ["a", "b", "c"]
    assert all(milliseconds >= 0 for milliseconds in timings.values())


def test_the_machine_is_named(monkeypatch, tmp_path):
    facts = tmp_path / "cpuinfo"
    facts.write_text("processor\t: 0\nmodel name\t: Known Core 9\nmodel name\t: Known Core 9\n")
    monkeypatch.setattr(timing, "Path", lambda _: facts)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert timing.machine(CPU).startswith("Known Core 9, 2 threads, ")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert timing.machine(CPU).startswith("Known Core 9, 1 thread, ")
    facts.unlink()
    assert "Known Core" not in timing.machine(CPU)


def test_the_last_number_of_another_process(monkeypatch):
    assert timing.in_new_process("import os; print('x'); print(os.environ['HALF'])", HALF="0.5") == 0.5


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('no number')", "pass"])
def test_another_process_that_fails(code):
    with pytest.raises(MedMambaError, match="in its own process"):
        timing.in_new_process(code)


def test_avx512_can_be_switched_off():
    code = (
        "import numba, numpy\n"
        "@numba.njit('void(float32[::1], float32[::1])', fastmath=True)\n"
        "def double(x, y):\n"
        "    for i in range(len(x)):\n"
        "        y[i] = 2 * x[i] + 1\n"
        "print(int('zmm' in next(iter(double.inspect_asm().values()))))"
    )
    assert timing.in_new_process(code, **timing.without_avx512()) == 0


@pytest.mark.skipif(not timing.can_measure_memory(), reason="only Linux lets a process forget its peak of memory")
def test_memory_of_a_call_is_its_peak_and_not_what_stays():
    code = (
        "import torch; from medmamba import timing\n"
        "torch.ones(2).sum()\n"  # what torch's code takes when it is first called is none of a call's
        "print(timing.memory_taken(lambda: torch.ones(25, 2**18).sum(), torch.device('cpu')))"
    )
    assert timing.in_new_process(code, MALLOC_MMAP_THRESHOLD_="65536") == pytest.approx(25, abs=3)
