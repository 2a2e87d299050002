"""Two networks on a small folder of pictures, to a report that stands by itself."""

import base64
import math
import re
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models

from medmamba import cli, compare, compare_page
from medmamba.paired import verdict_on


@pytest.fixture(scope="module")
def data(tmp_path_factory, tasks):
    """Four pictures of each class of the first two tasks."""
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for task in tasks[:2]:
        for name in task.class_names:
            (root / task.name / "test" / name).mkdir(parents=True)
            for i in range(4):
                pixels = random.integers(0, 256, (70, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / task.name / "test" / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory):
    """A ResNet-18 of torchvision with random weights for three classes."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.save(models.resnet18(num_classes=3).state_dict(), path)
    return path


@pytest.fixture
def command(tmp_path):
    def make(*arguments):
        code = cli.main(["compare", *(str(a) for a in arguments), "--out", str(tmp_path / "report.html")])
        return code, tmp_path / "report.html"

    return make


def images_of(html):
    return [Image.open(BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([\w+/=]+)", html)]


def test_two_checkpoints_on_the_tasks_that_they_share(command, data, generalist, specialist, capsys):
    code, report = command(generalist, specialist, "--data", data, "--pictures", 5)
    assert code == 0
    html, printed = report.read_text(encoding="utf-8"), capsys.readouterr().out
    assert "skin: accuracy" in printed
    assert "chest" not in printed, "the specialist knows nothing of chests"
    assert "12 pictures" in printed
    for words in ("The generalist checkpoint", "The specialist checkpoint", "not a medical device", "copies of some"):
        assert words in html
    assert "http" not in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert len(images_of(html)) == 1 + 5 * 3
    assert str(data) not in html


def test_a_checkpoint_against_torchvision(command, data, generalist, resnet_file, capsys):
    spec = f"torchvision:resnet18@{resnet_file}"
    code, report = command(generalist, spec, "--data", data, "--task", "skin", "--size", 64, "--pictures", 2)
    assert code == 0
    html = report.read_text(encoding="utf-8")
    assert "resnet18 (torchvision)" in html
    assert "11.2" in html, "million parameters"
    assert "no grid" not in html
    assert len(images_of(html)) == 1 + 2 * 3


def test_two_networks_of_libraries_need_only_class_folders(command, data, resnet_file, tmp_path, capsys):
    timm = pytest.importorskip("timm")
    save_file(timm.create_model("mobilenetv3_small_050", num_classes=3).state_dict(), tmp_path / "m.safetensors")
    other = f"timm:mobilenetv3_small_050@{tmp_path / 'm.safetensors'}"
    (data / "skin" / "test" / ".ipynb_checkpoints").mkdir()
    code, report = command(
        f"torchvision:resnet18@{resnet_file}", other, "--data", data / "skin", "--size", 64, "--pictures", 0
    )
    assert code == 0
    html = report.read_text(encoding="utf-8")
    assert len(images_of(html)) == 1
    assert "copies of" not in html
    assert "It loads nothing" in html
    assert "folders: accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("second", "options", "message"),
    [
        ("torchvision:resnet18@{file}", [], "name it with --task. There are: skin, chest"),
        ("torchvision:resnet18@{file}", ["--task", "nope"], "no such task with classes; there are: skin, chest"),
        ("torchvision:resnet18@{file}", ["--task", "retina"], "there are: skin, chest, moles."),
        ("torchvision:resnet19@{file}", ["--task", "skin"], "torchvision cannot build a classifier named 'resnet19'"),
        ("torchvision:resnet50@{file}", ["--task", "skin"], "do not fit the network"),
        ("torchvision:fcn_resnet50@{file}", ["--task", "skin"], "cannot build a classifier named 'fcn_resnet50'"),
        ("torchvision:resnet18@nowhere.pt", ["--task", "skin"], "no such file of weights"),
        ("torchvision:resnet18@{damaged}", ["--task", "skin"], "not a state dict"),
        ("torchvision:resnet18@{numbers}", ["--task", "skin"], "not a state dict"),
        ("torchvision:resnet18@{infinite}", ["--task", "skin"], "not finite"),
        ("torchvision:vit_b_32@{transformer}", ["--task", "skin", "--size", "96"], "takes no pictures of 96 pixels"),
        ("nowhere", [], "There is no checkpoint 'nowhere'"),
        ("{specialist}", ["--task", "chest"], "no task with the same classes in common"),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_what_cannot_be_compared(
    command, data, generalist, specialist, resnet_file, tmp_path, capsys, second, options, message
):
    places = {name: tmp_path / name for name in ("damaged", "numbers", "infinite", "transformer")}
    places["damaged"].write_bytes(b"\x80\x04.")
    torch.save({"fc.weight": 1, "fc.bias": 2}, places["numbers"])
    torch.save(torch.load(resnet_file) | {"fc.bias": torch.full((3,), math.nan)}, places["infinite"])
    if "{transformer}" in second:
        torch.save(models.vit_b_32(num_classes=3).state_dict(), places["transformer"])
    second = second.format(file=resnet_file, specialist=specialist, **places)
    code, report = command(generalist, second, "--data", data, *options)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not report.exists()


def test_pictures_that_only_one_gets_right_are_shown_first(tasks):
    labels = np.arange(30) % 2
    predicted = np.stack([labels, labels])
    predicted[0, [4, 9, 11]] ^= 1
    predicted[1, [20, 21]] ^= 1
    first, second = (np.eye(2)[p] * 0.8 + 0.1 for p in predicted)
    chosen = compare._telling(verdict_on(tasks[1], labels, first, second), 7)
    assert set(chosen[:4:2]) == {20, 21}, "first those that A got right alone, in turn with B's"
    assert set(chosen[[1, 3, 4]]) == {4, 9, 11}
    assert len(chosen) == 7


def test_colour_stands_where_the_evidence_is(picture):
    cells = np.zeros((4, 4), np.float32)
    cells[0, 3] = 2.0
    shown = compare_page.overlay(picture(64, 64), cells).astype(int)
    colourful = shown.max(2) - shown.min(2)
    assert colourful[:40, -40:].mean() > 40
    assert colourful[-80:, :80].max() <= 1
