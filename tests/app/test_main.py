import os
import stat

import pytest

from app.main import private_folder
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
