"""Random changes: none that a task does not allow, and the same ones for the same seed."""

import math

import pytest
import torch

from medmamba.augment import Augmenter
from medmamba.tasks import Augmentation, Task


def augmenter(*limits):
    return Augmenter.of(tuple(Task("", "", "", (), "", "", "", augmentation=a) for a in limits))


def changed(augmentation, pictures, size=32, seed=0):
    task = torch.zeros(len(pictures), dtype=torch.long)
    return augmenter(augmentation)(pictures, task, size, torch.Generator().manual_seed(seed))


def corners(pictures):
    """Mean of the four quarters: (batch, top or bottom, left or right)."""
    return pictures.mean(1).unflatten(2, (2, -1)).unflatten(1, (2, -1)).mean((2, 4))


@pytest.fixture
def bright_top_left():
    pictures = torch.full((400, 3, 40, 40), 0.2)
    pictures[:, :, :20, :20] = 0.8
    return pictures


def where_bright(pictures):
    """For each picture, whether the bright corner is at the bottom, and whether at the right."""
    brightest = corners(pictures).flatten(1).argmax(1)
    return brightest >= 2, brightest % 2 == 1


@pytest.mark.parametrize("flips", ["", "h", "v", "hv"])
def test_flips_happen_only_where_allowed(bright_top_left, flips):
    bottom, right = where_bright(changed(Augmentation(flips=flips), bright_top_left))
    for allowed, share in (("h" in flips, right.float().mean()), ("v" in flips, bottom.float().mean())):
        assert 0.4 < share < 0.6 if allowed else share == 0


def test_each_picture_keeps_to_the_limits_of_its_own_task(bright_top_left):
    task = torch.arange(400) % 2
    change = augmenter(Augmentation(), Augmentation(flips="h"))
    _, right = where_bright(change(bright_top_left, task, 32, torch.Generator().manual_seed(0)))
    assert not right[task == 0].any()
    assert 0.35 < right[task == 1].float().mean() < 0.65


def test_rotation_keeps_to_its_angle():
    """A bright half stays on its side up to 30 degrees: of its edge, only the ends come near the corners."""
    pictures = torch.zeros(200, 3, 64, 64)
    pictures[..., :32] = 1
    still = changed(Augmentation(), pictures)
    turned = changed(Augmentation(rotation=30.0), pictures)
    lean = lambda batch: (batch[:, 0, :8].mean((1, 2)) - batch[:, 0, -8:].mean((1, 2))).abs()  # noqa: E731
    assert lean(still).max() < 0.01  # upright: top and bottom are alike
    assert lean(turned).max() > 0.2
    assert (turned[..., :4].mean((1, 2, 3)) > turned[..., -4:].mean((1, 2, 3))).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_values_stay_between_zero_and_one(level):
    noise = (torch.rand(50, 3, 24, 24) < level).float()
    out = changed(Augmentation("hv", 180.0, 0.5), noise, size=20)
    assert out.shape == (50, 3, 20, 20)
    assert out.min() >= 0
    assert out.max() <= 1


def test_colours_move_apart_only_where_allowed():
    grey = torch.full((100, 3, 16, 16), 0.5)
    plain, coloured = changed(Augmentation(), grey), changed(Augmentation(colour=0.2), grey)
    spread = lambda batch: batch.mean((2, 3)).std(1)  # noqa: E731
    assert spread(plain).max() < 1e-6
    assert spread(coloured).mean() > 0.02
    assert (plain - 0.5).abs().max() <= 0.5 * Augmentation().brightness + 1e-6


def test_brightness_and_contrast_stay_within_the_task_s_limits():
    pictures = torch.rand(400, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    level, spread = (lambda batch: batch.mean((1, 2, 3))), (lambda batch: batch.std((1, 2, 3)))
    still = changed(Augmentation(brightness=0, contrast=0), pictures)
    for limits in (Augmentation(brightness=0.3, contrast=0), Augmentation(brightness=0, contrast=0.3)):
        seen = changed(limits, pictures)
        for limit, ratio in (
            (limits.brightness, level(seen) / level(still)),
            (limits.contrast, spread(seen) / spread(still)),
        ):
            assert (ratio - 1).abs().max() <= limit + 0.01
            assert (ratio - 1).abs().max() >= limit * 0.9


def test_a_seed_gives_the_same_changes_again():
    pictures, limits = torch.rand(8, 3, 24, 24), Augmentation("hv", 20.0, 0.1)
    assert torch.equal(changed(limits, pictures, seed=3), changed(limits, pictures, seed=3))
    assert not torch.equal(changed(limits, pictures, seed=3), changed(limits, pictures, seed=4))


def test_pictures_change_each_in_its_own_way():
    out = changed(Augmentation(), torch.rand(1, 3, 24, 24).expand(8, -1, -1, -1))
    assert all(not torch.equal(out[0], other) for other in out[1:])


def test_half_of_the_pictures_get_noise_up_to_the_task_s_limit():
    grey = torch.full((400, 3, 32, 32), 0.5)
    deviation = changed(Augmentation(brightness=0, contrast=0, noise=0.1), grey).std((1, 2, 3))
    assert 0.4 < (deviation < 1e-6).float().mean() < 0.6
    assert 0.09 < deviation.max() < 0.105
    assert deviation[deviation > 1e-6].mean() == pytest.approx(0.05, abs=0.006)
    assert changed(Augmentation(brightness=0, contrast=0), grey).std((1, 2, 3)).max() < 1e-6


def test_a_recipe_without_noise_draws_none():
    """The runs of record before there was noise shall meet the same changes again."""
    plain, noisy = (torch.Generator().manual_seed(0) for _ in range(2))
    pictures, task = torch.rand(4, 3, 24, 24), torch.zeros(4, dtype=torch.long)
    augmenter(Augmentation(noise=0.0))(pictures, task, 24, plain)
    augmenter(Augmentation(noise=0.1))(pictures, task, 24, noisy)
    torch.rand(4, generator=plain)
    torch.randn(pictures.shape, generator=plain)
    assert torch.equal(plain.get_state(), noisy.get_state())


def test_grey_takes_the_colour_of_its_share_of_pictures():
    coloured = torch.rand(1, 3, 1, 1).expand(400, 3, 16, 16) * torch.tensor([1.0, 0.5, 0.2])[:, None, None]
    spread = changed(Augmentation(grey=0.3), coloured).std(1).mean((1, 2))
    assert 0.22 < (spread < 1e-6).float().mean() < 0.38
    assert (changed(Augmentation(), coloured).std(1) > 1e-3).all()


def extents(pictures):
    """Width and height of what is bright, for each picture, against its side."""
    bright = pictures.mean(1) > 0.5
    return bright.any(1).float().mean(1), bright.any(2).float().mean(1)


@pytest.fixture
def bright_square():
    pictures = torch.zeros(400, 3, 60, 60)
    pictures[:, :, 20:40, 20:40] = 1
    return pictures


def test_zoom_keeps_to_the_task_s_nearest_side(bright_square):
    for nearest in (0.75, 0.5):
        width, height = extents(changed(Augmentation(brightness=0, contrast=0, nearest=nearest), bright_square, 120))
        assert width.max() == pytest.approx(1 / 3 / nearest, abs=0.03)
        assert height.max() == pytest.approx(1 / 3 / nearest, abs=0.03)


def test_stretch_keeps_to_the_task_s_limit_and_to_the_area(bright_square):
    still = extents(changed(Augmentation(brightness=0, contrast=0), bright_square, 120))
    width, height = extents(changed(Augmentation(brightness=0, contrast=0, stretch=0.4), bright_square, 120))
    assert (still[0] / still[1]).log().abs().max() < 0.03
    assert 0.33 < (width / height).log().abs().max() < 0.45
    assert (width * height).mean() == pytest.approx(float((still[0] * still[1]).mean()), rel=0.05)


def test_gamma_bends_values_and_leaves_black_and_white():
    grey = torch.tensor([0.0, 0.25, 1.0])[:, None, None, None].expand(3, 3, 8, 8).repeat(100, 1, 1, 1)
    dark, middle, bright = changed(Augmentation(brightness=0, contrast=0, gamma=0.5), grey)[:, 0, 0, 0].view(100, 3).T
    assert (dark == 0).all()
    assert bright.min() > 1 - 1e-5
    powers = middle.log() / math.log(0.25)
    assert 0.45 < powers.log().max() <= 0.5 + 1e-4
    assert -0.5 - 1e-4 <= powers.log().min() < -0.45


def test_a_recipe_without_stretch_and_gamma_draws_none():
    """The runs of record before there were these shall meet the same changes again."""
    plain, other = (torch.Generator().manual_seed(0) for _ in range(2))
    pictures, task = torch.rand(4, 3, 24, 24), torch.zeros(4, dtype=torch.long)
    augmenter(Augmentation())(pictures, task, 24, plain)
    augmenter(Augmentation(stretch=0.1, gamma=0.1))(pictures, task, 24, other)
    torch.rand(8, generator=plain)
    assert torch.equal(plain.get_state(), other.get_state())
