"""Colour samples as files store them, to RGB at full scale."""

import io

import numpy as np
from PIL import Image, ImageCms

SAME = 2  # of 255: what no conversion may change for a profile to be sRGB's, whatever it is called
TRIAL = np.moveaxis(np.mgrid[0:256:17, 0:256:17, 0:256:51], 0, -1).reshape(16, -1, 3).astype(np.uint8)
ROWS = 256  # rows converted at a time, so that a large picture needs little memory beside its own


def ybr_to_rgb(pixels: np.ndarray, bits: int) -> np.ndarray:
    """YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), rounded; (H, W, 3) unsigned integers of ``bits`` bits in and out."""
    top, half = (1 << bits) - 1, 1 << (bits - 1)
    matrix = np.array([[1, 1, 1], [0, -0.114 * 1.772 / 0.587, 1.772], [1.402, -0.299 * 1.402 / 0.587, 0]])
    out = np.empty_like(pixels)
    for start in range(0, len(pixels), ROWS):
        rgb = (pixels[start : start + ROWS].astype(np.float64) - [0, half, half]) @ matrix
        out[start : start + ROWS] = np.clip(np.floor(rgb + 0.5), 0, top)
    return out


def full_scale(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned samples of 1 to 32 bits to uint8 (up to 8 bits) or uint16, with full intensity at 255 or 65535."""
    dtype, target = (np.uint8, 255) if bits <= 8 else (np.uint16, 65535)
    top = (1 << bits) - 1
    if top == target:
        return np.ascontiguousarray(pixels, dtype=dtype)
    out = np.empty(pixels.shape, dtype=dtype)
    for start in range(0, len(pixels), ROWS):
        out[start : start + ROWS] = (pixels[start : start + ROWS].astype(np.uint64) * target + top // 2) // top
    return out


def to_srgb(pixels: np.ndarray, profile: object) -> tuple[np.ndarray, list[str]]:
    """RGB (H, W, 3) as its colour profile (ICC.1) means it, in sRGB, which is what screens show; and what to say of it.

    By LittleCMS, relative colorimetric, black points matched. Without a profile, or with that of sRGB, nothing changes;
    nor, with a warning, where the profile is damaged or of other colours, or samples have 16 bits.
    """
    if not isinstance(profile, bytes):
        return pixels, []
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if np.abs(_converted(TRIAL, transform).astype(int) - TRIAL).max() <= SAME:
            return pixels, []
        if pixels.ndim == 3 and pixels.dtype == np.uint8:
            return _converted(pixels, transform), ["The colours were converted from the file's colour profile to sRGB."]
    except (ImageCms.PyCMSError, OSError):
        pass  # said below
    return pixels, ["The file's colour profile is not applied: colours may look different in other programs."]


def _converted(pixels: np.ndarray, transform: ImageCms.ImageCmsTransform) -> np.ndarray:
    return np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform))
