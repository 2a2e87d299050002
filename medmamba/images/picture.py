"""What every file becomes: a ``MedicalImage``, and the one path from its values to what is shown.

The path (PS3.4 N.2): stored value -> modality LUT or rescale (done when the file is read; ``pixels`` holds the
result) -> VOI LUT or window -> one inversion if the file is MONOCHROME1 -> 8 bit. ``display`` is that path, and the
network and the page both see its result; ``samples`` and ``table`` hand it to a viewer that windows in the browser.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from medmamba.errors import ImageError

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID", "LUT")
SMALLEST_PART = 16  # pixels a side
PART = "This is a part of a larger picture."
NARROWEST = 1e-30  # of a window: diffusion, in square metres a second, spans millionths of millionths
NUMBER = 36  # bytes of one number in a tuple
CHUNK = 1 << 20  # values rendered at a time, so that a picture at the size limit needs little memory beside its own


@dataclass(frozen=True)
class Window:
    """A value-of-interest transform (PS3.3 C.11.2): which values are drawn from black to white, and along which curve.

    For ``function == "LUT"`` the curve is ``lut``: the value ``lut_first`` is drawn as ``lut[0] / lut_top``, the next
    integer as ``lut[1] / lut_top``, and so on; ``centre`` and ``width`` then only tell the span that it covers.
    """

    centre: float
    width: float
    function: str = "LINEAR"
    name: str = ""
    lut: tuple[int, ...] = field(default=(), repr=False)
    lut_first: int = 0
    lut_top: int = 1

    def __post_init__(self) -> None:
        smallest = 1.0 if self.function == "LINEAR" else 0.0
        if self.function not in FUNCTIONS or not (math.isfinite(self.centre) and math.isfinite(self.width)):
            raise ImageError("The window is not usable: centre and width must be finite numbers.")
        if self.width < smallest or self.width <= 0:
            raise ImageError(f"The window is not usable: its width must be {'at least 1' if smallest else 'above 0'}.")
        if self.function == "LUT" and not self.lut:
            raise ImageError("The window is not usable: its lookup table is empty.")

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Maps modality values of any shape to float64 in [0, 1], by the formulas of PS3.3 C.11.2.1.2 and 1.3."""
        if self.function == "LUT":
            index = np.clip(np.nan_to_num(np.rint(values)) - self.lut_first, 0, len(self.lut) - 1).astype(np.intp)
            return np.asarray(self.lut, dtype=np.float64)[index] / self.lut_top
        x = np.asarray(values, dtype=np.float64)
        if self.function == "SIGMOID":
            return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (x - self.centre) / self.width, -700.0, 700.0)))
        if self.function == "LINEAR_EXACT":
            return np.clip((x - self.centre) / self.width + 0.5, 0.0, 1.0)
        if self.width == 1.0:
            return (x > self.centre - 0.5).astype(np.float64)
        return np.clip((x - (self.centre - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


def between(black: float, white: float) -> Window:
    """The window from black to white; where they are the same, that value is black."""
    width = white - black if white - black > NARROWEST else 1.0
    return Window(black + width / 2, width, "LINEAR_EXACT")


@dataclass(frozen=True, eq=False)
class MedicalImage:
    """One picture, one frame. Made by ``medmamba.images.read``.

    Attributes:
        pixels: (H, W) grey in modality units (Hounsfield units for CT), an integer type where that is exact and float32
            otherwise; or (H, W, 3) RGB, uint8 or uint16. C-contiguous. MONOCHROME1 is not inverted here.
        inverted: the smallest value is white (MONOCHROME1); ``display`` inverts once.
        window: the default window, or None for the full range (``value_range``).
        windows: those that the file offers, the first few of each kind; ``name`` comes from an allow-list.
        value_range: (low, high): what is black and what is white where no window is named.
        padding: (low, high) of the values that fill the area outside the picture, drawn black; None if there are none.
        frame, frames: which one this is, counted from 0, and how many the file holds.
        pixel_spacing: (between rows, between columns) in mm, or None.
        orientation: the letters at the left, right, top and bottom edge (L R A P H F), or None if unknown.
        kind: "DICOM", "PNG", "JPEG", "TIFF", "BMP", "WebP", "GIF" or "NIfTI".
        warnings: plain sentences for a clinician. They hold no text of the file.
        tags: allow-listed harmless facts about the file, never free text.
    """

    pixels: np.ndarray
    inverted: bool = False
    window: Window | None = None
    windows: tuple[Window, ...] = ()
    value_range: tuple[float, float] = (0.0, 255.0)
    padding: tuple[float, float] | None = None
    frame: int = 0
    frames: int = 1
    pixel_spacing: tuple[float, float] | None = None
    orientation: tuple[str, str, str, str] | None = None
    kind: str = ""
    warnings: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_colour(self) -> bool:
        return self.pixels.ndim == 3

    @cached_property
    def has_gaps(self) -> bool:
        """Whether some values are not finite; they are drawn black, as padding is."""
        return not _is_whole(self.pixels)

    @property
    def nbytes(self) -> int:
        """Memory that it takes, near enough: its pixels, and the numbers of its lookup tables."""
        return self.pixels.nbytes + NUMBER * sum(len(window.lut) for window in self.windows)

    def replace(self, **changes: Any) -> "MedicalImage":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def part(self, left: int, top: int, width: int, height: int) -> "MedicalImage":
        """A rectangle of it, in pixels, as a picture of its own that is drawn as it was in the whole.

        Raises:
            ImageError: it reaches beyond the picture, or is too small.
        """
        rows, columns = self.pixels.shape[:2]
        if min(width, height) < SMALLEST_PART:
            raise ImageError(f"The part is too small: it needs {SMALLEST_PART} pixels a side. Choose a larger one.")
        if left < 0 or top < 0 or left + width > columns or top + height > rows:
            raise ImageError("The part reaches beyond the picture. Choose it again.")
        return self.replace(
            pixels=self.pixels[top : top + height, left : left + width].copy(),  # a view would keep the whole in memory
            frame=0,
            frames=1,
            warnings=(*(warning for warning in self.warnings if warning != PART), PART),
            tags={**self.tags, "Rows": str(height), "Columns": str(width)},
        )

    def display(self, window: tuple[float, float] | Window | None = None) -> np.ndarray:
        """The picture as it is shown and classified: a new (H, W, 3) uint8 RGB array.

        Args:
            window: (centre, width) of a linear window, or a ``Window``; None takes the default. Colour has no window.
        """
        if self.is_colour:
            return self.pixels.copy() if self.pixels.dtype == np.uint8 else _to_8_bit(self.pixels)
        render = self._renderer(window)
        grey = np.empty(self.pixels.shape, dtype=np.uint8)
        flat, out = self.pixels.reshape(-1), grey.reshape(-1)
        low, high = (int(flat.min()), int(flat.max())) if flat.dtype.kind in "iu" else (0, 1 << 32)
        if high - low < min(1 << 16, flat.size):
            table = render(np.arange(low, high + 1))
            for start in range(0, flat.size, CHUNK):
                out[start : start + CHUNK] = table[flat[start : start + CHUNK].astype(np.int64) - low]
        else:
            for start in range(0, flat.size, CHUNK):
                out[start : start + CHUNK] = render(flat[start : start + CHUNK])
        return np.repeat(grey[:, :, None], 3, axis=2)

    def samples(self) -> tuple[np.ndarray, float, float]:
        """The grey values for a viewer: ``(samples, slope, intercept)`` with value = samples * slope + intercept.

        ``samples`` is (H, W) uint16. Exact (slope 1) where ``pixels`` holds integers that span at most 65,535;
        otherwise the span is cut into 65,535 steps, and a value comes back within half a step, 1/131,070 of it. With
        gaps (``has_gaps``) these are sample 0, and the values the other ones.
        """
        if self.is_colour:
            raise ImageError("A colour picture has no grey values to window.")
        slope, intercept = self._scale()
        samples = np.empty(self.pixels.shape, np.uint16)
        flat, out = self.pixels.reshape(-1), samples.reshape(-1)
        for start in range(0, flat.size, CHUNK):
            with np.errstate(all="ignore"):
                steps = (flat[start : start + CHUNK].astype(np.float64) - intercept) / slope
            steps[~np.isfinite(steps)] = 0
            out[start : start + CHUNK] = np.clip(np.rint(steps), 0, 65535)
        return samples, slope, intercept

    def _scale(self) -> tuple[float, float]:
        """(slope, intercept) of ``samples``."""
        darkest, brightest = span(self.pixels)
        if self.pixels.dtype.kind in "iu" and brightest - darkest <= 65535:
            return 1.0, darkest
        if not self.has_gaps:
            return (brightest - darkest) / 65535 or 1.0, darkest
        step = (brightest - darkest) / 65534 or 1.0
        return step, darkest - step

    def table(self, window: tuple[float, float] | Window | None = None) -> np.ndarray:
        """(65536,) uint8: what ``display(window)`` draws for each value of ``samples``, inversion included."""
        slope, intercept = self._scale()
        grey = self._renderer(window, slope / 2)(np.arange(65536) * slope + intercept)
        if self.has_gaps:
            grey[0] = 0
        return grey

    def _renderer(
        self, window: tuple[float, float] | Window | None, rounding: float = 0.0
    ) -> Callable[[np.ndarray], np.ndarray]:
        """The function from an array of modality values to uint8 that every rendering goes through.

        rounding: how far values may be from those of ``pixels``.
        """
        chosen = window if isinstance(window, Window) else Window(*window) if window is not None else self.window
        if chosen is None:
            chosen = between(*self.value_range)

        def render(values: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                share = np.nan_to_num(chosen.apply(values), nan=0.0)
            grey = np.floor((1.0 - share if self.inverted else share) * 255.0 + 0.5).astype(np.uint8)
            if self.padding is not None:
                grey[(values >= self.padding[0] - rounding) & (values <= self.padding[1] + rounding)] = 0
            if values.dtype.kind == "f":
                grey[~np.isfinite(values)] = 0
            return grey

        return render


def _to_8_bit(colour: np.ndarray) -> np.ndarray:
    """uint16 RGB to uint8, rounded."""
    return ((colour.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def gaps(values: np.ndarray) -> list[str]:
    """The warning of values that are not finite, if there are any."""
    return [] if _is_whole(values) else ["Some values are not numbers and are drawn black."]


def _is_whole(values: np.ndarray) -> bool:
    """Whether all are finite."""
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def span(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest finite value as floats; (0, 0) where there is none."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
