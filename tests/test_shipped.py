"""The shipped checkpoints: they load, give their golden logits, and do on real pictures what the card says."""

import pytest
import torch
from safetensors.torch import load_file

from medmamba import checkpoints, images, onednn
from medmamba.checkpoints import GOLDEN, Card
from medmamba.classifier import ROUTER, Classifier
from medmamba.data import picture_paths
from medmamba.evaluate import NOVELTY

ROOT = checkpoints.default_root()
SHIPPED = sorted(folder.name for folder in ROOT.glob("*") if folder.is_dir())


def test_there_is_a_default():
    assert "generalist" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_golden_logits(name):
    classifier = Classifier.load(name, device="cpu")  # holds the training form to them
    golden = load_file(ROOT / name / GOLDEN)
    with torch.inference_mode():
        logits = classifier.network(golden["input"])
    torch.testing.assert_close(logits, golden["logits"], atol=checkpoints.GOLDEN_TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_is_complete(name):
    card = checkpoints.read_card(ROOT / name)
    assert isinstance(card, Card)
    assert card.intended_use
    assert card.not_for
    assert card.licence
    assert card.training["command"]
    for task in card.layout.tasks:
        assert any(task.caveat in limit for limit in card.limits)
        if task.classes:
            assert {task.name} <= set(card.metrics) & set(card.temperatures) & set(card.evidence_scale)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_reliability_bins_are_those_of_the_calibration_error(name):
    card = checkpoints.read_card(ROOT / name)
    for task in (task for task in card.layout.tasks if task.classes):
        own = card.metrics[task.name]
        bins = own["reliability"]
        assert sum(bins["pictures"]) == own["pictures"]
        gaps = [
            count * abs(accuracy - confidence)
            for count, confidence, accuracy in zip(bins["pictures"], bins["confidence"], bins["accuracy"], strict=True)
            if count
        ]
        assert sum(gaps) / own["pictures"] == pytest.approx(own["ece"]["value"], abs=2e-4), task.name


def test_the_generalist_is_clearly_better_than_chance():
    metrics = checkpoints.read_card(ROOT / "generalist").metrics
    areas = [own["auc"]["value"] for name, own in metrics.items() if name not in (ROUTER, NOVELTY)]
    assert len(areas) == 14
    assert sum(areas) / len(areas) >= 0.75
    assert metrics[ROUTER]["modality_accuracy"]["value"] >= 0.97


@pytest.mark.shared_data
def test_bfloat16_changes_no_probability_by_a_hundredth(shared_data, monkeypatch):
    monkeypatch.setattr(onednn, "MULTIPLIES_BFLOAT16", True)  # slower where it has to be emulated, and the same
    exact, rounded = (Classifier.load("generalist", "cpu", bfloat16=wanted) for wanted in (False, True))
    differences = []
    for task in (task for task in exact.card.layout.tasks if task.classes):
        for path in picture_paths(shared_data, task, "val")[::50]:
            display = images.read(path).display()
            pairs = zip(exact.answer(display, task.name).scores, rounded.answer(display, task.name).scores, strict=True)
            differences += [abs(before.probability - after.probability) for before, after in pairs]
    assert len(differences) > 200
    assert 0 < max(differences) <= 0.01


@pytest.mark.shared_data
def test_pictures_it_has_never_seen_go_to_their_modality(shared_data):
    classifier = Classifier.load("generalist")
    layout = classifier.card.layout
    right = []
    for task in (layout.task(name) for name in layout.routed):
        for path in picture_paths(shared_data, task, "test")[::40]:
            answer = classifier.answer(images.read(path).display())
            right.append(answer.modalities[0][0] == task.modality)
    assert len(right) > 100
    assert sum(right) / len(right) >= 0.95
