"""The authors' two files become a folder that loads, answers, and hides nothing that nobody knows."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from medmamba import checkpoints, cli
from medmamba.classifier import Classifier
from medmamba.official import from_official


@pytest.fixture
def files(official_weights, tmp_path):
    """A .pth file and its class names, by default those of ImageFolder for numbers: "10" stands before "2"."""

    def make(names=("0", "1", "10", "2"), **shapes):
        weights = official_weights(classes=len(names), **shapes)
        torch.save(weights, tmp_path / "Net.pth")
        (tmp_path / "class_indices.json").write_text(json.dumps({str(i): name for i, name in enumerate(names)}))
        return weights

    return make


@pytest.fixture
def command(tmp_path):
    def make(*more):
        files = [str(tmp_path / "Net.pth"), "--classes", str(tmp_path / "class_indices.json")]
        code = cli.main(["import", *files, "--modality", "abdominal CT", "--out", str(tmp_path / "organs"), *more])
        return code, tmp_path / "organs"

    return make


def test_the_weights_answer_as_a_checkpoint(files, command, picture, capsys):
    weights = files(("liver", "spleen", "heart"))
    code, folder = command("--question", "Which organ?")
    assert code == 0
    assert "in order: liver, spleen, heart" in capsys.readouterr().out
    stored = checkpoints.load(folder).model.state_dict()
    for name, tensor in from_official(weights).items():
        torch.testing.assert_close(stored[name].double(), tensor.double(), rtol=1e-3, atol=1e-4)
    answer = Classifier.load(folder, device="cpu").answer(picture())
    assert {score.name for score in answer.scores} == {"liver", "spleen", "heart"}
    task = checkpoints.read_card(folder).layout.tasks[0]
    assert (task.modality, task.question) == ("abdominal CT", "Which organ?")


def test_the_order_of_folders_is_kept_and_the_trap_is_named(files, command, capsys):
    files()
    assert command()[0] == 0
    printed = capsys.readouterr().out
    assert "in order: 0, 1, 10, 2." in printed
    assert "10 before 2" in printed


def test_the_card_makes_nothing_up(files, command):
    files()
    card = checkpoints.read_card(command()[1])
    assert [card.temperatures, card.novelty, card.metrics, card.training, card.prediction_sets] == [{}] * 5
    assert "Unknown" in card.licence
    assert any("nothing was measured" in line for line in card.limits)


def test_a_checkpoint_is_not_overwritten(files, command, capsys):
    files()
    command()
    assert command()[0] == 2
    assert "holds a checkpoint already" in capsys.readouterr().err


@pytest.mark.parametrize(("gone", "what"), [("Net.pth", "weights"), ("class_indices.json", "class indices")])
def test_a_file_that_is_missing_is_called_missing(files, command, tmp_path, capsys, gone, what):
    files()
    (tmp_path / gone).unlink()
    assert command()[0] == 2
    assert f"no such file of {what}" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("one",), ("one", "one")])
def test_nothing_is_written_where_there_is_nothing_to_tell_apart(files, command, names):
    files(names)
    code, folder = command()
    assert (code, folder.exists()) == (2, False)


@pytest.mark.parametrize("name", ["head.weight", "patch_embed.proj.bias"])
def test_weights_that_16_bits_cannot_hold_leave_nothing_behind(files, command, tmp_path, capsys, name):
    """A matrix beyond float16, and a vector that is stored as it is and leads to logits beyond float32."""
    weights = files(("liver", "spleen", "heart"))
    weights[name].fill_(1e5 if name == "head.weight" else 3e38)
    torch.save(weights, tmp_path / "Net.pth")
    code, folder = command()
    assert (code, folder.exists()) == (2, False)
    assert "no number above 65504" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_behind(files, command, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files()
    monkeypatch.setattr(Path, "write_bytes", full)
    code, folder = command()
    assert (code, folder.exists()) == (2, False)
    assert "No space left on device" in capsys.readouterr().err


def test_a_folder_named_by_a_dot(files, tmp_path, monkeypatch):
    files()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    paths = ["../Net.pth", "--classes", "../class_indices.json", "--modality", "abdominal CT", "--out", "."]
    assert cli.main(["import", *paths]) == 0
    assert checkpoints.read_card(tmp_path / "here").name == "here"


def test_class_names_that_do_not_fit(files, command, tmp_path, capsys):
    files()
    (tmp_path / "class_indices.json").write_text('{"0": "one"}')
    assert command()[0] == 2
    assert "the weights have 4" in capsys.readouterr().err
