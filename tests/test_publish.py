"""From a made-up training run to a checkpoint: calibrated, with statistics, and as the card says."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medmamba import calibrate, card_words, catalogue, checkpoints, cli, evaluate, publish, strangers
from medmamba import model as model_module
from medmamba.checkpoints import Card
from medmamba.classifier import ROUTER, Classifier
from medmamba.errors import DataError
from medmamba.evaluate import NOVELTY
from medmamba.model import MedMambaConfig
from medmamba.observe import Observed
from medmamba.preprocess import Transform
from medmamba.recipe import layout_of, read_tasks
from medmamba.saliency import evidence_map
from medmamba.tasks import OutputLayout
from medmamba.variants import build, config_of
from tests.conftest import make_task

ROOT = Path(__file__).parents[1]
SIZE = 32
COLOURS = {
    "ears": {"red": (200, 40, 40), "blue": (40, 40, 200)},
    "eyes": {"green": (40, 200, 40), "grey": (90, 90, 90)},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A recipe and its pictures, in three splits."""
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    entries = []
    for task, classes in COLOURS.items():
        for name, colour in classes.items():
            for split, count in (("train", 9), ("val", 5), ("test", 4)):
                (root / task / split / name).mkdir(parents=True)
                for i in range(count):
                    pixels = (np.array(colour) + random.normal(0, 25, (40, 40, 3))).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(root / task / split / name / f"{i}.png")
        words = {"question": f"Which {task}?", "source": f"{task} set", "licence": "CC0", "caveat": f"Few {task}."}
        classes = [{"name": name, "label": name.capitalize()} for name in classes]
        entries.append({"name": task, "modality": task, "classes": classes, **words})
    (root / "recipe.json").write_text(json.dumps({"tasks": entries}))
    (root / "one.json").write_text(json.dumps({"tasks": entries[:1]}))
    words = {"licence": "CC0.", "limits": ["One garden."], "not_for": ["Rain."], "pictures": "drawings"}
    (root / "words.json").write_text(json.dumps({"tasks": entries, "card": words | {"intended_use": "Ears and eyes."}}))
    return root


@pytest.fixture
def published(data, tmp_path, monkeypatch):
    """Publish a run of random weights that went on from an earlier one; the checkpoint's folder."""
    monkeypatch.setitem(model_module.VARIANTS, "tiny", ((1, 1, 1, 1), 16))
    monkeypatch.setattr(strangers, "pictures", lambda kind: [np.full((80, 60, 3), len(kind) * 5, np.uint8)] * 2)

    def make(recipe="recipe.json", name="both", variant="tiny", data=data, more=()):
        layout = layout_of(read_tasks(data / recipe))
        weights = build(config_of(variant, layout.num_outputs)).state_dict()
        settings = {"variant": variant, "size": str(SIZE), "pictures": "500", "start_from": "None", "seed": "0"}
        earlier = [{"size": 16, "pictures": 1000, "seconds": 60, "settings": "--size 16"}]
        best = {"model": weights, "pictures": 500, "seconds": 60.4, "config": settings, "earlier": earlier}
        (tmp_path / "run").mkdir(exist_ok=True)
        torch.save(best, tmp_path / "run" / "best.pt")
        folder = Path() if name == "." else tmp_path / "checkpoints" / name
        arguments = ["publish", tmp_path / "run", "--tasks", data / recipe, "--data", data, "--out", folder, *more]
        assert cli.main([str(a) for a in arguments]) == 0
        return folder

    return make


def test_without_pictures_of_other_things_their_refusals_are_not_measured(published, monkeypatch, capsys):
    def missing(kind):
        raise DataError("Install it first.")

    monkeypatch.setattr(strangers, "pictures", missing)
    card = checkpoints.load(published()).card
    assert set(card.metrics[NOVELTY]) == {"false_refusals", "wrong_task_flagged"}
    assert "are not measured. Install it first." in capsys.readouterr().out


def test_a_run_becomes_a_checkpoint_that_its_card_describes(published, data, capsys):
    folder = published()
    card = checkpoints.load(folder).card
    assert set(card.temperatures) == {"ears", "eyes", ROUTER}
    assert set(card.prediction_sets) == set(card.evidence_scale) == set(card.novelty) == {"ears", "eyes"}
    assert set(card.metrics) == {"ears", "eyes", ROUTER, NOVELTY}
    assert all(sum(shares.values()) == pytest.approx(1) for shares in card.priors.values())
    assert {name: set(shares) for name, shares in card.priors.items()} == {n: set(c) for n, c in COLOURS.items()}
    assert {"false_refusals", "wrong_task_flagged", "strangers_refused"} == set(card.metrics[NOVELTY])
    assert all(f"{name}: Few {name}." in card.limits for name in COLOURS)
    assert card.licence == card_words.NO_LICENCE
    assert "not a medical device" in card.not_for[0]
    assert [phase["pictures"] for phase in card.training["phases"]] == [1000, 500]
    assert (card.training["pictures"], card.training["seconds"]) == (1500, 120)
    words = (folder / checkpoints.CARD).read_text()
    assert not [part for part in (*data.parts[1:], "recipe.json") if part in words], "part of a path is on the card"
    assert read_tasks(folder / checkpoints.CARD) == read_tasks(data / "recipe.json")
    assert card.training["command"] == "python -m medmamba train --tasks card.json --data DIR --out RUN"
    assert "The recipe has no `card`" in capsys.readouterr().out
    assert cli.main(["evaluate", str(folder), "--data", str(data)]) == 0
    assert "the largest difference of a measure is 0.0000" in capsys.readouterr().out


def test_a_card_says_of_its_data_and_run_what_is_known_of_them_alone(published):
    """What is true of our own pictures, licence and history is not claimed of others'."""
    card = checkpoints.read_card(published())
    ours = json.loads((ROOT / "runs/generalist/tasks.json").read_text(encoding="utf-8"))["card"]
    said = " ".join([card.summary, card.licence, *card.limits, *card.not_for, card.training["hardware"]])
    assert not [words for words in [*ours["limits"], *ours["not_for"], ours["licence"]] if words in said]
    for claim in ("CC BY", "real pictures", "patient numbers", "Commercial", "replaced once", "docs/log", "CPU"):
        assert claim not in said


def test_a_card_says_what_its_recipe_says(published, capsys):
    card = checkpoints.read_card(published("words.json", more=["--hardware", "an abacus"]))
    assert (card.licence, card.intended_use, card.training["hardware"]) == ("CC0.", "Ears and eyes.", "an abacus")
    assert card.not_for == (*card_words.NOT_FOR, "Rain.")
    assert card.limits == (*card_words.LIMITS, "One garden.", "ears: Few ears.", "eyes: Few eyes.")
    assert "trained on drawings of 32 x 32 pixels" in card.summary
    assert "has no `card`" not in capsys.readouterr().out


def test_what_was_not_measured_is_said(published, data, tmp_path):
    (tmp_path / "data").mkdir()
    for task in COLOURS:
        (tmp_path / "data" / task).mkdir()
        for split in ("train", "val"):
            (tmp_path / "data" / task / split).symlink_to(data / task / split)
    for recipe in ("recipe.json", "one.json"):
        (tmp_path / "data" / recipe).symlink_to(data / recipe)
        card = checkpoints.load(published(recipe, data=tmp_path / "data")).card
        assert card_words.UNMEASURED in card.limits
        assert not card.metrics.keys() & COLOURS.keys()
        told = [line for line in catalogue.section(card) if line.startswith(("- Sent", "- Refused"))]
        assert [line.partition(":")[0] for line in told] == [
            f"- Refused, of pictures of other things, {words}" for words in catalogue.STRANGERS.values()
        ]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_without_pictures_is_refused(published, data, tmp_path, capsys, split):
    shutil.copytree(data, tmp_path / "data")
    for path in (tmp_path / "data" / "eyes" / split / "grey").iterdir():
        path.unlink()
    with pytest.raises(AssertionError):
        published(data=tmp_path / "data")
    assert f"Classes without a picture in {split}: eyes/grey." in capsys.readouterr().err
    assert not (tmp_path / "checkpoints").exists()


def test_a_folder_named_by_a_dot(published, tmp_path, monkeypatch):
    (tmp_path / "checkpoints" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkpoints" / "here")
    assert checkpoints.read_card(published("one.json", ".")).name == "here"


def test_pictures_of_other_things_are_measured_under_the_task_they_are_sent_to(published, picture):
    classifier = Classifier.load(published(), device="cpu")
    answer = classifier.answer(picture())
    assert answer.novelty.threshold == next(iter(set(classifier.card.novelty.values())))


def test_a_single_task_is_published_with_its_novelty_score(published, picture):
    classifier = Classifier.load(published("one.json", "single"), device="cpu")
    assert classifier.card.title == "MedMamba-tiny ears"
    assert list(classifier.card.novelty) == ["ears"]
    assert classifier.answer(picture()).novelty is not None
    assert ROUTER not in classifier.card.metrics


def test_a_resnet_is_published_measured_and_answers_like_a_medmamba(published, data, picture, capsys):
    folder = published(variant="resnet18")
    assert cli.main(["evaluate", str(folder), "--data", str(data)]) == 0
    assert "the largest difference of a measure is 0.0000" in capsys.readouterr().out
    classifier = Classifier.load(folder, device="cpu")
    assert classifier.card.title == "ResNet-18 generalist"
    answer = classifier.answer(picture(SIZE, SIZE))
    assert answer.novelty is not None
    cells = [evidence_map(classifier, answer, answer.top.name, stage=stage).values for stage in (1, 2, 3, 4)]
    assert [values.shape for values in cells] == [(8, 8), (4, 4), (2, 2), (1, 1)]
    output = classifier.card.layout.outputs(answer.task).start + [s.name for s in answer.scores].index(answer.top.name)
    bias = classifier.model.classifier.bias[output]
    assert cells[-1].sum() == pytest.approx((answer.logits[output] - bias).item(), abs=1e-4)


def observed(logits, labels, evidence=None):
    cells = np.zeros((len(labels), 1, logits.shape[1])) if evidence is None else evidence
    return Observed(labels, logits, torch.zeros(len(labels), 15), np.zeros((len(labels), 1)), cells)


@pytest.fixture
def card(tasks):
    layout = OutputLayout(tasks[:1])
    return Card("x", "x", "1", "2025-01-31", MedMambaConfig.variant("T", 3), Transform(SIZE), layout)


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        ({"priors": "natural", "balance": "0.5"}, (0.9, 0.1)),
        ({"balance": "0.5"}, (0.75, 0.25)),
        ({"balance": "0"}, (0.5, 0.5)),
    ],
)
def test_the_priors_are_those_that_the_run_learnt(tasks, config, shares):
    chest = next(task for task in tasks if len(task.classes) == 2)
    found = publish.priors(config, {chest: np.array([0] * 90 + [1] * 10)})
    assert found == {chest.name: dict(zip(chest.class_names, shares, strict=True))}


def test_a_class_without_pictures_has_no_prior(tasks):
    skin = tasks[0]
    assert list(publish.priors({"balance": "0"}, {skin: np.array([0, 0, 2])})[skin.name].values()) == [0.5, 0, 0.5]


def test_calibration_finds_the_temperature_and_the_evidence_of_predicted_classes(card):
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 3))
    labels = (calibrate.probabilities(logits, 1.0).cumsum(1) < random.uniform(size=(4000, 1))).sum(1)
    evidence = np.full((4000, 4, 3), 50.0)
    evidence[np.arange(4000), :, logits.argmax(1)] = (0.5, 0.5, -1.0, 0.5)
    found = publish.calibrated(card, {"skin": observed(2.5 * logits, labels, evidence)})
    assert found.temperatures["skin"] == pytest.approx(2.5, rel=0.05)
    assert found.evidence_scale["skin"] == 0.5
    assert 0 < found.prediction_sets["skin"] < 0.5


def test_validation_pictures_are_needed(card):
    with pytest.raises(DataError, match="skin has no validation pictures"):
        publish.calibrated(card, {})
    with pytest.raises(DataError, match="novelty score of: skin"):
        publish.with_novelty(card, {}, {})
    modalities = tuple(make_task(name) for name in ("OCT", "MRI"))  # without classes: there is only the router
    with pytest.raises(DataError, match="router cannot be calibrated"):
        publish.calibrated(replace(card, layout=OutputLayout.generalist(modalities)), {})


def test_golden_input_is_made_up_and_the_same_everywhere():
    golden = publish.golden_input(Transform(SIZE))
    assert golden.shape == (2, 3, SIZE, SIZE)
    assert golden.abs().max() <= 1
    assert torch.equal(golden, publish.golden_input(Transform(SIZE)))


@pytest.mark.parametrize("content", [None, {"model": {}}])
def test_a_run_without_weights(data, tmp_path, capsys, content):
    if content:
        torch.save(content, tmp_path / "best.pt")  # weights of something else
    arguments = ["publish", tmp_path, "--tasks", data / "recipe.json", "--data", data, "--out", tmp_path / "out"]
    assert cli.main([str(a) for a in arguments]) == 2
    assert "no readable best.pt" in capsys.readouterr().err


def test_the_readme_tells_of_every_checkpoint(published):
    root = published().parent
    published("one.json", "single")
    text = (root / catalogue.FILE).read_text()
    assert text == catalogue.text(root)
    for card in checkpoints.list_checkpoints(root).values():
        for words in (card.title, card.sha256[:12], *card.limits, *card.not_for, card.licence):
            assert words in text
        for task in card.layout.tasks:
            accuracy = card.metrics[task.name]["accuracy"]["value"]
            assert f"| {task.name} | {task.modality} | 8 | {accuracy:.3f} (" in text
            assert f"{task.source} ({task.licence})" in text


def test_figures_without_an_interval_stand_alone(published):
    card = checkpoints.read_card(published())
    for value, words in ((None, "| - |"), (0.5, "| 0.500 |")):
        ears = card.metrics["ears"] | {"auc": {"value": value, "low": None, "high": None}}
        assert words in "\n".join(catalogue.section(replace(card, metrics=card.metrics | {"ears": ears})))


def test_the_readme_of_the_shipped_checkpoints_is_up_to_date():
    root = checkpoints.default_root()
    if not checkpoints.list_checkpoints(root):
        pytest.skip("no checkpoint is shipped yet")
    assert (root / catalogue.FILE).read_text(encoding="utf-8") == catalogue.text(root)


def test_tables_hold_what_the_metrics_hold(published):
    card = checkpoints.read_card(published())
    table = evaluate.table(card, card.metrics)
    assert f"{card.metrics['ears']['accuracy']['value']:.3f}" in table


def test_a_readme_of_another_kind_stays(published, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    readme = tmp_path / "checkpoints" / catalogue.FILE
    readme.write_text("# My project\n")
    published()
    assert readme.read_text() == "# My project\n"
    assert "is not a list of checkpoints and stays as it is" in capsys.readouterr().out
    readme.write_text(f"{catalogue.TITLE}\n\nan older list\n")
    published()
    assert "an older list" not in readme.read_text()
