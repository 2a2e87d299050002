"""A ``MedicalImage`` as plain bytes, to cross from the worker to the server.

JSON and raw pixels, not pickle: a worker that a hostile file has taken over can then send a wrong picture, but no code.
"""

import json
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from medmamba.images.picture import MedicalImage, Window

DTYPES = frozenset(("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"))


def pack(image: MedicalImage) -> tuple[bytes, memoryview]:
    """The description as JSON, and the pixels."""
    facts: dict[str, Any] = {
        field.name: getattr(image, field.name) for field in fields(image) if field.name != "pixels"
    }
    facts["window"] = image.windows.index(image.window) if image.window in image.windows else None
    facts["windows"] = [asdict(window) for window in image.windows]
    facts["shape"], facts["dtype"] = image.pixels.shape, image.pixels.dtype.name
    facts["tags"] = dict(image.tags)
    return json.dumps(facts).encode(), image.pixels.data.cast("B")


def unpack(description: bytes, pixels: bytearray) -> MedicalImage:
    """The reverse. Raises ``ValueError``, ``TypeError`` or ``KeyError`` if the two do not describe a picture."""
    facts = json.loads(description)
    if facts["dtype"] not in DTYPES or len(facts["shape"]) not in (2, 3):
        raise ValueError("not a picture")
    array = np.frombuffer(pixels, facts.pop("dtype")).reshape(facts.pop("shape"))
    windows = tuple(Window(**{**window, "lut": tuple(window["lut"])}) for window in facts.pop("windows"))
    chosen = facts.pop("window")
    for name in ("value_range", "padding", "pixel_spacing", "orientation", "warnings"):
        facts[name] = tuple(facts[name]) if facts[name] is not None else None
    return MedicalImage(array, window=None if chosen is None else windows[chosen], windows=windows, **facts)
