"""What a class answered, beside truth and network: by case, by class, by confidence, and where they differed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.classroom import marks
from app.classroom.rules import CONFIDENCES
from app.classroom.store import Answered, Case
from app.opinion import Opinion


@dataclass(frozen=True)
class Tally:
    """How many of how many were right."""

    right: int
    of: int

    @property
    def share(self) -> float | None:
        """The share that was right; None of nothing."""
        return self.right / self.of if self.of else None


@dataclass(frozen=True)
class CaseResult:
    """One case. counts: answers by class. vote: the class with most answers, None when tied or unanswered.

    network: the network's class, or None where it gave no answer; declined: because the picture is unlike those that it
    was trained on. overlap: of the class's marks with the network's map (see ``marks``).
    """

    position: int
    truth: str
    counts: dict[str, int]
    vote: str | None
    network: str | None
    declined: bool
    overlap: float | None

    @property
    def tally(self) -> Tally:
        """The answers that were right."""
        return Tally(self.counts.get(self.truth, 0), sum(self.counts.values()))


@dataclass(frozen=True)
class ClassResult:
    """One class: the answers to its cases, and the network on the same cases."""

    name: str
    students: Tally
    network: Tally


@dataclass(frozen=True)
class Differences:
    """Answers that were not the network's, and who was right."""

    student: int
    network: int
    neither: int


@dataclass(frozen=True)
class Results:
    """A whole session. students: single answers; vote: the class's majority by case; network: by case that it answered.

    declined: the cases in which the network gave no answer on purpose. confidence: by how sure the students were.
    differences: over the single answers.
    """

    cases: tuple[CaseResult, ...]
    classes: tuple[ClassResult, ...]
    students: Tally
    vote: Tally
    network: Tally
    declined: int
    confidence: dict[int, Tally]
    differences: Differences


def case_result(case: Case, given: Sequence[Answered]) -> CaseResult:
    """The result of one case from the answers to it."""
    counts = Counter(answer.reply.choice for answer in given)
    leading = counts.most_common(2)
    tied = len(leading) == 2 and leading[0][1] == leading[1][1]
    network = Opinion(**(case.network or {}))
    places = [answer.reply.mark for answer in given if answer.reply.mark]
    return CaseResult(
        position=case.position,
        truth=case.truth,
        counts=dict(counts),
        vote=None if tied or not leading else leading[0][0],
        network=None if network.declined else network.choice,
        declined=network.declined,
        overlap=marks.overlap(places, network.evidence["values"]) if network.evidence else None,
    )


def results(cases: Sequence[Case], given: Sequence[Answered], classes: Sequence[str]) -> Results:
    """The results of the cases that were shown.

    Args:
        cases: those that were opened.
        given: all answers to them.
        classes: the names of the choices, in their order.
    """
    truth = {case.position: case.truth for case in cases}
    given = [answer for answer in given if answer.position in truth]
    by_case = tuple(case_result(case, [a for a in given if a.position == case.position]) for case in cases)
    says = {result.position: result.network for result in by_case}
    differing = [a for a in given if says[a.position] is not None and a.reply.choice != says[a.position]]
    student = sum(a.reply.choice == truth[a.position] for a in differing)
    network = sum(says[a.position] == truth[a.position] for a in differing)
    return Results(
        cases=by_case,
        classes=tuple(
            ClassResult(
                name,
                _students([a for a in given if truth[a.position] == name], truth),
                _network([result for result in by_case if result.truth == name]),
            )
            for name in classes
            if name in truth.values()
        ),
        students=_students(given, truth),
        vote=Tally(sum(r.vote == r.truth for r in by_case), sum(r.tally.of > 0 for r in by_case)),
        network=_network(by_case),
        declined=sum(result.declined for result in by_case),
        confidence={
            level: _students([a for a in given if a.reply.confidence == level], truth) for level in CONFIDENCES
        },
        differences=Differences(student, network, len(differing) - student - network),
    )


def _students(given: Sequence[Answered], truth: dict[int, str]) -> Tally:
    return Tally(sum(a.reply.choice == truth[a.position] for a in given), len(given))


def _network(by_case: Sequence[CaseResult]) -> Tally:
    answered = [result for result in by_case if result.network is not None]
    return Tally(sum(result.network == result.truth for result in answered), len(answered))
