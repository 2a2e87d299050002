"""Corruptions do what they say, more at each level, and the same at every call."""

import io

import numpy as np
import pytest
from PIL import Image

from medmamba.corruptions import CORRUPTIONS, LEVELS, SIDE, corrupted


@pytest.fixture
def squares(picture):
    return np.stack([picture(SIDE, SIDE, seed) for seed in range(2)])


def gap(a, b):
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_level_is_worse_than_the_last(squares, name):
    levels = [corrupted(name, level, squares) for level in range(1, LEVELS + 1)]
    assert all(found.shape == squares.shape and found.dtype == np.uint8 for found in levels)
    gaps = [gap(found, squares) for found in levels]
    assert gaps[0] > 0.2
    assert gaps == sorted(gaps)
    assert gaps[-1] > 1.1 * gaps[0]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_pictures_are_corrupted_alike(squares, name):
    before = squares.copy()
    assert (corrupted(name, 3, squares) == corrupted(name, 3, squares)).all()
    assert (squares == before).all()


def test_noise_depends_on_the_seed(squares):
    for name in ("Gaussian noise", "salt and pepper"):
        assert (corrupted(name, 3, squares, seed=1) != corrupted(name, 3, squares, seed=2)).any()


def test_noise_has_its_standard_deviation():
    grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
    assert corrupted("Gaussian noise", 2, grey).std() / 255 == pytest.approx(0.08, rel=0.05)


def test_salt_and_pepper_hits_its_share():
    grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
    found = corrupted("salt and pepper", 5, grey)
    assert np.isin(found, (0, 255)).mean() == pytest.approx(0.17, abs=0.01)
    assert (found[~np.isin(found, (0, 255))] == 128).all()


def test_brightness_and_contrast_are_factors():
    grey = np.full((1, SIDE, SIDE, 3), 100, np.uint8)
    assert (corrupted("darker", 5, grey) == 50).all()
    assert (corrupted("brighter", 5, grey) == 150).all()
    halves = grey.copy()
    halves[:, :, : SIDE // 2] = 200
    low, high = np.unique(corrupted("less contrast", 5, halves)).tolist()
    assert high - low == pytest.approx(40, abs=1)
    assert (low + high) / 2 == pytest.approx(150, abs=1)


def test_resolution_leaves_blocks(squares):
    found = corrupted("resolution", 5, squares)  # a quarter of the side: blocks of 4
    blocks = found.reshape(2, SIDE // 4, 4, SIDE // 4, 4, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()


def test_jpeg_is_pillows(squares):
    buffer = io.BytesIO()
    Image.fromarray(squares[0]).save(buffer, "JPEG", quality=7)
    assert gap(np.asarray(Image.open(buffer)), corrupted("JPEG", 5, squares)[0]) < 3


def test_rotation_turns_about_the_centre_without_black_corners(squares):
    bright = np.full((1, SIDE, SIDE, 3), 200, np.uint8)
    bright[:, 40:44, SIDE // 2 - 2 : SIDE // 2 + 2] = 0  # a spot above the centre
    found = corrupted("rotation", 5, bright)[0, :, :, 0]
    rows, columns = np.where(found < 100)
    radius = SIDE / 2 - 42
    assert rows.mean() == pytest.approx(SIDE / 2 - radius * np.cos(np.pi / 6), abs=1.5)
    assert columns.mean() == pytest.approx(SIDE / 2 - radius * np.sin(np.pi / 6), abs=1.5)
    assert found[[0, 0, -1, -1], [0, -1, 0, -1]].min() == 200
