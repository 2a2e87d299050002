"""Measuring a small random checkpoint on made-up pictures: every number against the classifier's own answers."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from medmamba import card_words, checkpoints, cli, evaluate, figures, images, metrics, official, strangers
from medmamba.classifier import ROUTER, Classifier, band_of
from medmamba.data import Split
from medmamba.errors import CheckpointError, DataError
from medmamba.evaluate import NOVELTY
from medmamba.observe import observe
from medmamba.tasks import OutputLayout

SIZE = 64
COUNT = 5  # pictures of a class


@pytest.fixture(scope="module")
def data(tmp_path_factory, tasks):
    """A test split of the tasks with classes, COUNT noisy pictures a class."""
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for task in tasks:
        for name in task.class_names:
            folder = root / task.name / "test" / name
            folder.mkdir(parents=True)
            for i in range(COUNT):
                pixels = random.integers(256, size=3) + random.normal(0, 40, (50, 70, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return root


@pytest.fixture(autouse=True)
def _few_strangers(monkeypatch):
    monkeypatch.setattr(strangers, "pictures", lambda kind: [np.full((80, 60, 3), len(kind) * 5, np.uint8)] * 2)


@pytest.fixture(scope="module")
def checkpoint(generalist):
    return checkpoints.load(generalist)


@pytest.fixture(scope="module")
def seen(checkpoint, data):
    splits = evaluate.find_splits(checkpoint.card.layout, data, "test", SIZE)
    return {task.name: observe(checkpoint.model, checkpoint.card.transform, split) for task, split in splits}


@pytest.fixture(scope="module")
def answers(generalist, data):
    """The classifier's answers to the same pictures, in the same order, by task."""
    classifier, found = Classifier.load(generalist, device="cpu"), {}
    for task in classifier.card.layout.tasks:
        paths = [p for name in task.class_names for p in sorted((data / task.name / "test" / name).iterdir())]
        found[task.name] = [classifier.answer(images.read(path, guarded=False).display(), task.name) for path in paths]
    return found


def test_observations_are_the_networks(checkpoint, seen):
    own = seen["skin"]
    assert len(own) == 3 * COUNT
    assert own.labels.tolist() == np.repeat([0, 1, 2], COUNT).tolist()
    weight, bias = (p.detach().numpy() for p in (checkpoint.model.classifier.weight, checkpoint.model.classifier.bias))
    assert own.logits == pytest.approx(own.features @ weight.T + bias, abs=1e-4)
    assert own.logits == pytest.approx(own.evidence.sum(1) + bias, abs=1e-4)  # class activation maps add up


def test_numbers_are_those_of_the_answers(checkpoint, seen, answers):
    found = evaluate.measure(checkpoint.card, checkpoint.novelty, seen)
    for task in checkpoint.card.layout.tasks[:2]:
        labels = seen[task.name].labels
        if not task.classes:
            continue
        probabilities = np.array([[s.probability for s in answer.scores] for answer in answers[task.name]])
        own = found[task.name]
        assert own["accuracy"]["value"] == pytest.approx(metrics.accuracy(labels, probabilities), abs=1e-4)
        assert own["auc"]["value"] == pytest.approx(metrics.macro_auc(labels, probabilities), abs=1e-4)
        assert own["ece"]["value"] == pytest.approx(metrics.calibration_error(labels, probabilities), abs=1e-3)
        bands = [band_of(answer.scores, checkpoint.card.bands).kind for answer in answers[task.name]]
        assert {kind: entry["pictures"] for kind, entry in own["bands"].items()} == {
            k: bands.count(k) for k in set(bands)
        }
        refused = [answer.novelty.refused for answer in answers[task.name]]
        assert found[NOVELTY]["false_refusals"]["by_task"][task.name]["value"] == pytest.approx(
            np.mean(refused), abs=1e-4
        )


def test_router_is_judged_by_task_and_by_modality(checkpoint, seen, answers):
    router = evaluate.measure(checkpoint.card, checkpoint.novelty, seen)[ROUTER]
    for name in ("skin", "chest"):
        sent = np.mean([answer.routes[0][0] == name for answer in answers[name]])
        assert router["by_task"][name]["value"] == pytest.approx(sent, abs=1e-4)
    assert set(router["by_modality"]) == {"dermatoscopy", "X-ray"}
    assert router["pictures"] == 5 * COUNT


def test_wrong_tasks_are_those_of_other_modalities(checkpoint, seen):
    card = replace(checkpoint.card, novelty=dict.fromkeys(checkpoint.card.layout.routed, -1.0))
    flagged = evaluate.measure(card, checkpoint.novelty, seen)[NOVELTY]["wrong_task_flagged"]
    assert flagged["all"]["value"] == flagged["skin"]["value"] == 1
    card = replace(card, novelty=dict.fromkeys(card.novelty, float("inf")))
    assert evaluate.measure(card, checkpoint.novelty, seen)[NOVELTY]["wrong_task_flagged"]["all"]["value"] == 0


def test_questions_about_one_picture_are_no_pictures_of_their_own(checkpoint, seen):
    """Each picture is asked two wrong tasks: those of skin are asked chest and retina."""
    card = replace(checkpoint.card, novelty=dict.fromkeys(checkpoint.card.layout.routed, -1.0))
    flagged = evaluate.measure(card, checkpoint.novelty, seen)[NOVELTY]["wrong_task_flagged"]
    pictures = len(seen["skin"]) + len(seen["chest"])
    assert flagged["all"]["low"] == pytest.approx(0.025 ** (1 / pictures), abs=1e-4)
    assert flagged["skin"]["low"] == pytest.approx(0.025 ** (1 / len(seen["chest"])), abs=1e-4)


def test_prediction_sets_of_all_classes_cover_everything(checkpoint, seen):
    card = replace(checkpoint.card, prediction_sets={"skin": 0.0, "chest": 1.1})
    found = evaluate.measure(card, checkpoint.novelty, seen)
    assert found["skin"]["prediction_sets"]["coverage"]["value"] == 1
    assert found["skin"]["prediction_sets"]["mean_size"] == 3
    assert found["chest"]["prediction_sets"]["coverage"] == pytest.approx(
        metrics.share(seen["chest"].logits[:, 3:5].argmax(1) == seen["chest"].labels).to_json()
    )


def test_strangers_are_counted_by_kind(checkpoint):
    card = replace(checkpoint.card, novelty=dict.fromkeys(checkpoint.card.layout.routed, -1.0))
    found = evaluate.measure_strangers(card, checkpoint.model, checkpoint.novelty)
    assert set(found) == {"design", "held_out"}
    assert set(found["held_out"]) == {"all", *strangers.HELD_OUT}
    assert found["design"]["all"]["value"] == found["design"]["all"]["high"] == 1


def test_crops_of_one_picture_are_no_pictures_of_their_own(checkpoint, monkeypatch):
    monkeypatch.setattr(strangers, "pictures", lambda kind: [np.full((80, 60, 3), 7, np.uint8)] * strangers.EACH)
    card = replace(checkpoint.card, novelty=dict.fromkeys(checkpoint.card.layout.routed, -1.0))
    found = evaluate.measure_strangers(card, checkpoint.model, checkpoint.novelty)
    for group, kind, count in (("design", "textures", 2), ("design", "flat colours", 40), ("held_out", "all", 253)):
        assert found[group][kind]["low"] == pytest.approx(0.025 ** (1 / count), abs=1e-4)


@pytest.mark.parametrize("place", ["", "test"])
def test_a_tree_that_is_itself_one_task(checkpoint, data, tmp_path, place):
    shutil.copytree(data / "chest" / "test", tmp_path / "mine" / place, dirs_exist_ok=True)
    [(task, split)] = evaluate.find_splits(checkpoint.card.layout, tmp_path / "mine", "test", SIZE)
    assert task.name == "chest"
    assert isinstance(split, Split)
    assert split.labels.tolist() == np.repeat([0, 1], COUNT).tolist()


def test_only_tasks_that_are_there_are_measured(checkpoint, data, tmp_path):
    shutil.copytree(data / "skin", tmp_path / "skin")
    assert [task.name for task, _ in evaluate.find_splits(checkpoint.card.layout, tmp_path, "test", SIZE)] == ["skin"]


def test_a_folder_with_nothing_for_the_checkpoint(checkpoint, tmp_path):
    for folder, match in ((tmp_path, "No pictures for the split 'test'"), (tmp_path / "none", "does not exist")):
        with pytest.raises(DataError, match=match):
            list(evaluate.find_splits(checkpoint.card.layout, folder, "test", SIZE))


@pytest.mark.parametrize("place", ["", "test"])
def test_class_folders_that_fit_in_part_are_told(checkpoint, data, tmp_path, place):
    shutil.copytree(data / "skin" / "test", tmp_path / "mine" / place, dirs_exist_ok=True)
    (tmp_path / "mine" / place / "naevus").rename(tmp_path / "mine" / place / "Naevus")
    with pytest.raises(DataError, match=r"skin/.*missing \['naevus'\], unknown \['Naevus'\]"):
        list(evaluate.find_splits(checkpoint.card.layout, tmp_path / "mine", "test", SIZE))


def test_weights_whose_answers_are_no_numbers_are_not_measured(generalist, data):
    loaded = checkpoints.load(generalist)
    loaded.model.classifier.weight.fill_(3e38)
    (_, split), *_ = evaluate.find_splits(loaded.card.layout, data, "test", SIZE)
    with pytest.raises(CheckpointError, match="lead to numbers that are not finite"):
        observe(loaded.model, loaded.card.transform, split)


def test_two_pictures_are_drawn_without_a_map_of_features(checkpoint, seen, tmp_path):
    few = {"chest": replace(seen["chest"], labels=np.array([0, 1]), logits=seen["chest"].logits[:2])}
    assert [path.name for path in figures.draw(checkpoint.card, few, tmp_path)] == ["chest.png"]


def test_figures_of_a_task_whose_name_has_folders_in_it(checkpoint, seen, tmp_path):
    chest = replace(checkpoint.card.layout.task("chest"), name="lungs/chest")
    card = replace(checkpoint.card, layout=OutputLayout((chest,)))
    few = {"lungs/chest": replace(seen["chest"], labels=np.array([0, 1]), logits=seen["chest"].logits[:2])}
    assert figures.draw(card, few, tmp_path) == [tmp_path / "lungs" / "chest.png"]
    assert (tmp_path / "lungs" / "chest.png").is_file()


def test_a_picture_met_three_times_has_a_map_of_features(checkpoint, seen, tmp_path):
    """t-SNE that starts from principal components divides by their spread, and crashes where there is none."""
    same = {"chest": replace(seen["chest"], features=np.ones((3, 8), np.float32), labels=np.array([0, 1, 1]))}
    assert figures.draw_features(same, tmp_path / "features.png").is_file()


def test_the_command(generalist, data, tmp_path, capsys):
    written, drawn = tmp_path / "numbers.json", tmp_path / "figures"
    assert (
        cli.main(["evaluate", str(generalist), "--data", str(data), "--json", str(written), "--figures", str(drawn)])
        == 0
    )
    found, shown = json.loads(written.read_text()), capsys.readouterr().out
    assert set(found) == {"skin", "chest", "moles", ROUTER, NOVELTY}
    for words in ("skin", "Melanoma", "wrong task flagged", "screenshots", "The card holds no numbers"):
        assert words in shown
    assert sorted(path.name for path in drawn.iterdir()) == ["chest.png", "features.png", "moles.png", "skin.png"]


def test_a_single_task_without_statistics(specialist, data, capsys):
    assert cli.main(["evaluate", str(specialist), "--data", str(data)]) == 0
    assert "router" not in capsys.readouterr().out


def test_the_numbers_go_onto_the_card(generalist, data, tmp_path):
    folder = shutil.copytree(generalist, tmp_path / "checkpoints" / generalist.name)
    before, weights = checkpoints.read_card(folder), (folder / checkpoints.WEIGHTS).read_bytes()
    assert cli.main(["evaluate", str(folder), "--data", str(data), "--into-card"]) == 0
    after = checkpoints.read_card(folder)
    assert set(after.metrics) == {"skin", "chest", "moles", ROUTER, NOVELTY}
    assert replace(after, metrics=before.metrics) == before
    assert (folder / checkpoints.WEIGHTS).read_bytes() == weights
    assert f"`{before.name}`, version" in (folder.parent / "README.md").read_text()


def test_a_card_with_numbers_does_not_say_that_there_are_none(generalist, data, tmp_path):
    folder = shutil.copytree(generalist, tmp_path / "checkpoints" / generalist.name)
    card = checkpoints.read_card(folder)
    checkpoints.write_card(folder, replace(card, limits=(official.NO_METRICS, "One garden.", card_words.UNMEASURED)))
    shutil.copytree(data / "skin", tmp_path / "data" / "skin")
    assert cli.main(["evaluate", str(folder), "--data", str(tmp_path / "data"), "--into-card"]) == 0
    assert len(checkpoints.read_card(folder).limits) == 3, "two tasks have no numbers yet"
    assert cli.main(["evaluate", str(folder), "--data", str(data), "--into-card"]) == 0
    assert checkpoints.read_card(folder).limits == ("One garden.",)


def test_a_card_takes_test_figures_of_all_its_tasks_alone(generalist, data, tmp_path, capsys):
    folder = shutil.copytree(generalist, tmp_path / "checkpoints" / generalist.name)
    assert cli.main(["evaluate", str(folder), "--data", str(data), "--into-card"]) == 0
    card = (folder / checkpoints.CARD).read_bytes()
    shutil.copytree(data / "skin", tmp_path / "data" / "skin")
    for options, sentence in (
        (["--data", str(data), "--split", "val"], "leave --split out"),
        (["--data", str(tmp_path / "data")], "without pictures in the folder: chest, moles"),
    ):
        assert cli.main(["evaluate", str(folder), *options, "--into-card"]) == 2
        assert sentence in capsys.readouterr().err
    assert (folder / checkpoints.CARD).read_bytes() == card


def test_class_folders_without_pictures_are_said(generalist, tasks, tmp_path, capsys):
    for name in tasks[0].class_names:
        (tmp_path / "test" / name).mkdir(parents=True)
    assert cli.main(["evaluate", str(generalist), "--data", str(tmp_path)]) == 2
    assert "No pictures for the split 'test'" in capsys.readouterr().err


def test_weights_without_a_card_take_no_numbers(tmp_path, data, capsys):
    (tmp_path / "theirs.pth").touch()
    assert cli.main(["evaluate", str(tmp_path / "theirs.pth"), "--data", str(data), "--into-card"]) == 2
    assert "have no card, which this needs" in capsys.readouterr().err


def test_the_card_is_compared_number_by_number():
    card = {"skin": {"accuracy": {"value": 0.5, "low": None}, "confusion": [[1, 2]]}}
    words = "3 numbers are on the card too; the largest difference of a measure is 0.0000 (skin.accuracy.value), 0 of 2"
    assert words in evaluate.comparison(card, card)
    other = {"skin": {"accuracy": {"value": 0.25}, "confusion": [[0, 3]]}}
    assert "0.2500 (skin.accuracy.value), 2 of 2 counts differ" in evaluate.comparison(card, other)


def test_the_papers_numbers_stand_beside_ours(checkpoint, seen):
    card = checkpoint.card
    blood = replace(card.layout.tasks[0], name="blood-cells")
    card = replace(card, layout=OutputLayout.generalist((blood, *card.layout.tasks[1:])))
    found = evaluate.measure(checkpoint.card, {}, seen)
    assert "paper's MedMamba-T on BloodMNIST: accuracy 0.978, AUC 0.999" in evaluate.table(
        card, found | {"blood-cells": found["skin"]}
    )


def test_a_number_may_have_no_interval(checkpoint, seen):
    found = evaluate.measure(checkpoint.card, {}, seen)
    wide = evaluate.table(checkpoint.card, found).splitlines()[1]
    found["skin"]["auc"] = {"value": 0.625, "low": None, "high": None}
    narrow = evaluate.table(checkpoint.card, found).splitlines()[1]
    assert "0.625  " in narrow
    assert len(wide) == len(narrow)


def test_observing_needs_no_gradient(checkpoint, seen):
    assert not seen["skin"].vectors.requires_grad
    assert isinstance(seen["skin"].vectors, torch.Tensor)
