"""``scripts/setup.sh`` on machines that are not this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "scripts" / "setup.sh"
PYTHON = f"""#!/bin/sh
case "$*" in
"-m venv .venv")
    /bin/mkdir -p .venv/bin && /bin/cp "$0" .venv/bin/python
    [ -e ensurepip ] || {{ echo "ensurepip is not available" >&2; exit 1; }}
    /bin/cp "$0" .venv/bin/pip ;;
"-m pip install "*)
    [ -e .venv/bin/pip ] || {{ echo "No module named pip" >&2; exit 1; }}
    echo "$*" >>installed ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def set_up(tmp_path):
    """Runs the script in a folder with one requirement, with the tools alone that every system has."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SETUP, tmp_path / "scripts")
    (tmp_path / "requirements.txt").write_text("torch\n")
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "basename", "cat", "dirname"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    python = tmp_path / "bin" / "python3.11"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def run():
        command = ["bash", "scripts/setup.sh", "requirements.txt"]
        given = os.environ | {"PATH": str(tmp_path / "bin")}
        given.pop("PYTHON", None)
        done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    return run


def test_once_venv_is_there_it_goes_on_where_it_failed(set_up, tmp_path):
    """A fresh Debian has no ensurepip: the environment is made, but without pip."""
    assert set_up() == (1, "ensurepip is not available\n")
    (tmp_path / "ensurepip").touch()  # apt-get install python3-venv
    assert set_up() == (0, "")


def test_it_installs_once_and_again_when_requirements_change(set_up, tmp_path):
    (tmp_path / "ensurepip").touch()
    installs = []
    for more in ("", "", "numpy\n"):
        with (tmp_path / "requirements.txt").open("a") as file:
            file.write(more)
        assert set_up() == (0, "")
        installs.append(len((tmp_path / "installed").read_text().splitlines()))
    assert installs == [1, 1, 2]
