import dataclasses
import re

from app import facts, plots
from app.texts import PERCENT, texts_for
from medmamba.errors import CheckpointError

EN = texts_for("en")


def test_every_checkpoint_has_its_page_or_its_error(service, checkpoint_root):
    models = service.models() | {"<broken>": CheckpointError("It has no card.")}
    html = facts.page(models, EN)
    assert html.count('class="mm-model"') == 2
    assert "&lt;broken&gt;" in html
    assert "It has no card." in html
    card = models["generalist"]
    assert card.sha256 in html
    for task in card.layout.tasks:
        assert task.caveat in html


def test_figures_come_with_their_intervals(service):
    card = service.models()["generalist"]
    accuracy = card.metrics["kidney-ct"]["accuracy"]
    value, low, high = (f"{accuracy[name] * 100:.1f}" for name in ("value", "low", "high"))
    expected = f"{value}{PERCENT} ({low} – {high}{PERCENT})"
    assert expected in facts.page({"generalist": card}, EN)
    assert facts.estimate(None, "auc", EN) == "–"
    assert facts.estimate({"value": 0.5, "low": None, "high": None}, "auc", EN) == "0.500"


def test_an_odd_card_takes_no_other_from_the_page(service, caplog):
    card = service.models()["generalist"]
    odd = dataclasses.replace(card, metrics={"kidney-ct": {"classes": ["<b>"]}})
    html = facts.page({"odd": odd, "sound": card}, EN)
    assert html.count('class="mm-model"') == 1
    assert "figures of a form that cannot be read" in html
    assert "<b>" not in html
    assert "odd" in caplog.text


def test_figures_of_a_card_are_escaped(service):
    card = service.models()["generalist"]
    classes = {name: own | {"support": "<i>"} for name, own in card.metrics["kidney-ct"]["classes"].items()}
    html = facts.page({"a": dataclasses.replace(card, metrics={"kidney-ct": {"classes": classes}})}, EN)
    assert "&lt;i&gt;" in html
    assert "<i>" not in html


def test_words_that_were_never_right_are_told_first_of_all(service):
    card = service.models()["generalist"]
    bands = {"likely": {"pictures": 7}, "undecided": {"pictures": 0}, "uncertain": {"pictures": 3}}
    own = card.metrics["kidney-ct"] | {"bands": bands}
    html = facts.page({"a": dataclasses.replace(card, metrics={"kidney-ct": own})}, EN)
    assert f"was said: 7; it was right for 0.0{PERCENT}" in html
    assert "“Not sure between two”" not in html


def test_a_task_without_classes_has_no_figures(service):
    assert "No test figures" in facts.page(service.models(), EN)


def test_no_checkpoint_says_what_to_do():
    assert "checkpoints folder" in facts.page({}, EN)


def test_every_measured_task_has_its_reliability_diagram_with_its_numbers(service):
    card = service.models()["generalist"]
    html = facts.page({"generalist": card}, EN)
    measured = [task for task in card.layout.tasks if task.classes]
    assert html.count('class="mm-reliability"') == len(measured)
    assert html.count("How to read it") == len(measured)
    bins = card.metrics["kidney-ct"]["reliability"]
    filled = [count for count in bins["pictures"] if count]
    svg = plots.reliability(bins, "label", "given", "right")
    assert svg.count("<circle") == svg.count("<rect") == svg.count("mm-interval") == len(filled)
    assert 'role="img" aria-label="label"' in svg
    for low, high, row in plots.filled(bins):
        assert f"{low * 100:.0f} – {high * 100:.0f} %</th><td>{row['pictures']}</td>" in html


def test_dots_lie_at_their_probability_and_their_share_right():
    bins = {
        "edges": [0, 0.5, 1],
        "pictures": [0, 8],
        "confidence": [None, 0.75],
        "accuracy": [None, 0.5],
        "low": [None, 0.2],
        "high": [None, 0.8],
    }
    (place,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', plots.reliability(bins, "", "", ""))
    assert [float(p) for p in place] == [64 + 0.75 * plots.SIDE, 10 + 0.5 * plots.SIDE]


def test_a_card_without_bins_has_no_diagram(service):
    card = service.models()["generalist"]
    old = {name: {k: v for k, v in own.items() if k != "reliability"} for name, own in card.metrics.items()}
    html = facts.page({"old": dataclasses.replace(card, metrics=old)}, EN)
    assert "mm-reliability" not in html
    assert "mm-confusion" in html


def test_model_facts_say_where_words_are_held_back(service):
    card = service.models()["generalist"]
    for value, is_said in ((0.301, True), (0.15, False)):
        own = card.metrics["kidney-ct"] | {"ece": {"value": value, "low": value, "high": value}}
        html = facts.page({"only": dataclasses.replace(card, metrics={"kidney-ct": own})}, EN)
        assert (f"The calibration error of 30.1{PERCENT} is above 15.0{PERCENT}" in html) == is_said
