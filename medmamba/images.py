"""The one door for pictures: bytes or a file in, a ``MedicalImage`` out, decided by content and never by name."""

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from medmamba.errors import ImageError
from medmamba.picture import MedicalImage, Window

__all__ = ["MedicalImage", "Window", "read"]


def read(source: bytes | os.PathLike[str] | str | BinaryIO, *, frame: int = 0, guarded: bool = True) -> MedicalImage:
    """Reads one picture. Raises ``ImageError`` and nothing else."""
    if isinstance(source, (str, os.PathLike)):
        data = Path(source).read_bytes()
    else:
        data = source if isinstance(source, bytes) else source.read()
    try:
        picture = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
        pixels = np.ascontiguousarray(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))
        return MedicalImage(pixels, kind=picture.format or "")
    except Exception:
        return _dicom(data)


def _dicom(data: bytes) -> MedicalImage:
    import pydicom

    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        pixels = dataset.pixel_array
        if pixels.ndim == 3 and pixels.shape[2] == 3:
            return MedicalImage(np.ascontiguousarray(pixels, dtype=np.uint8), kind="DICOM")
        values = pixels * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
        values = values.astype("f4")
        return MedicalImage(values, value_range=(float(values.min()), float(values.max())), kind="DICOM")
    except Exception:
        raise ImageError("This file is not a picture that can be read. Choose a DICOM, PNG or JPEG file.") from None
