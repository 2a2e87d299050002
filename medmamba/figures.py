"""Figures of an evaluation: confusion matrices, ROC curves, reliability, a map of the features; and of robustness."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.manifold import TSNE
from sklearn.metrics import ConfusionMatrixDisplay, roc_curve

from medmamba import calibrate
from medmamba.checkpoints import Card
from medmamba.metrics import CALIBRATION_BINS
from medmamba.observe import Observed
from medmamba.sanity import Likeness
from medmamba.tasks import Task

MAPPED = 80  # pictures of each task on the map of the features
PERPLEXITY = 30
FEWEST_ON_MAP = 3  # pictures that t-SNE can place


def draw(card: Card, seen: Mapping[str, Observed], folder: Path) -> list[Path]:
    """Write ``<task>.png`` for each observed task with classes; returns the files.

    ``features.png`` is among them where there are ``FEWEST_ON_MAP`` pictures.
    """
    drawn = []
    for task in card.layout.tasks:
        if not task.classes or task.name not in seen:
            continue
        own = seen[task.name]
        temperature = card.temperatures.get(task.name, 1.0)
        probabilities = calibrate.probabilities(own.logits[:, card.layout.outputs(task.name)], temperature)
        figure = Figure(figsize=(18, 6), layout="constrained")
        confusion, roc, reliability = figure.subplots(1, 3)
        _draw_confusion(confusion, task, own.labels, probabilities)
        _draw_roc(roc, task, own.labels, probabilities)
        _draw_reliability(reliability, own.labels, probabilities)
        figure.suptitle(f"{task.name}: {len(own)} pictures, {card.title} {card.version}")
        drawn.append(_write(figure, folder / f"{task.name}.png"))
    if sum(map(len, seen.values())) >= FEWEST_ON_MAP:
        drawn.append(draw_features(seen, folder / "features.png"))
    return drawn


def draw_features(seen: Mapping[str, Observed], path: Path) -> Path:
    """Write a t-SNE map of the last stage's mean features, a colour and marker a task."""
    figure = Figure(figsize=(10, 9), layout="constrained")
    _draw_features(figure.subplots(), seen)
    return _write(figure, path)


def draw_curves(found: Mapping[str, Any], title: str, path: Path) -> Path:
    """Write the curves of ``robustness.measure``: a panel a corruption, a thin line a task, a thick one their mean."""
    curves = found["mean"]["curves"]
    figure = Figure(figsize=(14, 6), layout="constrained", dpi=80)
    for axes, (name, mean) in zip(figure.subplots(2, 5, sharex=True, sharey=True).flat, curves.items(), strict=True):
        levels = np.arange(len(mean) + 1)
        for own in found["tasks"].values():
            axes.plot(levels, [own["clean"]["value"], *own["curves"][name]], color="grey", alpha=0.4, linewidth=0.8)
        axes.plot(levels, [found["mean"]["clean"], *mean], "o-", color="C0", linewidth=2)
        axes.set(title=name, xticks=levels, ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.supxlabel("level; 0 is the clean picture")
    figure.supylabel("balanced accuracy")
    figure.suptitle(f"{title}: each task (grey) and their mean")
    return _write(figure, path)


def draw_fields(rows: Mapping[str, Mapping[int, np.ndarray]], path: Path) -> Path:
    """Write receptive fields by title and stage, each on a logarithmic scale of its own four decades."""
    stages = len(next(iter(rows.values())))
    figure = Figure(figsize=(3 * stages, 3.2 * len(rows)), layout="constrained", dpi=80)
    panels = figure.subplots(len(rows), stages, squeeze=False)
    for line, (title, fields) in zip(panels, rows.items(), strict=True):
        for axes, (stage, field) in zip(line, fields.items(), strict=True):
            axes.imshow(np.log10(field / field.max() + 1e-4), cmap="cividis", vmin=-4, vmax=0)
            axes.set(xticks=[], yticks=[], title=f"{title}, stage {stage}")
    figure.suptitle("Weight of each pixel in the middle cell; from yellow to blue: a ten-thousandth")
    return _write(figure, path)


def draw_sanity(found: Sequence[Likeness], path: Path) -> Path:
    """Write how alike evidence maps are before and after randomisation."""
    figure = Figure(figsize=(10, 4), layout="constrained", dpi=80)
    for axes, mode in zip(figure.subplots(1, 2, sharey=True), ("cascade", "alone"), strict=True):
        steps = [step for step in found if step.mode == mode]
        places = np.arange(len(steps) + 1)
        values = np.array([(1, 1), *((step.correlation, step.ssim) for step in steps)], float)  # None as NaN: a gap
        axes.plot(places, values[:, 0], "o-", label="rank correlation")
        axes.plot(places, values[:, 1], "s--", label="SSIM")
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_xticks(places, ["none", *(step.part for step in steps)])
        axes.set(title={"cascade": "random from the head to ...", "alone": "random alone: ..."}[mode])
        axes.legend()
    figure.supylabel("likeness to the trained network's maps")
    return _write(figure, path)


def reliability_of(labels: np.ndarray, sides: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Reliability of several networks' probabilities (n, classes) side by side, as a picture (H, W, 3) uint8."""
    figure = Figure(figsize=(4.5 * len(sides), 4.5), layout="constrained", dpi=80)
    axes = figure.subplots(1, len(sides), squeeze=False)[0]
    for place, probabilities, title in zip(axes, sides, titles, strict=True):
        _draw_reliability(place, labels, probabilities)
        place.set_title(f"{title}: reliability, and share of pictures")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_confusion(axes: Axes, task: Task, labels: np.ndarray, probabilities: np.ndarray) -> None:
    ConfusionMatrixDisplay.from_predictions(
        labels,
        probabilities.argmax(1),
        labels=np.arange(len(task.classes)),
        display_labels=task.class_names,
        xticks_rotation=45,
        cmap="cividis",
        colorbar=False,
        ax=axes,
    )


def _draw_roc(axes: Axes, task: Task, labels: np.ndarray, probabilities: np.ndarray) -> None:
    for k, name in enumerate(task.class_names):
        own = labels == k
        if own.any() and not own.all():
            false, true, _ = roc_curve(own, probabilities[:, k])
            axes.plot(false, true, label=name)
    axes.plot((0, 1), (0, 1), "--", color="grey")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal", title="One class against the rest")
    axes.legend(loc="lower right", fontsize="small")


def _draw_reliability(axes: Axes, labels: np.ndarray, probabilities: np.ndarray) -> None:
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    observed, predicted = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)
    axes.plot((0, 1), (0, 1), "--", color="grey")
    axes.plot(predicted, observed, "o-")
    axes.hist(
        confidence,
        bins=CALIBRATION_BINS,
        range=(0, 1),
        weights=np.full(len(confidence), 1 / len(confidence)),
        alpha=0.3,
    )
    axes.set(
        xlabel="probability given",
        ylabel="share that was right",
        aspect="equal",
        title="Reliability, and share of pictures",
    )


def _draw_features(axes: Axes, seen: Mapping[str, Observed]) -> None:
    chosen = {name: np.random.default_rng(0).permutation(len(own))[:MAPPED] for name, own in seen.items()}
    features = np.concatenate([seen[name].features[rows] for name, rows in chosen.items()])
    begin = "pca" if np.ptp(features, axis=0).any() else "random"  # principal components need something that varies
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    points = TSNE(perplexity=perplexity, init=begin, random_state=0).fit_transform(features)
    start = 0
    for number, (name, rows) in enumerate(chosen.items()):
        x, y = points[start : start + len(rows)].T
        axes.scatter(x, y, s=12, label=name, marker="o^sD"[number // 10 % 4], color=f"C{number % 10}")
        start += len(rows)
    axes.set(xticks=[], yticks=[], title="t-SNE of the last stage's mean features")
    axes.legend(fontsize="small")


def _write(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)  # a task's name may have folders in it
    FigureCanvasAgg(figure).print_png(path)
    return path
