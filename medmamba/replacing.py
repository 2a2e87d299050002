"""Files and folders that are there as a whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what shall be the file ``path``: it takes that place at the end of the block, unless that fails.

    A process that is killed on the way leaves the file as it was, and beside it a part that the next one overwrites.
    What is no file, as /dev/stdout, is written to as it is.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it, for what the block writes; those that were not there go again if it fails."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for highest in made[-1:]:
            shutil.rmtree(highest, ignore_errors=True)
        raise
