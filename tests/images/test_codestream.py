"""Code streams: what their headers say, and parts that are missing."""

import dataclasses
import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medmamba.errors import ImageError
from medmamba.images.codestream import decode, jpeg_is_cut_off, parse

GREY = np.random.default_rng(0).integers(0, 65536, (50, 70), np.uint16)
SMALL = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
LOSSLESS = {
    "J2K": imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="J2K", reversible=True),
    "JP2": imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="JP2", reversible=True),
    "HTJ2K in tiles": imagecodecs.htj2k_encode(GREY, reversible=True, tile=(32, 32)),
    "JPEG-LS": imagecodecs.jpegls_encode(GREY),
    "JPEG": imagecodecs.jpeg8_encode(GREY, lossless=True, bitspersample=16, predictor=7),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_streams(name: str) -> None:
    stream = parse(bytes(LOSSLESS[name]))
    assert (stream.rows, stream.columns, stream.components, stream.bits) == (50, 70, 1, 16)
    assert stream.lossless
    assert not stream.signed
    np.testing.assert_array_equal(decode(stream), GREY)


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_stream_that_is_cut_off_is_refused(name: str, end: bytes) -> None:
    data = bytes(LOSSLESS[name])
    for length in range(4, len(data) - 8, len(data) // 15):
        with pytest.raises(ImageError):
            check(data[:length] + end)


def check(data: bytes) -> None:
    """What a reader does with a stream."""
    stream = parse(data)
    samples = decode(stream)
    if stream.family == "JPEG" and jpeg_is_cut_off(stream, samples):
        raise ImageError("cut off")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_is_not_taken_for_a_cut_one(progressive: bool) -> None:
    for quality in (10, 75, 100):
        for restart in (0, 2):
            buffer = io.BytesIO()
            options = {"quality": quality, "progressive": progressive, "restart_marker_blocks": restart}
            Image.fromarray(SMALL).save(buffer, "JPEG", **options)
            check(buffer.getvalue())
            check(buffer.getvalue() + bytes(3))
            for cut in (5, 30, 60):
                with pytest.raises(ImageError):
                    check(buffer.getvalue()[:-cut] + b"\xff\xd9")


def test_a_missing_tile_is_refused() -> None:
    data = bytes(LOSSLESS["HTJ2K in tiles"])
    first, second = (data.index(b"\xff\x90\x00\x0a" + bytes([0, tile])) for tile in (0, 1))
    with pytest.raises(ImageError):
        parse(data[:first] + data[second:])


def test_a_decoder_that_gives_another_size_is_refused() -> None:
    stream = dataclasses.replace(parse(bytes(LOSSLESS["JPEG-LS"])), rows=51)
    with pytest.raises(ImageError):
        decode(stream)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(LOSSLESS)), at=st.integers(0, 200), junk=st.binary(min_size=1, max_size=4))
def test_a_broken_header_is_read_or_refused(name: str, at: int, junk: bytes) -> None:
    data = bytearray(LOSSLESS[name])
    data[at : at + len(junk)] = junk
    try:
        stream = parse(bytes(data))
    except ImageError:
        return
    assert stream.rows > 0
    assert stream.columns > 0
