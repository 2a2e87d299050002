"""How each test file that comes with pydicom is read or refused: the table of ``python -m medmamba formats``."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from medmamba.errors import ImageError
from medmamba.images import read

FOLDERS = ("test_files", "charset_files", "palettes")


@dataclass(frozen=True)
class Row:
    """One file and what became of it."""

    name: str
    read: bool
    what: str


def packaged() -> Iterator[tuple[str, Path]]:
    """(name, path) of every file in pydicom's data folders on this machine. Nothing is downloaded."""
    root = Path(str(resources.files("pydicom"))) / "data"
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                yield path.relative_to(root).as_posix(), path


def table(guarded: bool = True) -> list[Row]:
    """Reads every packaged file and says in a few words how it went."""
    rows = []
    for name, path in packaged():
        try:
            image = read(path, guarded=guarded)
        except ImageError as error:
            rows.append(Row(name, False, str(error)))
            continue
        height, width = image.pixels.shape[:2]
        facts = [f"{width} x {height}", "RGB" if image.is_colour else "grey", image.pixels.dtype.name]
        facts += [image.tags[key] for key in ("PhotometricInterpretation", "TransferSyntax") if key in image.tags]
        if image.frames > 1:
            facts.append(f"{image.frames} frames")
        if image.window is not None:
            facts.append(f"window {image.window.centre:g}/{image.window.width:g}")
        rows.append(Row(name, True, ", ".join(facts)))
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> int:
    """Prints the table and the counts."""
    rows = table()
    width = max(len(row.name) for row in rows)
    for row in rows:
        sys.stdout.write(f"{row.name:{width}}  {'read   ' if row.read else 'refused'}  {row.what}\n")
    count = sum(row.read for row in rows)
    sys.stdout.write(f"\n{len(rows)} files: {count} read, {len(rows) - count} refused.\n")
    return 0
