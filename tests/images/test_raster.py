"""Ordinary pictures: depth, alpha, rotation, pages, and files that are cut off or too large."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from medmamba.errors import ImageError
from medmamba.images import read
from medmamba.images.fuzz_seeds import tiff
from medmamba.images.picture import MedicalImage
from tests.images.colour_profiles import on_screen, profile

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
RGB = np.random.default_rng(0).integers(0, 256, (10, 14, 3), np.uint8)
few = settings(max_examples=40, deadline=None)


def load(data: bytes, frame: int = 0) -> MedicalImage:
    return read(data, frame=frame, guarded=False)


def save(pixels: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {}), ("WEBP", {"lossless": True})],
)
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "colour"])
def test_lossless_kinds_are_exact(kind: str, options: dict[str, Any], pixels: np.ndarray) -> None:
    image = load(save(pixels, kind, **options))
    assert image.kind.upper() == kind
    expected = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(image.display(), expected)


@few
@given(kind=st.sampled_from(["PNG", "TIFF", "BMP"]), height=st.integers(1, 20), width=st.integers(1, 20))
def test_any_size_comes_back(kind: str, height: int, width: int) -> None:
    pixels = np.random.default_rng(height * 99 + width).integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(load(save(pixels, kind)).pixels, pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_colour_profile_is_applied_and_said(kind: str) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, of_screen, of_phone = (load(save(RGB, kind, icc_profile=icc)) for icc in (None, srgb, profile()))
    for image in (plain, of_screen):
        assert not any("colour profile" in warning for warning in image.warnings)
        np.testing.assert_array_equal(image.pixels, plain.pixels)
    assert of_phone.warnings == ("The colours were converted from the file's colour profile to sRGB.",)
    assert np.percentile(np.abs(of_phone.pixels - on_screen(plain.pixels)), 99) < 2


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_printing_colours_have_one_warning(kind: str) -> None:
    image = load(save(Image.new("CMYK", (8, 8)), kind, icc_profile=b"Coated"))
    assert image.warnings == ("Stored in printing colours (CMYK): the colours on the screen are approximate.",)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg_is_as_pillow_decodes_it(options: dict[str, Any]) -> None:
    data = save(RGB, "JPEG", quality=95, **options)
    np.testing.assert_array_equal(load(data).pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_not_clipped(kind: str) -> None:
    ramp = np.linspace(0, 4095, 400).astype(np.uint16).reshape(20, 20)
    image = load(save(ramp, kind))
    np.testing.assert_array_equal(image.pixels, ramp)
    shown = image.display()[:, :, 0]
    assert (shown[0, 0], shown[-1, -1]) == (0, 255)
    assert len(np.unique(shown)) > 200


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_colour_keeps_its_depth(kind: str) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (9, 8, 3), np.uint16)
    data = imagecodecs.png_encode(deep) if kind == "PNG" else imagecodecs.tiff_encode(deep, photometric="rgb")
    np.testing.assert_array_equal(load(bytes(data)).pixels, deep)


def test_transparency_is_laid_on_black_and_said() -> None:
    pixels = np.full((4, 4, 4), 200, np.uint8)
    pixels[:, :2, 3], pixels[:, 2:, 3] = 0, 255
    image = load(save(pixels, "PNG"))
    assert image.pixels[0, :, 0].tolist() == [0, 0, 200, 200]
    assert any("ransparent" in warning for warning in image.warnings)
    pixels[:, :, 3] = 255
    assert not load(save(pixels, "PNG")).warnings
    assert not load(save(Image.fromarray(pixels).convert("LA"), "PNG")).is_colour


def test_sixteen_bit_grey_with_transparency_keeps_its_depth() -> None:
    deep = np.zeros((4, 6, 2), np.uint16)
    deep[:, :, 0], deep[:, :, 1] = np.arange(6) * 800, 65535  # 12 bits in 16: the high byte has 15 steps
    whole = load(bytes(imagecodecs.png_encode(deep)))
    np.testing.assert_array_equal(whole.pixels, deep[:, :, 0])
    assert whole.display()[0, :, 0].tolist() == [0, 51, 102, 153, 204, 255]
    assert not any("ransparent" in warning for warning in whole.warnings)
    deep[:, 4, 1], deep[:, 5, 1] = 0, 32768
    laid = load(bytes(imagecodecs.png_encode(deep)))
    assert laid.pixels[0].tolist() == [0, 800, 1600, 2400, 0, 2000]
    assert "Transparent parts are drawn on black." in laid.warnings


def test_an_orientation_of_another_type_says_nothing() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI4s", 0x0112, 7, 1, b"\x06\0\0\0") + bytes(4)
    image = load(save(RGB, "JPEG", exif=exif))
    assert image.pixels.shape == RGB.shape
    assert not image.warnings


def test_bilevel_palette_and_printing_colours() -> None:
    bits = load(save(Image.fromarray(GREY).convert("1"), "PNG"))
    assert set(np.unique(bits.pixels)) == {0, 255}
    palette = Image.fromarray(RGB).quantize(8)
    np.testing.assert_array_equal(load(save(palette, "PNG")).pixels, np.asarray(palette.convert("RGB")))
    printed = load(save(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=100))
    assert printed.is_colour
    assert any("CMYK" in warning for warning in printed.warnings)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_the_cameras_orientation_is_followed_and_said(kind: str, tag: int) -> None:
    smooth = np.zeros((16, 32, 3), np.uint8)
    smooth[:8, :16], smooth[8:, :16], smooth[:8, 16:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[0x0112] = tag
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    data = save(smooth, kind, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(save(smooth, "PNG", exif=exif)))))
    image = load(data)
    assert image.pixels.shape == expected.shape
    assert np.abs(image.pixels.astype(int) - expected).max() < 12
    assert any("Turned upright" in warning for warning in image.warnings) == (tag > 1)


@pytest.mark.parametrize(("kind", "noun"), [("TIFF", "Page"), ("GIF", "Frame"), ("WEBP", "Frame"), ("PNG", "Frame")])
def test_pages_and_frames_are_chosen_and_said(kind: str, noun: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = save(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    first, second = load(data), load(data, 1)
    assert first.frames == 3
    assert f"{noun} 1 of 3." in first.warnings
    assert first.pixels[0, 0].tolist() == [255, 0, 0]
    assert second.pixels[0, 0].tolist() == [0, 255, 0]
    with pytest.raises(ImageError, match="no frame 4"):
        load(data, 3)


def test_a_later_frame_of_deep_colour_is_itself() -> None:
    data = imagecodecs.apng_encode(np.stack([np.full((8, 8, 3), level, np.uint16) for level in (1000, 60000)]))
    assert load(data).frames == 2
    assert load(data).pixels[0, 0].tolist() == [1000] * 3
    assert load(data, 1).display()[0, 0].tolist() == [234] * 3  # of 8 bits, as Pillow reads it


@pytest.mark.parametrize(
    "data",
    [imagecodecs.jpegls_encode(GREY), imagecodecs.jpeg8_encode(GREY.astype(np.uint16) * 16, bitspersample=12)],
    ids=["JPEG-LS", "12 bits"],
)
def test_a_jpeg_of_a_kind_that_is_read_inside_dicom_alone_is_not_called_damaged(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"is stored in a way that is not read\. Save it as"):
        load(data)


@pytest.mark.parametrize(
    "data",
    [save(GREY, "PNG"), save(RGB, "PNG"), save(RGB, "TIFF"), save(RGB, "BMP"), save(RGB, "WEBP"), save(RGB, "JPEG"),
     tiff(GREY.astype(np.int8)), save(GREY.astype(np.uint16), "TIFF", compression="tiff_lzw")],
    ids=["PNG", "PNG-RGB", "TIFF", "BMP", "WebP", "JPEG", "TIFF-deep", "TIFF-deep-LZW"],
)  # fmt: skip
def test_no_truncated_picture_is_read(data: bytes) -> None:
    for length in range(0, int(len(data) * 0.9), max(1, len(data) // 40)):
        with pytest.raises(ImageError):
            load(data[:length])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}])
def test_a_jpeg_with_missing_rows_is_refused_although_it_has_an_end(options: dict[str, Any]) -> None:
    smooth = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)
    data = save(smooth, "JPEG", **options)
    assert load(data).pixels.shape == smooth.shape
    for cut in (40, len(data) // 3):
        with pytest.raises(ImageError, match="damaged or cut off"):
            load(data[:-cut] + b"\xff\xd9")


def test_a_bomb_is_refused_by_its_header() -> None:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    webp = (
        b"RIFF" + struct.pack("<I4s4sI", 30, b"WEBP", b"VP8L", 10) + b"\x2f" + struct.pack("<I", 0x0FFF_FFFF) + bytes(9)
    )
    for data in (
        head + bytes(40),
        webp,
        save(Image.new("1", (20_001, 1)), "PNG"),
        save(Image.new("1", (9000, 9000)), "PNG"),
    ):
        with pytest.raises(ImageError, match=r"too large|damaged"):
            load(data)
