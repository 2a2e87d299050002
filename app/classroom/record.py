"""A session to keep: every answer as CSV, and the results as PDF. Without names unless they are asked for."""

import csv
import io
import textwrap
from datetime import UTC, datetime

from PIL import Image

from app.classroom import views
from app.classroom.results import CaseResult, Results, Tally
from app.classroom.store import Case, Room, RoomStore
from app.opinion import Opinion
from app.sheets import INK, MARGIN, QUIET, Sheets, pdf
from app.texts import PERCENT, Texts
from medmamba.spreadsheet import harmless

STUDENTS, NETWORK = "#0a6f66", "#8a4b00"
LEFT_TO_RIGHT = "\u200e"  # behind a label: a number after Arabic or Hebrew would stand at the next one
HEADER = (
    *("case", "truth", "network", "network_refused"),
    *("student", "answer", "right", "confidence", "mark_x", "mark_y"),
    "notice",  # in every row, and last: a line before the header or a comment is none that a parser of CSV knows
)


def table(store: RoomStore, room: Room, texts: Texts, names: bool) -> str:
    """The answers as CSV, one a row; students are numbers, or nicknames where asked for.

    Classes are called by the deck's labels, as in a quiz's table.
    """
    cases = {case.position: case for case in store.cases(room)}
    nicknames = {student.number: harmless(student.label) for student in store.students(room)} if names else {}
    labels = {name: harmless(label) for name, label in room.classes}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for answer in store.answers(room):
        case, reply = cases[answer.position], answer.reply
        said = Opinion(**(case.network or {}))
        refused = int(said.refused) if said.choice else ""
        x, y = ("", "") if reply.mark is None else (f"{share:.4f}" for share in reply.mark)
        student = nicknames.get(answer.student, answer.student)
        right = int(reply.choice == case.truth)
        says = [case.position + 1, labels[case.truth], labels[said.choice] if said.choice else "", refused]
        writer.writerow([*says, student, labels[reply.choice], right, reply.confidence, x, y, texts("strip")])
    return out.getvalue()


def sheet(store: RoomStore, room: Room, texts: Texts, names: bool) -> bytes:
    """The results as PDF: figures, nicknames where asked for, then from a new sheet the cases with their pictures."""
    result = views.session(store, room)
    page = _Page(texts, room)
    page.head()
    page.figures(result, len(store.students(room)))
    if names:
        labels = ", ".join(student.label for student in store.students(room))
        page.write(f"{texts('class.students')}: {labels}", colour=QUIET)
    if result.cases:
        page.turn()
    for case, outcome in zip(store.cases(room), result.cases, strict=False):
        page.case(case, outcome, store.picture_of(case.id))
    return pdf(page.done())


class _Page(Sheets):
    """The results of a class, part after part."""

    def __init__(self, texts: Texts, room: Room) -> None:
        super().__init__(texts("report.notice"), texts("report.gaps"))
        self.texts, self.room = texts, room
        self.labels = {name: texts.label(name, label) for name, label in room.classes}

    def head(self) -> None:
        self.write(self.texts("class.pdf.title", title=self.room.title), 17, "bold")
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        model = f" · {self.room.model}" if self.room.model else ""
        self.write(made + model, colour=QUIET)
        self.at -= 0.015

    def figures(self, result: Results, students: int) -> None:
        texts, is_heard = self.texts, result.network.of > 0
        self.write(texts("class.pdf.counts", students=students, cases=len(result.cases), answers=result.students.of))
        self.at -= 0.01
        if is_heard:
            self.write(texts("class.result.against"), 13, "bold")
        self.tally(texts("class.result.students"), result.students, STUDENTS)
        self.tally(texts("class.result.vote"), result.vote, STUDENTS)
        if is_heard:
            self.tally(texts("class.result.network"), result.network, NETWORK)
            self.at -= 0.008
            self.write(texts("class.result.differ", **vars(result.differences)))
        if result.declined:
            self.write(texts("class.result.declined", count=result.declined))
        self.at -= 0.012
        self.write(texts("class.result.classes"), 13, "bold")
        for entry in result.classes:
            self.tally(self.labels[entry.name], entry.students, STUDENTS)
            if is_heard:
                self.tally(texts("class.result.network"), entry.network, NETWORK, indent=0.02)
        self.at -= 0.012
        self.write(texts("class.result.confidence"), 13, "bold")
        for level, tally in result.confidence.items():
            self.tally(texts(f"class.confidence.{level}"), tally, STUDENTS)

    def tally(self, label: str, tally: Tally, colour: str, indent: float = 0.0) -> None:
        """A label, a bar for the share that was right, and the counts."""
        self.bar(tally.share or 0, colour, 0.52, 0.28, f"{tally.right} / {tally.of}")
        words = textwrap.shorten(label, 64, placeholder=" …")
        self.write(words, colour=QUIET if indent else INK, left=MARGIN + indent)

    def case(self, case: Case, outcome: CaseResult, picture: bytes | None) -> None:
        """A picture, and beside it what was answered."""
        height = 0.135
        self.make_room(height)
        figure, top = self.figure, self.at
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
        counts = ", ".join(f"{self.labels[name]}{LEFT_TO_RIGHT} {count}" for name, count in given)
        self.write(f"{texts('class.answers')}: {counts or '–'}", left=left)
        if outcome.overlap is not None:
            self.write(texts("class.overlap", overlap=_percent(outcome.overlap)), left=left)
        if case.source or case.licence:
            self.write(" · ".join(filter(None, (case.source, case.licence))), 7, colour=QUIET, left=left)
        if self.figure is figure:
            self.at = min(self.at, top - height)
        self.at -= 0.014


def _percent(share: float) -> str:
    """A share in whole per cent, never rounded to none or all, as in ``pages/page.js``."""
    whole = round(share * 100)
    if share > 0 and whole == 0:
        return f"<1{PERCENT}"
    if share < 1 and whole == 100:
        return f">99{PERCENT}"
    return f"{whole}{PERCENT}"
