"""The only preprocessing there is: known numbers, and the whole picture."""

import numpy as np
import pytest
import torch

from medmamba.preprocess import Transform


def test_values_are_scaled_and_normalised_for_each_colour():
    transform = Transform(2, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    squares = np.array([[[[0, 0, 0], [255, 255, 255]], [[51, 51, 51], [204, 204, 204]]]], dtype=np.uint8)
    got = transform.to_tensor(squares)
    assert got.shape == (1, 3, 2, 2)
    assert got.dtype == torch.float32
    want = torch.tensor([[[0, 1], [0.2, 0.8]], [[-1, 1], [-0.6, 0.6]], [[-4, 0], [-3.2, -0.8]]])
    torch.testing.assert_close(got[0], want)


def test_the_default_range_is_minus_one_to_one():
    squares = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1).repeat(3, axis=3)
    assert Transform(1).to_tensor(squares)[:, 0, 0, 0].tolist() == [-1, 1]


@pytest.mark.parametrize("shape", [(40, 100), (100, 40), (16, 16), (7, 300)])
def test_a_position_keeps_its_fraction_of_the_picture(shape):
    """Four quarters of four colours stay four quarters: nothing is cropped, turned or mirrored."""
    picture = np.zeros((*shape, 3), np.uint8)
    picture[: shape[0] // 2, :, 0] = 200
    picture[:, : shape[1] // 2, 1] = 100
    square = Transform(32).to_square(picture)
    assert square.shape == (32, 32, 3)
    assert square.dtype == np.uint8
    assert square[4, 4].tolist() == [200, 100, 0]
    assert square[4, 27].tolist() == [200, 0, 0]
    assert square[27, 4].tolist() == [0, 100, 0]
    assert square[27, 27].tolist() == [0, 0, 0]


def test_shrinking_averages_instead_of_picking():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    square = Transform(8).to_square(stripes)
    assert abs(square[2:-2, 2:-2].astype(int) - 127).max() <= 2


def test_a_picture_of_the_right_size_is_left_alone(picture):
    assert np.array_equal(Transform(64).to_square(picture()), picture())


def test_squares_of_several_pictures_make_a_batch(picture):
    transform = Transform(48)
    squares = np.stack([transform.to_square(picture(30 + i, 50, seed=i)) for i in range(3)])
    batch = transform.to_tensor(squares)
    assert batch.shape == (3, 3, 48, 48)
    assert torch.equal(batch[1:2], transform.to_tensor(squares[1:2]))
