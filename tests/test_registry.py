"""The checkpoints folder: our own folders and the authors' files side by side, one's fault never another's."""

import json
import os
import shutil

import pytest
import torch

from medmamba import checkpoints, cli, registry
from medmamba.checkpoints import Card
from medmamba.classifier import Classifier
from medmamba.errors import CheckpointError
from medmamba.saliency import evidence_map

NAMES = {"0": "naevus", "1": "scar", "2": "wart"}


@pytest.fixture
def root(generalist, tmp_path):
    shutil.copytree(generalist, tmp_path / "generalist")
    return tmp_path


@pytest.fixture
def put(root, official_weights):
    """Write the authors' two files where they are named; without names, the weights alone."""

    def write(weights, indices=None, names=NAMES, content=None):
        for path in (root / weights, root / (indices or weights)):
            path.parent.mkdir(exist_ok=True)
        torch.save(official_weights() if content is None else content, root / weights)
        if indices:
            (root / indices).write_text(json.dumps(names), encoding="utf-8")

    return write


BESIDE = ("theirs.pth", "theirs.class_indices.json", "theirs.pth")
FOLDER = ("theirs/best_net.pth", "theirs/class_indices.json", "theirs")


@pytest.mark.parametrize(("weights", "indices", "name"), [BESIDE, FOLDER])
def test_the_authors_files_are_listed_and_answer(root, put, picture, weights, indices, name):
    put(weights, indices)
    assert list(registry.list_all(root)) == ["generalist", name]
    assert registry.list_all(root)[name] == registry.read_card(name, root)
    classifier = Classifier(registry.load(name, root), "cpu")
    answer = classifier.answer(picture())
    assert [score.name for score in answer.scores] == list(NAMES.values())
    assert (answer.chosen_by, answer.band.kind, answer.band.held_back) == ("only", "uncertain", "unmeasured")
    assert answer.novelty is None
    assert answer.prediction_set is None
    assert evidence_map(classifier, answer, "scar").values.shape == (7, 7)


FAULTS = [
    ({"weights": "theirs.pth"}, "theirs.pth", "have no theirs.class_indices.json"),
    ({"weights": "theirs/a.pth"}, "theirs", "have no class_indices.json"),
    ({"weights": "theirs.pth", "indices": BESIDE[1], "names": {"0": "a"}}, "theirs.pth", "names 1 classes"),
    ({"weights": "theirs.pth", "indices": BESIDE[1], "content": [1]}, "theirs.pth", "holds no state dict"),
]


@pytest.mark.parametrize(("files", "name", "words"), FAULTS)
def test_a_fault_is_told_in_a_sentence_and_hurts_nothing_else(root, put, files, name, words):
    put(**files)
    found = registry.list_all(root)
    assert isinstance(found["generalist"], Card)
    assert words in str(found[name])
    assert str(found[name]).endswith(".")
    with pytest.raises(CheckpointError, match=words):
        registry.load(name, root)


def test_a_fault_raised_often_does_not_grow(root, put):
    put("theirs.pth", "theirs.class_indices.json", names={"0": "a"})
    depths = set()
    for _ in range(4):
        with pytest.raises(CheckpointError) as caught:
            registry.read_card("theirs.pth", root)
        depths.add(len(caught.traceback))
    assert len(depths) == 1


def test_several_weights_in_a_folder_are_not_guessed_between(root, put):
    put("theirs/a.pth", "theirs/class_indices.json")
    put("theirs/b.pth")
    assert "several .pth files" in str(registry.list_all(root)["theirs"])


def test_what_systems_leave_in_the_folder_hurts_nothing(root, monkeypatch):
    """A disk's lost+found may not be looked into, and Jupyter's folder is nobody's checkpoint."""
    (root / ".ipynb_checkpoints").mkdir()
    (root / "lost+found").mkdir()
    look = os.stat

    def stat(path, *arguments, **options):
        if not isinstance(path, int) and "lost+found/" in str(path):
            raise PermissionError(13, "Permission denied")
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    found = registry.list_all(root)
    assert list(found) == ["generalist", "lost+found"]
    assert "no readable card.json" in str(found["lost+found"])
    for name in ("lost+found", "a" * 5000):
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            registry.find(name, root)


def test_our_own_card_goes_before_a_stray_file(root, put):
    put("generalist/stray.pth")
    assert registry.list_all(root) == checkpoints.list_checkpoints(root)


def test_a_file_that_was_mended_is_read_again(root, put):
    put("theirs.pth", BESIDE[1], names={"0": "a"})
    assert isinstance(registry.list_all(root)["theirs.pth"], CheckpointError)
    put("theirs.pth", BESIDE[1])
    assert isinstance(registry.list_all(root)["theirs.pth"], Card)


def test_our_own_folders_are_found_by_name_and_by_path(root):
    assert registry.find("generalist", root) == registry.find(root / "generalist") == root / "generalist"
    assert registry.load("generalist", root).card == checkpoints.load(root / "generalist").card
    with pytest.raises(CheckpointError, match=r"no checkpoint 'nothing'\. Known checkpoints: generalist"):
        registry.load("nothing", root)
    with pytest.raises(CheckpointError, match="Known checkpoints: none"):
        registry.find("nothing", root / "nowhere")


@pytest.mark.parametrize("command", [["export", "--out", "x.onnx"], ["push", "lab/net"]])
def test_weights_without_a_card_are_found_and_refused_where_one_is_needed(root, put, monkeypatch, capsys, command):
    put(*FOLDER[:2])
    monkeypatch.setenv("MEDMAMBA_CHECKPOINTS", str(root))
    assert cli.main([command[0], "theirs", *command[1:]]) == 2
    assert (
        "These weights have no card, which this needs; `python -m medmamba import` makes one."
        in capsys.readouterr().err
    )
