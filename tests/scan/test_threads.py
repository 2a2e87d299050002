"""Sharing out of tasks: each is done once, whatever the number of threads."""

from concurrent.futures import ThreadPoolExecutor

import numba
import pytest
import torch

from medmamba.scan import calls
from medmamba.scan import threads as threads_module
from medmamba.scan.threads import share_out


@numba.cfunc(calls.SIGNATURE)
def add_width(record):
    """A kernel: adds the width to the number of each of its tasks."""
    numbers = calls.given(record, 0, 1, "C")
    task = calls.begin(record)
    while task < calls.tasks(record):
        numbers[task] += calls.width(record)
        calls.finish(record)
        task = calls.begin(record)


@numba.cfunc(calls.SIGNATURE)
def give_up(record):
    """A kernel that begins nothing, as one whose thread finds no memory."""


@pytest.fixture(params=["OpenMP", "pool"])
def helpers(request, monkeypatch):
    """Both ways to come by threads: torch's own, where it has GNU OpenMP, and a pool."""
    if request.param == "pool":
        monkeypatch.setattr(threads_module, "_openmp", lambda: None)
    elif threads_module._openmp() is None:
        pytest.skip("torch is not built on GNU OpenMP here")


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("tasks", [1, 2, 5, 480])
def test_every_task_is_done_once(monkeypatch, threads, tasks):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    numbers = torch.zeros(tasks)
    share_out(add_width, tasks, 3, numbers)
    assert (numbers == 3).all()


@pytest.mark.usefixtures("helpers")
def test_nothing_to_share_out_calls_nothing():
    share_out(give_up, 0, 1)


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("threads", [1, 2])
def test_tasks_left_undone_are_told(monkeypatch, threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    with pytest.raises(MemoryError, match="no memory to work in"):
        share_out(give_up, 4, 1)


@pytest.mark.usefixtures("helpers")
def test_callers_in_several_threads_do_not_mix_their_work(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    def job(number):
        numbers = torch.zeros(6)
        for _ in range(50):
            share_out(add_width, 6, number, numbers)
        return numbers.tolist()

    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(job, range(4))) == [[50.0 * number] * 6 for number in range(4)]
