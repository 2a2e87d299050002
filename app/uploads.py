"""Gradio's files on the disk: a private folder of each process, in which nothing grows old."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from app.chores import repeat

try:
    import fcntl
except ImportError:  # Windows, where nothing tells a folder in use from one that was left
    fcntl = None  # type: ignore[assignment]

OFTEN, OLD = 10.0, 45.0  # seconds: how often files are looked at, and how old one may get; together under a minute


def private_folder() -> Path:
    """A new folder for Gradio's files that only this user may enter; what killed servers of his left is swept away.

    A folder is locked as long as its process lives, which tells it from those.
    """
    prefix = f"medmamba-{os.getuid() if hasattr(os, 'getuid') else 'user'}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        lock = _lock(left)
        if lock is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    made = Path(tempfile.mkdtemp(prefix=f"new-{prefix}"))
    _lock(made)  # before it has the name by which another server's start would find it, not locked yet
    return made.rename(made.with_name(made.name.removeprefix("new-")))


def _lock(folder: Path) -> int | None:
    """The descriptor that keeps a folder locked until it is closed; None if it is locked, or not this user's."""
    if fcntl is None:
        return None
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
    os.close(lock)
    return None


def sweep(folder: Path, age: float = OLD) -> None:
    """Delete the files that are older, in seconds, and the folders that this empties.

    Gradio deletes uploads that it was asked to keep; those in a field that no endpoint has it writes and forgets.
    """
    for place, _, names in os.walk(folder):  # unlike rglob, it passes over folders that vanish meanwhile
        for path in (Path(place, name) for name in names):
            with contextlib.suppress(OSError):  # somebody else was faster, or another file is in the folder
                if path.lstat().st_mtime < time.time() - age:
                    path.unlink()
                    if path.parent != folder:
                        path.parent.rmdir()


async def keep_swept(folder: Path) -> None:
    """Sweep again and again; to be cancelled."""
    await repeat(OFTEN, lambda: sweep(folder))
