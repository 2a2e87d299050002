"""A session to keep: every answer as CSV, and the results as PDF. Without names unless they are asked for."""

import csv
import io
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.figure import Figure
from PIL import Image

from app.classroom import views
from app.classroom.results import CaseResult, Results, Tally
from app.classroom.store import Case, Room, RoomStore
from app.opinion import Opinion
from app.texts import Texts

A4 = (8.27, 11.69)  # inches
MARGIN = 0.08  # of the page's width
INK, QUIET, STUDENTS, NETWORK, RAIL = "#182027", "#51606b", "#0a6f66", "#8a4b00", "#dfe5e8"
CASES_A_PAGE = 6
NAMES_A_PAGE = 200  # of 24 letters, at a hundred letters a line
HEADER = (
    *("case", "truth", "network", "network_refused"),
    *("student", "answer", "right", "confidence", "mark_x", "mark_y"),
)


def table(store: RoomStore, room: Room, names: bool) -> str:
    """The answers as CSV, one a row; students are numbers, or nicknames where asked for."""
    shown = {case.position: case for case in store.cases(room) if case.position <= room.stage.position}
    labels = {student.number: _cell(student.label) for student in store.students(room)} if names else {}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for answer in store.answers(room):
        case, reply = shown[answer.position], answer.reply
        said = Opinion(**(case.network or {}))
        refused = int(said.refused) if said.choice else ""
        x, y = ("", "") if reply.mark is None else (f"{share:.4f}" for share in reply.mark)
        student = labels.get(answer.student, answer.student)
        right = int(reply.choice == case.truth)
        classes = [_cell(name) for name in (case.truth, said.choice or "", reply.choice)]
        says = [case.position + 1, *classes[:2], refused]
        writer.writerow([*says, student, classes[2], right, reply.confidence, x, y])
    return out.getvalue()


def sheet(store: RoomStore, room: Room, texts: Texts, names: bool) -> bytes:
    """The results as PDF: one page of figures, then the cases with their pictures; nicknames where asked for."""
    result = views.session(store, room)
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"Creator": "MedMamba", "CreationDate": None}) as pdf:
        summary = _Page(texts, room)
        summary.head()
        summary.figures(result, len(store.students(room)))
        pdf.savefig(summary.figure)
        if names:
            for figure in _list_of(
                f"{texts('class.students')}: ", [s.label for s in store.students(room)], texts, room
            ):
                pdf.savefig(figure)
        cases = store.cases(room)[: len(result.cases)]
        for start in range(0, len(cases), CASES_A_PAGE):
            page = _Page(texts, room)
            for case, outcome in zip(cases[start:][:CASES_A_PAGE], result.cases[start:], strict=False):
                page.case(case, outcome, store.picture_of(case.id))
            pdf.savefig(page.figure)
    return buffer.getvalue()


def _list_of(title: str, labels: list[str], texts: Texts, room: Room) -> Iterator[Figure]:
    """Sheets with the nicknames of a class, as many as it takes."""
    for start in range(0, len(labels), NAMES_A_PAGE):
        page = _Page(texts, room)
        page.write(title + ", ".join(labels[start:][:NAMES_A_PAGE]), colour=QUIET)
        yield page.figure


class _Page:
    """A sheet that is written from the top down; ``at`` is where the next line goes, as a share of the height."""

    def __init__(self, texts: Texts, room: Room) -> None:
        self.texts, self.room, self.at = texts, room, 0.955
        self.figure = Figure(figsize=A4)
        FigureCanvasPdf(self.figure)
        self.labels = {name: texts.term(label) for name, label in room.classes}

    def write(
        self, words: str, size: float = 9, weight: str = "normal", colour: str = INK, left: float = MARGIN
    ) -> None:
        width = int(100 * 9 / size * (1 - left - MARGIN) / (1 - 2 * MARGIN))
        for line in textwrap.wrap(words, width) or [""]:
            style = {"fontsize": size, "fontweight": weight, "color": colour, "va": "top", "parse_math": False}
            self.figure.text(left, self.at, line, **style)  # type: ignore[arg-type]
            self.at -= size * 1.5 / 72 / A4[1]

    def head(self) -> None:
        self.write(self.texts("class.pdf.title", title=self.room.title), 17, "bold")
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        model = f" · {self.room.model}" if self.room.model else ""
        self.write(made + model, colour=QUIET)
        self.write(self.texts("report.notice"), 10, "bold", "#8a4b00")
        self.at -= 0.015

    def figures(self, result: Results, students: int) -> None:
        texts = self.texts
        self.write(texts("class.pdf.counts", students=students, cases=len(result.cases), answers=result.students.of))
        self.at -= 0.01
        self.write(texts("class.result.against"), 13, "bold")
        self.bar(texts("class.result.students"), result.students, STUDENTS)
        self.bar(texts("class.result.vote"), result.vote, STUDENTS)
        self.bar(texts("class.result.network"), result.network, NETWORK)
        differ = result.differences
        self.at -= 0.008
        words = {"student": differ.student, "network": differ.network, "neither": differ.neither}
        self.write(texts("class.result.differ", **words))
        if result.declined:
            self.write(texts("class.result.declined", count=result.declined))
        self.at -= 0.012
        self.write(texts("class.result.classes"), 13, "bold")
        for entry in result.classes:
            self.bar(self.labels[entry.name], entry.students, STUDENTS)
            self.bar(texts("class.result.network"), entry.network, NETWORK, indent=0.02)
        self.at -= 0.012
        self.write(texts("class.result.confidence"), 13, "bold")
        for level, tally in result.confidence.items():
            self.bar(texts(f"class.confidence.{level}"), tally, STUDENTS)

    def bar(self, label: str, tally: Tally, colour: str, indent: float = 0.0) -> None:
        """A label, a bar for the share that was right, and the counts."""
        axes = self.figure.add_axes((0.52, self.at - 0.0095, 0.28, 0.006))
        axes.set_xlim(0, 1)
        axes.barh([0, 0], [1, tally.share or 0], color=[RAIL, colour])
        axes.set_axis_off()
        counts = f"{tally.right} / {tally.of}"
        self.figure.text(1 - MARGIN, self.at, counts, fontsize=9, color=INK, va="top", ha="right")
        words = textwrap.shorten(label, 64, placeholder=" …")
        self.write(words, colour=QUIET if indent else INK, left=MARGIN + indent)

    def case(self, case: Case, outcome: CaseResult, picture: bytes | None) -> None:
        """A picture, and beside it what was answered."""
        top, height = self.at, 0.135
        axes = self.figure.add_axes((MARGIN, top - height, 0.19, height))
        axes.set_axis_off()
        if picture is not None:
            axes.imshow(Image.open(io.BytesIO(picture)), cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
        texts, left = self.texts, 0.32
        self.write(texts("class.case", number=case.position + 1, count=self.room.cases), 11, "bold", left=left)
        self.write(f"{texts('class.truth')}: {self.labels[case.truth]}", left=left)
        if outcome.network is not None or outcome.declined:
            answer = texts("class.declined") if outcome.network is None else self.labels[outcome.network]
            self.write(f"{texts('class.network')}: {answer}", left=left)
        given = sorted(outcome.counts.items(), key=lambda item: -item[1])
        counts = ", ".join(f"{self.labels[name]} {count}" for name, count in given)
        self.write(f"{texts('class.answers')}: {counts or '–'}", left=left)
        if outcome.overlap is not None:
            self.write(texts("class.overlap", overlap=f"{outcome.overlap * 100:.0f}"), left=left)
        if case.source or case.licence:
            self.write(" · ".join(filter(None, (case.source, case.licence))), 7, colour=QUIET, left=left)
        self.at = min(self.at, top - height) - 0.014


def _cell(text: str) -> str:
    """Text that a spreadsheet will not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
