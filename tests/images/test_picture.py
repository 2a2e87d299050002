"""Windows against the formulas of PS3.3 C.11.2.1.2 written out by hand, and the rendering path as a whole."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medmamba.errors import ImageError
from medmamba.images.picture import PART, MedicalImage, Window, gaps

few = settings(max_examples=60, deadline=None)
numbers = st.floats(-1e5, 1e5)
grey = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
)


def by_hand(x: float, c: float, w: float, function: str) -> float:
    """PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT), from 0 to 1."""
    if function == "SIGMOID":
        return 1 / (1 + math.exp(-4 * (x - c) / w))
    if function == "LINEAR":
        c, w = c - 0.5, w - 1
    if x <= c - w / 2:
        return 0.0
    if x > c + w / 2:
        return 1.0
    return (x - c) / w + 0.5


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@few
@given(x=numbers, centre=numbers, width=st.floats(1.5, 1e5))
def test_windows_are_the_formulas_of_the_standard(function: str, x: float, centre: float, width: float) -> None:
    ratio = abs(-4 * (x - centre) / width)
    if function == "SIGMOID" and ratio > 500:
        return
    expected = by_hand(x, centre, width, function)
    assert Window(centre, width, function).apply(np.array([x]))[0] == pytest.approx(expected, abs=1e-9)


def test_known_answers_of_a_brain_window() -> None:
    values = np.array([-100, 0, 39, 40, 80, 1000])
    # centre 40, width 80: black up to 0, white above 79, 255 / 79 a step between (examples of C.11.2.1.2.1)
    expected = [0, 0, 39 / 79, 40 / 79, 1, 1]
    assert Window(40, 80).apply(values) == pytest.approx(expected)


def test_the_narrowest_window_is_a_step() -> None:
    assert Window(10, 1).apply(np.array([9, 10, 11])).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("centre", "width", "function"),
    [(0, 0, "LINEAR"), (0, 0.5, "LINEAR"), (0, 0, "SIGMOID"), (0, -1, "LINEAR_EXACT"), (math.nan, 9, "LINEAR"),
     (0, math.inf, "LINEAR"), (0, 9, "CUBIC"), (0, 9, "LUT")],
)  # fmt: skip
def test_unusable_windows_are_refused(centre: float, width: float, function: str) -> None:
    with pytest.raises(ImageError):
        Window(centre, width, function)


def test_a_lookup_table_is_followed_and_held_at_its_ends() -> None:
    window = Window(0, 3, "LUT", lut=(0, 30, 60), lut_first=-1, lut_top=60)
    assert window.apply(np.array([-9, -1, 0, 1, 9])).tolist() == [0, 0, 0.5, 1, 1]


def test_eight_bit_grey_is_shown_as_it_is() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (MedicalImage(ramp).display() == ramp[:, :, None]).all()


def test_inversion_happens_once_and_after_the_window() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (MedicalImage(ramp, inverted=True).display()[:, :, 0] == 255 - ramp).all()


def test_padding_is_black_even_where_low_is_white() -> None:
    pixels = np.array([[-2000, 0, 100]], dtype=np.int16)
    image = MedicalImage(pixels, inverted=True, value_range=(0, 100), padding=(-2000, -2000))
    assert image.display()[0, :, 0].tolist() == [0, 255, 0]


def test_values_that_are_no_numbers_are_black() -> None:
    image = MedicalImage(np.array([[np.nan, 0, 1]], dtype=np.float32), inverted=True, value_range=(0, 1))
    assert image.display()[0, :, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize("inverted", [False, True])
def test_infinite_values_are_black_and_said(inverted: bool) -> None:
    values = np.array([[np.inf, -np.inf, 0, 1]], dtype=np.float32)
    image = MedicalImage(values, inverted=inverted, value_range=(0, 1))
    assert image.display()[0, :, 0].tolist() == [0, 0, *((255, 0) if inverted else (0, 255))]
    assert image.samples()[0].tolist() == [[0, 0, 1, 65535]]
    assert gaps(values) == ["Some values are not numbers and are drawn black."]
    assert gaps(np.zeros(2, np.float32)) == gaps(np.zeros(2, np.uint8)) == []


@pytest.mark.parametrize("stored", [7, 1000, 2501, 3000])
def test_the_table_draws_padding_amid_the_values_black(stored: int) -> None:
    pixels = (np.arange(4000, dtype=np.float32).reshape(40, 100) * np.float32(0.37)).astype(np.float32)
    padding = float(pixels.flat[stored])
    image = MedicalImage(pixels, inverted=True, value_range=(0, 1480), padding=(padding, padding))
    sample = int(image.samples()[0].flat[stored])
    assert image.display().reshape(-1, 3)[stored].tolist() == [0, 0, 0]
    assert image.table()[sample] == 0
    assert (image.table()[[sample - 2, sample + 2]] > 0).all()


def test_sixteen_bit_colour_is_rounded_to_eight() -> None:
    pixels = np.array([[[0, 65535, 32768]]], dtype=np.uint16)
    assert MedicalImage(pixels).display().tolist() == [[[0, 255, 128]]]


@few
@given(pixels=grey, centre=numbers, width=st.floats(1, 1e5), inverted=st.booleans())
def test_display_is_the_window_value_by_value(pixels: np.ndarray, centre: float, width: float, inverted: bool) -> None:
    image = MedicalImage(pixels, inverted=inverted)
    shown = image.display((centre, width))
    assert shown.shape == (*pixels.shape, 3)
    assert shown.dtype == np.uint8
    share = np.nan_to_num(Window(centre, width).apply(np.where(np.isfinite(pixels), pixels, 0)))
    expected = np.floor((1 - share if inverted else share) * 255 + 0.5)
    ok = np.isfinite(pixels)
    assert (shown[:, :, 0][ok] == expected[ok]).all()


@few
@given(pixels=grey, centre=st.floats(-1000, 1000), width=st.floats(1, 4000), inverted=st.booleans())
def test_the_viewer_can_draw_the_same_from_samples_and_table(
    pixels: np.ndarray, centre: float, width: float, inverted: bool
) -> None:
    pixels = np.nan_to_num(pixels, posinf=1, neginf=0)
    image = MedicalImage(pixels, inverted=inverted)
    samples, slope, intercept = image.samples()
    back = samples * slope + intercept
    span = float(pixels.max()) - float(pixels.min())
    if pixels.dtype.kind in "iu" and span <= 65535:
        assert slope == 1.0
        assert (back == pixels).all()
        assert (image.table((centre, width))[samples] == image.display((centre, width))[:, :, 0]).all()
    else:
        assert np.abs(back - pixels.astype(np.float64)).max() <= span / 131070 * (1 + 1e-6)


def test_a_brighter_value_is_never_drawn_darker() -> None:
    values = np.linspace(-3000, 3000, 4001).astype(np.float32)[None]
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        drawn = MedicalImage(values, window=Window(40, 400, function)).display()[0, :, 0].astype(int)
        assert (np.diff(drawn) >= 0).all()


@pytest.mark.parametrize("pixels", [[-1.0, 0.0, 3.0], [5.0], []])
@pytest.mark.parametrize("inverted", [False, True])
def test_gaps_are_drawn_black_from_samples_too(pixels: list[float], inverted: bool) -> None:
    values = np.array([[math.nan, *pixels, math.inf, -math.inf]], np.float32)
    image = MedicalImage(values, inverted=inverted, value_range=(-9.0, 9.0))
    samples, slope, intercept = image.samples()
    assert image.has_gaps
    assert ((samples == 0) == ~np.isfinite(values)).all()
    assert (samples * slope + intercept)[0, 1:-2].tolist() == pytest.approx(pixels, abs=1e-4)
    drawn, shown = image.table()[samples].astype(int), image.display()[:, :, 0].astype(int)
    assert np.abs(drawn - shown).max() <= 1  # of a value within half a step
    assert (drawn[~np.isfinite(values)] == 0).all()


def test_lookup_tables_count_as_memory() -> None:
    plain = MedicalImage(np.zeros((4, 4), np.int16))
    assert plain.nbytes == 32
    table = Window(1, 2, "LUT", lut=tuple(range(1000)), lut_top=999)
    assert 32_000 < plain.replace(windows=(table, Window(1, 2))).nbytes < 64_000


def test_colour_has_no_samples() -> None:
    with pytest.raises(ImageError):
        MedicalImage(np.zeros((2, 2, 3), np.uint8)).samples()


def test_wide_integers_are_drawn_like_narrow_ones() -> None:
    pixels = np.array([[-(2**31), 0, 2**31 - 1]], dtype=np.int32)
    image = MedicalImage(pixels, value_range=(-(2.0**31), 2.0**31 - 1))
    assert image.display()[0, :, 0].tolist() == [0, 128, 255]


@few
@given(pixels=hnp.arrays(np.int16, (24, 40)), left=st.integers(0, 24), top=st.integers(0, 8), colour=st.booleans())
def test_a_part_is_drawn_as_it_was_in_the_whole(pixels: np.ndarray, left: int, top: int, colour: bool) -> None:
    pixels = np.repeat(pixels.astype(np.uint8)[..., None], 3, axis=2) if colour else pixels
    low, high = float(pixels.min()), float(pixels.max())
    whole = MedicalImage(pixels, inverted=True, value_range=(low, high), padding=(low, low), pixel_spacing=(0.5, 0.25))
    part = whole.part(left, top, 16, 16)
    np.testing.assert_array_equal(part.display(), whole.display()[top : top + 16, left : left + 16])
    assert part.pixels.flags.c_contiguous
    assert whole.part(0, top, 40, 16).pixels.base is None  # it keeps no whole picture in memory
    assert part.pixel_spacing == whole.pixel_spacing


def test_a_part_is_one_frame_that_says_what_it_is_once() -> None:
    tags = {"Rows": "40", "Columns": "50", "Modality": "CT"}
    whole = MedicalImage(np.zeros((40, 50), np.uint8), frame=2, frames=5, warnings=("Frame 3 of 5.",), tags=tags)
    part = whole.part(10, 0, 40, 30).part(0, 0, 20, 30)
    assert part.warnings == ("Frame 3 of 5.", PART)
    assert (part.frame, part.frames) == (0, 1)
    assert part.tags == {"Rows": "30", "Columns": "20", "Modality": "CT"}


@pytest.mark.parametrize(
    ("rectangle", "words"),
    [((0, 0, 15, 16), "too small"), ((0, 0, 16, 15), "too small"), ((-1, 0, 16, 16), "beyond"),
     ((0, -1, 16, 16), "beyond"),
     ((35, 0, 16, 16), "beyond"), ((0, 25, 16, 16), "beyond"), ((0, 0, 51, 16), "beyond")],
)  # fmt: skip
def test_what_is_no_part_is_refused(rectangle: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        MedicalImage(np.zeros((40, 50), np.uint8)).part(*rectangle)
