"""``python -m app check-space``: what of a Hugging Face Space can be tested without the hub. A line for each check."""

import argparse
import importlib.metadata
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import yaml

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0
LARGEST, WHOLE = 100 * 2**20, 2**30  # bytes of a file, and of all: far below what the hub takes
TEXT_LARGEST = 10 * 2**20  # above it the hub wants a file uploaded by its own tools, as weights are
ZERO_GPU = ("3.10", "3.12")  # the Pythons that ZeroGPU has
SECRET = re.compile(rb"hf_[A-Za-z]{30,}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|gh[pousr]_[A-Za-z0-9]{36}")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "sdk", "sdk_version", "python_version", "app_file", "license", "tags", "short_description"],
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "emoji": {"type": "string", "maxLength": 4},
        "colorFrom": {"enum": ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]},
        "colorTo": {"enum": ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]},
        "sdk": {"const": "gradio"},
        "sdk_version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "python_version": {"type": "string", "pattern": r"^3\.\d+(\.\d+)?$"},
        "app_file": {"type": "string"},
        "license": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "models": {"type": "array", "items": {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+$"}},
        "short_description": {"type": "string", "maxLength": 60},
        "startup_duration_timeout": {"type": "string", "pattern": r"^\d+[mh]$"},
        "pinned": {"type": "boolean"},
    },
}


class Fault(Exception):
    """A check that does not hold."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--no-start", action="store_true", help="leave out starting the page")


def run(arguments: argparse.Namespace) -> int:
    """Print what holds; 1 when something does not."""
    checks = CHECKS if not arguments.no_start else CHECKS[:-1]
    held = 0
    for check in checks:
        what = (check.__doc__ or "").strip()
        try:
            told = check()
        except Fault as fault:
            print(f"FAILS  {what}: {fault}", flush=True)
        else:
            held += 1
            print(f"holds  {what}{f': {told}' if told else ''}", flush=True)
    print(f"{held} of {len(checks)}")
    return 0 if held == len(checks) else 1


def front_matter(text: str) -> dict[str, Any]:
    """The YAML between the first two rules.

    Raises:
        Fault: there is none, or it does not fit the schema.
    """
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    if found is None:
        raise Fault("the README has no front matter")
    words = yaml.safe_load(found[1])
    try:
        jsonschema.validate(words, SCHEMA)
    except jsonschema.ValidationError as error:
        raise Fault(f"{error.json_path}: {error.message}") from None
    entry: dict[str, Any] = words
    return entry


def matter() -> str:
    """the README's front matter has what a Space needs"""
    words = front_matter((ROOT / "README.md").read_text(encoding="utf-8"))
    if not (ROOT / words["app_file"]).is_file():
        raise Fault("app_file is not there")
    return ""


def pins() -> str:
    """sdk_version is requirements.txt's gradio, and python_version one that ZeroGPU and the project have"""
    words = front_matter((ROOT / "README.md").read_text(encoding="utf-8"))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if f"gradio=={words['sdk_version']}" not in lines:
        raise Fault("gradio has another version in requirements.txt")
    if not words["python_version"].startswith(ZERO_GPU) or words["python_version"].startswith("3.10"):
        raise Fault("python_version is not 3.12, which is what ZeroGPU and the project have in common")
    loose = [line for line in lines if re.match(r"[a-z]", line) and not re.search(r"[=<>~]=", line)]
    if loose:
        raise Fault(f"without a version: {', '.join(loose)}")
    return ""


def installed() -> str:
    """what is installed here fits requirements.txt, so that it resolves"""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    ours = [line for line in done.stdout.splitlines() if line.split(" ")[0] in _required()]
    if done.returncode and ours:
        raise Fault("; ".join(ours))
    return f"gradio {importlib.metadata.version('gradio')}, torch {importlib.metadata.version('torch')}"


def sizes() -> str:
    """no file and not all together are too large; only weights are above 10 MB"""
    files = _tracked()
    total = sum(path.stat().st_size for path in files)
    large = [path for path in files if path.stat().st_size > TEXT_LARGEST and path.suffix != ".safetensors"]
    if large or total > WHOLE or any(path.stat().st_size > LARGEST for path in files):
        raise Fault(f"too large: {', '.join(path.name for path in large) or 'all together'}")
    return f"{len(files)} files, {total / 2**20:.0f} MB"


def secrets() -> str:
    """no file holds a token or a private key"""
    found = [path.name for path in _tracked() if SECRET.search(path.read_bytes())]
    if found:
        raise Fault(", ".join(found))
    return ""


def start() -> str:
    """it starts in under 60 s with a Space's variables and no others, and may be framed by the hub alone"""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        given = {"PATH": os.environ.get("PATH", ""), "HOME": home, "TMPDIR": home, "PYTHONUNBUFFERED": "1"}
        given |= {"SPACE_ID": "owner/name", "SYSTEM": "spaces", "GRADIO_SSR_MODE": "True", "SPACES_ZERO_GPU": ""}
        given |= {"MEDMAMBA_PORT": str(port)}  # a Space has its own 7860
        command = [sys.executable, str(ROOT / "space.py")]
        with subprocess.Popen(command, cwd=home, env=given, stdout=subprocess.DEVNULL) as server:
            try:
                return _visit(f"http://127.0.0.1:{port}/", server)
            finally:
                server.terminate()
                server.wait(60)


def _visit(address: str, server: "subprocess.Popen[bytes]") -> str:
    started = time.monotonic()
    told = {"host": "owner-name.hf.space", "x-forwarded-proto": "https", "accept": "text/html"}
    while True:
        if server.poll() is not None or time.monotonic() - started > START_SECONDS:
            raise Fault("it did not become ready")
        try:
            if httpx.get(f"{address}readyz").status_code == 200:
                break
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    seconds = time.monotonic() - started
    page = httpx.get(address, headers=told)
    if "frame-ancestors https://huggingface.co" not in page.headers.get("content-security-policy", ""):
        raise Fault("the hub may not frame it")
    if "https://owner-name.hf.space" not in page.text:
        raise Fault("the page does not know its address behind the proxy")
    return f"ready after {seconds:.0f} s"


def _required() -> set[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {re.split(r"[=<>~]", line)[0] for line in lines if re.match(r"[a-z]", line)}


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()] or [p for p in ROOT.rglob("*") if p.is_file()]


CHECKS: tuple[Callable[[], str], ...] = (matter, pins, installed, sizes, secrets, start)
