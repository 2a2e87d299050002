"""Where compiled kernels are kept, so that only the first start on a machine has to compile them (about 20 s).

The first of these that can be written to: ``$MEDMAMBA_CACHE``; ``.cache`` in a checkout of the repository; the user's
cache folder; a private folder among the temporary files, for a home that is read-only. Kernels are pickled machine
code, so a folder that somebody else may write to is passed over.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def folder() -> Path | None:
    """The folder for kernels, created if need be; None if there is no place for one, so that each start compiles."""
    return next((path for path in _candidates() if _is_ours(path)), None)


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("MEDMAMBA_CACHE"):
        yield Path(chosen) / "kernels"
    if (ROOT / "pyproject.toml").is_file():
        yield ROOT / ".cache" / "kernels"
    if home := os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA"):
        yield Path(home) / "medmamba" / "kernels"
    elif (user := os.path.expanduser("~")) != "~":
        yield Path(user) / ".cache" / "medmamba" / "kernels"
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"medmamba-kernels-{owner}"


def _is_ours(path: Path) -> bool:
    """Whether it is, or could be made, a folder that this user and nobody else can write to."""
    try:
        path.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        facts = path.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
    return mine and stat.S_ISDIR(facts.st_mode) and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
