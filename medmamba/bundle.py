"""The files of a folder or of a ZIP by their paths inside it: bounded, without links, and never outside of it."""

import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from medmamba.archive import MAX_ENTRIES, entries
from medmamba.errors import DeckError, ImageError
from medmamba.images.limits import MAX_BYTES, MAX_INFLATED
from medmamba.listing import is_wanted

Files = Mapping[str, Callable[[], bytes]]


def files_of(source: str | Path | bytes) -> tuple[Files, str]:
    """What reads each file, by its path inside a folder, a ZIP on disk or the bytes of a ZIP; and the bundle's name.

    A single folder that holds everything else is left out of the paths, as packing a folder makes one; its name is
    the bundle's. Otherwise that is the folder's, or the ZIP's without its ending; the bytes of a ZIP have none.

    Raises:
        DeckError: there is no such folder or ZIP, or it holds too much, links, or paths that lead out of it.
    """
    if isinstance(source, bytes):
        return _without_wrapper(_of_zip(source), "")
    path = Path(source)
    if path.is_dir():
        return _without_wrapper(_of_folder(path), path.absolute().name)
    if not path.is_file():
        raise DeckError("There is no such deck: give a folder or a ZIP.")
    return _without_wrapper(_of_zip(_read(path, MAX_INFLATED)), path.stem)


def spelt(path: PurePosixPath) -> str:
    """A path as it is typed: macOS packs a letter and its accent as two characters, and keyboards write one."""
    return unicodedata.normalize("NFC", str(path))


def _of_zip(data: bytes) -> Files:
    found: dict[str, Callable[[], bytes]] = {}
    try:
        for path, content in entries(data):
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise DeckError("The archive holds a path that leads out of it. Pack the deck again.")
            if (name := spelt(path)) in found:
                raise DeckError("The archive holds two files of the same path. Pack the deck again.")
            found[name] = partial(bytes, content)
    except ImageError as error:
        raise DeckError(str(error)) from None
    return found


def _of_folder(folder: Path) -> Files:
    found: dict[str, Callable[[], bytes]] = {}
    for path in sorted(folder.rglob("*")):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_symlink():
            raise DeckError("The folder holds a link instead of a file. Copy the files themselves into it.")
        if path.is_file() and is_wanted(inside):
            found[spelt(inside)] = partial(_read, path, MAX_BYTES)
            if len(found) > MAX_ENTRIES:
                raise DeckError(f"The folder holds more than {MAX_ENTRIES} files. Split it.")
    return found


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError:
        raise DeckError("A file of the deck cannot be opened. Check that it may be read.") from None
    if len(content) > limit:
        raise DeckError(f"A file of the deck is larger than {limit >> 20} MB. Export it smaller.")
    return content


def _without_wrapper(files: Files, name: str) -> tuple[Files, str]:
    first = {PurePosixPath(path).parts[0] for path in files}
    if len(first) != 1 or any(len(PurePosixPath(path).parts) < 2 for path in files):
        return files, name
    within = {str(PurePosixPath(*PurePosixPath(path).parts[1:])): read for path, read in files.items()}
    is_wrapped = "deck.json" in within or all("/" in path for path in within)
    return (within, first.pop()) if is_wrapped else (files, name)
