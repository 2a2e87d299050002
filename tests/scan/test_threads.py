"""Sharing out of tasks: each is done once, whatever the number of threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from medmamba.scan import threads as threads_module
from medmamba.scan.threads import share_out


@pytest.fixture(params=["OpenMP", "pool"])
def helpers(request, monkeypatch):
    """Both ways to come by threads: torch's own, where it has GNU OpenMP, and a pool."""
    if request.param == "pool":
        monkeypatch.setattr(threads_module, "_openmp", lambda: None)
    elif threads_module._openmp() is None:
        pytest.skip("torch is not built on GNU OpenMP here")


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("tasks", [1, 2, 5, 48])
def test_every_task_is_done_once(monkeypatch, threads, tasks):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    done, lock = [], threading.Lock()

    def kernel(first, last, argument):
        assert argument == "argument"
        with lock:
            done.append((first, last))

    share_out(kernel, tasks, "argument")
    assert sorted(task for first, last in done for task in range(first, last)) == list(range(tasks))
    assert len(done) == min(threads, tasks)
    sizes = [last - first for first, last in done]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.usefixtures("helpers")
def test_nothing_to_share_out_calls_nothing():
    share_out(lambda *_: pytest.fail("called"), 0)


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("unlucky", [0, 3])
def test_an_error_in_any_share_reaches_the_caller(monkeypatch, unlucky):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    def kernel(first, last):
        if first <= unlucky < last:
            raise FloatingPointError("in the kernel")

    with pytest.raises(FloatingPointError, match="in the kernel"):
        share_out(kernel, 4)


@pytest.mark.usefixtures("helpers")
def test_callers_in_several_threads_do_not_mix_their_work(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    def job(number):
        seen = []
        for _ in range(50):
            share_out(lambda first, last, mine: seen.extend([mine] * (last - first)), 6, number)
        return seen

    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(job, range(4))) == [[number] * 300 for number in range(4)]
