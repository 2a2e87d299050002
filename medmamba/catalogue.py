"""The README of a checkpoints folder, written from the cards in it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medmamba.checkpoints import Card, list_checkpoints

FILE, TITLE, NONE = "README.md", "# Checkpoints", "-"
STRANGERS = {"design": "kinds that the score was designed on", "held_out": "kinds held out of its design"}
COLUMNS = (
    "task",
    "modality",
    "test pictures",
    "accuracy",
    "balanced accuracy",
    "macro AUC",
    "calibration error",
    "of a perfect one, by chance",
    "90 % sets hold",
)


def write(root: Path) -> str:
    """Write, or write anew, the README of a checkpoints folder; says in a line what became of it.

    A README that this module has not written stays as it is.
    """
    path = root / FILE
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(f"{TITLE}\n"):
        return f"{FILE} beside the checkpoint is not a list of checkpoints and stays as it is."
    path.write_text(text(root), encoding="utf-8")
    return f"{FILE} beside the checkpoint is written from the cards."


def text(root: Path) -> str:
    """Markdown for the checkpoints under ``root``; folders whose card cannot be read are left out."""
    lines = [
        TITLE,
        "",
        "For research and education; none of these is a medical device. This page is written from the cards by",
        "`python -m medmamba publish` and `evaluate --into-card`. Figures are from test pictures, with 95 % intervals;",
        "`python -m medmamba evaluate checkpoints/NAME --data DIR` measures them again.",
        "",
        'A folder put here shows up on the page after "Rescan". So do weights as the code of the MedMamba authors',
        "saves them: `NAME.pth` beside `NAME.class_indices.json`, or a folder `NAME/` with one `.pth` file and",
        "`class_indices.json`. Nobody knows how well such weights are calibrated, what they should refuse, or how",
        "often they are right; the page says so.",
    ]
    for card in list_checkpoints(root).values():
        if isinstance(card, Card):
            lines += ["", *section(card)]
    return "\n".join(lines) + "\n"


def section(card: Card) -> Iterator[str]:
    """The lines about one checkpoint."""
    yield f"## {card.title}"
    yield ""
    yield f"`{card.name}`, version {card.version} of {card.date}, weights {card.sha256[:12]}. {card.summary}"
    yield ""
    yield f"**For** {card.intended_use}"
    yield ""
    yield "**Not for**"
    yield ""
    yield from (f"- {line}" for line in card.not_for)
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for task in card.layout.tasks:
        own: Mapping[str, Any] = card.metrics.get(task.name, {})
        cells = [_cell(own.get(name)) for name in ("accuracy", "balanced_accuracy", "auc", "ece")]
        cells.append(f"{own['ece_by_chance']:.3f}" if "ece_by_chance" in own else NONE)
        cells.append(_cell(own.get("prediction_sets", {}).get("coverage")))
        yield f"| {task.name} | {task.modality} | {own.get('pictures', NONE)} | {' | '.join(cells)} |"
    yield ""
    yield from _router_and_refusals(card.metrics)
    yield "**Limits**"
    yield ""
    yield from (f"- {line}" for line in card.limits)
    yield ""
    yield "**Training data**"
    yield ""
    yield from (f"- {task.name}: {task.source} ({task.licence})" for task in card.layout.tasks)
    yield ""
    if card.training:
        hours = card.training.get("seconds", 0) / 3600
        shown, hardware = card.training.get("pictures", 0), card.training.get("hardware", "one machine")
        yield f"**Cost** {shown:,} pictures shown in {hours:.1f} hours on {hardware}."
        yield ""
    yield f"**Licence of the weights** {card.licence}"


def _router_and_refusals(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line for each figure that the card has, and an empty one after them."""
    router, novelty = metrics.get("router", {}), metrics.get("novelty", {})
    said = {
        "Sent to the right task": _cell(router.get("accuracy")),
        "Sent to a task of the right modality": _cell(router.get("modality_accuracy")),
        "Refused though of a known kind": _cells(novelty.get("false_refusals", {}).get("by_modality", {})),
        "Refused when asked a question of another modality": _cell(novelty.get("wrong_task_flagged", {}).get("all")),
    }
    for group, words in STRANGERS.items():
        if kinds := dict(novelty.get("strangers_refused", {}).get(group, {})):
            of_all = _cell(kinds.pop("all", None))
            said[f"Refused, of pictures of other things, {words}"] = f"{of_all} ({_cells(kinds)})"
    lines = [f"- {what}: {figures}." for what, figures in said.items() if figures != NONE]
    yield from [*lines, ""] if lines else []


def _cells(rates: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cell(rate)}" for name, rate in rates.items()) or NONE


def _cell(estimate: Mapping[str, float | None] | None) -> str:
    """A share or an area, with its interval where there is one."""
    if not estimate or estimate["value"] is None:
        return NONE
    if estimate["low"] is None or estimate["high"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
