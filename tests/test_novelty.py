"""The novelty score on made-up features: what it refuses, at which rate, and from which stage."""

import numpy as np
import pytest
import torch

from medmamba import novelty

STRICTNESS = 0.02
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
    return statistics, novelty.threshold(statistics, held_out, numbers, STRICTNESS)


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
    assert np.mean(rates) == pytest.approx(STRICTNESS, abs=0.025)


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
    once = novelty.threshold(statistics, vectors, numbers, STRICTNESS)
    assert novelty.threshold(statistics, repeated, of_repeated, STRICTNESS) == pytest.approx(once)


def strictness_found(counts, modalities, spread=1.0, part=1.0):
    """For three tasks; ``part`` of the last one's pictures lie ``spread`` times as far from its mean."""
    statistics = novelty.fit(*many([300, 300, 300], seed=1), 3)
    vectors, numbers = many(counts, seed=600)
    far = np.flatnonzero(numbers == 2)
    far = torch.from_numpy(far[: int(part * len(far))])
    vectors[far] += (spread - 1) * (vectors[far] - vectors[far].mean(0))
    return novelty.strictness(statistics, vectors, numbers, np.array(modalities)[numbers])


def test_many_pictures_allow_a_strictness_close_to_the_refusals_that_are_allowed():
    assert strictness_found([3000, 3000, 3000], ["a", "b", "c"]) in (0.04, 0.05)


def test_few_pictures_ask_for_a_margin():
    assert strictness_found([60, 60, 60], ["a", "b", "c"]) < 0.04


def test_a_modality_with_too_few_pictures_has_no_say():
    many_pictures = strictness_found([600, 600, 600], ["a", "b", "c"])
    assert strictness_found([600, 600, 20], ["a", "b", "c"], spread=3, part=0.2) >= many_pictures - 0.01


@pytest.mark.parametrize("counts", [[1, 1, 1], [2, 2, 2]])
def test_a_handful_of_pictures_asks_for_no_strictness(counts):
    """A random half of them may be empty."""
    assert strictness_found(counts, ["a", "b", "c"]) == novelty.STRICTNESSES[0]


def test_a_modality_with_a_long_tail_sets_the_strictness():
    tail = strictness_found([1000, 1000, 1000], ["a", "b", "c"], spread=1.5, part=0.06)
    assert tail < strictness_found([1000, 1000, 1000], ["a", "b", "c"])


def test_fewer_pictures_than_directions():
    statistics = novelty.fit(*many([4, 5, 2], seed=7), 3)
    assert novelty.scores(statistics, features(0, 6, 8)).isfinite().all()
