"""Ordinary pictures (PNG, JPEG, TIFF, BMP, WebP, GIF) to ``MedicalImage``, by Pillow; deeper ones by imagecodecs.

Decisions: 8-bit grey is shown as it is, other grey from its darkest to its brightest value. Transparent parts are laid
on black, the background of a reading room. The orientation that a camera wrote is followed, and so is a colour profile,
for colours of 8 bits. Each of these is said in a warning. Resolution tags are no pixel spacing: they tell how to print,
not how large.
"""

import io
import logging
import struct

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from medmamba.errors import ImageError
from medmamba.images import codestream, tiff
from medmamba.images.colour import to_srgb
from medmamba.images.geometry import turn
from medmamba.images.limits import TOO_LARGE, check_frame, check_size
from medmamba.images.picture import MedicalImage, gaps, span
from medmamba.images.tiff import DAMAGED, UNUSUAL

logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)  # its messages quote text chunks and tags

FORMATS = {"PNG": "PNG", "JPEG": "JPEG", "TIFF": "TIFF", "BMP": "BMP", "WebP": "WEBP", "GIF": "GIF"}
ORIENTATION, PROFILE = 0x0112, 0x8773  # of EXIF and TIFF


def read(data: bytes, kind: str, frame: int = 0) -> MedicalImage:
    """Reads one page (from 0) of a picture whose ``kind`` is known. Raises ``ImageError`` if it cannot be read."""
    if kind == "PNG" and b"IEND" not in data:
        raise ImageError(DAMAGED)
    if kind == "WebP":
        check_size(*_webp_size(data))
    try:
        return _read_tiff(data, frame) if kind == "TIFF" else _read(data, kind, frame)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ImageError(TOO_LARGE) from None
    except Exception:  # Pillow raises many kinds on a damaged file: OSError, ValueError, SyntaxError, struct.error, ...
        raise ImageError(UNUSUAL if kind == "JPEG" and _is_unusual(data) else DAMAGED) from None


def _read(data: bytes, kind: str, frame: int) -> MedicalImage:
    """One frame of any kind but TIFF."""
    with Image.open(io.BytesIO(data), formats=[FORMATS[kind]]) as picture:
        frames = int(getattr(picture, "n_frames", 1))
        check_frame(frame, frames)
        check_size(picture.height, picture.width)
        picture.seek(frame)
        check_size(picture.height, picture.width)
        warnings = [f"Frame {frame + 1} of {frames}."] if frames > 1 else []
        orientation = _orientation(picture.getexif().get(ORIENTATION), warnings)
        deep = _deep_png(picture, data) if kind == "PNG" and frame == 0 else None
        pixels = _load(picture, warnings) if deep is None else _without_alpha(deep, warnings)
        if picture.mode != "CMYK":
            pixels, said = to_srgb(pixels, picture.info.get("icc_profile"))
            warnings += said
    if kind == "JPEG" and frames == 1:
        _refuse_cut_off(data)
    return _image(turn(pixels, orientation), kind, frame, frames, warnings)


def _read_tiff(data: bytes, frame: int) -> MedicalImage:
    """One page. It is made the file's first, since Pillow opens no file with a page before it that it does not know."""
    tags, frames = tiff.page(data, frame)
    warnings = [f"Page {frame + 1} of {frames}."] if frames > 1 else []
    alone = data[:4] + struct.pack("<I" if data[:2] == b"II" else ">I", tags.offset) + data[8:]
    orientation = _orientation(tags.get(ORIENTATION), warnings)
    if tiff.is_deep(tags):
        deep, laid = tiff.values(alone, tags)
        pixels = turn(deep if deep.ndim == 2 else _without_alpha(deep, warnings, laid), orientation)
    else:
        try:
            with Image.open(io.BytesIO(alone), formats=["TIFF"]) as picture:  # it turns the picture itself
                pixels = _load(picture, warnings)
        except UnidentifiedImageError:
            raise ImageError(UNUSUAL if tiff.is_whole(data, tags) else DAMAGED) from None
    if not tiff.is_cmyk(tags):
        pixels, said = to_srgb(pixels, tags.get(PROFILE))
        warnings += said
    inverted = tiff.is_white_zero(tags) and pixels.dtype != np.uint8
    if inverted:
        warnings.append("Inverted for display, as the file says that its lowest value is white.")
    return _image(pixels, "TIFF", frame, frames, warnings).replace(inverted=inverted)


def _orientation(found: object, warnings: list[str]) -> int:
    """The tag that a camera wrote, 1 to 8, and a warning if it turns the picture; written as another type, it is 1."""
    tag = found if isinstance(found, int) and 1 <= found <= 8 else 1
    if tag > 1:
        warnings.append("Turned upright, as the camera's orientation tag asks.")
    return tag


def _image(pixels: np.ndarray, kind: str, frame: int, frames: int, warnings: list[str]) -> MedicalImage:
    """Describes pixels that stand upright."""
    value_range = (0.0, 255.0)
    if pixels.ndim == 2 and pixels.dtype != np.uint8:
        value_range = span(pixels)
        warnings.append("The file names no window: its darkest value is drawn black and its brightest white.")
        warnings += gaps(pixels)
    height, width = pixels.shape[:2]
    return MedicalImage(
        np.ascontiguousarray(pixels),
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


def _without_alpha(pixels: np.ndarray, warnings: list[str], laid: bool = False) -> np.ndarray:
    """Grey with alpha (H, W, 2) or colour with or without (H, W, 3 or 4), laid on black: (H, W) or (H, W, 3).

    laid: the colours were multiplied by their alpha when the file was written, which lays them on black.
    """
    grey, top = pixels.shape[2] == 2, np.iinfo(pixels.dtype).max
    colours = pixels[:, :, 0] if grey else pixels[:, :, :3]
    alpha = pixels[:, :, -1] if grey else pixels[:, :, 3:]
    if (alpha == top).all():
        return np.ascontiguousarray(colours)
    warnings.append("Transparent parts are drawn on black.")
    if laid:
        return np.ascontiguousarray(colours)
    return ((colours * alpha.astype(np.uint32) + np.uint32(top // 2)) // np.uint32(top)).astype(pixels.dtype)


def _deep_png(picture: Image.Image, data: bytes) -> np.ndarray | None:
    """(H, W, 2 to 4) uint16 of a frame in 16-bit grey with alpha or colour, which Pillow cuts to 8 bits; or None."""
    if data[24] != 16 or data[25] not in (2, 4, 6):
        return None
    deep = imagecodecs.png_decode(data)
    if deep.dtype != np.uint16 or deep.shape not in ((picture.height, picture.width, n) for n in (2, 3, 4)):
        raise ImageError(UNUSUAL)
    return deep


def _is_unusual(data: bytes) -> bool:
    """Whether a JPEG is of a kind that is read inside DICOM alone: JPEG-LS, without loss, or deeper than 8 bits."""
    try:
        stream = codestream.parse(data)
    except ImageError:
        return False
    return stream.family != "JPEG" or stream.lossless or stream.bits > 8


def _refuse_cut_off(data: bytes) -> None:
    """Refuses a JPEG whose coded rows end early although an end marker follows, which decoders fill with grey."""
    try:
        stream = codestream.parse(data)
    except ImageError:
        raise ImageError(DAMAGED) from None
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
