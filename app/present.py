"""Results into words, numbers and HTML fragments. Whatever comes from a card or a file is escaped here."""

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from app.service import Analysis
from app.texts import PERCENT, Texts
from medmamba.checkpoints import Card
from medmamba.classifier import TRUSTED_ERROR
from medmamba.deck import title
from medmamba.images import MedicalImage
from medmamba.saliency import LAST_STAGE, DeletionScore, EvidenceMap
from medmamba.tasks import Task

SELDOM = 0.5  # of a class's test pictures: where fewer were recognised, an answer does not rule the class out
RELIABLE = 0.8  # share of random tenths that the marked one must beat


def answer(
    analysis: Analysis,
    texts: Texts,
    anyway: bool = False,
    class_name: str | None = None,
    checkpoints: Mapping[str, Card] | None = None,
    sets: bool = False,
) -> str:
    """The whole panel beside the picture; with several checkpoints, also the choice between them.

    anyway: show a refused picture's answer. sets: show the prediction set.
    """
    refused = analysis.is_refused
    answered = anyway or not refused
    parts = [_recognised(analysis, texts) if answered else _nearest(analysis, texts)]
    if not answered:
        parts.append(_refusal(analysis, texts))
    elif not analysis.task.classes:
        parts.append(f'<p class="mm-callout">{escape(texts("answer.noClasses"))}</p>')
    else:
        parts += [_shown_anyway(texts) if refused else "", _band(analysis, texts), _bars(analysis, texts, class_name)]
        parts += [_prediction_set(analysis, texts, sets), _prevalence(analysis, texts)]
    if is_shown(analysis, anyway):
        parts.append(_report(texts))
    parts += [
        _checkpoints(analysis, texts, checkpoints or {}),
        _warnings(analysis, texts),
        _card(analysis, texts) if answered else "",
        _seen(analysis, texts),
    ]
    return f'<div class="mm-answer">{"".join(parts)}</div>'


def other_models(failed: str, others: Mapping[str, Card], texts: Texts) -> str:
    """The panel where a model cannot be used: its title, and the others to choose from; empty without any."""
    if not others:
        return ""
    ask = f'<option selected disabled value="">{escape(texts("answer.broken.choose"))}</option>'
    title, advice = escape(texts("answer.broken.title", model=failed)), escape(texts("answer.broken"))
    return (
        f'<div class="mm-answer"><section class="mm-callout mm-refusal" role="status"><h3>{title}</h3><p>{advice}</p>'
        f"</section>{_checkpoint_choice(others, texts, ask)}</div>"
    )


def is_shown(analysis: Analysis, anyway: bool) -> bool:
    """Whether probabilities are on the page: there are classes, and the picture is not refused."""
    return bool(analysis.answer.scores) and (anyway or not analysis.is_refused)


def evidence(map_: EvidenceMap, analysis: Analysis, texts: Texts) -> dict[str, Any]:
    """A map for the viewer: numbers, and the sentence under it."""
    label = texts.term(_label(analysis.task, map_.class_name))
    note = map_note(map_, analysis, texts)
    return {
        "values": np.round(map_.values.astype(float), 5).tolist(),
        "reference": map_.reference,
        "className": map_.class_name,
        "method": map_.method,
        "stage": map_.stage,
        "label": label,
        "note": note,
    }


def map_note(map_: EvidenceMap, analysis: Analysis, texts: Texts) -> str:
    """What a map is and is not, its cells, and whether its method and scale mean anything beyond itself."""
    if not map_.is_positive_anywhere:
        return texts("evidence.none", label=texts.term(_label(analysis.task, map_.class_name)))
    notes = [map_size(map_, analysis.image, texts)]
    is_cam = (map_.method, map_.stage) == ("grad-cam", LAST_STAGE)
    if not is_cam:
        notes.append(texts("evidence.early" if map_.method == "grad-cam" else "evidence.compared"))
    if not (is_cam and analysis.answer.task in analysis.card.evidence_scale):
        notes.append(texts("evidence.relative"))
    return " ".join(notes)


def map_size(map_: EvidenceMap, image: MedicalImage, texts: Texts) -> str:
    """What a map shows, and how coarse it is on the picture."""
    rows, columns = map_.values.shape
    height, width = image.pixels.shape[:2]
    return texts("evidence.note", rows=rows, columns=columns, height=round(height / rows), width=round(width / columns))


def trust(score: DeletionScore, texts: Texts) -> str:
    """One line on how far a map can be relied on."""
    result = texts(
        "trust.result",
        change=texts.signed(-score.fall * 100, 1),
        random=texts.signed(-score.random_fall * 100, 1),
        beaten=f"{score.beaten * 100:.0f}{PERCENT}",
    )
    good = score.beaten >= RELIABLE and score.fall > 0
    return f"{result} {texts('trust.good' if good else 'trust.poor')}"


def _recognised(analysis: Analysis, texts: Texts) -> str:
    """Modality and task, how sure the router is, and the other tasks at a click."""
    given, task = analysis.answer, analysis.task
    eyebrow = {"router": "answer.recognised", "user": "answer.chosen", "only": "answer.only"}[given.chosen_by]
    certainty, override = "", ""
    if given.modalities:
        modality, probability = given.modalities[0]
        if given.chosen_by == "router":
            probability = dict(given.modalities)[task.modality]
            certainty = (
                f'<span class="mm-certainty">{texts("answer.certainty", percent=texts.percent(probability))}</span>'
            )
        else:
            words = texts("answer.byUser", modality=texts.term(modality), percent=texts.percent(probability))
            override = f'<p class="mm-note mm-override">{escape(words)}</p>'
    return (
        f'<header class="mm-recognised"><p class="mm-eyebrow">{escape(texts(eyebrow))}</p>'
        f"<h2><span>{escape(title(texts.term(task.modality)))}</span>{certainty}</h2>"
        f'<p class="mm-question">{escape(texts.term(task.question))}</p>{override}{_tasks(analysis, texts)}</header>'
    )


def _nearest(analysis: Analysis, texts: Texts) -> str:
    """What a refused picture comes nearest to, without the certainty and the question that would make it an answer."""
    return (
        f'<header class="mm-recognised"><h2><span>{escape(nearest(analysis, texts))}</span></h2>'
        f"{_tasks(analysis, texts)}</header>"
    )


def nearest(analysis: Analysis, texts: Texts) -> str:
    """The kind of picture that a refused one comes nearest to, said as no more than that."""
    return texts("answer.nearest", modality=texts.term(analysis.task.modality))


def _tasks(analysis: Analysis, texts: Texts) -> str:
    """A select with every task that may be asked of a visitor's picture, the most probable first."""
    offered = {task.name: task for task in analysis.card.layout.tasks if task.uploads}
    if len(offered) < 2:
        return ""
    order = [name for name, _ in analysis.answer.routes] or list(offered)
    chance = dict(analysis.answer.routes)
    options = []
    if analysis.answer.routes:
        chosen = " selected" if analysis.answer.chosen_by == "router" else ""
        options.append(f'<option value=""{chosen}>{escape(texts("answer.router"))}</option>')
    for name in order:
        words = task_title(offered[name], texts)
        mark = " selected" if analysis.answer.chosen_by == "user" and name == analysis.answer.task else ""
        share = f" ({texts.percent(chance[name])})" if name in chance else ""
        options.append(f'<option value="{escape(name)}"{mark}>{escape(words + share)}</option>')
    choice = f'<select data-ask="task">{"".join(options)}</select>'
    return f'<label class="mm-field">{escape(texts("answer.other"))}{choice}</label>'


def task_title(task: Task, texts: Texts) -> str:
    """A task as one of several to choose from."""
    modality = title(texts.term(task.modality))
    question = texts.term(task.question)
    return texts("answer.otherOption", modality=modality, question=question) if question else modality


def band_words(analysis: Analysis, texts: Texts) -> str:
    """The probabilities in words; empty for a task without classes."""
    band = analysis.band
    if band is None:
        return ""
    if band.held_back:
        return texts(f"answer.band.{band.held_back}")
    labels = dict(zip(("first", "second"), (texts.term(label) for label in band.labels), strict=False))
    return texts(f"answer.band.{band.kind}", **labels)


def band_note(analysis: Analysis, texts: Texts) -> str:
    """What the words rest on, or why they are held back."""
    band, metrics = analysis.band, analysis.card.metrics.get(analysis.answer.task, {})
    if band is None or not band.held_back:
        return texts("answer.bandNote", share=texts.percent(analysis.card.bands["likely"]))
    error = value_of(metrics.get("ece")) or 0.0
    return texts(f"answer.bandNote.{band.held_back}", error=texts.percent(error), limit=texts.percent(TRUSTED_ERROR))


def missed_words(analysis: Analysis, texts: Texts) -> str:
    """The classes that an answer does not rule out, as the network misses most of their pictures; empty without any."""
    others = [score for score in analysis.answer.scores if score != analysis.answer.top]
    shares = ((class_accuracy(analysis, score.name), score.label) for score in others)
    missed = sorted((share, label) for share, label in shares if share is not None and share < SELDOM)
    labels = (f"{texts.term(label)} ({texts.percent(share)})" for share, label in missed)
    return texts("answer.missed", labels=", ".join(labels)) if missed else ""


def _band(analysis: Analysis, texts: Texts) -> str:
    kind = analysis.band.kind if analysis.band else ""
    notes = filter(None, (band_note(analysis, texts), missed_words(analysis, texts)))
    return (
        f'<p class="mm-band mm-band-{kind}" role="status"><strong>{escape(band_words(analysis, texts))}</strong>'
        f"{''.join(f'<small>{escape(note)}</small>' for note in notes)}</p>"
    )


def _bars(analysis: Analysis, texts: Texts, class_name: str | None) -> str:
    """Every class, the most probable first, as a button that shows its map."""
    shown = class_name or (analysis.answer.top.name if analysis.answer.top else None)
    rows = []
    for score in sorted(analysis.answer.scores, key=lambda score: -score.probability):
        label = escape(texts.term(score.label))
        share = class_accuracy(analysis, score.name)
        measured = (
            f"<small>{escape(texts('answer.right', share=texts.percent(share)))}</small>" if share is not None else ""
        )
        rows.append(
            f'<li><button type="button" data-class="{escape(score.name)}" aria-pressed="{_json(score.name == shown)}" '
            f'title="{escape(texts("answer.mapOf", label=texts.term(score.label)))}">'
            f'<span class="mm-label">{label}</span><span class="mm-value">{texts.percent(score.probability)}</span>'
            f'<span class="mm-track"><span style="width:{score.probability * 100:.2f}%"></span></span>'
            f"{measured}</button></li>"
        )
    return f'<h3>{escape(texts("answer.classes"))}</h3><ol class="mm-bars">{"".join(rows)}</ol>'


def _prediction_set(analysis: Analysis, texts: Texts, shown: bool) -> str:
    """A switch for the classes that the picture may be of; the browser hides and shows them at once."""
    if analysis.answer.prediction_set is None:
        return ""
    words = "".join(f"<p>{escape(line)}</p>" for line in prediction_set_words(analysis, texts))
    return (
        f'<div class="mm-set"><label class="mm-line"><input type="checkbox" role="switch" data-sets="1"'
        f"{' checked' if shown else ''}>{escape(texts('answer.set.show'))}</label>"
        f'<div data-part="set" role="status"{"" if shown else " hidden"}>{words}</div></div>'
    )


def prediction_set_words(analysis: Analysis, texts: Texts) -> list[str]:
    """The prediction set, and how often such sets held the truth on test pictures; empty where there is none."""
    found = analysis.answer.prediction_set
    if found is None:
        return []
    labels = ", ".join(texts.term(_label(analysis.task, name)) for name in found.names)
    lines = [texts("answer.set.classes", labels=labels, count=len(found.names), all=len(analysis.answer.scores))]
    if found.coverage is None:
        return [*lines, texts("answer.set.unmeasured")]
    lines.append(texts("answer.set.coverage", **{name: texts.percent(share) for name, share in found.coverage.items()}))
    return [*lines, texts("answer.set.short")] if found.falls_short else lines


def _prevalence(analysis: Analysis, texts: Texts) -> str:
    """What the probabilities take for granted, and a slider for what holds elsewhere; viewer/prevalence.js moves it.

    Only classes that the card has a prior for, and that are neither all of its pictures nor none.
    """
    priors = analysis.card.priors.get(analysis.answer.task, {})
    offered = [score for score in analysis.answer.scores if 0 < priors.get(score.name, 0) < 1]
    if not offered:
        return ""
    options = "".join(
        f'<option value="{escape(score.name)}" data-probability="{score.probability}" '
        f'data-prior="{priors[score.name]}">{escape(texts.term(score.label))}</option>'
        for score in sorted(offered, key=lambda score: -score.probability)
    )
    return (
        f'<details class="mm-details mm-prevalence" data-part="prevalence" data-task="{escape(analysis.answer.task)}">'
        f"<summary>{escape(texts('answer.prevalence'))}</summary>"
        f'<p class="mm-note">{escape(texts("answer.prevalence.why"))}</p>'
        f'<label class="mm-field">{escape(texts("answer.prevalence.class"))}'
        f'<select data-prevalence="class">{options}</select></label>'
        f'<label class="mm-field">{escape(texts("answer.prevalence.share"))}'
        '<input type="range" data-prevalence="share" step="0.05"></label>'
        '<p data-part="revised" role="status"></p></details>'
    )


def class_accuracy(analysis: Analysis, class_name: str) -> float | None:
    """Share of a class's test pictures that the model recognised, if its card says."""
    classes = analysis.card.metrics.get(analysis.answer.task, {}).get("classes", {})
    return value_of(classes.get(class_name, {}).get("sensitivity"))


def value_of(estimate: Any) -> float | None:
    """The value of a metric with its interval; None where the card has none."""
    value = estimate.get("value") if isinstance(estimate, dict) else None
    return None if value is None else float(value)


def _refusal(analysis: Analysis, texts: Texts) -> str:
    novelty = analysis.answer.novelty
    assert novelty is not None, "refused by its novelty score"
    words = texts(
        "answer.refused.text",
        modality=texts.term(analysis.task.modality),
        score=texts.decimal(novelty.score, 2),
        limit=texts.decimal(novelty.threshold, 2),
    )
    return (
        f'<section class="mm-callout mm-refusal" role="status"><h3>{escape(texts("answer.refused.title"))}</h3>'
        f"<p>{escape(words)}</p>"
        f'<button type="button" data-anyway="1">{escape(texts("answer.refused.anyway"))}</button></section>'
    )


def _checkpoints(analysis: Analysis, texts: Texts, checkpoints: Mapping[str, Card]) -> str:
    if len(checkpoints) < 2:
        return ""
    return _checkpoint_choice(checkpoints, texts, chosen=analysis.checkpoint)


def _checkpoint_choice(
    checkpoints: Mapping[str, Card], texts: Texts, options: str = "", chosen: str | None = None
) -> str:
    """options: what stands before the checkpoints."""
    for name, card in checkpoints.items():
        mark = " selected" if name == chosen else ""
        options += f'<option value="{escape(name)}"{mark}>{escape(card.title)}</option>'
    choice = f'<select data-ask="checkpoint">{options}</select>'
    return f'<label class="mm-field">{escape(texts("answer.checkpoint"))}{choice}</label>'


def _report(texts: Texts) -> str:
    buttons = "".join(f'<button type="button" data-report="{kind}">{kind.upper()}</button>' for kind in ("pdf", "png"))
    return f'<p class="mm-line mm-reports"><span class="mm-note">{escape(texts("answer.report"))}</span>{buttons}</p>'


def _shown_anyway(texts: Texts) -> str:
    return f'<p class="mm-callout mm-refusal">{escape(texts("answer.refused.shown"))}</p>'


def _warnings(analysis: Analysis, texts: Texts) -> str:
    if not analysis.warnings:
        return ""
    rows = "".join(f"<li>{escape(texts.say(warning))}</li>" for warning in analysis.warnings)
    return f'<section class="mm-warnings"><h3>{escape(texts("answer.warnings"))}</h3><ul>{rows}</ul></section>'


def _card(analysis: Analysis, texts: Texts) -> str:
    """The task's card in plain words."""
    task = analysis.task
    rows = [
        (key, texts.term(words))
        for key, words in (("caveat", task.caveat), ("source", task.source), ("licence", task.licence))
    ]
    measured = task_figures(analysis.card.metrics.get(task.name, {}), texts)
    rows += [("measured", measured)] if measured else []
    terms = "".join(
        f"<dt>{escape(texts(f'answer.card.{key}'))}</dt><dd>{escape(words)}</dd>" for key, words in rows if words
    )
    return (
        f'<details open class="mm-details"><summary>{escape(texts("answer.card"))}</summary><dl>{terms}</dl></details>'
    )


def task_figures(metrics: dict[str, Any], texts: Texts) -> str:
    """A task's main test figures in one line."""
    accuracy, auc = value_of(metrics.get("accuracy")), value_of(metrics.get("auc"))
    figures = [] if accuracy is None else [texts("metric.accuracy", value=texts.percent(accuracy))]
    figures += [] if auc is None else [texts("metric.auc", value=texts.decimal(auc, 3))]
    return ", ".join(figures)


def _seen(analysis: Analysis, texts: Texts) -> str:
    size = analysis.answer.seen.shape[0]
    words = texts("answer.seen", size=size)
    seconds = analysis.seconds
    took = texts("answer.kept") if seconds is None else texts("answer.took", milliseconds=round(seconds * 1000))
    facts = f"{analysis.card.title} {analysis.card.version} · {took}"
    return (
        f'<details class="mm-details"><summary>{escape(texts("answer.details"))}</summary>'
        f'<img class="mm-seen" src="{png_address(analysis.answer.seen)}" alt="{escape(words)}" '
        f'width="{size}" height="{size}">'
        f'<p class="mm-note">{escape(words)}</p></details><p class="mm-note mm-facts">{escape(facts)}</p>'
    )


def png_address(pixels: np.ndarray) -> str:
    """Pixels as a data address, freshly encoded and without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _label(task: Task, class_name: str) -> str:
    return next(c.label for c in task.classes if c.name == class_name)


def _json(value: bool) -> str:
    return "true" if value else "false"
