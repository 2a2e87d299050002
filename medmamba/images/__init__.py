"""The one door for pictures: bytes or a file in, a ``MedicalImage`` out, decided by content and never by name.

The page, the command line and training all come through ``read``; docs/reading.md tells what is read, and how.
"""

import io
import os
from typing import BinaryIO

from medmamba.errors import ImageError
from medmamba.images import guard
from medmamba.images.decode import decode
from medmamba.images.guard import ReaderFault
from medmamba.images.limits import MAX_BYTES, MAX_FRAMES, check_bytes
from medmamba.images.picture import MedicalImage, Window

__all__ = ["MedicalImage", "ReaderFault", "Window", "read", "warm"]


def read(source: bytes | os.PathLike[str] | str | BinaryIO, *, frame: int = 0, guarded: bool = True) -> MedicalImage:
    """Reads one picture.

    Args:
        source: the file's bytes, its path, or an open binary file (read from where it stands).
        frame: which frame, page or slice, from 0.
        guarded: decode in a worker process with limits of memory and time. False, for trusted data such as a training
            set, decodes here, one picture at a time in a process; the same checks hold.

    Raises:
        ImageError: for everything that goes wrong: no file, no picture, a limit, a damaged file. The message is for
            the person who chose the file and holds no name and no text of it. ``ReaderFault``, a kind of it, is
            raised where the reader itself failed.
    """
    if not isinstance(frame, int) or not 0 <= frame < MAX_FRAMES:
        raise ImageError(f"There is no such frame: give a whole number from 0 to {MAX_FRAMES - 1}.")
    data = _bytes_of(source)
    check_bytes(len(data))
    try:
        return guard.shared().decode(data, frame) if guarded else decode(data, frame)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("The picture needs more memory than there is. Export it smaller.") from None
    except Exception as error:
        raise ReaderFault("exception", type(error).__name__) from None


def warm() -> None:
    """Starts the workers now, so that the first picture does not wait for them."""
    guard.shared()


def _bytes_of(source: bytes | os.PathLike[str] | str | BinaryIO) -> bytes:
    """At most one byte more than the limit, from any kind of source."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    try:
        if isinstance(source, (str, os.PathLike)):
            with open(source, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        else:
            data = source.read(MAX_BYTES + 1)
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        raise ImageError("The file cannot be opened. Check that it is there and may be read.") from None
    if not isinstance(data, bytes):
        raise ImageError("The file was opened as text. Open it in binary mode.")
    return data
