"""One page on one picture, as PDF or PNG: what was seen, what was answered, with what settings. No identifiers.

Drawn with matplotlib, which gives both formats from one layout.
"""

import io
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from app import present
from app.frames import full_window
from app.service import Analysis
from app.sheets import ALERT, MARGIN, QUIET, Sheets, height_of, pdf
from app.texts import Texts
from medmamba.deck import title
from medmamba.errors import RequestError
from medmamba.images import MedicalImage, Window
from medmamba.saliency import EvidenceMap

COLORMAPS = {"cividis": "cividis", "viridis": "viridis", "inferno": "inferno", "grey": "gray"}
SIGNED = "PuOr_r"
FULL_COLOUR = 0.4  # as in viewer/overlay.js
DPI = 150  # of a PNG
LONGEST = 1400  # pixels of a picture in the report
BAR = "#0a6f66"


@dataclass(frozen=True)
class Look:
    """How the visitor looks at the picture. window: (centre, width, function), or None for the picture's own."""

    opacity: float = 0.6
    colormap: str = "cividis"
    signed: bool = False
    window: tuple[float, float, str] | None = None

    def __post_init__(self) -> None:
        if self.colormap not in COLORMAPS:
            raise RequestError(f"There is no colour map {self.colormap!r}; there are: {', '.join(COLORMAPS)}.")
        if not 0 <= self.opacity <= 1:
            raise RequestError("The opacity must lie between 0 and 1.")


def overlay(display: np.ndarray, map_: EvidenceMap, look: Look) -> np.ndarray:
    """The picture with the map over it, as the viewer draws it: transparent where the evidence is weak."""
    share = np.clip(map_.smooth(*display.shape[:2]) / map_.reference, -1, 1)
    strength = np.abs(share) if look.signed else np.maximum(share, 0)
    place = (share + 1) / 2 if look.signed else strength
    colour = colormaps[SIGNED if look.signed else COLORMAPS[look.colormap]](place)[..., :3] * 255
    opacity = (look.opacity * np.minimum(1, strength / FULL_COLOUR))[..., None]
    return np.rint(display * (1 - opacity) + colour * opacity).astype(np.uint8)


def render(analysis: Analysis, map_: EvidenceMap | None, look: Look, texts: Texts, kind: str) -> bytes:
    """The report's bytes.

    Raises:
        RequestError: there is no such format or look.
    """
    if kind not in FORMATS:
        raise RequestError(f"There is no report as {kind!r}; there are: {', '.join(FORMATS)}.")
    display = _fitting(_drawn(analysis.image, look))
    page = _Page(texts)
    page.head(secrets.token_hex(4))
    page.pictures(display, None if map_ is None else overlay(display, map_, look))
    page.answer(analysis)
    page.settings(analysis, map_, look)
    return FORMATS[kind](page.done())


def _window(image: MedicalImage, look: Look) -> Window:
    """The window on the screen: one of the file's, whose table the page does not send back, or one by its formula."""
    if look.window is None:
        return image.window or full_window(image)
    # Those that the page offers, the default last: it is not named, and another table may cover the same span.
    named = (w for w in reversed(image.windows[:2]) if (w.centre, w.width, w.function) == look.window)
    return next(named, None) or Window(*look.window)


def _drawn(image: MedicalImage, look: Look) -> np.ndarray:
    """The picture as on the screen, where colours have a window, too: each channel goes through it."""
    window = _window(image, look)
    if not image.is_colour:
        return image.display(window)
    levels = np.floor(window.apply(np.arange(256)) * 255 + 0.5).astype(np.uint8)
    return levels[image.display()]


def _png(sheets: list[Figure]) -> bytes:
    """The sheets below one another."""
    drawn = []
    for sheet in sheets:
        sheet.set_dpi(DPI)
        canvas = FigureCanvasAgg(sheet)
        canvas.draw()
        drawn.append(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(drawn)).save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


FORMATS: dict[str, Callable[[list[Figure]], bytes]] = {"pdf": pdf, "png": _png}


class _Page(Sheets):
    """A report, part after part."""

    def __init__(self, texts: Texts) -> None:
        super().__init__(texts("report.notice"), texts("report.gaps"))
        self.texts = texts

    def skip(self, lines: float = 0.7) -> None:
        self.at -= lines * height_of(9)

    def head(self, identifier: str) -> None:
        self.write(self.texts("report.title"), 17, "bold")
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        self.write(self.texts("report.made", made=made, id=identifier), colour=QUIET)
        self.skip()

    def pictures(self, display: np.ndarray, marked: np.ndarray | None) -> None:
        height = 0.30
        shown = [(self.texts("viewer.original"), display)]
        shown += [] if marked is None else [(self.texts("viewer.overlay"), marked)]
        for i, (caption, pixels) in enumerate(shown):
            axes = self.figure.add_axes((MARGIN + i * 0.43, self.at - height - 0.015, 0.41, height))
            axes.imshow(pixels, interpolation="bilinear")
            axes.set_title(caption, fontsize=9, color=QUIET, loc="left")
            axes.set_axis_off()
        self.at -= height + 0.03

    def answer(self, analysis: Analysis) -> None:
        texts, answer = self.texts, analysis.answer
        self.write(title(texts.term(analysis.task.modality)), 14, "bold")
        self.write(texts.term(analysis.task.question), 10)
        if answer.modalities:
            share = self.texts.percent(dict(answer.modalities)[analysis.task.modality])
            self.write(texts(f"report.by.{answer.chosen_by}", percent=share), colour=QUIET)
        if analysis.is_refused:
            self.write(texts("answer.refused.shown"), 10, "bold", ALERT)
        self.write(present.band_words(analysis, texts), 11, "bold")
        if analysis.band is not None and analysis.band.held_back:
            self.write(present.band_note(analysis, texts), colour=QUIET)
        if missed := present.missed_words(analysis, texts):
            self.write(missed)
        self.skip(0.4)
        for score in sorted(answer.scores, key=lambda score: -score.probability):
            self.bar(score.probability, BAR, 0.5, 0.34, texts.percent(score.probability))
            self.write(texts.term(score.label), width=62)
        if words := present.prediction_set_words(analysis, texts):
            self.write(texts("report.set", words=" · ".join(words)), colour=QUIET)
        self.skip()

    def settings(self, analysis: Analysis, map_: EvidenceMap | None, look: Look) -> None:
        texts, card = self.texts, analysis.card
        lines = [texts("report.frame", frame=analysis.image.frame + 1, frames=analysis.image.frames)]
        window = _window(analysis.image, look)
        lines.append(texts("viewer.wl", centre=_figure(window.centre, texts), width=_figure(window.width, texts)))
        if map_ is not None:
            label = texts.term(next(c.label for c in analysis.task.classes if c.name == map_.class_name))
            method = texts(f"method.{map_.method}")
            colours = texts("viewer.signed") if look.signed else texts(f"colormap.{look.colormap}")
            lines.append(texts("report.map", label=label, method=method, stage=map_.stage, colours=colours))
        self.write(" · ".join(lines), colour=QUIET)
        self.write(_sides(analysis.image, texts), colour=QUIET)
        if map_ is not None:
            self.write(present.map_note(map_, analysis, texts), colour=QUIET)
        for warning in analysis.warnings:
            self.write(texts.say(warning), colour=QUIET)
        self.write(f"{texts('answer.card.caveat')}: {texts.term(analysis.task.caveat)}", colour=QUIET)
        self.write(f"{card.title}, {texts('models.version', version=card.version, date=card.date)}", colour=QUIET)
        self.write(f"SHA-256 {card.sha256}", 8, colour=QUIET)


def _figure(value: float, texts: Texts) -> str:
    """A window's number as on the screen (viewer/viewer.js)."""
    written = str(math.floor(value + 0.5)) if abs(value) >= 10 else f"{value:.3g}"
    return written.replace(".", texts("number.decimal"))


def _sides(image: MedicalImage, texts: Texts) -> str:
    """Which side is which, as far as the file says, and that the report shows the picture as the file has it."""
    if image.orientation:
        left, right, _, _ = image.orientation
        sides = texts("report.sides", left=left, right=right)
    else:
        sides = texts("viewer.orientationUnknown")
    return f"{sides} · {texts('report.asFiled')}"


def _fitting(display: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(display)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(picture)
