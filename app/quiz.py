"""One student and a deck: the order of the cases, what was answered, and what comes of it. No gradio, no network.

An answer is final once it is given, and only then may the case's truth be told; ``Quiz.answered`` holds to that.
"""

import csv
import io
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.opinion import Opinion
from medmamba.deck import Case, Deck
from medmamba.errors import RequestError
from medmamba.spreadsheet import harmless

CONFIDENCES = ("guess", "fairly", "sure")
HEADER = (
    *("position", "case", "task", "truth", "answer", "right", "confidence", "mark_x", "mark_y"),
    *("network", "network_probability", "network_refused", "checkpoint", "version", "sha256"),
    "notice",
)


@dataclass(frozen=True)
class Response:
    """What a student said of a case. mark: (x, y) as shares of the picture's sides, from the left and the top."""

    choice: str
    confidence: str
    mark: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tally:
    """How many, and how many of them right."""

    count: int
    right: int


@dataclass(frozen=True)
class Results:
    """What came of a quiz so far.

    network: over the answered cases in which the network gave an answer; student_beside: the student on the same cases.
    declined: in how many more it gave none, because the picture is unlike those that it was trained on.
    network_wrong: the cases among these in which the network was wrong, ``right`` those that the student had right;
    agreed: in how many of them the student had chosen the network's wrong class.
    """

    all: Tally
    by_confidence: dict[str, Tally]
    by_class: dict[str, Tally]
    network: Tally
    student_beside: Tally
    declined: int
    network_wrong: Tally
    agreed: int
    misses: tuple[int, ...]


@dataclass
class Quiz:
    """A deck in an order of its own. Positions count from 0 in that order."""

    deck: Deck
    order: tuple[int, ...]
    responses: dict[int, Response] = field(default_factory=dict)

    @classmethod
    def shuffled(cls, deck: Deck) -> "Quiz":
        """A quiz in random order, so that a case's place in the deck tells nothing."""
        order = list(range(len(deck.cases)))
        random.SystemRandom().shuffle(order)
        return cls(deck, tuple(order))

    def case(self, position: int) -> Case:
        """The case at a position.

        Raises:
            RequestError: there is none.
        """
        if not 0 <= position < len(self.order):
            raise RequestError(f"There is no such case: the deck has {len(self.order)}.")
        return self.deck.cases[self.order[position]]

    def answer(self, position: int, response: Response) -> None:
        """Commit an answer.

        Raises:
            RequestError: it is none of the choices, the mark lies outside, or the case is answered already.
        """
        self.case(position)
        if position in self.responses:
            raise RequestError("This case has been answered already; an answer is final.")
        if response.choice not in dict(self.deck.classes):
            raise RequestError("This is none of the choices.")
        if response.confidence not in CONFIDENCES:
            raise RequestError(f"The confidence must be one of: {', '.join(CONFIDENCES)}.")
        if response.mark is not None and not all(0 <= share <= 1 for share in response.mark):
            raise RequestError("The mark must lie on the picture.")
        self.responses[position] = response

    def answered(self, position: int) -> Case:
        """The case at a position with its truth.

        Raises:
            RequestError: there is none, or it has not been answered.
        """
        case = self.case(position)
        if position not in self.responses:
            raise RequestError("Answer first: truth and network come afterwards.")
        return case


def results(quiz: Quiz, opinions: Mapping[int, Opinion]) -> Results:
    """What came of the answered cases; ``opinions`` by position, as far as they are known."""
    rows = [(position, quiz.case(position).truth, response) for position, response in sorted(quiz.responses.items())]
    right = {position: response.choice == truth for position, truth, response in rows}
    heard = {p: opinions[p] for p, _, _ in rows if p in opinions and opinions[p].choice is not None}
    network = {p: said.choice for p, said in heard.items() if not said.declined}
    wrong = [p for p, truth, _ in rows if p in network and network[p] != truth]
    names = [name for name, _ in quiz.deck.classes]
    return Results(
        all=_tally(right.values()),
        by_confidence={c: _tally(right[p] for p, _, r in rows if r.confidence == c) for c in CONFIDENCES},
        by_class={name: _tally(right[p] for p, truth, _ in rows if truth == name) for name in names},
        network=_tally(network[p] == truth for p, truth, _ in rows if p in network),
        student_beside=_tally(right[p] for p in network),
        declined=len(heard) - len(network),
        network_wrong=_tally(right[p] for p in wrong),
        agreed=sum(quiz.responses[p].choice == network[p] for p in wrong),
        misses=tuple(p for p, is_right in right.items() if not is_right),
    )


def table(quiz: Quiz, opinions: Mapping[int, Opinion], notice: str) -> str:
    """The answers as CSV, in the order they were shown, each with the notice; nothing in it tells who answered.

    Classes are called by the deck's labels: names stay what they were when a class is called otherwise.
    """
    labels = dict(quiz.deck.classes)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for position, response in sorted(quiz.responses.items()):
        case, opinion = quiz.case(position), opinions.get(position, Opinion())
        x, y = ("", "") if response.mark is None else (f"{share:.4f}" for share in response.mark)
        share = opinion.probabilities.get(opinion.choice or "")
        row: Sequence[str | int] = (
            *(position + 1, quiz.order[position] + 1, quiz.deck.task, labels[case.truth], labels[response.choice]),
            *(int(response.choice == case.truth), response.confidence, x, y),
            labels[opinion.choice] if opinion.choice else "",
            *("" if share is None else f"{share:.6f}", int(opinion.refused) if opinion.choice else ""),
            *(opinion.checkpoint.get(key, "") for key in ("title", "version", "sha256")),
            notice,
        )
        writer.writerow([harmless(str(cell)) for cell in row])
    return out.getvalue()


def _tally(outcomes: Iterable[bool]) -> Tally:
    listed = list(outcomes)
    return Tally(len(listed), sum(listed))
