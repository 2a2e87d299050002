"""Mixed pictures: only within a task, as often as asked, and the share is what the picture shows."""

import pytest
import torch

from medmamba.mixing import mix

TASK = torch.arange(60) % 3  # the pictures of a task all have its number's label and a grey of their own
LABELS = torch.where(TASK == 2, -1, torch.arange(60) % 5)
GREY = torch.arange(60) / 60


def mixture(rates, task=TASK, seed=0):
    pictures = GREY[:, None, None, None].expand(60, 3, 32, 24)
    return mix(pictures, LABELS, task, torch.tensor(rates), torch.Generator().manual_seed(seed))


def test_what_a_task_does_not_ask_for_stays_as_it_is():
    pictures, share, other = mixture([1.0, 0.0, 1.0])  # the third has no labels
    still = TASK != 0
    assert (share[still] == 1).all()
    assert torch.equal(other[still], LABELS[still])
    assert (pictures[still] == GREY[still, None, None, None]).all()
    assert (share[~still] < 1).all()


def test_the_share_is_what_the_picture_shows_of_itself():
    """Of a picture that is one grey all over, the mean tells how much of another is in it."""
    pictures, share, other = mixture([1.0, 1.0, 0.0])
    mixed = share < 1
    assert mixed.sum() == 40
    assert share.min() >= 0.45  # a box of half the area ends at whole pixels
    mean = pictures.mean((1, 2, 3))
    of_other = (mean - share * GREY)[mixed] / (1 - share)[mixed]
    number = (of_other * 60).round().long()
    assert of_other * 60 == pytest.approx(number, abs=0.05)
    assert torch.equal(TASK[number], TASK[mixed])
    assert torch.equal(LABELS[number], other[mixed])
    assert (number != torch.arange(60)[mixed]).all()


def test_half_are_blends_and_half_have_a_box():
    kinds = [len(picture.unique()) for seed in range(10) for picture in mixture([1.0, 0.0, 0.0], seed=seed)[0][::3]]
    assert set(kinds) == {1, 2}
    assert 0.35 < kinds.count(1) / len(kinds) < 0.65


def test_the_rate_is_the_share_of_mixed_pictures():
    shares = torch.cat([mixture([0.3, 0.0, 0.0], seed=seed).share[TASK == 0] for seed in range(30)])
    assert (shares < 1).float().mean().item() == pytest.approx(0.3, abs=0.05)


def test_a_picture_alone_with_its_task_is_not_mixed():
    task = torch.zeros(60, dtype=torch.long)
    task[7] = 1
    pictures, share, other = mixture([1.0, 1.0], task)
    assert share[7] == 1
    assert other[7] == LABELS[7]
    assert (pictures[7] == GREY[7]).all()


def test_without_rates_nothing_is_drawn():
    random = torch.Generator().manual_seed(0)
    before = random.get_state()
    pictures = torch.rand(60, 3, 8, 8)
    same, share, _ = mix(pictures, LABELS, TASK, torch.zeros(3), random)
    assert torch.equal(random.get_state(), before)
    assert same is pictures
    assert (share == 1).all()
