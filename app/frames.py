"""A decoded frame as the viewer in the browser takes it: a small description, and its samples at full depth."""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from medmamba.images import MedicalImage, Window
from medmamba.images.picture import between

MAX_SHOWN = 16_000_000  # pixels; larger pictures are shown at a whole fraction of their size
CT_PRESETS = {
    "soft_tissue": (40, 400),
    "lung": (-600, 1500),
    "liver": (90, 150),
    "bone": (480, 2500),
    "brain": (40, 80),
}
TAILS = (0.5, 99.5)  # percentiles of the "contrast" preset


@dataclass(frozen=True)
class Frame:
    """Samples, row by row: RGB bytes, or little-endian 16-bit values with value = sample * slope + intercept."""

    samples: np.ndarray
    slope: float
    intercept: float
    reduction: int

    @property
    def is_colour(self) -> bool:
        return self.samples.ndim == 3

    def compressed(self) -> bytes:
        """The samples' bytes as a zlib stream (HTTP's ``deflate``)."""
        return zlib.compress(self.samples.astype("<u2" if not self.is_colour else "u1").tobytes(), 1)


def frame_of(image: MedicalImage) -> Frame:
    """The samples of a picture, at full depth."""
    reduction = int(np.ceil(np.sqrt(image.pixels.shape[0] * image.pixels.shape[1] / MAX_SHOWN)))
    if image.is_colour:
        return Frame(image.display()[::reduction, ::reduction], 1.0, 0.0, reduction)
    samples, slope, intercept = image.samples()
    return Frame(samples[::reduction, ::reduction], slope, intercept, reduction)


def describe(image: MedicalImage, frame: Frame) -> dict[str, Any]:
    """What the viewer needs beside the samples, fit for JSON."""
    height, width = image.pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "shownWidth": frame.samples.shape[1],
        "shownHeight": frame.samples.shape[0],
        "reduction": frame.reduction,
        "colour": frame.is_colour,
        "slope": frame.slope,
        "intercept": frame.intercept,
        "inverted": image.inverted,
        "padding": _padding(image, frame),
        "hasGaps": image.has_gaps,
        "frame": image.frame,
        "frames": image.frames,
        "orientation": image.orientation,
        "spacing": image.pixel_spacing,
        "unit": "HU" if _is_hounsfield(image) else "",
        "kind": image.kind,
        "presets": [_preset(name, window) for name, window in _presets(image, frame)],
    }


def _padding(image: MedicalImage, frame: Frame) -> tuple[float, float] | None:
    """The values that are padding, as far as samples may be from them."""
    if image.padding is None:
        return None
    low, high = image.padding
    return low - frame.slope / 2, high + frame.slope / 2


def _is_hounsfield(image: MedicalImage) -> bool:
    return image.kind == "DICOM" and image.tags.get("RescaleType") == "HU" and not image.is_colour


def full_window(image: MedicalImage) -> Window:
    """The full range, through which a picture is drawn that names no window; the viewer has one for colours, too."""
    return between(*((0.0, 255.0) if image.is_colour else image.value_range))


def _presets(image: MedicalImage, frame: Frame) -> list[tuple[str, Window]]:
    """(name, window): the default first, then those of keys 1 to 5."""
    full = full_window(image)
    named = [("default", image.window or full)]
    if _is_hounsfield(image):
        return named + [(name, Window(centre, width)) for name, (centre, width) in CT_PRESETS.items()]
    low, high = full.centre - full.width / 2, full.centre + full.width / 2
    tails = np.percentile(_inside(image, frame), TAILS)
    named += [("full", full), ("contrast", between(float(tails[0]), float(tails[1])))]
    third = (high - low) / 3
    named += [("dark", between(low, high - third)), ("bright", between(low + third, high))]
    return named + [("file", window) for window in image.windows[1:2]]


def _inside(image: MedicalImage, frame: Frame) -> np.ndarray:
    """Some of the values (N,), padding and gaps left out unless there is nothing else."""
    samples = frame.samples[::4, ::4].reshape(-1)
    values = samples * frame.slope + frame.intercept
    low, high = _padding(image, frame) or (math.inf, -math.inf)
    inside = values[((values < low) | (values > high)) & ((samples > 0) | (not image.has_gaps))]
    return inside if inside.size else values


def _preset(name: str, window: Window) -> dict[str, Any]:
    """A window for JSON; a lookup table goes along as evenly spaced shares of white over its span."""
    entry: dict[str, Any] = {
        "name": name,
        "centre": window.centre,
        "width": window.width,
        "function": window.function,
    }
    if window.function == "LUT":
        values = np.linspace(window.lut_first, window.lut_first + len(window.lut) - 1, min(len(window.lut), 4096))
        entry |= {
            "low": float(values[0]),
            "high": float(values[-1]),
            "shares": np.round(window.apply(values), 4).tolist(),
        }
    return entry
