"""Pixels that are not square, and pictures that lie on their side."""

import numpy as np
from PIL import Image

from medmamba.images.limits import check_size
from medmamba.images.picture import MedicalImage

TOLERANCE = 0.01
STEEPEST = 10.0
TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def turn(pixels: np.ndarray, tag: int) -> np.ndarray:
    """(H, W[, C]) turned upright as the EXIF orientation ``tag`` (2 to 8) asks; any other tag changes nothing."""
    return np.ascontiguousarray(TURNS[tag](pixels)) if tag in TURNS else pixels


def square_pixels(image: MedicalImage, aspect: float) -> MedicalImage:
    """Stretches the coarser axis by linear interpolation so that pixels are square; unchanged within 1 %.

    Args:
        aspect: height of a pixel over its width. Over 10 (or under 1/10) it is taken for an error and left alone.
    """
    if abs(aspect - 1) <= TOLERANCE:
        return image
    if not 1 / STEEPEST <= aspect <= STEEPEST:
        return image.replace(warnings=(*image.warnings, "The shape of the pixels in the header is not plausible."))
    rows, columns = image.pixels.shape[:2]
    size = (rows, round(columns / aspect)) if aspect < 1 else (round(rows * aspect), columns)
    check_size(*size)
    spacing = (min(image.pixel_spacing),) * 2 if image.pixel_spacing else None
    note = f"The pixels are not square: the picture was stretched from {columns} x {rows} to {size[1]} x {size[0]}."
    return image.replace(pixels=_resize(image.pixels, size), pixel_spacing=spacing, warnings=(*image.warnings, note))


def _resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W[, 3]) to ``size`` by linear interpolation, rounded back to the type it came in."""
    planes = np.moveaxis(pixels, 2, 0) if pixels.ndim == 3 else pixels[None]
    out = np.empty((*size, len(planes)), dtype=pixels.dtype)
    for index, plane in enumerate(planes):
        drawn = Image.fromarray(plane.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
        scaled = np.asarray(drawn)
        out[:, :, index] = scaled if pixels.dtype.kind == "f" else np.rint(scaled)
    return out if pixels.ndim == 3 else np.ascontiguousarray(out[:, :, 0])
