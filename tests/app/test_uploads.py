import os
import stat
import time

import pytest

from app.uploads import private_folder, sweep
from medmamba.errors import MedMambaError


def test_the_folder_for_temporary_files_is_private_and_swept(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = private_folder(1)
    (folder / "left").write_text("over")
    assert private_folder(1) == folder
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_in_its_place_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    private_folder(1).rmdir()
    os.symlink(tmp_path, tmp_path / f"medmamba-{os.getuid()}-1")
    with pytest.raises(MedMambaError, match="somebody else"):
        private_folder(1)


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
