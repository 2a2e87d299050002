"""How large a picture may be. Every reader checks these figures on the header, before it allocates anything."""

from medmamba.errors import ImageError

MAX_BYTES = 64 * 2**20
MAX_INFLATED = 256 * 2**20
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
MAX_FRAMES = 10_000
TOO_LARGE = (
    f"The picture is too large: at most {MAX_PIXELS // 10**6} million pixels and {MAX_SIDE} pixels a side are read. "
    "Export it smaller."
)


def check_bytes(length: int) -> None:
    """Raises ``ImageError`` for an empty file or one over ``MAX_BYTES``."""
    if length == 0:
        raise ImageError("The file is empty. Export it again.")
    if length > MAX_BYTES:
        raise ImageError(f"The file is larger than {MAX_BYTES >> 20} MB. Export one picture or fewer frames of it.")


def check_size(rows: int, columns: int) -> None:
    """Raises ``ImageError`` unless a picture of that size may be decoded."""
    if rows < 1 or columns < 1:
        raise ImageError("The file gives no size for its picture: it is damaged. Export it again.")
    if max(rows, columns) > MAX_SIDE or rows * columns > MAX_PIXELS:
        raise ImageError(TOO_LARGE)


def check_frame(frame: int, frames: int) -> None:
    """Raises ``ImageError`` unless ``frame`` (from 0) is one of ``frames``, and these are not too many."""
    if frames > MAX_FRAMES:
        raise ImageError(f"The file says that it holds more than {MAX_FRAMES} frames. Export fewer of them.")
    if not 0 <= frame < frames:
        raise ImageError(f"The file has no frame {frame + 1}: it holds {frames}. Choose another frame.")
