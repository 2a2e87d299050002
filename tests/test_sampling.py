"""Batches: shares of tasks and classes by a power of their size, factors on single tasks."""

import numpy as np
import pytest
import torch

from medmamba.data import UNLABELLED, Split
from medmamba.errors import DataError, RequestError
from medmamba.sampling import Pool, by_task

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("balance", "shares"), [(0.0, [1 / 3] * 3), (1.0, [0.1, 0.2, 0.7]), (0.5, None)])
def test_batches_mix_tasks_by_a_power_of_their_size(tasks, balance, shares):
    sizes = (10, 20, 70)
    shares = shares or [size**0.5 / sum(s**0.5 for s in sizes) for size in sizes]
    splits = [Split(np.full((n, 4, 4, 3), i, np.uint8), np.zeros(n, np.int64)) for i, n in enumerate(sizes)]
    pool = Pool(tasks[:3], splits)
    batches = pool.batches(6000, balance, {}, torch.Generator().manual_seed(0))
    pictures, labels, task = next(batches)
    assert pictures.shape == (6000, 3, 4, 4)
    assert torch.equal((pictures[:, 0, 0, 0] * 255).round().long(), task)
    assert labels.eq(0).all()
    assert [(task == i).float().mean().item() for i in range(3)] == pytest.approx(shares, abs=0.02)


def test_emphasis_multiplies_the_shares_of_tasks(tasks):
    splits = [Split(np.full((10, 4, 4, 3), i, np.uint8), np.zeros(10, np.int64)) for i in range(2)]
    pool = Pool(tasks[:2], splits)
    factors = by_task("--emphasis", f"{tasks[1].name}=3", [task.name for task in tasks])
    task = next(pool.batches(6000, 0.5, factors, torch.Generator().manual_seed(0)))[2]
    assert task.float().mean().item() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(("balance", "factor"), [(400.0, 1.0), (0.5, 1e308), (0.5, 5e-324)])
def test_shares_that_are_no_numbers_are_refused(tasks, balance, factor):
    pool = Pool(tasks[:1], [Split(np.zeros((100, 4, 4, 3), np.uint8), np.zeros(100, np.int64))])
    with pytest.raises(RequestError, match="take --balance and --emphasis nearer to 1"):
        next(pool.batches(8, balance, {0: factor}, torch.Generator()))


@pytest.mark.parametrize("text", ["nothing=2", "{0}", "{0}=much", "{0}=0", "{0}=-1", "{0}=inf", "{0}=nan"])
def test_an_emphasis_that_makes_no_sense_is_refused(tasks, text):
    with pytest.raises(DataError, match="--emphasis wants"):
        by_task("--emphasis", text.format(tasks[0].name), [task.name for task in tasks])


def test_a_share_of_more_than_all_is_refused(tasks):
    names = [task.name for task in tasks]
    assert by_task("--mix", f"{names[1]}=1", names, most=1) == {1: 1.0}
    with pytest.raises(DataError, match="--mix wants positive numbers, at most 1"):
        by_task("--mix", f"{names[1]}=1.5", names, most=1)


def test_batches_mix_classes_within_a_task(tasks):
    labels = np.array([0] * 90 + [1] * 10)
    pool = Pool(tasks[1:2], [Split(np.zeros((100, 4, 4, 3), np.uint8), labels)])
    batches = pool.batches(6000, 0.5, {}, torch.Generator().manual_seed(0))
    share = next(batches)[1].float().mean().item()
    assert share == pytest.approx(10**0.5 / (10**0.5 + 90**0.5), abs=0.02)


def test_classes_and_tasks_without_pictures_have_no_priors(tasks):
    splits = [
        Split(np.zeros((10, 4, 4, 3), np.uint8), np.array([0] * 9 + [2])),
        Split(np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, np.int64)),
        Split(np.zeros((5, 4, 4, 3), np.uint8), np.full(5, UNLABELLED)),
    ]
    shifts = Pool(tasks[:3], splits).drawn_above_natural(balance=0.0)
    assert shifts[0].exp().tolist() == pytest.approx([5 / 9, 1.0, 5.0])
    assert [shift.tolist() for shift in shifts[1:]] == [[0.0, 0.0], []]
