"""What people put into folders and archives, without what systems and programs leave there, as .DS_Store."""

from pathlib import Path, PurePath

LEFT_BEHIND = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini", "DICOMDIR"))


def is_wanted(path: PurePath) -> bool:
    """Whether a path, seen from the folder or archive that was chosen, leads to something of somebody's.

    Nothing whose name, or that of a folder on the way, begins with a dot is.
    """
    return bool(path.parts) and not any(
        part in LEFT_BEHIND or (part.startswith(".") and part != "..") for part in path.parts
    )


def files_in(folder: Path, *, deep: bool = False) -> list[Path]:
    """The files of a folder, in the order of their paths; with those of the folders in it if ``deep``."""
    return [path for path in _wanted(folder, deep) if path.is_file()]


def folders_in(folder: Path, *, deep: bool = False) -> list[Path]:
    """The folders in a folder, in the order of their paths; with those in these if ``deep``."""
    return [path for path in _wanted(folder, deep) if path.is_dir()]


def _wanted(folder: Path, deep: bool) -> list[Path]:
    """Nothing where there is no such folder."""
    found = folder.rglob("*") if deep else folder.glob("*")
    return sorted(path for path in found if is_wanted(path.relative_to(folder)))
