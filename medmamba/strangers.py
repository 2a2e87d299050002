"""Pictures that are none of the modalities, to measure how many of them are refused.

Crops of photographs, textures and scans that scikit-image, scikit-learn, matplotlib and gradio ship with their
packages, and drawings, plots, text, noise and fills that are made here from a seed. Kinds in ``DESIGN`` may be looked
at while the novelty score is designed; those in ``HELD_OUT`` are measured only when it is finished: theirs are the
numbers to quote.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medmamba.errors import DataError

SIDE = 256  # pixels of the pictures made here
EACH = 40  # pictures of a kind
WORDS = ("the", "of", "and", "report", "page", "figure", "table", "to", "in", "is", "that", "for", "as", "with")

Maker = Callable[[np.random.Generator], np.ndarray]


def pictures(kind: str, count: int = EACH) -> list[np.ndarray]:
    """``count`` pictures (H, W, 3) uint8 of a kind, the same at every call.

    Raises:
        DataError: a package whose pictures are used is not installed.
    """
    make = {**DESIGN, **HELD_OUT}[kind]
    random = np.random.default_rng(sum(kind.encode()))
    return [make(random) for _ in range(count)]


def originals(kind: str) -> int:
    """How many different pictures those of a kind are parts of; crops of one say little more than that one does."""
    return len(SHIPPED[kind]) if kind in SHIPPED else EACH


def _shipped(names: tuple[str, ...]) -> Maker:
    """Random crops, of half a side or more, of pictures in installed packages, named package/path."""

    def crop(random: np.random.Generator) -> np.ndarray:
        whole = _open_shipped(names[random.integers(len(names))])
        height, width = (int(side * random.uniform(0.5, 1)) for side in whole.shape[:2])
        top, left = random.integers(whole.shape[0] - height + 1), random.integers(whole.shape[1] - width + 1)
        return whole[top : top + height, left : left + width]

    return crop


def _open_shipped(name: str) -> np.ndarray:
    package, _, path = name.partition("/")
    spec = find_spec(package)  # finds the folder without importing the package
    folders = spec.submodule_search_locations if spec else None
    try:
        with Image.open(Path(*(folders or ["missing"])[:1], path)) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise DataError(f"Pictures that {package} ships are needed to measure refusals; install it first.") from error


def _flat(random: np.random.Generator) -> np.ndarray:
    colour = random.integers(256, size=3) if random.random() < 0.5 else np.repeat(random.integers(256), 3)
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def _gradient(random: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle = random.uniform(0, 2 * np.pi)
    position = np.hypot(x, y) if random.random() < 0.5 else np.cos(angle) * x + np.sin(angle) * y
    position = ((position - position.min()) / np.ptp(position))[..., None]
    first, last = random.integers(256, size=(2, 3))
    return ((1 - position) * first + position * last).astype(np.uint8)


def _white_noise(random: np.random.Generator) -> np.ndarray:
    channels = 3 if random.random() < 0.5 else 1
    return np.broadcast_to(random.integers(256, size=(SIDE, SIDE, channels), dtype=np.uint8), (SIDE, SIDE, 3)).copy()


def _cloudy_noise(random: np.random.Generator) -> np.ndarray:
    """Noise with the 1/f amplitude spectrum of natural scenes."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.normal(size=(3, SIDE, SIDE))) / frequency
    clouds = np.fft.irfft2(spectrum).transpose(1, 2, 0)
    return (255 * (clouds - clouds.min()) / np.ptp(clouds)).astype(np.uint8)


def _chequers(random: np.random.Generator) -> np.ndarray:
    cell = int(random.integers(6, 40))
    y, x = np.mgrid[:SIDE, :SIDE] // cell
    colours = random.integers(256, size=(2, 3)).astype(np.uint8)
    return colours[(x + y) % 2] if random.random() < 0.5 else colours[x % 2]


def _text_page(random: np.random.Generator) -> np.ndarray:
    page = Image.new("L", (SIDE, SIDE), 255)
    draw, size = ImageDraw.Draw(page), int(random.integers(9, 22))
    font = ImageFont.load_default(size)
    for top in range(10, SIDE - size, int(1.4 * size)):
        draw.text((10, top), " ".join(random.choice(WORDS, int(random.integers(3, 12)))), fill=20, font=font)
    return np.asarray(page.convert("RGB"))


def _screenshot(random: np.random.Generator) -> np.ndarray:
    """A window with a title bar, a side bar, buttons and lines of text."""
    dark = random.random() < 0.5
    ground, ink = ((30, 32, 38), (220, 220, 220)) if dark else ((248, 248, 250), (40, 40, 40))
    accent = tuple(int(c) for c in random.integers(60, 220, size=3))
    window = Image.new("RGB", (int(1.6 * SIDE), SIDE), ground)
    draw, font = ImageDraw.Draw(window), ImageFont.load_default(10)
    draw.rectangle((0, 0, window.width, 22), fill=accent)
    draw.rectangle((0, 22, 90, SIDE), fill=tuple(int(0.9 * c) for c in ground))
    for top in range(32, SIDE - 20, 18):
        draw.text((8, top), str(random.choice(WORDS)), fill=ink, font=font)
        draw.text((104, top), " ".join(random.choice(WORDS, int(random.integers(2, 9)))), fill=ink, font=font)
    for left in range(110, 360, 80):
        draw.rounded_rectangle((left, SIDE - 30, left + 60, SIDE - 10), 6, fill=accent)
    return np.asarray(window)


def _drawing(random: np.random.Generator) -> np.ndarray:
    """Outlined and filled shapes on paper."""
    paper = Image.new("RGB", (SIDE, SIDE), (255, 253, 245))
    draw = ImageDraw.Draw(paper)
    for _ in range(int(random.integers(3, 12))):
        (left, right), (top, bottom) = np.sort(random.integers(SIDE, size=(2, 2)), axis=1).tolist()
        fill = tuple(random.integers(256, size=3).tolist()) if random.random() < 0.5 else None
        match random.integers(3):
            case 0:
                draw.ellipse((left, top, right, bottom), fill=fill, outline=(0, 0, 0), width=3)
            case 1:
                draw.rectangle((left, top, right, bottom), fill=fill, outline=(0, 0, 0), width=3)
            case _:
                draw.line(random.integers(SIDE, size=8).tolist(), fill=(0, 0, 0), width=3)
    return np.asarray(paper)


def _plot(draw: Callable[..., None]) -> Maker:
    def make(random: np.random.Generator) -> np.ndarray:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4, 3), dpi=80)
        canvas = FigureCanvasAgg(figure)
        draw(figure.add_subplot(), random)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    return make


def _lines(axes, random: np.random.Generator) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    axes.plot(random.normal(size=(60, int(random.integers(1, 5)))).cumsum(0))


def _bars(axes, random: np.random.Generator) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    if random.random() < 0.5:
        axes.pie(random.uniform(1, 5, int(random.integers(3, 7))))
    else:
        axes.bar(range(8), random.uniform(1, 5, 8), color=random.uniform(size=(8, 3)))


_SKIMAGE, _GRADIO = "skimage/data/", "gradio/media_assets/images/"

SHIPPED: dict[str, tuple[str, ...]] = {
    "photographs": (
        *(_SKIMAGE + name for name in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png")),
        "sklearn/datasets/images/china.jpg",
    ),
    "textures": tuple(_SKIMAGE + name for name in ("brick.png", "gravel.png")),
    "other photographs": (
        *(_GRADIO + name for name in ("cheetah.jpg", "lion.jpg", "tower.jpg", "groot.jpeg")),
        "sklearn/datasets/images/flower.jpg",
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        _SKIMAGE + "motorcycle_left.png",
    ),
    "grass, coins, moon, galaxies": tuple(
        _SKIMAGE + name for name in ("grass.png", "coins.png", "moon.png", "hubble_deep_field.jpg")
    ),
    "scanned text": tuple(_SKIMAGE + name for name in ("page.png", "text.png")),
}
DESIGN: dict[str, Maker] = {
    **{kind: _shipped(SHIPPED[kind]) for kind in ("photographs", "textures")},
    "text pages": _text_page,
    "line plots": _plot(_lines),
    "white noise": _white_noise,
    "flat colours": _flat,
}
HELD_OUT: dict[str, Maker] = {
    **{kind: _shipped(SHIPPED[kind]) for kind in ("other photographs", "grass, coins, moon, galaxies", "scanned text")},
    "screenshots": _screenshot,
    "drawings": _drawing,
    "bar and pie charts": _plot(_bars),
    "cloudy noise": _cloudy_noise,
    "gradients": _gradient,
    "chequers and stripes": _chequers,
}
