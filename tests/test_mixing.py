"""Mixed pictures: only within a task, as often as asked, and the share is what the picture shows; restyled ones too."""

import pytest
import torch

from medmamba.mixing import mix, restyle

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


def restyled(pictures, rates, task=TASK, seed=0):
    return restyle(pictures, task, torch.tensor(rates), torch.Generator().manual_seed(seed))


def test_one_grey_all_over_comes_nearer_to_that_of_another_of_the_task():
    """Its spectrum is one amplitude, its mean: the new one lies between two pictures of the task."""
    greys = GREY[:, None, None, None].expand(60, 3, 32, 24)
    seen = restyled(greys, [1.0, 0.0, 1.0])
    assert torch.equal(seen[TASK == 1], greys[TASK == 1])
    for number in (0, 2):  # those without labels as well
        of_task = number == TASK
        means, greys_of_task = seen[of_task].mean((1, 2, 3)), GREY[of_task]
        assert (means - greys_of_task).abs().min() > 0
        assert means.min() >= greys_of_task.min()
        assert means.max() <= greys_of_task.max()


def test_where_things_are_stays_and_amplitudes_are_another_s():
    """Two pictures in a task, one the other with half the contrast: all that may change is the contrast, up to it."""
    random = torch.Generator().manual_seed(1)
    strong = 0.3 + 0.4 * torch.rand(3, 32, 24, generator=random)
    mean = strong.mean((1, 2), keepdim=True)
    weak = mean + (strong - mean) / 2
    seen = restyled(torch.stack([strong, weak]), [1.0], torch.zeros(2, dtype=torch.long))
    for picture, lowest, highest in ((seen[0], 0.75, 1.0), (seen[1], 0.5, 0.75)):
        factors = (picture - mean) / (strong - mean)
        assert factors.std() < 1e-3
        assert lowest < factors.mean() < highest
    assert (seen[0] - strong).abs().max() > 0.01
    assert (seen[1] - weak).abs().max() > 0.01


def test_a_picture_of_odd_width_keeps_its_size():
    assert restyled(torch.rand(60, 3, 17, 19), [1.0, 1.0, 1.0]).shape == (60, 3, 17, 19)


def test_without_rates_nothing_is_restyled_or_drawn():
    random = torch.Generator().manual_seed(0)
    before = random.get_state()
    pictures = torch.rand(60, 3, 8, 8)
    assert restyle(pictures, TASK, torch.zeros(3), random) is pictures
    assert torch.equal(random.get_state(), before)
