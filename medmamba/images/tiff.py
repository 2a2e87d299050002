"""TIFF 6.0 as far as Pillow does not read it: pages and their tags, and samples deeper than 8 bits by imagecodecs."""

import io

import imagecodecs
import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from medmamba.errors import ImageError
from medmamba.images.limits import MAX_FRAMES, check_frame, check_size

DAMAGED = "This picture is damaged or cut off. Copy or export it again."
UNUSUAL = "This picture is stored in a way that is not read. Save it as an 8-bit or 16-bit PNG."
# TIFF 6.0, its supplement 2 and libtiff: tags, and what imagecodecs is given to decode
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR = 256, 257, 258, 259, 262, 277, 284
TILE_WIDTH, TILE_HEIGHT, EXTRA, FORMAT, DEPTH = 322, 323, 338, 339, 32997
STARTS, LENGTHS = (273, 324), (279, 325)
COMPRESSIONS = frozenset((1, 5, 8, 32773, 32946, 34925, 50000))  # none, LZW, deflate twice, PackBits, LZMA, Zstandard
TYPES = {(1, 16): "u2", (1, 32): "u4", (2, 8): "i1", (2, 16): "i2", (2, 32): "i4"} | {
    (3, bits): f"f{bits // 8}" for bits in (16, 32, 64)
}


def page(data: bytes, frame: int) -> tuple[ImageFileDirectory_v2, int]:
    """The tags of one page (from 0), its size checked, and how many pages there are. Raises ``ImageError``."""
    places: dict[int, None] = {}
    place = ImageFileDirectory_v2(data[:8]).next
    while place > 0 and place not in places and len(places) <= MAX_FRAMES:
        places[place] = None
        place = _directory(data, place).next
    if not places:
        raise ImageError(DAMAGED)
    check_frame(frame, len(places))
    tags = _directory(data, list(places)[frame])
    if tags.next < 0:
        raise ImageError(DAMAGED)
    check_size(_number(tags, HEIGHT, 0), _number(tags, WIDTH, 0))
    check_size(_number(tags, TILE_HEIGHT, 1), _number(tags, TILE_WIDTH, 1))
    return tags, len(places)


def is_whole(data: bytes, tags: ImageFileDirectory_v2) -> bool:
    """Whether all strips or tiles of a page lie in the file."""
    starts, lengths = (sum((_numbers(tags, tag) for tag in pair), ()) for pair in (STARTS, LENGTHS))
    pieces = zip(starts, lengths, strict=False)
    return len(starts) == len(lengths) > 0 and all(start + length <= len(data) for start, length in pieces)


def is_deep(tags: ImageFileDirectory_v2) -> bool:
    """Whether grey or RGB samples are others than unsigned of up to 8 bits, so that ``values`` has to read them.

    Pillow cuts those to 8 bits, reads them with another sign or not at all.
    """
    forms, bits = set(_numbers(tags, FORMAT) or (1,)), max(_numbers(tags, BITS) or (1,))
    return _number(tags, PHOTOMETRIC, 1) <= 2 and (forms != {1} or bits >= 16)


def is_white_zero(tags: ImageFileDirectory_v2) -> bool:
    """Whether the lowest value of a page is white."""
    return _number(tags, PHOTOMETRIC, 1) == 0


def is_cmyk(tags: ImageFileDirectory_v2) -> bool:
    """Whether a page is stored in printing colours."""
    return _number(tags, PHOTOMETRIC, 1) == 5


def values(data: bytes, tags: ImageFileDirectory_v2) -> tuple[np.ndarray, bool]:
    """The first page's own values, not turned: (H, W) integers or float32, or (H, W, 2 to 4) uint16 with two meanings.

    The last of two or four channels is alpha; beside it stands whether the colours were multiplied by it already. The
    array is made by the tags that were checked, and libtiff refuses to fill one that its own reading of them does not
    give.

    Raises:
        ImageError: samples, their number or their compression are not ones that are read.
    """
    kinds = {(form, bits) for form in _numbers(tags, FORMAT) or (1,) for bits in _numbers(tags, BITS) or (1,)}
    kind = TYPES.get(kinds.pop()) if len(kinds) == 1 else None
    colours, samples = 3 if _number(tags, PHOTOMETRIC, 1) == 2 else 1, _number(tags, SAMPLES, 1)
    known = _number(tags, COMPRESSION, 1) in COMPRESSIONS and _number(tags, DEPTH, 1) == 1
    if kind is None or not known or samples - colours not in (0, 1) or (samples > 1 and kind != "u2"):
        raise ImageError(UNUSUAL)
    height, width = _number(tags, HEIGHT, 0), _number(tags, WIDTH, 0)
    planar = samples > 1 and _number(tags, PLANAR, 1) == 2
    deep = np.empty((samples, height, width) if planar else (height, width, samples), kind)
    imagecodecs.tiff_decode(data, out=deep)
    deep = np.moveaxis(deep, 0, 2) if planar else deep
    if samples == 1:
        with np.errstate(over="ignore"):
            return deep[:, :, 0].astype(np.float32 if deep.dtype.kind == "f" else deep.dtype, copy=False), False
    extra = _number(tags, EXTRA, 2)
    if samples > colours and extra not in (1, 2):
        deep = deep[:, :, :colours]
    return deep[:, :, 0] if deep.shape[2] == 1 else deep, extra == 1


def _directory(data: bytes, place: int) -> ImageFileDirectory_v2:
    """The tags of the page at ``place``. Where they are cut off, Pillow keeps those before, and ``next`` is -1."""
    source, tags = io.BytesIO(data), ImageFileDirectory_v2(data[:8])
    source.seek(place)
    tags.next = -1
    tags.load(source)
    return tags


def _numbers(tags: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    """The whole numbers of a tag, none if it is absent. Raises ``ImageError`` if it holds anything else."""
    found = tags.get(tag, ())
    numbers = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(number, int) for number in numbers):
        raise ImageError(DAMAGED)
    return numbers


def _number(tags: ImageFileDirectory_v2, tag: int, default: int) -> int:
    """The first whole number of a tag."""
    return next(iter(_numbers(tags, tag)), default)
