"""A ZIP, opened in memory: bounded in entries and in bytes, whatever its directory claims."""

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from medmamba.errors import ImageError
from medmamba.images.limits import MAX_BYTES, MAX_INFLATED
from medmamba.listing import is_wanted

MAX_ENTRIES = 500
DAMAGES = (  # what zipfile raises on its way through a damaged archive; IndexError where an entry has no name
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(IndexError, NotImplementedError, RuntimeError, ValueError),
)
TOO_MUCH = f"The archive unpacks to more than {MAX_INFLATED >> 20} MB, or one of its files is too large. Split it."


def entries(data: bytes) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(path, bytes) of every file in the archive, in its order. Nothing touches the disk, so a path is only a name.

    Raises:
        ImageError: it is no ZIP, is encrypted or damaged, or holds links or too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = [info for info in archive.infolist() if not info.is_dir() and is_wanted(path_of(info))]
            if len(wanted) > MAX_ENTRIES:
                raise ImageError(f"The archive holds more than {MAX_ENTRIES} files. Split it.")
            if sum(info.file_size for info in wanted) > MAX_INFLATED:
                raise ImageError(TOO_MUCH)
            left = MAX_INFLATED
            for info in wanted:
                if info.flag_bits & 1:
                    raise ImageError("The archive is encrypted. Unpack it and choose the pictures.")
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise ImageError("The archive holds a link instead of a file. Pack the files themselves.")
                content = _read(archive, info, min(left, MAX_BYTES))
                left -= len(content)
                yield path_of(info), content
    except DAMAGES:
        raise ImageError("The archive is damaged, or packed in a way that is not read. Pack it again as ZIP.") from None


def path_of(info: zipfile.ZipInfo) -> PurePosixPath:
    """The path of an entry, with Windows' separators read as what they are."""
    return PurePosixPath(info.filename.replace("\\", "/"))


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of an entry; stops as soon as there are more than allowed."""
    with archive.open(info) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ImageError(TOO_MUCH)
    return content
