"""Pixels that are not square, pictures that lie on their side, and the letters at their edges."""

import numpy as np
from PIL import Image

from medmamba.images.limits import check_size
from medmamba.images.picture import MedicalImage

NEAR = 0.25  # direction cosine from which an oblique edge gets a second letter (about 15 degrees)
OPPOSITE = str.maketrans("LRAPHF", "RLPAFH")
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


def letters(direction: list[float]) -> str:
    """The letters of a direction in patient coordinates (x to the left, y to the back, z to the head), main first."""
    named = [(abs(part), pair[part > 0]) for part, pair in zip(direction, ("RL", "AP", "FH"), strict=True)]
    return "".join(letter for size, letter in sorted(named, reverse=True) if size > NEAR)


def edges(right: str, bottom: str) -> tuple[str, str, str, str]:
    """The letters at the left, right, top and bottom edge."""
    return right.translate(OPPOSITE), right, bottom.translate(OPPOSITE), bottom


def square_pixels(image: MedicalImage, aspect: float) -> MedicalImage:
    """Stretches the coarser axis by linear interpolation so that pixels are square; unchanged within 1 %.

    Padding is kept out of the interpolation, which would draw a rim between it and the picture; its place stays.

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
    pixels = image.pixels
    if image.padding is None:
        pixels = _resize(pixels, size)
    else:
        outside = (pixels >= image.padding[0]) & (pixels <= image.padding[1])
        drawn = _resize(_widened(pixels, outside, axis=0 if size[0] > rows else 1), size)
        pixels = np.where(_nearest(outside, size), _nearest(pixels, size), drawn)
    return image.replace(pixels=pixels, pixel_spacing=spacing, warnings=(*image.warnings, note))


def _widened(pixels: np.ndarray, outside: np.ndarray, axis: int) -> np.ndarray:
    """(H, W) whose picture reaches one pixel further into the padding along ``axis``, as far as interpolation looks."""
    pixels, outside = pixels.swapaxes(0, axis).copy(), outside.swapaxes(0, axis)
    last, first = outside[1:] & ~outside[:-1], outside[:-1] & ~outside[1:]
    pixels[1:][last] = pixels[:-1][last]
    pixels[:-1][first] = pixels[1:][first]
    return pixels.swapaxes(0, axis)


def _nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) to ``size``, each value the nearest of those there are."""
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, values.shape, strict=True))
    return values[rows[:, None], columns]


def _resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W[, 3]) to ``size`` by linear interpolation, rounded back to the type it came in."""
    planes = np.moveaxis(pixels, 2, 0) if pixels.ndim == 3 else pixels[None]
    out = np.empty((*size, len(planes)), dtype=pixels.dtype)
    for index, plane in enumerate(planes):
        drawn = Image.fromarray(plane.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
        scaled = np.asarray(drawn)
        out[:, :, index] = scaled if pixels.dtype.kind == "f" else np.rint(scaled)
    return out if pixels.ndim == 3 else np.ascontiguousarray(out[:, :, 0])
