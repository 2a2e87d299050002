"""Where kernels are kept: the order of places, what is passed over, and that a second start compiles nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medmamba.scan import kernel_cache
from medmamba.scan.kernels import IMPORTED

ROOT = Path(__file__).parents[2]
SCAN = """
import time, torch
from medmamba.scan import kernels
start = time.perf_counter()
kernels.forward_kernel(16, 16, True, "falling")
print(time.perf_counter() - start)
"""


@pytest.fixture
def places(monkeypatch, tmp_path):
    """No place but those below ``tmp_path``: a checkout, a home, a folder for temporary files."""
    for name in ("MEDMAMBA_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "pyproject.toml").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(kernel_cache, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path


def block(folder):
    """Make a folder impossible, for root too: a file stands in its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()


def test_a_checkout_keeps_its_own(places):
    assert kernel_cache.folder() == places / "checkout" / ".cache" / "kernels"


def test_a_named_place_comes_first(places, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_CACHE", str(places / "mine"))
    assert kernel_cache.folder() == places / "mine" / "kernels"


def test_an_installed_package_uses_the_home(places):
    (places / "checkout" / "pyproject.toml").unlink()
    assert kernel_cache.folder() == places / "home" / ".cache" / "medmamba" / "kernels"


def test_a_read_only_checkout_and_home_leave_the_temporary_files(places):
    block(places / "checkout" / ".cache")
    block(places / "home")
    folder = kernel_cache.folder()
    assert folder.parent == places / "temporary"
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_may_write_to_is_passed_over(places):
    shared = places / "checkout" / ".cache" / "kernels"
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    assert kernel_cache.folder() != shared


def test_no_place_at_all(places):
    block(places / "checkout" / ".cache")
    block(places / "home")
    (places / "temporary").rmdir()
    block(places / "temporary")
    assert kernel_cache.folder() is None


def start(**environment):
    """Seconds that a new process needs to have a kernel."""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | environment
    done = subprocess.run(
        [sys.executable, "-c", SCAN], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def test_kernels_survive_a_restart(tmp_path):
    cold = start(MEDMAMBA_CACHE=str(tmp_path))
    assert list(tmp_path.glob("kernels/**/*.nbc"))
    assert start(MEDMAMBA_CACHE=str(tmp_path)) < cold / 3


def test_a_cache_that_numba_was_told_of_is_parted_by_the_kernels_imports_too(tmp_path):
    start(NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.glob(f"{IMPORTED}/**/*.nbc"))


def test_a_scan_runs_with_no_place_for_its_kernels(places, monkeypatch):
    monkeypatch.setattr(kernel_cache, "folder", lambda: None)
    from medmamba.scan import kernels

    assert kernels.forward_kernel.__wrapped__(8, 1, True, "falling").address
