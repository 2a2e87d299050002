"""The compressed streams inside encapsulated DICOM: what their own header says, checked before a decoder sees them.

The stream and not the transfer syntax chooses the decoder, since files that declare one JPEG process and hold another
are common. Sources: ITU-T T.81 annex B (JPEG), T.87 annex C (JPEG-LS), T.800 annex A and I (JPEG 2000, JP2).
"""

import dataclasses
import struct
from dataclasses import dataclass

import imagecodecs
import numpy as np

from medmamba.errors import ImageError

DAMAGED = "The compressed picture inside the file is damaged or cut off. Export it again."
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
FILLER = bytes([0x55, 0x2A, 0x93, 0x6C]) * 64
PROBE = FILLER + b"".join(bytes([0xFF, 0xD0 + index % 8]) + FILLER for index in range(16))


@dataclass(frozen=True)
class Stream:
    """The header of a code stream.

    Attributes:
        family: "JPEG", "JPEG-LS" or "JPEG 2000".
        rows, columns, components, bits: of the coded picture.
        signed: the samples are signed (JPEG 2000 only).
        colour: "RGB" or "YBR" where the stream itself says so, else None.
        lossless: coded without loss, as far as the header tells.
        data: the bare code stream.
    """

    family: str
    rows: int
    columns: int
    components: int
    bits: int
    signed: bool
    colour: str | None
    lossless: bool
    data: bytes


def parse(data: bytes) -> Stream:
    """Reads the header of a JPEG, JPEG-LS or JPEG 2000 stream. Raises ``ImageError`` if it is none or damaged."""
    try:
        if data[:3] == b"\xff\xd8\xff":
            return _parse_jpeg(data)
        if data[:4] == b"\xff\x4f\xff\x51":
            return _parse_jpeg2000(data)
        if data[4:8] == b"jP  ":
            return _parse_jpeg2000(_unwrap_jp2(data))
    except (struct.error, IndexError):
        pass
    raise ImageError(DAMAGED)


def decode(stream: Stream) -> np.ndarray:
    """The samples as coded, without any colour transform but JPEG 2000's own: (rows, columns[, components]) integers.

    Raises:
        ImageError: the decoder failed, or the result is not of the size in the header.
    """
    try:
        if stream.family == "JPEG":
            space = {1: "GRAYSCALE", 3: "YCBCR", 4: "CMYK"}[stream.components]
            samples = imagecodecs.jpeg8_decode(stream.data, colorspace=space, outcolorspace=space)
        elif stream.family == "JPEG-LS":
            samples = imagecodecs.jpegls_decode(stream.data)
        else:
            samples = imagecodecs.jpeg2k_decode(stream.data, numthreads=1)
    except Exception:  # the decoders raise many kinds; all mean the same to the reader
        raise ImageError(DAMAGED) from None
    shape = (stream.rows, stream.columns) + ((stream.components,) if stream.components > 1 else ())
    if samples.shape != shape or samples.dtype.kind not in "iu":
        raise ImageError(DAMAGED)
    return samples


def jpeg_is_cut_off(stream: Stream, samples: np.ndarray) -> bool:
    """Whether a JPEG, which decoded to ``samples``, ends before its last block, although an end marker follows.

    Decoders fill the missing part with gray and say nothing. So the stream is decoded again with other bits put in
    front of its end marker: a complete stream never reaches them, one that is cut off draws them. Restart markers are
    among them, since a decoder that waits for one skips all else (T.81 B.2.1).
    """
    end = stream.data.rfind(b"\xff\xd9")
    try:
        probed = decode(dataclasses.replace(stream, data=stream.data[:end] + PROBE + stream.data[end:]))
    except ImageError:
        return True
    return not np.array_equal(probed, samples)


def _parse_jpeg(data: bytes) -> Stream:
    """T.81 B.1 and B.2: marker segments up to the first start of scan."""
    position, colour, frame = 2, None, None
    while True:
        if data[position] != 0xFF:
            raise ImageError(DAMAGED)
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        body = data[position + 4 : position + 2 + length]
        if marker == 0xDA:
            break
        if marker in JPEG_FRAMES or marker == 0xF7:
            if frame is not None:
                raise ImageError(DAMAGED)
            frame = (marker, *struct.unpack_from(">BHHB", body), bytes(body[6::3]), len(set(body[7::3])) > 1)
        elif marker == 0xE0 and body.startswith(b"JFIF"):
            colour = colour or "YBR"
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            colour = "YBR" if body[11] else "RGB"
        elif marker == 0xF8 and body[:1] == b"\x04":
            raise ImageError(DAMAGED)  # T.87 C.2.4.1.4: a size that overrides the frame header
        position += 2 + length
    if frame is None or 0 in frame[1:5]:
        raise ImageError(DAMAGED)
    marker, bits, rows, columns, components, names, is_subsampled = frame
    if names[:3] in (b"RGB", b"rgb"):
        colour = "RGB"
    elif is_subsampled and components == 3:
        colour = colour or "YBR"  # nobody thins out red, green or blue
    family = "JPEG-LS" if marker == 0xF7 else "JPEG"
    if not data.rstrip(b"\0")[-3:].rstrip(b"\xff").endswith(b"\xff\xd9") and data.rfind(b"\xff\xd9", position) < 0:
        raise ImageError(DAMAGED)
    return Stream(family, rows, columns, components, bits, False, colour, marker in (0xC3, 0xF7), data)


def _parse_jpeg2000(data: bytes) -> Stream:
    """T.800 A.5.1 (SIZ), A.6.1 (COD): the main header up to the first tile part."""
    (left, top) = struct.unpack_from(">II", data, 16)
    (width, height) = struct.unpack_from(">II", data, 8)
    components = struct.unpack_from(">H", data, 40)[0]
    depths = {struct.unpack_from(">BBB", data, 42 + 3 * index) for index in range(min(components, 8))}
    if not 1 <= components <= 4 or len(depths) != 1:
        raise ImageError("The compressed picture inside the file has channels of unlike size. Export it uncompressed.")
    (depth, step_x, step_y) = depths.pop()
    tile_width, tile_height, tile_left, tile_top = struct.unpack_from(">4I", data, 24)
    if (step_x, step_y) != (1, 1) or width <= left or height <= top or not (tile_width and tile_height):
        raise ImageError(DAMAGED)
    position, mixed, reversible = 4 + struct.unpack_from(">H", data, 4)[0], False, False
    while data[position : position + 2] != b"\xff\x90":
        marker, length = struct.unpack_from(">HH", data, position)
        if marker == 0xFF52:
            mixed, reversible = data[position + 8] == 1, data[position + 13] == 1
        if marker < 0xFF00 or length < 2:
            raise ImageError(DAMAGED)
        position += 2 + length
    tiles = -((tile_left - width) // tile_width) * -((tile_top - height) // tile_height)
    if _tiles_present(data, position) != tiles:
        raise ImageError(DAMAGED)
    return Stream(
        "JPEG 2000", height - top, width - left, components, (depth & 0x7F) + 1, bool(depth & 0x80),
        "RGB" if mixed else None, reversible, data,
    )  # fmt: skip


def _tiles_present(data: bytes, position: int) -> int:
    """T.800 A.4.2 (SOT): how many tiles have a whole tile part, from the first one to the end marker.

    Decoders fill a tile that is missing with zeros and say nothing.
    """
    seen = set()
    while data[position : position + 2] == b"\xff\x90":
        tile, length = struct.unpack_from(">HI", data, position + 4)
        end = position + length if length else data.rfind(b"\xff\xd9")
        if end <= position + 12 or end > len(data) - 2:
            raise ImageError(DAMAGED)
        seen.add(tile)
        position = end
    if data[position : position + 2] != b"\xff\xd9":
        raise ImageError(DAMAGED)
    return len(seen)


def _unwrap_jp2(data: bytes) -> bytes:
    """T.800 I.4 and I.5.4: the contiguous code stream box of a JP2 file."""
    position = 0
    while True:
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"jp2c":
            start = position + (16 if length == 1 else 8)
            return data[start : position + length if length > 8 else len(data)]
        if length < 8:
            raise ImageError(DAMAGED)
        position += length
