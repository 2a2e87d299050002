"""The README tells the truth: its commands parse, its files exist, its names import."""

import importlib
import re
from pathlib import Path

import pytest

from app.cli import COMMANDS as PAGE_COMMANDS
from medmamba import checkpoints
from medmamba.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_of_the_readme_exists():
    named = set(re.findall(r"python -m medmamba (\w+)", README))
    assert named == set(COMMANDS)


def test_every_command_of_the_page_is_named_and_exists():
    named = set(re.findall(r"python -m app ([a-z][a-z-]*)", README))
    assert named | {"serve"} == set(PAGE_COMMANDS)


def test_hosting_is_told_in_forty_lines():
    section = README.partition("## Host it")[2].partition("\n## ")[0]
    assert 5 < len(section.splitlines()) < 40


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(medmamba[\w.]*:\w+)`", README))))
def test_every_name_of_the_readme_imports(name):
    module, _, attribute = name.partition(":")
    assert hasattr(importlib.import_module(module), attribute)


def test_every_link_and_script_of_the_readme_is_there():
    links = re.findall(r"\]\(([^):#]+)\)", README)
    scripts = re.findall(r"bash (scripts/\S+)", README)
    assert len(links) >= 4
    assert len(scripts) == 2
    for path in links + scripts:
        assert (ROOT / path).is_file(), path


def test_the_tree_names_every_module_of_the_core():
    tree = README.partition("## What is where")[2]
    for module in (ROOT / "medmamba").glob("[a-z]*.py"):
        assert module.name in tree, f"{module.name} is not in the README's tree"


def test_the_figures_of_the_weights_are_those_of_the_cards():
    section = " ".join(README.partition("## What it can and cannot do")[2].split())
    metrics = checkpoints.read_card(ROOT / "checkpoints" / "generalist").metrics
    tasks = [own for name, own in metrics.items() if name not in ("router", "novelty")]
    accuracy, area = (sum(own[name]["value"] for own in tasks) / len(tasks) for name in ("accuracy", "auc"))
    assert len(tasks) == 14, "the README says fourteen"
    assert f"(mean accuracy {accuracy:.3f}, mean macro AUC {area:.3f} over fourteen tasks)" in section
    assert f"({metrics['router']['modality_accuracy']['value']:.3f} of test pictures)" in section
    alone = checkpoints.read_card(ROOT / "checkpoints" / "pneumoniamnist").metrics["pneumoniamnist"]
    assert f"{alone['accuracy']['value']:.3f} accuracy and {alone['auc']['value']:.3f} AUC" in section
