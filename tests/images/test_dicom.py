"""DICOM: known answers, pydicom's own test files, and headers that lie."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_voi_lut

from medmamba.errors import ImageError
from medmamba.images import read
from medmamba.images.fuzz_seeds import LOSSLESS, dicom
from medmamba.images.picture import MedicalImage, Window
from tests.images.colour_profiles import on_screen, profile

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
RAMP = np.add.outer(np.arange(12, dtype=np.int16), np.arange(16, dtype=np.int16)) * 9 - 60
few = settings(max_examples=40, deadline=None)
JPEG, JPEG_LS, JPEG_2000, RLE = (f"1.2.840.10008.1.2.{end}" for end in ("4.50", "4.80", "4.90", "5"))
SCREENSHOT, ENHANCED_CT = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("7", "2.1"))
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


def load(data: bytes | Path, frame: int = 0) -> MedicalImage:
    return read(data, frame=frame, guarded=False)


def item(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def encode_whole(pixels: np.ndarray) -> bytes:
    """JPEG 2000 without loss, of all 16 bits."""
    return imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="J2K", reversible=True)


def lut(descriptor: list[int], entries: list[int], prefix: str = "LUT") -> Dataset:
    """One LUT item, its ambiguous representations settled as unsigned."""
    ds = Dataset()
    ds.add_new(f"{prefix}Descriptor", "US", descriptor)
    ds.add_new(f"{prefix}Data", "OW", np.array(entries, "<u2").tobytes())
    return ds


# Encodings


def test_ten_lossless_encodings_of_one_ct_are_bit_equal() -> None:
    ct = pydicom.dcmread(FILES / "CT_small.dcm").pixel_array
    decoded = [load(dicom(ct, syntax)).pixels for syntax in LOSSLESS]
    assert len(decoded) == 10
    for pixels in decoded:
        assert pixels.dtype == ct.dtype
        np.testing.assert_array_equal(pixels, ct)


@few
@given(
    kind=st.sampled_from(["u1", "u2", "i2"]), syntax=st.sampled_from(LOSSLESS), seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)  # fmt: skip
def test_any_grey_survives_any_lossless_encoding(kind: str, syntax: str, seed: int, shape: tuple[int, int]) -> None:
    limits = np.iinfo(kind)
    pixels = np.random.default_rng(seed).integers(limits.min, limits.max, shape, kind, endpoint=True)
    np.testing.assert_array_equal(load(dicom(pixels, syntax)).pixels, pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_any_colour_survives_any_lossless_encoding(syntax: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(load(dicom(pixels, syntax)).pixels, pixels)


def test_every_encoding_of_one_colour_picture_looks_the_same() -> None:
    truth = load(FILES / "SC_rgb_rle.dcm").display().astype(int)
    names = sorted(path.name for path in FILES.glob("SC_rgb_*.dcm") if load(path).pixels.shape[:2] == (100, 100))
    assert len(names) == 18
    for name in [*names, "SC_ybr_full_422_uncompressed.dcm"]:
        difference = np.abs(load(FILES / name).display().astype(int) - truth)
        assert np.median(difference) <= 1, name
        assert np.mean(difference > 12) < 0.07, name  # chroma that was subsampled differs beside the edges


@pytest.mark.parametrize("samples", ["422", "420"])
def test_a_jpeg_with_thinned_out_chroma_is_ybr_whatever_the_header_says(samples: str) -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, 24:] = (200, 40, 90)
    coded = imagecodecs.jpeg8_encode(pixels, level=95, colorspace="RGB", outcolorspace="YCBCR", subsampling=samples)
    coded = coded[:2] + coded[4 + int.from_bytes(coded[4:6], "big") :]  # without the marker that would say so
    image = load(dicom(pixels, JPEG, PixelData=encapsulate([coded])))
    assert np.abs(image.pixels[:, [4, 40]].astype(int) - pixels[:, [4, 40]]).max() <= 3
    assert "The compressed picture and the header disagree on its colours: the former was followed." in image.warnings


@pytest.mark.parametrize(("syntax", "encode"), [(JPEG_LS, imagecodecs.jpegls_encode), (JPEG_2000, encode_whole)])
def test_colour_of_twelve_bits_coded_in_whole_cells_is_as_bright_as_uncompressed(syntax: str, encode: Any) -> None:
    pixels = (np.arange(9 * 7 * 3, dtype=np.uint16) * 21).reshape(9, 7, 3)
    header = {"BitsStored": 12, "HighBit": 11}
    plain = load(dicom(pixels, **header)).pixels
    assert plain.max() > 60000
    coded = load(dicom(pixels, syntax, PixelData=encapsulate([encode(pixels)]), **header))
    np.testing.assert_array_equal(coded.pixels, plain)


def test_a_jpeg_that_was_never_turned_into_ybr_stays_rgb() -> None:
    truth = load(FILES / "SC_rgb_jpeg_dcmd.dcm").display().astype(int)
    for name in ("SC_jpeg_no_color_transform.dcm", "SC_rgb_jpeg.dcm"):
        assert np.abs(load(FILES / name).display() - truth).max() <= 1


def test_pydicoms_own_encodings_of_one_mr_agree() -> None:
    truth = pydicom.dcmread(FILES / "MR_small.dcm").pixel_array
    for name in ("RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"):
        np.testing.assert_array_equal(load(FILES / f"MR_small_{name}.dcm").pixels, truth, name)


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_dropped(bits: int, signed: bool) -> None:
    low = -(1 << bits - 1) if signed else 0
    values = np.random.default_rng(bits).integers(low, low + (1 << bits), (4, 5))
    noise = np.random.default_rng(1).integers(0, 1 << 16, (4, 5))
    shift = min(2, 16 - bits)
    mask = ((1 << bits) - 1) << shift
    stored = ((values << shift) & mask | noise & ~mask).astype(np.uint16)
    header = {"BitsStored": bits, "HighBit": bits - 1 + shift, "PixelRepresentation": int(signed)}
    np.testing.assert_array_equal(load(dicom(stored, **header)).pixels, values)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", JPEG_LS, JPEG_2000])
@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_that_a_lossless_stream_codes_along_are_dropped(syntax: str, signed: bool) -> None:
    values = np.random.default_rng(0).integers(-2048, 2048, (9, 8)) + (0 if signed else 2048)
    for unused in (0, 0xA000):  # no sign in them, or an overlay
        cells = (values & 0xFFF | unused).astype(np.uint16)
        header = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": int(signed)}
        np.testing.assert_array_equal(load(dicom(cells, syntax, **header)).pixels, values)


def test_one_bit_and_thirty_two_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (4, 12), np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    single = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": packed}
    image = load(dicom(bits, **single))
    np.testing.assert_array_equal(image.pixels, bits)
    assert set(np.unique(image.display())) == {0, 255}
    wide = np.array([[-(2**31), 2**31 - 1]], np.int32)
    np.testing.assert_array_equal(load(dicom(wide)).pixels, wide)
    np.testing.assert_array_equal(load(dicom(wide.view(np.uint32), BIG_ENDIAN)).pixels, wide.view(np.uint32))


@pytest.mark.parametrize(("syntax", "vr"), [("1.2.840.10008.1.2.1", "OB"), (BIG_ENDIAN, "OW")])
@pytest.mark.parametrize("shape", [(7, 3, 5), (3, 1, 1), (9, 4, 6), (2, 4, 12), (5, 3, 7)])
def test_frames_of_single_bits_follow_each_other_without_a_gap(
    shape: tuple[int, int, int], syntax: str, vr: str
) -> None:
    frames = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    packed = np.packbits(frames.reshape(-1), bitorder="little").tobytes()
    packed += b"\0" * (len(packed) % 2)
    if vr == "OW":
        packed = np.frombuffer(packed, "<u2").astype(">u2").tobytes()
    ds = pydicom.dcmread(io.BytesIO(dicom(frames, syntax, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed)))
    ds["PixelData"].VR = vr
    buffer = io.BytesIO()
    ds.save_as(buffer)
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(load(buffer.getvalue(), index).pixels, frame)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_pixels(kind: type) -> None:
    values = np.array([[-1.5, 0.25], [3e5, 1e-3]], kind)
    image = load(dicom(values, SamplesPerPixel=1))
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels, values, rtol=1e-6)


def test_planes_and_colour_spaces() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
    planar = rgb.transpose(2, 0, 1).tobytes()
    np.testing.assert_array_equal(load(dicom(rgb, PlanarConfiguration=1, PixelData=planar)).pixels, rgb)
    r, g, b = np.moveaxis(rgb.astype(float), 2, 0)
    ybr = [
        0.299 * r + 0.587 * g + 0.114 * b,
        -0.1687 * r - 0.3313 * g + 0.5 * b + 128,
        0.5 * r - 0.4187 * g - 0.0813 * b + 128,
    ]
    stored = np.clip(np.rint(np.stack(ybr, 2)), 0, 255).astype(np.uint8)
    shown = load(dicom(stored, PhotometricInterpretation="YBR_FULL")).pixels
    assert np.abs(shown.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize("segmented", [False, True])
def test_palettes_plain_and_segmented(segmented: bool) -> None:
    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ramps = {"Red": np.arange(256) * 257, "Green": 65535 - np.arange(256) * 257, "Blue": np.full(256, 4096)}
    attributes: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, ramp in ramps.items():
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        words = [0, 1, int(ramp[0]), 1, 255, int(ramp[-1])] if segmented else ramp.tolist()
        prefix = "Segmented" if segmented else ""
        attributes[f"{prefix}{name}PaletteColorLookupTableData"] = np.array(words, "<u2").tobytes()
    image = load(dicom(index, **attributes))
    expected = np.stack([ramp[index] for ramp in ramps.values()], axis=2)
    assert np.abs(image.pixels.astype(int) - expected).max() <= (1 if segmented else 0)
    del attributes["BluePaletteColorLookupTableDescriptor"]
    with pytest.raises(ImageError, match="palette"):
        load(dicom(index, **attributes))


# Values and windows


def test_rescale_stays_exact_where_it_can() -> None:
    image = load(dicom(RAMP, RescaleSlope=2, RescaleIntercept=-1024))
    assert image.pixels.dtype.kind == "i"
    np.testing.assert_array_equal(image.pixels, RAMP.astype(int) * 2 - 1024)
    image = load(dicom(RAMP, RescaleSlope="0.5", RescaleIntercept="-0.25"))
    assert image.pixels.dtype == np.float32
    np.testing.assert_array_equal(image.pixels, RAMP * np.float32(0.5) - np.float32(0.25))


@pytest.mark.parametrize("slope", ["0", "nan", "inf"])
def test_a_damaged_rescale_is_left_out_and_said(slope: str) -> None:
    image = load(dicom(RAMP, RescaleSlope=slope, RescaleIntercept=0, WindowCenter=0, WindowWidth=10))
    np.testing.assert_array_equal(image.pixels, RAMP)
    assert image.window is None
    assert any("rescale" in warning for warning in image.warnings)


@pytest.mark.parametrize(
    ("pixels", "slope", "intercept"),
    [(RAMP, "1", "1E39"), (RAMP, "1E36", "0"), (np.array([[0, 3e38]], np.float32), "9", "0")],
)
def test_a_rescale_beyond_all_bounds_is_left_out_and_said(pixels: np.ndarray, slope: str, intercept: str) -> None:
    image = load(dicom(pixels, RescaleSlope=slope, RescaleIntercept=intercept, SamplesPerPixel=1))
    np.testing.assert_array_equal(image.pixels, pixels)
    assert any("rescale values are damaged" in warning for warning in image.warnings)


def test_a_modality_lookup_table_is_applied() -> None:
    values = np.array([[0, 1, 2, 3, 9]], np.uint16)
    image = load(dicom(values, ModalityLUTSequence=[lut([3, 1, 16], [100, 200, 300])]))
    assert image.pixels.tolist() == [[100, 100, 200, 300, 300]]
    with pytest.raises(ImageError, match="modality lookup table"):
        load(dicom(values, ModalityLUTSequence=[lut([30, 1, 16], [100, 200, 300])]))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_first_window_is_the_default_as_in_pydicom(function: str) -> None:
    data = dicom(RAMP, WindowCenter=[20, 5], WindowWidth=[90, 9], VOILUTFunction=function)
    image = load(data)
    assert [(window.centre, window.width) for window in image.windows] == [(20, 90), (5, 9)]
    assert image.window == image.windows[0]
    ds = pydicom.dcmread(io.BytesIO(data))
    theirs = apply_voi_lut(ds.pixel_array, ds)
    low, high = (-32768, 32767)
    shares = (theirs - low) / (high - low)
    assert np.abs(image.display()[:, :, 0] - shares * 255).max() <= 0.5 + 1e-6


def test_a_voi_lookup_table_below_zero_after_a_falling_rescale() -> None:
    values = np.array([[8, 9, 10]], np.uint16)
    table = lut([3, 65526, 8], [0, 51, 255])  # from -10 on
    image = load(dicom(values, RescaleSlope=-1, RescaleIntercept=0, VOILUTSequence=[table]))
    assert image.display()[0, :, 0].tolist() == [255, 51, 0]


@pytest.mark.parametrize(
    ("header", "unit"),
    [({}, "HU"), ({"RescaleType": "HU"}, "HU"), ({"RescaleType": "US"}, None), ({"Modality": "MR"}, None),
     ({"RescaleSlope": None, "RescaleIntercept": None}, None), ({"RescaleSlope": 0}, None),
     ({"SOPClassUID": SCREENSHOT}, None), ({"SOPClassUID": SCREENSHOT, "RescaleType": "HU"}, "HU"),
     ({"SOPClassUID": ENHANCED_CT}, "HU")],
)  # fmt: skip
def test_hounsfield_units_are_those_of_a_ct_whose_rescale_names_no_other(header: dict[str, Any], unit: str) -> None:
    image = load(dicom(RAMP, **{"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024, **header}))
    assert image.tags.get("RescaleType") == unit
    own = item(RescaleType="Z_EFF", RescaleSlope=1, RescaleIntercept=0)
    frame = item(PixelValueTransformationSequence=[own])
    assert "RescaleType" not in load(dicom(RAMP, PerFrameFunctionalGroupsSequence=[frame])).tags


def test_of_many_tables_and_windows_the_first_are_kept() -> None:
    tables = [lut([3, 10, 8], [0, first, 255]) for first in range(40)]
    windows = load(dicom(RAMP, VOILUTSequence=tables, WindowCenter=list(range(99)), WindowWidth=[9] * 99)).windows
    assert [window.function for window in windows] == ["LUT"] * 8 + ["LINEAR"] * 8
    assert [window.lut[1] for window in windows[:8]] == list(range(8))
    assert [window.centre for window in windows[8:]] == list(range(8))


def test_a_voi_lookup_table_comes_before_the_window() -> None:
    values = np.array([[10, 11, 12, 99]], np.uint16)
    data = dicom(values, VOILUTSequence=[lut([3, 10, 8], [0, 51, 255])], WindowCenter=5, WindowWidth=10)
    image = load(data)
    assert image.display()[0, :, 0].tolist() == [0, 51, 255, 255]
    assert [window.function for window in image.windows] == ["LUT", "LINEAR"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": 1, "WindowWidth": 0},
        {"WindowCenter": 1, "WindowWidth": -5},
        {"WindowCenter": [1, 2], "WindowWidth": 9},
        {"VOILUTSequence": [lut([9, 0, 16], [1, 2])]},
        {"WindowCenter": "nan", "WindowWidth": 3},
    ],
)
def test_a_damaged_window_is_left_out_and_said(attributes: dict[str, Any]) -> None:
    image = load(dicom(RAMP, **attributes))
    assert any("damaged" in warning for warning in image.warnings)
    assert image.display().max() == 255


def test_without_a_window_padding_does_not_set_the_scale() -> None:
    pixels = RAMP.copy()
    pixels[0] = -2000
    image = load(dicom(pixels, PixelPaddingValue=-2000))
    assert image.value_range == (float(pixels[1:].min()), float(pixels.max()))
    assert (image.display()[0] == 0).all()


@pytest.mark.parametrize(("kind", "prefix"), [(np.float32, "Float"), (np.float64, "DoubleFloat")])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("slope", [1, 2])
def test_float_padding_does_not_set_the_scale(kind: type, prefix: str, photometric: str, slope: int) -> None:
    values = np.array([[-3e37, -2e37, 0.0], [0.25, 0.75, 1.0]], kind)
    padding = {f"{prefix}PixelPaddingValue": values[0, 0], f"{prefix}PixelPaddingRangeLimit": values[0, 1]}
    header = {"SamplesPerPixel": 1, "PhotometricInterpretation": photometric, "RescaleSlope": slope, **padding}
    image = load(dicom(values, **header))
    assert image.value_range == (0.0, slope)
    shown = [0, 0, 0, 64, 191, 255] if photometric == "MONOCHROME2" else [0, 0, 255, 191, 64, 0]
    assert image.display()[:, :, 0].reshape(-1).tolist() == shown
    assert image.pixels.reshape(-1)[2:].tolist() == [0, 0.25 * slope, 0.75 * slope, slope]
    samples, step, intercept = image.samples()
    np.testing.assert_allclose(samples * step + intercept, image.pixels, atol=step / 2 + 1e-9)
    np.testing.assert_allclose(image.table()[samples].reshape(-1).astype(int), shown, atol=1)


@pytest.mark.parametrize(("pad", "value"), [(-1.7e308, 1e20), (9.0, 5.0)])
def test_float_padding_of_any_size_and_a_flat_picture(pad: float, value: float) -> None:
    image = load(dicom(np.array([[pad, value]]), SamplesPerPixel=1, DoubleFloatPixelPaddingValue=pad))
    assert image.pixels[0, 1] == np.float32(value)
    assert image.padding == (image.pixels[0, 0], image.pixels[0, 0])
    assert image.padding[0] < image.pixels[0, 1]
    assert not any("not numbers" in warning for warning in image.warnings)
    nothing = load(dicom(np.full((1, 2), pad), SamplesPerPixel=1, DoubleFloatPixelPaddingValue=pad))
    assert (nothing.display() == 0).all()
    assert np.isfinite(nothing.padding or np.nan).all()
    assert load(dicom(np.array([[1.0, 9.0]]), SamplesPerPixel=1, FloatPixelPaddingValue=9.0)).padding is None


def test_monochrome1_is_inverted_once_on_display_alone() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = load(dicom(pixels, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.display()[:, :, 0], 255 - pixels)
    assert any("MONOCHROME1" in warning for warning in image.warnings)


def test_enhanced_objects_take_their_values_from_the_frames_own_groups() -> None:
    def group(slope: float, centre: float) -> Dataset:
        return item(
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=0)],
            FrameVOILUTSequence=[item(WindowCenter=centre, WindowWidth=100)],
        )

    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5])],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )
    data = dicom(
        np.stack([RAMP, RAMP]),
        PerFrameFunctionalGroupsSequence=[group(1, 40), group(3, 90)],
        SharedFunctionalGroupsSequence=[shared],
    )
    image = load(data, 1)
    np.testing.assert_array_equal(image.pixels, RAMP.astype(int) * 3)
    assert image.window == Window(90, 100)
    assert image.pixel_spacing == (0.5, 0.5)
    assert image.orientation == ("R", "L", "A", "P")


# Frames, edges, shape


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_frames_are_chosen_and_said(syntax: str) -> None:
    frames = np.stack([RAMP, RAMP + 1, RAMP + 2])
    first, last = load(dicom(frames, syntax)), load(dicom(frames, syntax), 2)
    np.testing.assert_array_equal(last.pixels, RAMP + 2)
    assert (last.frame, last.frames) == (2, 3)
    assert "Frame 1 of 3." in first.warnings
    assert "Frame 3 of 3." in last.warnings
    with pytest.raises(ImageError, match="no frame 4"):
        load(dicom(frames, syntax), 3)


@pytest.mark.parametrize(
    ("cosines", "edges"),
    [([1, 0, 0, 0, 1, 0], ("R", "L", "A", "P")), ([0, 1, 0, 0, 0, -1], ("A", "P", "H", "F")),
     ([1, 0, 0, 0, 0, -1], ("R", "L", "H", "F")), ([0.8, 0.6, 0, 0, 0, -1], ("RA", "LP", "H", "F"))],
)  # fmt: skip
def test_edges_from_the_orientation(cosines: list[float], edges: tuple[str, ...]) -> None:
    assert load(dicom(RAMP, ImageOrientationPatient=cosines)).orientation == edges


def test_edges_from_letters_or_unknown() -> None:
    assert load(dicom(RAMP, PatientOrientation=["L", "F"])).orientation == ("R", "L", "H", "F")
    assert load(dicom(RAMP, PatientOrientation=["DOE", "JOHN"])).orientation is None
    assert load(dicom(RAMP)).orientation is None


def test_pixels_that_are_not_square_are_stretched_and_said() -> None:
    image = load(dicom(RAMP, PixelSpacing=[2.0, 1.0]))
    assert image.pixels.shape == (24, 16)
    assert image.pixel_spacing == (1.0, 1.0)
    assert any("not square" in warning for warning in image.warnings)
    assert load(dicom(RAMP, PixelAspectRatio=[1, 2])).pixels.shape == (12, 32)


@pytest.mark.parametrize(
    ("header", "said"),
    [({"ImagerPixelSpacing": [0.1, 0.1]}, True), ({"PixelSpacing": [0.1, 0.1]}, False),
     ({"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.1, 0.1]}, True),
     ({"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.08, 0.08]}, False)],
)  # fmt: skip
def test_distances_hold_at_the_detector_unless_the_spacing_was_corrected(header: dict[str, Any], said: bool) -> None:
    assert ("Distances hold at the detector, not in the patient." in load(dicom(RAMP, **header)).warnings) == said


@pytest.mark.parametrize(("header", "said"), [({}, True), ({"PixelSpacing": [0.1, 0.1]}, False)])
def test_distances_of_a_scanned_film_hold_on_the_film(header: dict[str, Any], said: bool) -> None:
    image = load(dicom(RAMP, NominalScannedPixelSpacing=[0.1, 0.1], **header))
    assert image.pixel_spacing == (0.1, 0.1)
    assert ("Distances hold on the film that was scanned, not in the patient." in image.warnings) == said


@pytest.mark.parametrize("turned", [False, True])
def test_stretching_draws_no_rim_between_padding_and_picture(turned: bool) -> None:
    pixels = np.full((6, 4), 100, np.uint16)
    pixels[:2] = pixels[5] = 4095
    spacing = [1.0, 0.5]
    header = {"PixelPaddingValue": 4095, "WindowCenter": 500, "WindowWidth": 1000}
    if turned:
        pixels, spacing = np.ascontiguousarray(pixels.T), spacing[::-1]
    image = load(dicom(pixels, PixelSpacing=spacing, **header))
    lines = image.pixels.T if turned else image.pixels
    assert lines.shape == (12, 4)
    assert [set(line.tolist()) for line in lines] == [{4095}] * 4 + [{100}] * 6 + [{4095}] * 2
    assert set(np.unique(image.display())) == {0, 26}


def test_stretching_interpolates_the_picture_beside_padding() -> None:
    pixels = np.array([[0, 0], [10, 0], [20, 0], [0, 30]], np.uint16)
    image = load(dicom(pixels, PixelPaddingValue=0, PixelSpacing=[2.0, 1.0]))
    assert image.pixels[:, 0].tolist() == [0, 0, 10, 12, 18, 20, 0, 0]
    assert image.pixels[:, 1].tolist() == [0] * 6 + [30, 30]


@pytest.mark.parametrize(("given_", "word"), [("YES", "holds burnt-in"), (None, "may contain burnt-in"), ("NO", "")])
def test_burnt_in_text(given_: str | None, word: str) -> None:
    found = [warning for warning in load(dicom(RAMP, BurnedInAnnotation=given_)).warnings if "burnt-in" in warning]
    assert (word in found[0]) if word else not found


def test_overlays_are_said_and_not_drawn() -> None:
    image = load(FILES / "examples_overlay.dcm")
    assert any("overlays" in warning for warning in image.warnings)
    np.testing.assert_array_equal(image.pixels, pydicom.dcmread(FILES / "examples_overlay.dcm").pixel_array)


def test_raw_values_and_tiles_are_said() -> None:
    raw, tile = "The file holds raw values (FOR PROCESSING)", "Each frame is one tile of a larger picture."
    image = load(dicom(RAMP, PresentationIntentType="FOR PROCESSING"))
    assert any(warning.startswith(raw) for warning in image.warnings)
    assert tile in load(dicom(np.stack([RAMP, RAMP]), TotalPixelMatrixColumns=32)).warnings
    for plain in (dicom(RAMP, PresentationIntentType="FOR PRESENTATION"), dicom(RAMP, TotalPixelMatrixColumns=16)):
        assert not any(warning.startswith((raw, tile)) for warning in load(plain).warnings)


@pytest.mark.parametrize("in_light_path", [False, True])
def test_a_colour_profile_is_applied_and_said(in_light_path: bool) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    for icc, said in ((profile(), "were converted from"), (b"sRGB", "is not applied"), (None, "")):
        header: dict[str, Any] = {"ICCProfile": icc}
        header = {"OpticalPathSequence": [item(**header)]} if in_light_path else header
        image = load(dicom(pixels, **header))
        found = [warning for warning in image.warnings if "colour profile" in warning]
        assert len(found) == bool(said)
        assert all(said in warning for warning in found)
        shown = on_screen(pixels) if said == "were converted from" else pixels
        assert np.percentile(np.abs(image.pixels - shown), 95) < 1.5


# Content, not name or wrapping


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", BIG_ENDIAN])
def test_without_preamble_and_meta(syntax: str) -> None:
    data = dicom(RAMP, syntax)
    ds = pydicom.dcmread(io.BytesIO(data))
    assert ds.file_meta.FileMetaInformationGroupLength
    np.testing.assert_array_equal(load(data[132:]).pixels, RAMP)
    start = 132 + 12 + ds.file_meta.FileMetaInformationGroupLength
    np.testing.assert_array_equal(load(data[start:]).pixels, RAMP)


def test_a_preamble_may_be_a_tiff_but_not_a_program() -> None:
    data = dicom(RAMP)
    for magic in (b"II*\0", b"II+\0", b"MM\0+"):
        np.testing.assert_array_equal(load(magic + data[4:]).pixels, RAMP)
    for magic in (b"MZ", b"\x7fELF", b"PK\x03\x04", b"%PDF", b"#!"):
        with pytest.raises(ImageError):
            load(magic + data[len(magic) :])


@pytest.mark.parametrize(
    ("uid", "name"),
    [("1.2.840.10008.1.2.4.110", "JPEG XL"), ("1.2.840.10008.1.2.4.102", "MPEG-4"), ("1.2.840.10008.1.2.4.94", "JPIP"),
     ("1.2.840.10008.1.2.8.1", "Deflated Image Frame"), ("1.2.3.4", "unknown")],
)  # fmt: skip
def test_other_transfer_syntaxes_are_refused_by_name(uid: str, name: str) -> None:
    with pytest.raises(ImageError, match=name):
        load(dicom(RAMP, uid, PixelData=encapsulate([b"\0\0"])))


@pytest.mark.parametrize("name", ["HSV", "ARGB", "CMYK", "YBR_PARTIAL_420"])
def test_other_colours_are_refused_by_name(name: str) -> None:
    with pytest.raises(ImageError, match=name):
        load(dicom(np.zeros((4, 4, 3), np.uint8), PhotometricInterpretation=name))


@pytest.mark.parametrize(
    ("uid", "name"),
    [("1.2.840.10008.5.1.4.1.1.88.11", "SR"), ("1.2.840.10008.5.1.4.1.1.104.1", "PDF"),
     ("1.2.840.10008.5.1.4.1.1.481.3", "RT Structure Set"), ("1.2.840.10008.5.1.4.1.1.9.1.1", "ECG"),
     ("1.2.840.10008.5.1.4.1.1.11.1", "Presentation State"), ("1.2.840.10008.5.1.4.1.1.66.4", "segmentation"),
     ("1.2.840.10008.5.1.4.1.1.481.2", "dose"), ("1.2.840.10008.5.1.4.1.1.30", "parametric map")],
)  # fmt: skip
def test_objects_without_a_picture_are_named(uid: str, name: str) -> None:
    has_pixels = name in ("segmentation", "dose", "parametric map")
    data = dicom(RAMP, SOPClassUID=uid) if has_pixels else dicom(RAMP, SOPClassUID=uid, PixelData=None)
    with pytest.raises(ImageError, match=name):
        load(data)


# Headers that lie


def lying_stream(codec: str, size: int, header: int) -> bytes:
    """A small code stream whose own header says ``size`` x ``size``, in a file that says ``header`` x ``header``."""

    small = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    if codec == JPEG_2000:
        stream = bytearray(imagecodecs.jpeg2k_encode(small, level=0, codecformat="J2K", reversible=True))
        at, layout = 8, ">II"
    else:
        encode = imagecodecs.jpegls_encode if codec == JPEG_LS else imagecodecs.jpeg8_encode
        stream = bytearray(encode(small))
        at, layout = stream.find(b"\xff\xf7" if codec == JPEG_LS else b"\xff\xc0") + 5, ">HH"
    struct.pack_into(layout, stream, at, size, size)
    return dicom(small, codec, PixelData=encapsulate([bytes(stream)]), Rows=header, Columns=header)


@pytest.mark.parametrize("codec", [JPEG, JPEG_LS, JPEG_2000])
@pytest.mark.parametrize(("size", "header"), [(60000, 64), (60000, 60000), (64, 128), (3000, 3000)])
def test_a_code_stream_of_another_size_is_refused(codec: str, size: int, header: int) -> None:
    with pytest.raises(ImageError):
        load(lying_stream(codec, size, header))


@pytest.mark.parametrize(
    "attributes",
    [{"Rows": 0}, {"Rows": None}, {"Rows": 60000, "Columns": 60000}, {"Rows": 13}, {"NumberOfFrames": 2},
     {"NumberOfFrames": 10_000_000}, {"BitsAllocated": 12}, {"BitsStored": 17}, {"HighBit": 3}, {"SamplesPerPixel": 3},
     {"PhotometricInterpretation": None}, {"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}],
)  # fmt: skip
def test_a_header_that_does_not_fit_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ImageError):
        load(dicom(RAMP, **attributes))


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_no_truncated_file_is_read(syntax: str) -> None:
    data = dicom(np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8), syntax)
    for length in range(0, len(data) - 24, 41):
        with pytest.raises(ImageError):
            load(data[:length])


def test_a_deflated_bomb_is_refused() -> None:
    data = dicom(RAMP, DEFLATED)
    ds = pydicom.dcmread(io.BytesIO(data))
    start = 132 + 12 + ds.file_meta.FileMetaInformationGroupLength
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(1 << 22)) for _ in range(80)) + deflater.flush()
    with pytest.raises(ImageError, match="unpacks to more"):
        load(data[:start] + bomb)


def test_deep_sequences_and_long_lengths_are_refused() -> None:
    data = dicom(RAMP)
    start = 132 + 12 + pydicom.dcmread(io.BytesIO(data)).file_meta.FileMetaInformationGroupLength
    deep = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    long = b"\x08\x00\x16\x00OB\0\0\xf0\xff\xff\xff" + bytes(100)
    for tail in (deep, long):
        with pytest.raises(ImageError):
            load(data[:start] + tail)


def test_a_file_that_declares_one_jpeg_and_holds_another_is_read_by_content() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    coded = encapsulate([bytes(imagecodecs.jpegls_encode(pixels))])
    np.testing.assert_array_equal(load(dicom(pixels, "1.2.840.10008.1.2.4.70", PixelData=coded)).pixels, pixels)
