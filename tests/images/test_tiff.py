"""TIFF: depths, signs, planes, pages and tags that contradict one another."""

import io
import struct
from typing import Any, Literal

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from medmamba.errors import ImageError
from medmamba.images import read
from medmamba.images.fuzz_seeds import tiff
from medmamba.images.picture import MedicalImage

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def load(data: bytes, frame: int = 0) -> MedicalImage:
    return read(data, frame=frame, guarded=False)


def save(pixels: np.ndarray, kind: str = "TIFF", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def test_float_and_signed_tiff_are_read_in_full() -> None:
    values = np.array([[-1000.5, 0], [3.25, 70000]], np.float32)
    image = load(save(values))
    np.testing.assert_array_equal(image.pixels, values)
    assert image.value_range == (-1000.5, 70000)
    wide = np.array([[-70000, 70000]], np.int32)
    np.testing.assert_array_equal(load(save(wide)).pixels, wide)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "values"),
    [("i1", [-100, 127]), ("u2", [0, 65535]), ("i2", [-32768, 32767]), ("u4", [5, 2**31]), ("i4", [-(2**31), 7]),
     ("f2", [-1.5, 0.25]), ("f4", [-1000.5, 70000]), ("f8", [-0.25, 2**20 + 0.5])],
)  # fmt: skip
def test_every_depth_and_sign_of_grey_tiff_keeps_its_values(
    kind: str, values: list[float], order: Literal["<", ">"]
) -> None:
    image = load(tiff(np.array([values] * 3, kind), order=order))
    assert image.pixels.tolist() == [values] * 3
    assert image.pixels.dtype == (np.float32 if kind[0] == "f" else np.dtype(kind))
    assert image.value_range == tuple(values)
    assert image.display()[0, :, 0].tolist() == [0, 255]
    samples, slope, intercept = image.samples()
    np.testing.assert_allclose(samples * slope + intercept, image.pixels, rtol=1e-5)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_deep_tiff_is_exact(compression: str | None) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (9, 8), np.uint16)
    np.testing.assert_array_equal(load(save(deep, compression=compression)).pixels, deep)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
def test_sixteen_bit_colour_tiff_may_lie_in_planes(planar: bool, order: Literal["<", ">"]) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (9, 8, 3), np.uint16)
    np.testing.assert_array_equal(load(tiff(deep, planar=planar, order=order)).pixels, deep)


@pytest.mark.parametrize("planar", [False, True])
def test_sixteen_bit_tiff_with_alpha_keeps_its_depth(planar: bool) -> None:
    pixel = np.array([[[800, 1600, 65535, 65535], [800, 1600, 65535, 32768]]], np.uint16)
    whole = pixel[0, 0, :3].tolist()
    for extra, shown, said in ((2, [400, 800, 32768], True), (1, whole, True), (0, whole, False)):
        image = load(tiff(pixel, planar=planar, tags={338: extra}))
        assert image.pixels[0].tolist() == [whole, shown]
        assert ("Transparent parts are drawn on black." in image.warnings) == said
    grey = load(tiff(pixel[:, :, [0, 3]], planar=planar, tags={338: 2}))
    assert grey.pixels.tolist() == [[800, 400]]


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize(
    "deep", [np.arange(6, dtype=np.int8).reshape(2, 3), np.arange(18, dtype=np.uint16).reshape(2, 3, 3)]
)
def test_deep_tiff_is_turned_upright(tag: int, deep: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    plain = Image.open(io.BytesIO(save(np.arange(6, dtype=np.uint8).reshape(2, 3), "PNG", exif=exif)))
    image = load(tiff(deep, tags={274: tag}))
    order = np.asarray(ImageOps.exif_transpose(plain))
    np.testing.assert_array_equal(image.pixels, deep.reshape(6, *deep.shape[2:])[order])
    assert any("Turned upright" in warning for warning in image.warnings) == (tag > 1)


def test_pages_of_other_kinds_do_not_stand_in_the_way() -> None:
    data = tiff(np.array([[1.5]]), np.array([[7, 8]], np.uint8), np.array([[2**31]], np.uint32), np.array([[2**40]]))
    assert [load(data, page).pixels.tolist() for page in range(3)] == [[[1.5]], [[7, 8]], [[2**31]]]
    assert "Page 2 of 4." in load(data, 1).warnings
    with pytest.raises(ImageError, match="in a way that is not read"):
        load(data, 3)


@pytest.mark.parametrize(
    "data",
    [tiff(np.zeros((3, 4), np.int64)), tiff(np.zeros((3, 4, 3), np.float32)), tiff(np.zeros((3, 4, 5), np.uint16)),
     tiff(np.zeros((3, 4, 2), np.uint8)), tiff(np.zeros((3, 4), np.uint16), tags={259: 34712}),
     tiff(np.zeros((3, 4), np.int8), tags={258: 4}), tiff(np.zeros((3, 4), np.uint16), tags={32997: 2}),
     tiff(np.zeros((3, 4), np.uint16), tags={262: 3}), tiff(np.zeros((3, 4, 3), np.int8))],
)  # fmt: skip
def test_a_whole_tiff_that_is_not_read_is_not_called_damaged(data: bytes) -> None:
    with pytest.raises(ImageError, match="in a way that is not read"):
        load(data)


@pytest.mark.parametrize(
    "data",
    [tiff(GREY.astype(np.int8), tags={257: 17}), tiff(GREY.astype(float), tags={273: 9999}),
     tiff(np.zeros((3, 4, 2), np.uint8), tags={273: 9999}), b"II*\0" + bytes(4), b"II*\0\xff\0\0\0" + bytes(40)],
)  # fmt: skip
def test_a_tiff_without_all_its_values_is_called_damaged(data: bytes) -> None:
    with pytest.raises(ImageError, match="damaged"):
        load(data)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "f8"])
@pytest.mark.parametrize("tags", [{256: 60_000, 257: 60_000}, {257: 20_001}, {322: 60_000, 323: 60_000}])
def test_a_tiff_too_large_is_refused_before_it_is_decoded(
    kind: str, tags: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagecodecs, "tiff_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="too large"):
        load(tiff(np.zeros((2, 2), kind), tags=tags))


def test_a_width_written_twice_allocates_nothing() -> None:
    """Pillow takes the last of two tags and libtiff the first: neither size may be decoded by the other."""
    for first, last in ((60_000, 16), (16, 15), (15, 16)):
        data = bytearray(tiff(GREY.astype(np.uint16), tags={255: first}))
        struct.pack_into("<H", data, 8 + 512 + 2, 256)
        struct.pack_into("<I", data, 8 + 512 + 2 + 12 + 8, last)
        with pytest.raises(ImageError):
            load(bytes(data))


def test_tiff_with_white_at_zero_is_inverted_once() -> None:
    deep = GREY.astype(np.uint16) * 100
    eight, sixteen = (load(bytes(imagecodecs.tiff_encode(grey, photometric="miniswhite"))) for grey in (GREY, deep))
    assert sixteen.inverted
    assert load(tiff(GREY.astype(np.int8), tags={262: 0})).inverted
    assert eight.display()[0, 0, 0] == sixteen.display()[0, 0, 0] == 255
    assert eight.display()[-1, -1, 0] == sixteen.display()[-1, -1, 0] == 0
