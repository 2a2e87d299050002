"""The documentation: it builds without a broken link, its tutorial and the notebook run, and it loads nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.settings import Settings

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_docs_with_its_default():
    told, compared = {}, 0
    for names, defaults in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|", OPERATIONS, re.MULTILINE):
        told |= dict(zip(re.findall(r"\w+", names), defaults.split(", "), strict=False))
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in OPERATIONS, name
        if name in told and isinstance(field.default, int | float):
            assert json.loads(told[name].partition(" ")[0]) == field.default, name
            compared += 1
    assert compared >= 8


def test_every_variable_of_ours_is_in_the_docs():
    read = {
        name
        for folder in ("app", "medmamba")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'environ(?:\.get\(|\[)"(MEDMAMBA_\w+)"', path.read_text(encoding="utf-8"))
    }
    assert len(read) >= 5
    assert [name for name in sorted(read) if name not in OPERATIONS] == []


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs")
    quiet = os.environ | {"DISABLE_MKDOCS_2_WARNING": "true", "NO_MKDOCS_2_WARNING": "true"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=quiet)
    assert done.returncode == 0, done.stderr
    for page in ("index", "tutorial", "scan", "api", "cards", "faq"):
        text = (tmp_path / f"{page}.html").read_text(encoding="utf-8")
        assert re.findall(r'(?:src|<link[^>]*(?:stylesheet|preload)[^>]*href)="(https?:[^"]+)', text) == []
    assert "evidence_map" in (tmp_path / "api.html").read_text(encoding="utf-8")
    assert (tmp_path / "scan-directions.svg").is_file()


def test_the_tutorial_runs_as_it_stands(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"), re.S)
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 20, f"the tutorial promises twenty lines and has {len(lines)}"
    random = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name, level in (("healthy", 60), ("ill", 190)):
            folder = tmp_path / "data" / "leaves" / split / name
            folder.mkdir(parents=True)
            for i in range(8):
                pixels = random.normal(level, 20, (70, 70, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    done = run([sys.executable, "-c", code], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ClassScore(name=" in done.stdout
    assert (tmp_path / "checkpoints" / "leaves" / "card.json").is_file()


def test_the_notebook_runs_and_holds_no_outputs():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "notebooks" / "medmamba.ipynb", as_version=4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
    code = (
        "import nbformat, nbclient; n = nbformat.read('medmamba.ipynb', as_version=4); nbclient.execute(n, timeout=300)"
    )
    assert nbclient
    done = run([sys.executable, "-c", code], ROOT / "notebooks")
    assert done.returncode == 0, done.stderr[-2000:]


def run(command, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
