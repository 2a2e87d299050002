"""What the viewer in the browser is told of a picture's values."""

import numpy as np
import pytest

from app.frames import describe, frame_of
from medmamba import images
from medmamba.images.fuzz_seeds import dicom


def load(pixels, **header):
    return images.read(dicom(pixels, **header), guarded=False)


def described(image):
    frame = frame_of(image)
    return describe(image, frame), frame.samples * frame.slope + frame.intercept


@pytest.mark.parametrize("seed", range(8))
def test_the_viewer_finds_all_the_padding_and_nothing_else_whatever_the_rescale(seed):
    random = np.random.default_rng(seed)
    stored = random.integers(-1000, 4000, (32, 32), np.int16)
    stored[:10] = 0
    slope, intercept = f"{random.uniform(0.01, 3):.5f}", f"{random.uniform(-1000, 1000):.4f}"
    image = load(stored, PixelPaddingValue=0, RescaleSlope=slope, RescaleIntercept=intercept)
    description, values = described(image)
    low, high = description["padding"]
    np.testing.assert_array_equal((low <= values) & (values <= high), stored == 0)


def test_padding_does_not_set_the_contrast():
    stored = np.tile(np.arange(100, 164, dtype=np.int16), (64, 1))
    stored[:20] = -2000
    contrast = described(load(stored, Modality="MR", PixelPaddingValue=-2000))[0]["presets"][2]
    assert contrast["name"] == "contrast"
    assert contrast["centre"] - contrast["width"] / 2 >= 100
    assert described(load(np.full((4, 4), -2000, np.int16), Modality="MR", PixelPaddingValue=-2000))[0]["presets"]


def test_gaps_are_told_and_do_not_set_the_contrast():
    values = np.tile(np.linspace(2e-9, 3e-9, 256, dtype=np.float32), (256, 1))
    values[252, 252] = 1.9e-9  # one of 2,048, which the contrast leaves out
    assert not described(load(values))[0]["hasGaps"]
    values[:128] = np.nan
    description, shown = described(load(values))
    assert description["hasGaps"]
    full, contrast = (preset for preset in description["presets"] if preset["name"] in ("full", "contrast"))
    assert contrast["centre"] - contrast["width"] / 2 > 1.999e-9
    assert full["width"] == pytest.approx(1.1e-9, rel=0.01)  # and not a wider one, in which all is grey
    np.testing.assert_allclose(shown[128:], values[128:], rtol=1e-4)


def test_a_slice_of_one_value_is_black_and_has_a_window_that_can_be_read():
    image = images.read(dicom(np.full((8, 8), 7, np.int16), Modality="MR"), guarded=False)
    presets = described(image)[0]["presets"]
    assert {(preset["centre"], preset["width"]) for preset in presets[:3]} == {(7.5, 1.0)}
    assert not image.display().any()


SCREENSHOT = "1.2.840.10008.5.1.4.1.1.7"


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ({"RescaleSlope": 1, "RescaleIntercept": -1024}, "HU"),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "SOPClassUID": SCREENSHOT}, ""),
        ({}, ""),
    ],
)
def test_a_screenshot_of_a_ct_has_neither_hounsfield_units_nor_their_windows(header, unit):
    description, _ = described(load(np.arange(64, dtype=np.uint8).reshape(8, 8), Modality="CT", **header))
    assert description["unit"] == unit
    assert any(preset["name"] == "lung" for preset in description["presets"]) == bool(unit)
