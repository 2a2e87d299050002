"""The report of a comparison: one HTML file that loads nothing, with copies of the pictures that it shows."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from medmamba import figures, timing
from medmamba.contenders import Contender
from medmamba.data import Split
from medmamba.paired import Verdict
from medmamba.percent import percent

TEMPLATE = Path(__file__).with_name("compare.html")
SHOWN_SIDE = 224  # pixels of the pictures


def pictures(
    verdict: Verdict, sides: tuple[Contender, Contender], splits: tuple[Split, Split], chosen: np.ndarray
) -> list[dict[str, Any]]:
    """For each chosen picture what the report shows: the picture, and each side's class, probability and map."""
    if not len(chosen):
        return []
    labels = [c.label for c in verdict.task.classes]
    maps = [side.maps(verdict.task, split.squares[chosen]) for side, split in zip(sides, splits, strict=True)]
    rows = []
    for row, place in enumerate(chosen):
        answers = []
        for side in (0, 1):
            of_picture = verdict.probabilities[side][place]
            square, found = splits[side].squares[place], maps[side]
            answers.append(
                {
                    "label": labels[of_picture.argmax()],
                    "probability": float(of_picture.max()),
                    "right": bool(of_picture.argmax() == verdict.labels[place]),
                    "map": None if found is None else png(overlay(square, found[row])),
                }
            )
        picture = max((split.squares[place] for split in splits), key=len)
        rows.append({"truth": labels[verdict.labels[place]], "picture": png(_shown(picture)), "answers": answers})
    return rows


def overlay(square: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture in grey with what speaks for the class in colour, its own largest cell the strongest."""
    from matplotlib import colormaps

    strength = Image.fromarray((cells / max(cells.max(), 1e-6)).clip(0, 1).astype(np.float32))
    smooth = np.asarray(strength.resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BILINEAR))[..., None]
    grey = np.repeat(_shown(square).mean(2, keepdims=True), 3, axis=2)
    colours = colormaps["inferno"](smooth[..., 0])[..., :3] * 255
    return (grey * (1 - 0.6 * smooth) + colours * 0.6 * smooth).astype(np.uint8)


def png(pixels: np.ndarray) -> str:
    """A picture (H, W, 3) uint8 as a data URI."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _shown(square: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(square).resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BILINEAR))


def html(
    sides: tuple[Contender, Contender],
    verdicts: list[Verdict],
    sections: list[list[dict[str, Any]]],
    timings: tuple[float, float],
    split: str,
) -> str:
    """The report."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        sides=[(letter, *pair) for letter, pair in zip("AB", zip(sides, timings, strict=True), strict=True)],
        tasks=list(zip(verdicts, sections, strict=True)),
        reliability=[png(figures.reliability_of(v.labels, v.probabilities, ("A", "B"))) for v in verdicts],
        split=split,
        percent=percent,
        machine=timing.machine(torch.device("cpu")),
    )
