"""What goes wrong with pictures on their way to a network, at five levels: ten corruptions, by Pillow and scikit-image.

The kinds and, but for blur and rotation, the levels are those of MedMNIST-C (Di Salvo et al. 2024) for pictures of 224
pixels; it has other levels for other data sets, of which these are the commonest or lie in the middle. Its package
pins scikit-image 0.23.2 and medmnist 3.0.1, this project has later ones, and wants ImageMagick; imagecorruptions is of
2020, albumentations' last release of 2025, and torchvision's JPEG is deprecated.
"""

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from PIL.Image import Resampling
from skimage.util import img_as_ubyte, random_noise

SIDE = 224  # pixels that the levels are meant for
LEVELS = 5

Corrupt = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def corrupted(name: str, level: int, squares: np.ndarray, seed: int = 0) -> np.ndarray:
    """Squares (n, SIDE, SIDE, 3) uint8 with a corruption of ``CORRUPTIONS`` at a level from 1 to 5, the same size.

    Noise is drawn from the seed, so that a picture meets the same noise at every call.
    """
    strengths, corrupt = CORRUPTIONS[name]
    random = np.random.default_rng(seed)
    found = [corrupt(Image.fromarray(square), strengths[level - 1], random) for square in squares]
    return np.stack([np.asarray(picture) for picture in found])


def _noise(picture: Image.Image, sigma: float, random: np.random.Generator) -> Image.Image:
    return Image.fromarray(img_as_ubyte(random_noise(np.asarray(picture), mode="gaussian", var=sigma**2, rng=random)))


def _salt_and_pepper(picture: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    return Image.fromarray(img_as_ubyte(random_noise(np.asarray(picture), mode="s&p", amount=amount, rng=random)))


def _blur(picture: Image.Image, sigma: float, _: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(sigma))


def _brightness(picture: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def _contrast(picture: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(factor)


def _jpeg(picture: Image.Image, quality: float, _: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(quality))
    return Image.open(buffer)


def _coarse(picture: Image.Image, share: float, _: np.random.Generator) -> Image.Image:
    small = picture.resize((round(picture.width * share), round(picture.height * share)), Resampling.BOX)
    return small.resize(picture.size, Resampling.NEAREST)


def _turned(picture: Image.Image, degrees: float, _: np.random.Generator) -> Image.Image:
    """About the centre; what comes in at the corners continues the edges, so that no black corners are added."""
    margin = math.ceil(max(picture.size) * (math.sqrt(2) - 1) / 2)
    wide = np.pad(np.asarray(picture), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    turned = Image.fromarray(wide).rotate(degrees, Resampling.BILINEAR)
    return turned.crop((margin, margin, margin + picture.width, margin + picture.height))


CORRUPTIONS: dict[str, tuple[tuple[float, ...], Corrupt]] = {
    "Gaussian noise": ((0.04, 0.08, 0.12, 0.18, 0.26), _noise),  # standard deviation, of 1
    "salt and pepper": ((0.01, 0.03, 0.06, 0.09, 0.17), _salt_and_pepper),  # share of values
    "blur": ((1.0, 2.0, 3.0, 4.0, 6.0), _blur),  # standard deviation in pixels
    "brighter": ((1.1, 1.2, 1.3, 1.4, 1.5), _brightness),  # factor
    "darker": ((0.9, 0.8, 0.7, 0.6, 0.5), _brightness),
    "more contrast": ((1.1, 1.2, 1.3, 1.4, 1.6), _contrast),  # factor
    "less contrast": ((0.9, 0.8, 0.7, 0.6, 0.4), _contrast),
    "JPEG": ((50, 30, 15, 10, 7), _jpeg),  # quality
    "resolution": ((0.6, 0.5, 0.4, 0.3, 0.25), _coarse),  # share of the side
    "rotation": ((5, 10, 15, 20, 30), _turned),  # degrees
}
