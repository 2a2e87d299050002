import asyncio
import os
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import memory, uploads
from app.uploads import private_folder, sweep

ROOT = Path(__file__).parents[2]
LEAVE = """
import os
from app.uploads import private_folder
folder = private_folder()
(folder / "left").write_text("over")
print(folder, flush=True)
os._exit(1)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder in which private folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_every_process_has_a_private_folder_and_sweeps_only_what_dead_ones_left(place):
    mine = private_folder()
    (mine / "upload").write_text("mine")
    given = os.environ | {"TMPDIR": str(place)}
    dead = subprocess.run([sys.executable, "-c", LEAVE], cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
    left = Path(dead.stdout.strip())
    assert (left / "left").exists()
    other = private_folder()
    assert sorted(place.iterdir()) == sorted([mine, other])
    assert (mine / "upload").read_text() == "mine"
    assert list(other.iterdir()) == []
    assert stat.S_IMODE(other.stat().st_mode) == 0o700


def test_links_and_files_of_that_name_are_left_alone(place):
    prefix = private_folder().name.rpartition("-")[0]
    outside = place / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (place / f"{prefix}-link").symlink_to(outside)
    (place / f"{prefix}-file").write_text("x")
    private_folder()
    assert (outside / "kept").exists()
    assert (place / f"{prefix}-file").exists()


def test_folders_of_others_are_left_alone(place, monkeypatch):
    theirs = place / f"{private_folder().name.rpartition('-')[0]}-theirs"
    theirs.mkdir()
    status = os.fstat

    def foreign(descriptor):
        return os.stat_result((*status(descriptor)[:4], os.getuid() + 1, *status(descriptor)[5:10]))

    monkeypatch.setattr(uploads.os, "fstat", foreign)
    private_folder()
    assert theirs.exists()


def test_what_is_old_is_swept_wherever_it_lies(tmp_path):
    (tmp_path / "hash").mkdir()
    (tmp_path / "shared").mkdir()
    files = [
        tmp_path / "tmpabc",
        tmp_path / "hash" / "upload",
        tmp_path / "shared" / "old",
        tmp_path / "shared" / "new",
    ]
    for file in files:
        file.write_text("x")
        os.utime(file, (time.time() - 60,) * 2)
    os.utime(files[-1])
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "shared"]


def test_folders_may_vanish_while_it_is_swept(tmp_path, monkeypatch):
    (tmp_path / "hash").mkdir()
    old = tmp_path / "old"
    old.write_text("x")
    os.utime(old, (time.time() - 60,) * 2)
    scan = os.scandir

    def vanishing(path):
        if str(path) == str(tmp_path / "hash"):
            shutil.rmtree(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("module", "keep"), [(uploads, uploads.keep_swept), (memory, memory.keep_trimmed)])
def test_tidying_survives_a_fault_and_logs_it_without_its_words(module, keep, monkeypatch, caplog):
    turns = []

    def faulty(*_):
        turns.append(1)
        if len(turns) == 1:
            raise RuntimeError("/tmp/DOE^JOHN")

    async def some_turns():
        task = asyncio.create_task(keep(faulty))
        while len(turns) < 3 and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()

    monkeypatch.setattr(module, "OFTEN", 0.01)
    monkeypatch.setattr(uploads, "sweep", faulty)
    with ThreadPoolExecutor(1) as thread:  # where no loop runs, as the browser's does in a test's own
        thread.submit(asyncio.run, some_turns()).result()
    assert len(turns) >= 3
    assert "RuntimeError" in caplog.text
    assert "DOE" not in caplog.text
