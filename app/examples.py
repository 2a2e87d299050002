"""Pictures to try: a few that lie in installed packages, and a folder of the operator's own.

examples.json describes the first kind; that of an operator's folder has the same fields, less ``package``. An example
is read as an upload is: by ``medmamba.images``, in a guarded process.
"""

import json
import logging
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from app.settings import SettingsError
from medmamba import images
from medmamba.errors import ImageError, RequestError

PACKAGED = Path(__file__).with_name("examples.json")
DESCRIPTION = "examples.json"
FIELDS = {"file", "title", "label", "source", "licence"}
MOST = 60
THUMBNAIL = 176  # pixels: shown at half of it
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """A picture to try. title: "" is shown as its number; label: what it is known to show, if anything."""

    file: Path
    title: str = ""
    label: str | None = None
    source: str = ""
    licence: str = ""


def gather(folder: Path | None = None) -> tuple[Example, ...]:
    """The operator's examples, then those of installed packages that are there.

    Raises:
        SettingsError: the folder or its description is not usable.
    """
    return (() if folder is None else own(folder)) + packaged()


def packaged() -> tuple[Example, ...]:
    """Those examples of examples.json whose file lies in an installed package."""
    found = []
    for entry in json.loads(PACKAGED.read_text(encoding="utf-8")):
        spec = find_spec(entry.pop("package"))
        root = Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None
        if root is not None and (root / entry["file"]).is_file():
            found.append(Example(**entry | {"file": root / entry["file"]}))
    return tuple(found)


def own(folder: Path) -> tuple[Example, ...]:
    """The pictures that the folder's examples.json names; without one, all in it and in folders named by a label.

    Raises:
        SettingsError: no such folder, a description that does not fit it, or more than ``MOST`` pictures.
    """
    if not folder.is_dir():
        raise SettingsError("MEDMAMBA_EXAMPLES must be a folder of pictures; there is no such folder.")
    found = _described(folder) if (folder / DESCRIPTION).exists() else _laid_out(folder)
    if len(found) > MOST:
        raise SettingsError(f"MEDMAMBA_EXAMPLES holds {len(found)} pictures; keep at most {MOST} there.")
    return tuple(found)


def _laid_out(folder: Path) -> list[Example]:
    files = sorted(path for path in [*folder.glob("*"), *folder.glob("*/*")] if path.is_file())
    visible = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return [Example(path, label=None if path.parent == folder else path.parent.name) for path in visible]


def _described(folder: Path) -> list[Example]:
    try:
        entries = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingsError("MEDMAMBA_EXAMPLES: its examples.json cannot be read; it must be JSON in UTF-8.") from None
    if not isinstance(entries, list):
        raise SettingsError("MEDMAMBA_EXAMPLES: its examples.json must be a list of objects.")
    return [_entry(folder, number, entry) for number, entry in enumerate(entries, 1)]


def _entry(folder: Path, number: int, entry: Any) -> Example:
    where = f"MEDMAMBA_EXAMPLES: entry {number} of its examples.json"
    texts = entry if isinstance(entry, dict) else {}
    given = {name: text for name, text in texts.items() if text is not None}
    if "file" not in given or given.keys() - FIELDS or not all(isinstance(text, str) for text in given.values()):
        raise SettingsError(f"{where} must be an object with texts: file, and if known title, label, source, licence.")
    file = (folder / given["file"]).resolve()
    if not file.is_file() or not file.is_relative_to(folder.resolve()):
        raise SettingsError(f"{where} names no file in that folder.")
    return Example(**given | {"file": file})


class Gallery:
    """Examples by number. Thumbnails are made when first asked for; what cannot be read is left out, and logged."""

    def __init__(self, examples: tuple[Example, ...] = ()) -> None:
        self._examples = examples
        self._thumbnails: dict[int, Image.Image] | None = None
        self._lock = threading.Lock()

    def shown(self) -> dict[int, Example]:
        """The examples that can be read, by number."""
        return {number: self._examples[number] for number in self._readable()}

    def thumbnail(self, number: int) -> Image.Image:
        """A small square of an example.

        Raises:
            RequestError: there is no such example.
        """
        readable = self._readable()
        if number not in readable:
            raise RequestError("There is no such example.")
        return readable[number]

    def data(self, number: int) -> bytes:
        """The bytes of an example's file.

        Raises:
            RequestError: there is no such example, or no longer.
        """
        try:
            return self.shown()[number].file.read_bytes()
        except (KeyError, OSError):
            raise RequestError("There is no such example.") from None

    def _readable(self) -> dict[int, Image.Image]:
        with self._lock:
            if self._thumbnails is None:
                self._thumbnails = {}
                for number, example in enumerate(self._examples):
                    try:
                        picture = Image.fromarray(images.read(example.file).display())
                    except ImageError as error:
                        logger.warning("Example %s is left out: %s", number + 1, error)
                    else:
                        self._thumbnails[number] = ImageOps.fit(picture, (THUMBNAIL, THUMBNAIL))
        return self._thumbnails
