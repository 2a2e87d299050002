"""What is somebody's in a folder, and what a system left there."""

from pathlib import PurePosixPath

import pytest

from medmamba.listing import files_in, folders_in, is_wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a.png", True),
        ("b/a.b.png", True),
        ("../a.png", True),
        (".", False),
        (".DS_Store", False),
        ("b/._a.png", False),
        (".ipynb_checkpoints/a.png", False),
        ("__MACOSX/a.png", False),
        ("b/Thumbs.db", False),
        ("b/desktop.ini", False),
        ("DICOMDIR", False),
    ],
)
def test_what_is_wanted(path, wanted):
    assert is_wanted(PurePosixPath(path)) is wanted


def test_folders_and_files_by_name(tmp_path):
    root = tmp_path / ".hidden"  # only what lies within counts
    for name in ("b/2.png", "b/1.png", "b/.DS_Store", "a/c/3.png", ".git/4.png", "5.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert [path.name for path in folders_in(root)] == ["a", "b"]
    assert [path.name for path in folders_in(root, deep=True)] == ["a", "c", "b"]
    assert files_in(root) == [root / "5.png"]
    assert files_in(root, deep=True) == [root / name for name in ("5.png", "a/c/3.png", "b/1.png", "b/2.png")]
    assert folders_in(root / "none") == files_in(root / "none") == []
