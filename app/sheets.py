"""Sheets of paper, written from the top down with matplotlib: the report on a picture, the results of a class.

The one font at hand is matplotlib's own, DejaVu Sans: it has no Chinese, Japanese or Korean and no emoji. What it
lacks is written as ``GAP``, and the last sheet says so.
"""

import functools
import io
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

A4 = (8.27, 11.69)  # inches
TOP, BOTTOM = 0.955, 0.04  # of a sheet
MARGIN = 0.08  # of its width
GAP = "□"
INK, QUIET, ALERT, RAIL = "#182027", "#51606b", "#8a4b00", "#dfe5e8"


class Sheets:
    """As many sheets as it takes; ``at`` is where the next line goes, as a share of the height.

    Args:
        notice: what is written at the top of every sheet, since sheets are handed on one by one.
        gaps: what is written at the end where a letter was missing in the font.
    """

    def __init__(self, notice: str, gaps: str) -> None:
        self.notice, self.gaps = notice, gaps
        self.has_gaps = False
        self.sheets: list[Figure] = []
        self.turn()

    @property
    def figure(self) -> Figure:
        """The sheet that is being written."""
        return self.sheets[-1]

    def turn(self) -> None:
        """Begin a new sheet."""
        self.sheets.append(Figure(figsize=A4))
        self.at = TOP
        self.write(self.notice, 10, "bold", ALERT)
        self.at -= height_of(5)

    def make_room(self, height: float) -> None:
        """Begin a new sheet where so much would not fit on this one."""
        if self.at - height < BOTTOM:
            self.turn()

    def write(
        self,
        words: str,
        size: float = 9,
        weight: str = "normal",
        colour: str = INK,
        left: float = MARGIN,
        width: float = 100,
    ) -> None:
        """Lines of text from ``left`` on. width: letters of 9 points in a line from margin to margin."""
        height = height_of(size)
        letters = int(width * 9 / size * (1 - left - MARGIN) / (1 - 2 * MARGIN))
        style: dict[str, Any] = {"fontsize": size, "fontweight": weight, "color": colour, "va": "top"}
        drawn = "".join(letter if letter.isspace() or ord(letter) in glyphs(weight) else GAP for letter in words)
        self.has_gaps |= drawn != words
        for line in textwrap.wrap(drawn, letters) or [""]:
            self.make_room(height)
            self.figure.text(left, self.at, line, **style, parse_math=False)
            self.at -= height

    def bar(self, share: float, colour: str, left: float, width: float, words: str) -> None:
        """A bar that is full for ``share`` = 1, beside the line that is written next, and words at the right margin."""
        self.make_room(height_of(9))
        axes = self.figure.add_axes((left, self.at - 0.0095, width, 0.006))
        axes.set_xlim(0, 1)
        axes.barh([0, 0], [1, share], color=[RAIL, colour])
        axes.set_axis_off()
        style: dict[str, Any] = {"fontsize": 9, "va": "top", "ha": "right", "color": INK, "parse_math": False}
        self.figure.text(1 - MARGIN, self.at, words, **style)

    def done(self) -> list[Figure]:
        """The sheets, once everything is written."""
        if self.has_gaps:
            self.write(self.gaps, colour=QUIET)
        return self.sheets


@functools.cache
def glyphs(weight: str) -> frozenset[int]:
    """The characters that the font has, as numbers."""
    return frozenset(get_font(findfont(FontProperties(weight=weight))).get_charmap())


def height_of(size: float) -> float:
    """A line's height, as a share of the sheet's, of letters of so many points."""
    return size * 1.5 / 72 / A4[1]


def pdf(sheets: Sequence[Figure]) -> bytes:
    """A PDF of the sheets; when it was made is not in it."""
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"Creator": "MedMamba", "CreationDate": None}) as pages:
        for sheet in sheets:
            pages.savefig(sheet)
    return buffer.getvalue()
