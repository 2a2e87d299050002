"""What each browser may know: the one place where a room becomes JSON.

Before the reveal nothing of a case's truth, teaching text, source or network's answer is in a student's view, nor in
the one that the projector shows; the tests look into the traffic.
"""

import functools
import threading
from dataclasses import asdict
from typing import Any

import numpy as np

from app.classroom import marks, results, rules
from app.classroom.results import CaseResult, Tally
from app.classroom.rules import Stage
from app.classroom.store import Answered, Case, Counts, Room, RoomStore, Student

View = dict[str, Any]


def student_tag(store: RoomStore, room: Room, student: Student, stage: Stage) -> str:
    """Changes whenever ``for_student`` would; the score at the end depends on who has left since."""
    counts = store.counts(room) if stage.state == "ended" else ()
    return ".".join(map(str, (room.version, stage.state, student.revision, *counts)))


def for_student(store: RoomStore, room: Room, student: Student, stage: Stage, now: float) -> View:
    """A student's view of the room."""
    view = _frame(room, stage, now) | {"label": student.label, "number": student.number}
    if stage.state in ("lobby", "ended"):
        own = store.answers(room, student=student)
        return view | ({"score": _score(store, room, own)} if stage.state == "ended" else {})
    case = store.case(room, stage.position)
    view |= {"picture": _picture(case), "answer": None}
    for answer in store.answers(room, stage.position, student):
        view["answer"] = asdict(answer.reply)
    if stage.state == "revealed":
        view["reveal"] = _reveal(case)
    return view


def teacher_tag(room: Room, stage: Stage, counts: Counts) -> str:
    """Changes whenever ``for_teacher`` would; the current case's answers no longer change once it is closed."""
    return f"{room.version}.{stage.state}." + ".".join(map(str, counts))


def for_teacher(store: RoomStore, room: Room, stage: Stage, counts: Counts, now: float, is_named: bool) -> View:
    """The view of the teacher's control page and of the projector. is_named: with the students' nicknames."""
    view = _frame(room, stage, now) | {
        "code": room.code,
        "version": room.version,
        "model": room.model,
        "seconds": room.seconds,
        "names": room.names,
        "locked": store.is_locked(room),
        "expires": room.expires,
        "joined": counts.joined,
        "answered": counts.answered,
        "prepared": counts.prepared,
        "forward": rules.forward(stage, room.cases),
        "students": [{"number": s.number, "label": s.label} for s in store.students(room)] if is_named else [],
    }
    if stage.state == "ended":
        return view | {"results": as_json(session(store, room))}
    if stage.state == "lobby":
        return view
    case = store.case(room, stage.position)
    view["picture"] = _picture(case)
    if stage.state in ("closed", "revealed"):
        given = store.answers(room, stage.position)
        result = results.case_result(case, given)
        view["histogram"] = {name: result.counts.get(name, 0) for name, _ in room.classes}
        if stage.state == "revealed":
            view["reveal"] = _reveal(case) | _looking(result, given)
    return view


def session(store: RoomStore, room: Room) -> results.Results:
    """The results of every case that was shown; of a room that has ended they are worked out once, until one leaves."""
    if room.stage.state != "ended":
        return _session(store, room)
    with _ONE_AT_A_TIME:  # the whole class asks for its score in the same second
        return _ended_session(store, room, store.counts(room))


_ONE_AT_A_TIME = threading.Lock()


@functools.lru_cache(maxsize=8)
def _ended_session(store: RoomStore, room: Room, counts: Counts) -> results.Results:
    """``counts`` are all that changes still: students leave, and the network may answer late."""
    return _session(store, room)


def _session(store: RoomStore, room: Room) -> results.Results:
    shown = [case for case in store.cases(room) if case.position <= room.stage.position]
    return results.results(shown, store.answers(room), [name for name, _ in room.classes])


def as_json(result: results.Results) -> View:
    """Results with every tally as [right, of]."""
    return {
        "cases": [asdict(case) | {"tally": _pair(case.tally)} for case in result.cases],
        "classes": [
            {"name": c.name, "students": _pair(c.students), "network": _pair(c.network)} for c in result.classes
        ],
        "students": _pair(result.students),
        "vote": _pair(result.vote),
        "network": _pair(result.network),
        "declined": result.declined,
        "confidence": {str(level): _pair(tally) for level, tally in result.confidence.items()},
        "differences": asdict(result.differences),
    }


def _frame(room: Room, stage: Stage, now: float) -> View:
    return {
        "state": stage.state,
        "position": stage.position,
        "cases": room.cases,
        "title": room.title,
        "language": room.language,
        "question": room.question,
        "classes": [{"name": name, "label": label} for name, label in room.classes],
        "left": None if stage.deadline is None else round(max(0.0, stage.deadline - now), 1),
    }


def _picture(case: Case) -> View:
    return {"token": case.token, "width": case.width, "height": case.height}


def _reveal(case: Case) -> View:
    network = case.network if case.network and case.network["choice"] else None
    return {"truth": case.truth, "text": case.text, "source": case.source, "licence": case.licence, "network": network}


def _looking(result: CaseResult, given: list[Answered]) -> View:
    """The heat layer of the class's marks, and their overlap with the network's map."""
    places = [answer.reply.mark for answer in given if answer.reply.mark]
    density = marks.heat(places)
    return {
        "marks": len(places),
        "heat": None if density is None else np.round(density, 3).tolist(),
        "overlap": result.overlap,
    }


def _score(store: RoomStore, room: Room, own: list[Answered]) -> View:
    """A student's own score beside the class's and the network's."""
    whole = session(store, room)
    truth = {case.position: case.truth for case in whole.cases}
    right = sum(answer.reply.choice == truth[answer.position] for answer in own)
    return {
        "own": [right, len(own)],
        "students": _pair(whole.students),
        "network": _pair(whole.network),
        "declined": whole.declined,
        "shown": len(whole.cases),
    }


def _pair(tally: Tally) -> list[int]:
    return [tally.right, tally.of]
