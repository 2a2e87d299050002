"""Ordinary pictures (PNG, JPEG, TIFF, BMP, WebP, GIF) to ``MedicalImage``, by Pillow; 16-bit ones by imagecodecs.

Decisions: 8-bit grey is shown as it is, deeper grey from its darkest to its brightest value. Transparent parts are laid
on black, the background of a reading room. The orientation that a camera wrote is followed. Each of these is said in a
warning. Colour profiles are not applied. Resolution tags are no pixel spacing: they tell how to print, not how large.
"""

import io
import logging
import struct

import imagecodecs
import numpy as np
from PIL import Image

from medmamba.errors import ImageError
from medmamba.images import codestream
from medmamba.images.geometry import turn
from medmamba.images.limits import TOO_LARGE, check_frame, check_size
from medmamba.images.picture import MedicalImage, gaps, span

logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)  # its messages quote text chunks and tags

FORMATS = {"PNG": "PNG", "JPEG": "JPEG", "TIFF": "TIFF", "BMP": "BMP", "WebP": "WEBP", "GIF": "GIF"}
DAMAGED = "This picture is damaged or cut off. Copy or export it again."
UNUSUAL = "This picture stores its colours in a way that is not read. Save it as an 8-bit or 16-bit PNG."
ORIENTATION = 0x0112
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLES = 258, 262, 277


def read(data: bytes, kind: str, frame: int = 0) -> MedicalImage:
    """Reads one page (from 0) of a picture whose ``kind`` is known. Raises ``ImageError`` if it cannot be read."""
    if kind == "PNG" and b"IEND" not in data:
        raise ImageError(DAMAGED)
    if kind == "WebP":
        check_size(*_webp_size(data))
    try:
        with Image.open(io.BytesIO(data), formats=[FORMATS[kind]]) as picture:
            frames = int(getattr(picture, "n_frames", 1))
            check_frame(frame, frames)
            check_size(picture.height, picture.width)
            picture.seek(frame)
            check_size(picture.height, picture.width)
            return _read(picture, data, kind, frame, frames)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(TOO_LARGE) from None
    except Exception:  # Pillow raises many kinds on a damaged file: OSError, ValueError, SyntaxError, struct.error, ...
        raise ImageError(DAMAGED) from None


def _read(picture: Image.Image, data: bytes, kind: str, frame: int, frames: int) -> MedicalImage:
    """One opened page, its size checked."""
    warnings: list[str] = []
    if frames > 1:
        warnings.append(f"Page {frame + 1} of {frames}." if kind == "TIFF" else f"Frame {frame + 1} of {frames}.")
    tag = picture.getexif().get(ORIENTATION)
    orientation = tag if isinstance(tag, int) else 1  # written as another type, it says nothing
    deep = _deep_samples(picture, data, kind, frame)
    pixels = _load(picture, warnings) if deep is None else _without_alpha(deep, warnings)
    if kind == "JPEG" and frames == 1:
        _refuse_cut_off(data)
    if deep is not None or kind != "TIFF":  # Pillow turns a TIFF itself
        pixels = turn(pixels, orientation)
    if 2 <= orientation <= 8:
        warnings.append("Turned upright, as the camera's orientation tag asks.")
    inverted = kind == "TIFF" and picture.tag_v2.get(TIFF_PHOTOMETRIC) == 0 and pixels.dtype != np.uint8  # type: ignore[attr-defined]
    if inverted:
        warnings.append("Inverted for display, as the file says that its lowest value is white.")
    value_range = (0.0, 255.0)
    if pixels.ndim == 2 and pixels.dtype != np.uint8:
        value_range = span(pixels)
        warnings.append("Deeper than 8 bits and without a window: its darkest value is black, its brightest white.")
        warnings += gaps(pixels)
    height, width = pixels.shape[:2]
    return MedicalImage(
        np.ascontiguousarray(pixels),
        inverted=inverted,
        value_range=value_range,
        frame=frame,
        frames=frames,
        kind=kind,
        warnings=tuple(warnings),
        tags={"Rows": str(height), "Columns": str(width)},
    )


def _load(picture: Image.Image, warnings: list[str]) -> np.ndarray:
    """(H, W) grey in the file's own depth or (H, W, 3) uint8, from any mode that Pillow gives."""
    picture.load()
    mode = picture.mode
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
        "transparency" in picture.info and mode in ("L", "RGB", "P", "1")
    ):
        channels = [0, 3] if mode in ("LA", "La", "L", "1") else [0, 1, 2, 3]
        return _without_alpha(np.asarray(picture.convert("RGBA"))[:, :, channels], warnings)
    if mode == "1":
        return np.asarray(picture.convert("L"))
    if mode == "P":
        return np.asarray(picture.convert("RGB"))
    if mode in ("L", "RGB"):
        return np.asarray(picture)
    if mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)
    if mode in ("I", "F"):
        return np.asarray(picture)
    if mode in ("CMYK", "YCbCr"):
        if mode == "CMYK":
            warnings.append("Stored in printing colours (CMYK): the colours on the screen are approximate.")
        return np.asarray(picture.convert("RGB"))
    raise ImageError(UNUSUAL)


def _without_alpha(pixels: np.ndarray, warnings: list[str]) -> np.ndarray:
    """Grey with alpha (H, W, 2) or colour with or without (H, W, 3 or 4), laid on black: (H, W) or (H, W, 3)."""
    grey, top = pixels.shape[2] == 2, np.iinfo(pixels.dtype).max
    colours = pixels[:, :, 0] if grey else pixels[:, :, :3]
    alpha = pixels[:, :, -1] if grey else pixels[:, :, 3:]
    if (alpha == top).all():
        return np.ascontiguousarray(colours)
    warnings.append("Transparent parts are drawn on black.")
    return ((colours * alpha.astype(np.uint32) + np.uint32(top // 2)) // np.uint32(top)).astype(pixels.dtype)


def _deep_samples(picture: Image.Image, data: bytes, kind: str, frame: int) -> np.ndarray | None:
    """(H, W, 2 to 4) uint16 for 16-bit grey with alpha or colour, which Pillow would cut to 8 bits; else None."""
    if kind == "PNG" and data[24] == 16 and data[25] in (2, 4, 6):
        deep = imagecodecs.png_decode(data)
    elif kind == "TIFF" and set(picture.tag_v2.get(TIFF_BITS, ())) == {16} and picture.tag_v2.get(TIFF_SAMPLES) == 3:  # type: ignore[attr-defined]
        if picture.tag_v2.get(TIFF_PHOTOMETRIC) != 2:  # type: ignore[attr-defined]
            raise ImageError(UNUSUAL)
        deep = imagecodecs.tiff_decode(data, index=frame)
    else:
        return None
    if deep.dtype != np.uint16 or deep.shape not in ((picture.height, picture.width, n) for n in (2, 3, 4)):
        raise ImageError(UNUSUAL)
    return deep


def _refuse_cut_off(data: bytes) -> None:
    """Refuses a JPEG whose coded rows end early although an end marker follows, which decoders fill with grey."""
    stream = codestream.parse(data)
    if stream.components in (1, 3) and codestream.jpeg_is_cut_off(stream, codestream.decode(stream)):
        raise ImageError(DAMAGED)


def _webp_size(data: bytes) -> tuple[int, int]:
    """(rows, columns) from the header, since Pillow's decoder allocates the canvas when it opens the file."""
    try:
        kind = data[12:16]
        if kind == b"VP8X":
            return int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1
        if kind == b"VP8L":
            packed = struct.unpack_from("<I", data, 21)[0]
            return (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    except struct.error:
        raise ImageError(DAMAGED) from None
