"""The rules of a room: which step may follow which, when a case is closed, what is a name, what is an answer.

Pure functions of their arguments: the clock, the database and the network are elsewhere.

    lobby --start--> open --close--> closed --reveal--> revealed --next--> open ... --end--> ended
                       ^----reopen-----'

``end`` is allowed from every state but ``ended``. A case with a deadline closes by itself.
"""

import re
import secrets
import unicodedata
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from medmamba.errors import MedMambaError

State = Literal["lobby", "open", "closed", "revealed", "ended"]
Step = Literal["start", "close", "reopen", "reveal", "next", "end"]
FROM: dict[Step, tuple[State, ...]] = {
    "start": ("lobby",),
    "close": ("open",),
    "reopen": ("closed",),
    "reveal": ("closed",),
    "next": ("revealed",),
    "end": ("lobby", "open", "closed", "revealed"),
}
GRACE = 1.0  # seconds after the deadline in which an answer that is under way still counts

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ"  # no I, L, O: they look like 1 and 0 on a projector
CODE_LENGTH = 6
NAME_LENGTH = 24
MARKS_PER_LETTER = 2  # combining marks; more than that overflows the line
CONFIDENCES = (1, 2, 3)  # a guess, fairly sure, sure


class RoomError(MedMambaError):
    """What is asked of a room cannot be done. status: HTTP's."""

    def __init__(self, sentence: str, status: int = 409) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Stage:
    """Where a room stands.

    position: the case's index; -1 in the lobby. deadline: when the open case closes, in seconds since the epoch.
    """

    state: State = "lobby"
    position: int = -1
    deadline: float | None = None

    def at(self, now: float) -> "Stage":
        """The stage as it is at a time: an open case whose deadline and grace have passed is closed."""
        if self.state == "open" and self.deadline is not None and now >= self.deadline + GRACE:
            return replace(self, state="closed", deadline=None)
        return self


def after(stage: Stage, step: str, cases: int, seconds: int | None, now: float) -> Stage:
    """The stage that a step leads to.

    Args:
        stage: where the room stands.
        step: what the teacher asks for.
        cases: how many cases the room has.
        seconds: time for each case; None for as long as the teacher likes.
        now: seconds since the epoch.

    Raises:
        RoomError: there is no such step, or it cannot be taken from here.
    """
    stage = stage.at(now)
    if step not in get_args(Step) or stage.state not in FROM[step]:  # type: ignore[index]
        raise RoomError("This step cannot be taken now: the room has gone on. Look at where it stands.")
    if step in ("start", "reopen", "next"):
        position = stage.position + (step != "reopen")
        if position >= cases:
            raise RoomError("That was the last case. End the room to see the results.")
        return Stage("open", position, None if seconds is None else now + seconds)
    return Stage({"close": "closed", "reveal": "revealed", "end": "ended"}[step], stage.position)  # type: ignore[arg-type]


def forward(stage: Stage, cases: int) -> Step | None:
    """The step that leads on, which is what the arrow key on the projector takes; None at the end."""
    if stage.state == "revealed":
        return "next" if stage.position + 1 < cases else "end"
    steps: dict[State, Step] = {"lobby": "start", "open": "close", "closed": "reveal"}
    return steps.get(stage.state)


def new_code(taken: Container[str]) -> str:
    """A room's code that is not taken: six letters, one of 148 million."""
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        if code not in taken:
            return code


def code_of(typed: str) -> str:
    """A code as it was meant: capitals, without spaces or dashes."""
    return "".join(letter for letter in typed.upper() if letter.isalnum())[: CODE_LENGTH + 1]


def name_of(typed: str) -> str:
    """A nickname fit to be shown: no control, format or private characters, single spaces, at most 24 characters."""
    kept: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFC", typed[: 10 * NAME_LENGTH]):
        category = unicodedata.category(letter)
        marks = marks + 1 if category.startswith("M") else 0
        if category[0] == "Z" or category == "Cc":
            kept.append(" ")
        elif category[0] != "C" and marks <= MARKS_PER_LETTER:
            kept.append(letter)
    return " ".join("".join(kept).split())[:NAME_LENGTH].strip()


def label_of(name: str, number: int, taken: Container[str]) -> str:
    """How a student is shown: the nickname, with a number where it is taken; "#7" for the seventh without one.

    Whoever would be called as another without a nickname is, has none.
    """
    if not name or re.fullmatch(r"# ?\d+", name):
        return f"#{number}"
    label, count = name, 1
    while label.casefold() in taken:
        count += 1
        label = f"{name} {count}"
    return label


@dataclass(frozen=True)
class Reply:
    """A student's answer to a case.

    choice: a class's name. confidence: 1, a guess, to 3, sure. mark: (x, y) as shares of the picture's sides, or None.
    """

    choice: str
    confidence: int
    mark: tuple[float, float] | None = None


def reply_of(data: object, classes: Container[str]) -> Reply:
    """An answer out of what a browser sent.

    Raises:
        RoomError: it is none.
    """
    entry = data if isinstance(data, dict) else {}
    choice, confidence, mark = entry.get("choice"), entry.get("confidence"), entry.get("mark")
    if not isinstance(choice, str) or choice not in classes:
        raise RoomError("This answer is not one of the choices.", 422)
    if type(confidence) is not int or confidence not in CONFIDENCES:
        raise RoomError("Say how sure you are: 1, 2 or 3.", 422)
    if mark is not None:
        if not isinstance(mark, list) or len(mark) != 2 or not all(_is_share(value) for value in mark):
            raise RoomError("The mark must lie on the picture.", 422)
        mark = (float(mark[0]), float(mark[1]))
    return Reply(choice, confidence, mark)


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
