"""Corruption accuracies by known answers, and the command on made-up pictures."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medmamba import cli, robustness
from medmamba.corruptions import CORRUPTIONS, LEVELS, SIDE
from medmamba.data import Split
from medmamba.preprocess import Transform
from medmamba.sanity import Likeness


def test_balanced_accuracy_is_the_mean_over_classes():
    labels = np.array([0, 0, 0, 1])
    hits = np.array([[True, True, False, False], [True, True, True, True], [False, False, False, True]])
    assert robustness.balanced(labels, hits, np.ones((1, 4)))[0] == pytest.approx([1 / 3, 1, 1 / 2])
    twice_the_last = robustness.balanced(labels, hits, np.array([[1.0, 0, 0, 2], [0, 0, 0, 1]]))
    assert twice_the_last == pytest.approx(
        np.array([[0.5, 1, 0.5], [0, 1, 1]])
    )  # a class that was not drawn is left out


def test_a_sample_is_even_over_classes_and_the_same_every_time():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    split = Split(np.arange(73)[:, None, None, None], labels)
    found = robustness.even(split, 15)
    assert np.bincount(found.labels).tolist() == [6, 3, 6]
    assert (np.diff(found.squares.reshape(-1)) > 0).all()
    assert (labels[found.squares.reshape(-1)] == found.labels).all()
    assert (found.squares == robustness.even(split, 15).squares).all()
    assert len(robustness.even(split, 500)) == 73


class Thermometer:
    """Says class 1 of pictures brighter than 120 on average, else class 0."""

    transform = Transform(32)

    def probabilities(self, task, squares):
        assert squares.shape[1:] == (32, 32, 3)
        return np.eye(2)[(squares.mean((1, 2, 3)) > 120).astype(int)]


def test_brightness_costs_a_thermometer_and_blur_does_not(tasks):
    grey = np.array([100] * 4 + [140] * 4, np.uint8)
    squares = np.tile(grey[:, None, None, None], (1, SIDE, SIDE, 3))
    found = robustness.measure(Thermometer(), [(tasks[1], Split(squares, np.repeat([0, 1], 4)))])
    own = found["tasks"]["chest"]
    low = 1 - (1 - 0.025 ** (1 / 4)) / 2**0.5  # four of four in both classes
    assert own["clean"] == {"value": 1.0, "low": pytest.approx(low, abs=1e-4), "high": 1.0}
    assert own["curves"]["blur"] == own["curves"]["rotation"] == own["curves"]["JPEG"] == [1] * LEVELS
    assert own["curves"]["brighter"] == [1, 1, 0.5, 0.5, 0.5]  # 100 becomes 110, 120, 130, ...
    assert own["curves"]["darker"] == [1, 0.5, 0.5, 0.5, 0.5]  # 140 becomes 126, 112, ...
    mean = np.mean([np.mean(curve) for curve in own["curves"].values()])
    assert own["mean_corruption_accuracy"]["value"] == pytest.approx(mean, abs=1e-4)
    assert found["mean"]["mean_corruption_accuracy"] == pytest.approx(mean, abs=1e-4)
    assert list(found["mean"]["curves"]) == list(CORRUPTIONS)


@pytest.fixture(scope="module")
def data(tmp_path_factory, tasks):
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for task in tasks[:2]:
        for name in task.class_names:
            folder = root / task.name / "test" / name
            folder.mkdir(parents=True)
            for i in range(12):
                pixels = random.integers(256, size=3) + random.normal(0, 40, (50, 70, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return root


def test_the_command_writes_numbers_and_figures(generalist, data, tmp_path, capsys):
    asked = ["robustness", str(generalist), "--data", str(data), "--out", str(tmp_path), "--pictures", "6"]
    assert cli.main(asked) == 0
    found, printed = json.loads((tmp_path / "robustness.json").read_text()), capsys.readouterr().out
    assert found["pictures"] == {"skin": 6, "chest": 6}
    assert found["sanity"]["passes"]
    assert set(found["corruptions"]["tasks"]) == {"skin", "chest"}
    half, most = found["field"]["trained"]["stage 1"].values()
    assert 0 < half < most < 1
    for words in ("mean over five levels", "receptive field, trained, stage 4", "pass the randomisation test"):
        assert words in printed
    figures = {path.name for path in tmp_path.glob("*.png")}
    assert figures == {"corruptions.png", "features.png", "receptive-field.png", "sanity.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in figures)


@pytest.mark.parametrize(
    ("task", "count", "part", "sentence"),
    [
        ("retina", 3, "corruptions", "Corruptions and sanity need pictures of a task with classes"),
        ("retina", 3, "sanity", "Corruptions and sanity need pictures of a task with classes"),
        ("retina", 2, "features", "A map of features needs 3 pictures"),
    ],
)
def test_parts_without_the_pictures_that_they_need(generalist, tmp_path, capsys, task, count, part, sentence):
    folder = tmp_path / "data" / task / "test" / "any"
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 40), (number, 90, 90)).save(folder / f"{number}.png")
    asked = ["robustness", str(generalist), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert cli.main([*asked, "--parts", part]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_three_pictures_make_a_map(generalist, data, tmp_path):
    asked = ["robustness", str(generalist), "--data", str(data / "skin"), "--out", str(tmp_path), "--pictures", "3"]
    assert cli.main([*asked, "--parts", "features"]) == 0
    assert (tmp_path / "features.png").is_file()


@pytest.mark.parametrize(
    ("likeness", "passes", "sentences"),
    [
        (Likeness("stem", "", 0.1, 0.2, 3), True, ["+0.100, SSIM 0.200; 3 pictures left out", "The maps pass"]),
        (Likeness("stem", "", None, None, 4), None, ["nothing to compare", "The randomisation test says nothing"]),
    ],
)
def test_flat_maps_leave_valid_json(generalist, data, tmp_path, monkeypatch, capsys, likeness, passes, sentences):
    monkeypatch.setattr(
        "medmamba.sanity.check", lambda *_: [replace(likeness, mode=mode) for mode in ("cascade", "alone")]
    )
    asked = ["robustness", str(generalist), "--data", str(data), "--out", str(tmp_path), "--parts", "sanity"]
    assert cli.main(asked) == (0 if passes else 1)
    printed, written = capsys.readouterr().out, (tmp_path / "robustness.json").read_text()
    assert all(sentence in printed for sentence in sentences)
    found = json.loads(written, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["sanity"]
    assert (found["passes"], found["steps"][0]["flat"]) == (passes, likeness.flat)


def test_parts_can_be_left_out_and_failing_maps_are_a_failure(generalist, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "medmamba.sanity.check", lambda *_: [Likeness("stem", mode, 0.9, 0.9) for mode in ("cascade", "alone")]
    )
    asked = ["robustness", str(generalist), "--data", str(data), "--out", str(tmp_path), "--parts", "sanity"]
    assert cli.main(asked) == 1
    assert "The maps fail the randomisation test." in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"robustness.json", "sanity.png"}
