"""The novelty score on made-up features: what it refuses, at which rate, and from which stage."""

import numpy as np
import pytest
import torch

from medmamba import novelty

WIDTH = 8  # C of a made-up network: vectors of 45 C
LENGTHS = [3 * WIDTH * 2**stage for stage in range(novelty.STAGES)]


def features(task, count, seed, tasks=3):
    """Vectors of a task: a mean of its own in every stage, and correlated noise shared by all."""
    common = torch.Generator().manual_seed(0)
    means = torch.randn(tasks, sum(LENGTHS), generator=common)
    mixing = torch.randn(sum(LENGTHS), sum(LENGTHS), generator=common) / sum(LENGTHS) ** 0.5
    noise = torch.randn(count, sum(LENGTHS), generator=torch.Generator().manual_seed(seed))
    return means[task] + 0.5 * noise @ mixing


def many(counts, seed):
    numbers = np.repeat(np.arange(len(counts)), counts)
    return torch.cat([features(t, count, seed + t) for t, count in enumerate(counts)]), numbers


@pytest.fixture(scope="module")
def fitted():
    held_out, numbers = many([300, 300, 300], seed=100)
    statistics = novelty.with_levels(novelty.fit(*many([300, 300, 300], seed=1), 3), held_out, numbers)
    return statistics, novelty.threshold(statistics, held_out, numbers)


def test_summaries_by_hand():
    flat = torch.full((1, 2, 2, 1), 3.0)
    chequered = torch.tensor([[0.0, 2.0], [4.0, 6.0]]).reshape(1, 2, 2, 1)  # diagonal neighbours differ by 6 and 2
    mean, spread, rough = novelty.pooled([chequered])[0].tolist()
    assert (mean, rough) == (3, 4)
    assert spread == pytest.approx(np.std([0, 2, 4, 6]))
    assert novelty.pooled([flat, chequered]).shape == (1, 6)
    assert novelty.pooled([flat])[0].tolist() == [3, 0, 0]


def test_summaries_of_a_grid_of_one_cell_are_finite():
    assert novelty.pooled([torch.ones(2, 1, 1, 4)]).isfinite().all()


def test_new_pictures_of_a_task_are_refused_at_the_chosen_rate(fitted):
    statistics, threshold = fitted
    rates = [
        float((novelty.scores(statistics, features(t, 1000, 200 + t))[:, t] > threshold).float().mean())
        for t in range(3)
    ]
    assert np.mean(rates) == pytest.approx(novelty.HELD_OUT_REFUSALS, abs=0.025)


def test_pictures_of_another_task_and_of_none_are_refused(fitted):
    statistics, threshold = fitted
    assert (novelty.scores(statistics, features(0, 200, 300))[:, 1:] > threshold).all()
    assert (novelty.scores(statistics, 4 * torch.randn(200, sum(LENGTHS))) > threshold).all()


@pytest.mark.parametrize("stage", range(novelty.STAGES))
def test_one_odd_stage_is_enough(fitted, stage):
    statistics, threshold = fitted
    vectors = features(0, 100, 400)
    parts = list(vectors.split(LENGTHS, dim=1))
    parts[stage] = parts[stage] + 2 * torch.randn(LENGTHS[stage], generator=torch.Generator().manual_seed(5))
    assert (novelty.scores(statistics, torch.cat(parts, dim=1))[:, 0] > threshold).float().mean() > 0.95


def test_levels_put_nine_in_ten_held_out_pictures_below_one_in_each_stage(fitted):
    statistics, _ = fitted
    distances = novelty._distances(statistics, features(1, 300, 101))[:, 1] / statistics["levels"][1]
    assert (distances < 1).float().mean(0).tolist() == pytest.approx([0.9] * novelty.STAGES, abs=0.01)


def test_every_task_counts_the_same_in_the_threshold(fitted):
    statistics, _ = fitted
    vectors, numbers = many([53, 53, 53], 500)
    repeated, of_repeated = (
        torch.cat([vectors, vectors[:53].repeat(20, 1)]),
        np.append(numbers, np.zeros(1060, np.int64)),
    )
    once = novelty.threshold(statistics, vectors, numbers)
    assert novelty.threshold(statistics, repeated, of_repeated) == pytest.approx(once)


def test_fewer_pictures_than_directions():
    statistics = novelty.fit(*many([4, 5, 2], seed=7), 3)
    assert novelty.scores(statistics, features(0, 6, 8)).isfinite().all()
