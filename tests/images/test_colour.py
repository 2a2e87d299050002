"""Colour profiles: colours come out as they are meant, by a formula of our own; what cannot be applied is said."""

import numpy as np
import pytest
from PIL import ImageCms

from medmamba.images.colour import to_srgb
from tests.images.colour_profiles import DISPLAY_P3, SRGB, on_screen, profile

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
APPLIED = ["The colours were converted from the file's colour profile to sRGB."]
NOT_APPLIED = ["The file's colour profile is not applied: colours may look different in other programs."]


@pytest.mark.parametrize(("primaries", "gamma"), [(DISPLAY_P3, 2.2), (SRGB, 1.8)])
def test_colours_are_what_the_profile_says(primaries: np.ndarray, gamma: float) -> None:
    converted, said = to_srgb(PIXELS, profile(primaries, gamma))
    assert said == APPLIED
    assert converted.dtype == np.uint8
    apart = np.abs(converted - on_screen(PIXELS, primaries, gamma))
    assert np.percentile(apart, 99) < 1.5
    assert apart.max() < 6, "near black, where the profile's curve is steep"
    assert np.abs(converted.astype(int) - PIXELS).mean() > 3, "as large a change as anyone could see"


def test_white_and_black_stay() -> None:
    ends = np.array([[[255, 255, 255], [0, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(to_srgb(ends, profile())[0], ends)


@pytest.mark.parametrize("none", [None, 7])
def test_without_a_profile_or_with_that_of_the_screen_nothing_changes(none: object) -> None:
    assert to_srgb(PIXELS, none) == (PIXELS, [])
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for pixels in (PIXELS, PIXELS.astype(np.uint16), PIXELS[:, :, 0]):
        assert to_srgb(pixels, srgb) == (pixels, [])


def test_the_name_of_a_profile_decides_nothing() -> None:
    linear = profile(SRGB, 1.0).replace(b"Phone", b"sRGB!")
    pixels, said = to_srgb(PIXELS, linear)
    assert said == APPLIED
    assert np.abs(pixels - on_screen(PIXELS, SRGB, 1.0)).max() < 2


@pytest.mark.parametrize("broken", [b"Display P3", profile()[:200], profile(space=b"CMYK"), profile(space=b"GRAY")])
def test_a_damaged_profile_or_one_of_other_colours_is_said(broken: bytes) -> None:
    pixels, said = to_srgb(PIXELS, broken)
    assert pixels is PIXELS
    assert said == NOT_APPLIED


def test_deep_and_grey_samples_are_left_as_they_are() -> None:
    for pixels in (PIXELS.astype(np.uint16), PIXELS[:, :, 0]):
        same, said = to_srgb(pixels, profile())
        assert same is pixels
        assert said == NOT_APPLIED
