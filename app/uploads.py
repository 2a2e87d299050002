"""Gradio's files on the disk: a private folder that is empty at start, and in which nothing grows old."""

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from medmamba.errors import MedMambaError

OFTEN, OLD = 10.0, 45.0  # seconds: how often files are looked at, and how old one may get; together under a minute


def temporary_folder(port: int) -> Path:
    """Where Gradio's files are as long as a server runs on a port."""
    return Path(tempfile.gettempdir()) / f"medmamba-{os.getuid() if hasattr(os, 'getuid') else 'user'}-{port}"


def private_folder(port: int) -> Path:
    """An empty folder for Gradio's files that only this user may enter; what an earlier server left is swept away.

    Raises:
        MedMambaError: the folder belongs to somebody else.
    """
    folder = temporary_folder(port)
    if folder.is_symlink() or (folder.exists() and hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
        raise MedMambaError("The folder for temporary files belongs to somebody else; set TMPDIR to another place.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=stat.S_IRWXU)
    return folder


def sweep(folder: Path, age: float = OLD) -> None:
    """Delete the files that are older, in seconds, and the folders that this empties.

    Gradio deletes uploads that it was asked to keep; those in a field that no endpoint has it writes and forgets.
    """
    for path in list(folder.rglob("*")):
        with contextlib.suppress(OSError):  # somebody else was faster, or another file is in the folder
            if path.is_file() and path.stat().st_mtime < time.time() - age:
                path.unlink()
                if path.parent != folder:
                    path.parent.rmdir()


async def keep_swept(folder: Path) -> None:
    """Sweep again and again; to be cancelled."""
    while True:
        await asyncio.sleep(OFTEN)
        await run_in_threadpool(sweep, folder)
