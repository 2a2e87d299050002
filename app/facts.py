"""Model Facts (Sendak et al. 2020): every checkpoint as a page made from its card alone, or the error it has."""

import logging
from collections.abc import Mapping
from html import escape
from typing import Any

from app import plots
from app.present import title, value_of
from app.texts import PERCENT, Texts
from medmamba.checkpoints import Card
from medmamba.classifier import TRUSTED_ERROR, is_reliable
from medmamba.errors import CheckpointError, MedMambaError
from medmamba.tasks import Task

HEADLINE = ("accuracy", "balanced_accuracy", "auc", "ece")
BY_CLASS = ("sensitivity", "specificity", "precision", "auc")
AREAS = {"auc"}
ODD = "Its card holds figures of a form that cannot be read."
logger = logging.getLogger(__name__)


def page(models: Mapping[str, Card | MedMambaError], texts: Texts) -> str:
    """All checkpoints, the first one unfolded."""
    first = next((name for name, entry in models.items() if isinstance(entry, Card)), None)
    sections = [
        _section(name, entry, texts, name == first) if isinstance(entry, Card) else _broken(name, entry, texts)
        for name, entry in models.items()
    ]
    nothing = f'<p class="mm-callout">{escape(texts("models.none"))}</p>'
    return (
        f'<div class="mm-models"><p class="mm-line"><span class="mm-note">{escape(texts("models.how"))}</span>'
        f'<button type="button" data-scan="1" class="mm-end">{escape(texts("models.rescan"))}</button></p>'
        f"{''.join(sections) or nothing}</div>"
    )


def estimate(entry: Any, metric: str, texts: Texts) -> str:
    """A figure with its 95 % interval in words; a dash where the card has none."""
    value = value_of(entry)
    if value is None:
        return "–"
    write = (lambda v: texts.decimal(v, 3)) if metric in AREAS else texts.percent
    if entry.get("low") is None or entry.get("high") is None:
        return write(value)
    return f"{write(value)} ({write(entry['low']).removesuffix(PERCENT)} – {write(entry['high'])})"


def _section(name: str, card: Card, texts: Texts, is_first: bool) -> str:
    """A checkpoint, or that its card is not to be read: a card may come from anywhere, with any figures."""
    try:
        return _model(name, card, texts, is_first)
    except Exception as error:
        logger.warning("the card of %s has figures of another form: %s", name, type(error).__name__)
        return _broken(name, CheckpointError(ODD), texts)


def _model(name: str, card: Card, texts: Texts, is_first: bool) -> str:
    facts = [
        ("for", escape(texts.term(card.intended_use))),
        ("notFor", _list(tuple(map(texts.term, card.not_for)))),
        ("limits", _list(tuple(map(texts.term, _limits(card))))),
        ("network", escape(_network(card, texts))),
        ("training", escape(_training(card, texts))),
        ("router", escape(_router(card, texts))),
        ("licence", escape(texts.term(card.licence))),
        ("hash", f"<code>{escape(card.sha256)}</code>"),
    ]
    rows = "".join(f"<dt>{escape(texts(f'models.{key}'))}</dt><dd>{words}</dd>" for key, words in facts if words)
    likely = card.bands["likely"]
    tasks = "".join(_task(task, card.metrics.get(task.name, {}), likely, texts) for task in card.layout.tasks)
    version = texts("models.version", version=texts.term(card.version), date=card.date)
    return (
        f'<details class="mm-model" {"open" if is_first else ""}><summary><h2>{escape(card.title)}</h2>'
        f'<span class="mm-note">{escape(name)} · {escape(version)}</span></summary>'
        f'<p class="mm-summary">{escape(texts.say(card.summary))}</p><dl>{rows}</dl>'
        f"<h3>{escape(texts('models.tasks'))}</h3>{tasks}</details>"
    )


def _limits(card: Card) -> tuple[str, ...]:
    """A card's limits less the caveats that the page shows with their tasks."""
    shown = {f"{task.name}: {task.caveat}" for task in card.layout.tasks}
    return tuple(limit for limit in card.limits if limit not in shown)


def _network(card: Card, texts: Texts) -> str:
    config = card.config
    words = {"family": config.family, "size": card.transform.size, "blocks": sum(config.depths)}
    return texts("models.networkWords", **words)


def _broken(name: str, error: MedMambaError, texts: Texts) -> str:
    return (
        f'<section class="mm-callout"><h3>{escape(name)}: {escape(texts("models.broken"))}</h3>'
        f"<p>{escape(texts.say(str(error)))}</p></section>"
    )


def _task(task: Task, metrics: Mapping[str, Any], likely: float, texts: Texts) -> str:
    accuracy = value_of(metrics.get("accuracy"))
    short = texts.percent(accuracy) if accuracy is not None else ""
    facts = "".join(
        f"<dt>{escape(texts(f'answer.card.{key}'))}</dt><dd>{escape(texts.term(words))}</dd>"
        for key, words in (("caveat", task.caveat), ("source", task.source), ("licence", task.licence))
        if words
    )
    return (
        f'<details class="mm-task"><summary><strong>{escape(title(texts.term(task.modality)))}</strong>'
        f"<span>{escape(texts.term(task.question))}</span><span>{short}</span></summary>"
        f"<dl>{facts}</dl>{_measured(task, metrics, likely, texts)}</details>"
    )


def _measured(task: Task, metrics: Mapping[str, Any], likely: float, texts: Texts) -> str:
    """What the test split gave: headline figures, a row for each class, the confusion matrix, the bands."""
    if not task.classes or not metrics:
        return f'<p class="mm-note">{escape(texts("models.unmeasured"))}</p>'
    headline = "".join(
        f"<div><dt>{escape(texts(f'models.{name}'))}</dt>"
        f"<dd>{escape(estimate(metrics.get(name), name, texts))}</dd></div>"
        for name in HEADLINE
    )
    labels = [texts.term(c.label) for c in task.classes]
    head = "".join(f'<th scope="col">{escape(texts(f"models.{name}"))}</th>' for name in BY_CLASS)
    by_class = metrics.get("classes", {})
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{escape(str(by_class.get(c.name, {}).get("support", "–")))}</td>'
        + "".join(f"<td>{escape(estimate(by_class.get(c.name, {}).get(name), name, texts))}</td>" for name in BY_CLASS)
        + "</tr>"
        for c, label in zip(task.classes, labels, strict=True)
    )
    matrix = metrics.get("confusion")
    figure = plots.confusion(matrix, labels, texts("models.true"), texts("models.answered")) if matrix else ""
    count = escape(texts("models.pictures", count=metrics.get("pictures", "–")))
    return (
        f'<p class="mm-note">{count}</p><dl class="mm-headline">{headline}</dl>'
        f'<div class="mm-table" tabindex="0" role="region" aria-label="{escape(texts("models.byClass"))}">'
        f"<table><thead><tr>"
        f'<th scope="col">{escape(texts("models.class"))}</th><th scope="col">{escape(texts("models.support"))}</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div class="mm-figures"><div class="mm-figure">{figure}</div>{_reliability(metrics, texts)}</div>'
        f"{_held_back(metrics, likely, texts)}{_bands(metrics.get('bands', {}), texts)}"
    )


def _reliability(metrics: Mapping[str, Any], texts: Texts) -> str:
    """The reliability diagram, how to read it, and its numbers; older cards have none."""
    bins = metrics.get("reliability")
    if not bins:
        return ""
    names = "bin", "support", "confidence", "right"
    head = "".join(f'<th scope="col">{escape(texts(f"models.{name}"))}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{low * 100:.0f} – {high * 100:.0f} %</th><td>{escape(str(row["pictures"]))}</td>'
        f"<td>{texts.percent(row['confidence'])}</td>"
        f"<td>{escape(estimate({'value': row['accuracy']} | row, 'accuracy', texts))}</td></tr>"
        for low, high, row in plots.filled(bins)
    )
    label = texts("models.reliability")
    figure = plots.reliability(bins, label, texts("models.confidence"), texts("models.right"))
    return (
        f'<figure class="mm-figure">{figure}<figcaption class="mm-note">{escape(texts("models.reliabilityHow"))}'
        f'</figcaption><details><summary>{escape(texts("models.numbers"))}</summary><div class="mm-table" tabindex="0" '
        f'role="region" aria-label="{escape(label)}"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f"</div></details></figure>"
    )


def _held_back(metrics: Mapping[str, Any], likely: float, texts: Texts) -> str:
    """That the page does not say "likely" for this question, where it does not."""
    if is_reliable(metrics, likely) is not False:
        return ""
    words = texts("models.heldBack", error=texts.percent(metrics["ece"]["value"]), limit=texts.percent(TRUSTED_ERROR))
    return f'<p class="mm-callout">{escape(words)}</p>'


def _bands(bands: Mapping[str, Any], texts: Texts) -> str:
    """How often each of the page's words was right on the test pictures."""
    rows = [
        texts(f"models.band.{kind}", pictures=entry["pictures"], right=texts.percent(entry.get("right", 0.0)))
        for kind, entry in bands.items()
        if kind != "uncertain" and entry["pictures"] > 0  # where none was right, older cards leave "right" out
    ]
    return _list(tuple(rows))


def _router(card: Card, texts: Texts) -> str:
    accuracy = card.metrics.get("router", {}).get("modality_accuracy")
    if value_of(accuracy) is None:
        return ""
    return texts("models.routerWords", share=estimate(accuracy, "accuracy", texts))


def _training(card: Card, texts: Texts) -> str:
    shown, seconds = card.training.get("pictures"), card.training.get("seconds")
    if not shown or not seconds:
        return ""
    return texts("models.trainingWords", shown=texts.decimal(shown, 0), hours=texts.decimal(seconds / 3600, 1))


def _list(lines: tuple[str, ...]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
