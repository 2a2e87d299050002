"""What is installed, and what an import costs: the core without the page's libraries."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import medmamba

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# numba looks for scipy by itself, so that it is not in this list
PAGE_AND_TRAINING = {"gradio", "fastapi", "uvicorn", "torchvision", "matplotlib", "sklearn", "torchmetrics", "skimage"}


def listed(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return sorted(line for line in lines if re.match(r"[a-z]", line))


def test_the_page_runs_from_what_the_project_declares():
    extras = PROJECT["optional-dependencies"]
    declared = [*PROJECT["dependencies"], *extras["train"], *extras["app"]]
    assert sorted(r for r in declared if r != "medmamba[train]") == listed("requirements.txt")
    assert "medmamba[train]" in extras["app"]
    assert {*extras["export"], *extras["postgres"]} <= set(listed("requirements-dev.txt"))


def modules_after(code):
    """Top-level names of the modules that a fresh interpreter has imported after running ``code``."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    assert not {"torch", "numpy", "numba", *PAGE_AND_TRAINING} & modules_after("import medmamba")


def test_the_core_needs_neither_the_page_nor_training():
    code = "import medmamba\nfor name in medmamba.__all__: getattr(medmamba, name)\nimport medmamba.images"
    found = modules_after(f"{code}\nimport medmamba.saliency")
    assert {"torch", "numba", "PIL"} <= found
    assert not PAGE_AND_TRAINING & found


def test_every_public_name_is_there_and_no_other():
    assert sorted(medmamba._HOMES) == medmamba.__all__
    with pytest.raises(AttributeError, match="no attribute 'Mamba'"):
        _ = medmamba.Mamba
