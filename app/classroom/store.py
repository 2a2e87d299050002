"""Rooms in a database: every change is committed before the call returns, so that a killed server loses nothing.

Keys are random and only their SHA-256 is kept. All times are seconds since the epoch, and the callers' clock decides.
"""

import contextlib
import hashlib
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from app.classroom import rules, tables
from app.classroom.rules import Reply, RoomError, Stage
from app.classroom.tables import answers, cases, locks, projectors, rooms, students

GONE = "This room is over and deleted, or you have no place in it. Join again."  # one sentence: it tells no codes
MAX_ROOMS = 100
MAX_STUDENTS = 500  # in a room


class Counts(NamedTuple):
    """Students, answers to the current case, cases that the network has answered, and who joined last: an id, or 0."""

    joined: int
    answered: int
    prepared: int
    latest: int


@dataclass(frozen=True)
class NewCase:
    """A case as it is put into a room. picture: PNG; width, height: its size."""

    picture: bytes = field(repr=False)
    width: int
    height: int
    truth: str
    text: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class NewRoom:
    """A room as it is opened.

    classes: (name, label) of every choice. model: the checkpoint in words, "" without one. seconds: time for a case,
    or None. names: whether nicknames are shown to everybody.
    """

    title: str
    language: str
    question: str
    task: str
    classes: tuple[tuple[str, str], ...]
    model: str
    seconds: int | None
    names: bool
    cases: tuple[NewCase, ...]


@dataclass(frozen=True)
class Room:
    """A room. ``version`` grows with every step; the rest is as in ``NewRoom``, with ``cases`` their number."""

    id: int
    code: str
    title: str
    language: str
    question: str
    task: str
    classes: tuple[tuple[str, str], ...]
    model: str
    seconds: int | None
    names: bool
    cases: int
    stage: Stage
    version: int
    expires: float


@dataclass(frozen=True)
class Case:
    """A case of a room. token: its picture's random name. network: an ``Opinion`` as a dict; None until asked."""

    id: int
    position: int
    token: str
    width: int
    height: int
    truth: str
    text: str
    source: str
    licence: str
    network: dict[str, Any] | None


@dataclass(frozen=True)
class Student:
    """One student of a room. revision: grows with every change of his own view."""

    id: int
    number: int
    label: str
    revision: int


@dataclass(frozen=True)
class Answered:
    """An answer, and whose (``student``: the number within the room) and to which case (``position``) it is."""

    position: int
    student: int
    reply: Reply


class RoomStore:
    """The rooms of one database; safe for threads, and for several servers on a database that is one.

    Whoever changes a room or what belongs to it locks the room's row first, so that two never wait for each other in a
    circle; answers of different students share that lock. SQLite, which has but one writer, ignores it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._writer = engine, engine.execution_options(writes=True)
        # Every read is one statement, which needs no BEGIN and COMMIT around it: two ways to a server and back less.
        by_itself = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}
        self._reader = engine.execution_options(**by_itself)
        # SQLite lets one writer in; waiting here is fairer and quicker than its retries.
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if engine.dialect.name == "sqlite" else contextlib.nullcontext()
        )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def open_room(self, new: NewRoom, now: float, hours: float) -> tuple[Room, str]:
        """Opens a room that expires after some hours; returns it and the teacher's key.

        Raises:
            RoomError: there are too many rooms.
        """
        key = secrets.token_urlsafe(24)
        with self._write() as db:
            tables.take_turns(db, tables.OPENING)
            taken = set(db.scalars(select(rooms.c.code)))
            if len(taken) >= MAX_ROOMS:
                raise RoomError("Too many rooms are open on this server. Try again later.", 503)
            fields = {name: value for name, value in vars(new).items() if name not in ("cases", "classes")}
            code, stage = rules.new_code(taken), Stage()
            inserted = db.execute(
                insert(rooms).values(
                    **fields,
                    code=code,
                    teacher=digest(key),
                    classes=[list(pair) for pair in new.classes],
                    cases=len(new.cases),
                    version=0,
                    created=now,
                    expires=now + hours * 3600,
                    **asdict(stage),
                )
            )
            room = _id(inserted)
            entries = [
                vars(case) | {"room": room, "position": i, "token": secrets.token_urlsafe(16)}
                for i, case in enumerate(new.cases)
            ]
            db.execute(insert(cases), entries)
        return self.as_teacher(code, key, now), key

    def as_teacher(self, code: str, key: str, now: float) -> Room:
        """The room of a teacher.

        Raises:
            RoomError: there is no such room, or the key is not its own; which of the two is not told.
        """
        return self._known(code, rooms.c.teacher == digest(key), now)

    def as_projector(self, code: str, key: str, now: float) -> Room:
        """The room of a projector, or of a teacher.

        Raises:
            RoomError: as for ``as_teacher``.
        """
        lent = select(projectors.c.room).where(projectors.c.key == digest(key))
        return self._known(code, (rooms.c.teacher == digest(key)) | rooms.c.id.in_(lent), now)

    def is_teacher(self, room: Room, key: str) -> bool:
        """Whether a key is the teacher's own, and none of a projector's."""
        with self._read() as db:
            known = select(rooms.c.id).where(rooms.c.id == room.id, rooms.c.teacher == digest(key))
            return db.scalar(known) is not None

    def let_project(self, room: Room) -> str:
        """A key for a projector on another computer, where others may find it: it is not the teacher's."""
        key = secrets.token_urlsafe(24)
        with self._write() as db:
            _lock(db, room.id)
            known = select(literal(digest(key)), rooms.c.id).where(rooms.c.id == room.id)
            db.execute(insert(projectors).from_select(["key", "room"], known))
        return key

    def as_student(self, code: str, key: str, now: float) -> tuple[Room, Student]:
        """The room of a student, and the student.

        Raises:
            RoomError: there is no such room, or nobody in it has this key; which of the two is not told.
        """
        asked = (
            select(rooms, students.c.id.label("seat"), students.c.number, students.c.label, students.c.revision)
            .join(students, students.c.room == rooms.c.id)
            .where(students.c.key == digest(key), rooms.c.code == code, rooms.c.expires > now)
        )
        with self._read() as db:
            row = db.execute(asked).first()
        if row is None:
            raise RoomError(GONE, 403)
        return _room(row), Student(row.seat, row.number, row.label, row.revision)

    def join(self, code: str, name: str, now: float) -> tuple[Student, str]:
        """A new student, and the student's key.

        Raises:
            RoomError: there is no such room, it has ended, it is locked, or it is full.
        """
        key = secrets.token_urlsafe(24)
        with self._write() as db:
            room = _room_row(db, code, now, lock=True)
            if room.state == "ended":
                raise RoomError("This room has ended.")
            if db.scalar(select(locks.c.room).where(locks.c.room == room.id)) is not None:
                raise RoomError("This room is locked: nobody else can join. Ask whoever teaches.")
            taken = dict(
                db.execute(select(students.c.number, students.c.label).where(students.c.room == room.id)).all()
            )
            if len(taken) >= MAX_STUDENTS:
                raise RoomError("This room is full.", 503)
            number = max(taken, default=0) + 1
            label = rules.label_of(rules.name_of(name), number, {label.casefold() for label in taken.values()})
            seat = {"room": room.id, "key": digest(key), "number": number, "label": label, "revision": 0}
            inserted = db.execute(insert(students).values(**seat))
            return Student(_id(inserted), number, label, 0), key

    def lock(self, room: Room, locked: bool) -> None:
        """Let nobody else join, or let them join again; those who are in stay."""
        with self._write() as db:
            _lock(db, room.id)
            db.execute(delete(locks).where(locks.c.room == room.id))
            if locked:
                db.execute(insert(locks).from_select(["room"], select(rooms.c.id).where(rooms.c.id == room.id)))
            db.execute(update(rooms).where(rooms.c.id == room.id).values(version=rooms.c.version + 1))

    def is_locked(self, room: Room) -> bool:
        """Whether nobody else can join."""
        with self._read() as db:
            return db.scalar(select(locks.c.room).where(locks.c.room == room.id)) is not None

    def drop_name(self, room: Room, number: int) -> None:
        """Replace a student's nickname by the number; the answers stay."""
        with self._write() as db:
            _lock(db, room.id)
            db.execute(
                update(students)
                .where(students.c.room == room.id, students.c.number == number)
                .values(label=rules.label_of("", number, ()), revision=students.c.revision + 1)
            )
            db.execute(update(rooms).where(rooms.c.id == room.id).values(version=rooms.c.version + 1))

    def leave(self, room: Room, student: Student) -> None:
        """Delete a student with all answers."""
        with self._write() as db:
            _lock(db, room.id)
            db.execute(delete(students).where(students.c.id == student.id))

    def answer(self, room: Room, student: Student, position: int, reply: Reply, now: float) -> None:
        """Record an answer, in place of an earlier one to the same case; committed on return.

        Raises:
            RoomError: that case is not open, or the student has left.
        """
        with self._write() as db:
            stage = _stage(_room_row(db, room.code, now, shared=True)).at(now)
            if stage.state != "open" or stage.position != position:
                raise RoomError("This case is closed; the answer came too late.")
            seat = update(students).where(students.c.id == student.id)
            if not db.execute(seat.values(revision=students.c.revision + 1)).rowcount:
                raise RoomError(GONE, 403)
            case = db.scalar(select(cases.c.id).where(cases.c.room == room.id, cases.c.position == position))
            x, y = reply.mark or (None, None)
            values = {"choice": reply.choice, "confidence": reply.confidence, "x": x, "y": y}
            mine = (answers.c.case == case) & (answers.c.student == student.id)
            if not db.execute(update(answers).where(mine).values(**values)).rowcount:
                db.execute(insert(answers).values(case=case, student=student.id, **values))

    def step(self, room: Room, step: str, version: int, now: float) -> Room:
        """Take a step, if the room still is as the teacher's page saw it.

        Raises:
            RoomError: the room has gone on meanwhile, or the step cannot be taken.
        """
        with self._write() as db:
            row = _room_row(db, room.code, now, lock=True)
            if row.version != version:
                raise RoomError("The room has gone on meanwhile. Look at where it stands.")
            stage = rules.after(_stage(row), step, row.cases, row.seconds, now)
            changed = update(rooms).where(rooms.c.id == room.id).values(version=version + 1, **asdict(stage))
            db.execute(changed)
            return _room(_room_row(db, room.code, now))

    def delete_room(self, room: Room) -> None:
        """Delete a room with its pictures, students and answers."""
        with self._write() as db:
            db.execute(delete(rooms).where(rooms.c.id == room.id))
        self._empty_log()

    def sweep(self, now: float) -> int:
        """Delete the rooms that have expired, and what the log still holds of anything deleted; returns how many."""
        over = select(rooms.c.id).where(rooms.c.expires <= now).with_for_update(skip_locked=True)
        with self._write() as db:  # another server may be sweeping the same rooms
            gone = db.execute(delete(rooms).where(rooms.c.id.in_(list(db.scalars(over))))).rowcount
        self._empty_log()
        return gone

    def _empty_log(self) -> None:
        """SQLite overwrites in its file what is deleted, but its log keeps earlier pages until it is emptied."""
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
                db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def cases(self, room: Room) -> list[Case]:
        """The cases of a room, in their order, without their pictures."""
        columns = [cases.c[name] for name in Case.__dataclass_fields__]
        with self._read() as db:
            rows = db.execute(select(*columns).where(cases.c.room == room.id).order_by(cases.c.position))
            return [Case(**row._mapping) for row in rows]

    def case(self, room: Room, position: int) -> Case:
        """One case of a room."""
        columns = [cases.c[name] for name in Case.__dataclass_fields__]
        with self._read() as db:
            asked = select(*columns).where(cases.c.room == room.id, cases.c.position == position)
            return Case(**db.execute(asked).one()._mapping)

    def picture(self, token: str, now: float) -> bytes:
        """A picture by its random name, once its case has been opened.

        Raises:
            RoomError: there is none, or not yet.
        """
        asked = (
            select(cases.c.picture)
            .join(rooms, rooms.c.id == cases.c.room)
            .where(cases.c.token == token, cases.c.position <= rooms.c.position, rooms.c.expires > now)
        )
        with self._read() as db:
            picture = db.scalar(asked)
        if picture is None:
            raise RoomError("There is no such picture.", 404)
        return bytes(picture)

    def students(self, room: Room) -> list[Student]:
        """The students of a room, in the order of joining."""
        columns = [students.c[name] for name in Student.__dataclass_fields__]
        with self._read() as db:
            rows = db.execute(select(*columns).where(students.c.room == room.id).order_by(students.c.number))
            return [Student(**row._mapping) for row in rows]

    def answers(self, room: Room, position: int | None = None, student: Student | None = None) -> list[Answered]:
        """The answers given in a room: all, or to one case, or of one student."""
        asked = (
            select(
                cases.c.position, students.c.number, answers.c.choice, answers.c.confidence, answers.c.x, answers.c.y
            )
            .join(cases, cases.c.id == answers.c.case)
            .join(students, students.c.id == answers.c.student)
            .where(cases.c.room == room.id)
            .order_by(cases.c.position, students.c.number)
        )
        if position is not None:
            asked = asked.where(cases.c.position == position)
        if student is not None:
            asked = asked.where(answers.c.student == student.id)
        with self._read() as db:
            return [_answered(row) for row in db.execute(asked)]

    def counts(self, room: Room) -> Counts:
        """What is in a room now."""
        here = select(cases.c.id).where(cases.c.room == room.id, cases.c.position == room.stage.position)
        asked = select(
            select(func.count()).where(students.c.room == room.id).scalar_subquery(),
            select(func.count()).where(answers.c.case == here.scalar_subquery()).scalar_subquery(),
            select(func.count()).where(cases.c.room == room.id, cases.c.network.is_not(None)).scalar_subquery(),
            select(func.coalesce(func.max(students.c.id), 0)).where(students.c.room == room.id).scalar_subquery(),
        )
        with self._read() as db:
            return Counts(*db.execute(asked).one())

    def unprepared(self) -> list[tuple[int, str, list[str]]]:
        """(case, task, names of the classes) of every case that the network has not been asked about."""
        asked = (
            select(cases.c.id, rooms.c.task, rooms.c.classes)
            .join(rooms, rooms.c.id == cases.c.room)
            .where(cases.c.network.is_(None))
            .order_by(cases.c.position, cases.c.id)
        )
        with self._read() as db:
            return [(row.id, row.task, [name for name, _ in row.classes]) for row in db.execute(asked)]

    def picture_of(self, case: int) -> bytes | None:
        """A case's picture for the network; None when its room is gone."""
        with self._read() as db:
            picture = db.scalar(select(cases.c.picture).where(cases.c.id == case))
        return None if picture is None else bytes(picture)

    def set_network(self, case: int, answer: dict[str, Any]) -> None:
        """Keep what the network says of a case."""
        with self._write() as db:
            db.execute(update(cases).where(cases.c.id == case).values(network=answer))

    def _known(self, code: str, has_key: ColumnElement[bool], now: float) -> Room:
        with self._read() as db:
            row = db.execute(select(rooms).where(rooms.c.code == code, has_key, rooms.c.expires > now)).first()
        if row is None:
            raise RoomError(GONE, 403)
        return _room(row)

    @contextlib.contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._reader.begin() as db:
            yield db

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._turn, self._writer.begin() as db:
            yield db


def digest(key: str) -> str:
    """What is kept of a key; keys hold 192 random bits, so that a plain hash cannot be searched."""
    return hashlib.sha256(key.encode()).hexdigest()


def _id(inserted: CursorResult[Any]) -> int:
    key: Any = inserted.inserted_primary_key
    return int(key[0])


def _lock(db: Connection, room: int) -> None:
    """Until this transaction ends, nobody else changes the room or what belongs to it."""
    db.execute(select(rooms.c.id).where(rooms.c.id == room).with_for_update())


def _room_row(db: Connection, code: str, now: float, lock: bool = False, shared: bool = False) -> Any:
    asked = select(rooms).where(rooms.c.code == code, rooms.c.expires > now)
    row = db.execute(asked.with_for_update(read=shared) if lock or shared else asked).first()
    if row is None:
        raise RoomError("There is no room with this code. Look at the code again: it has six letters.", 404)
    return row


def _stage(row: Any) -> Stage:
    return Stage(row.state, row.position, row.deadline)


def _room(row: Any) -> Room:
    fields = {name: getattr(row, name) for name in Room.__dataclass_fields__ if name not in ("stage", "classes")}
    return Room(**fields, classes=tuple((name, label) for name, label in row.classes), stage=_stage(row))


def _answered(row: Any) -> Answered:
    mark: Sequence[float] | None = None if row.x is None else (row.x, row.y)
    return Answered(
        row.position, row.number, Reply(row.choice, row.confidence, None if mark is None else (mark[0], mark[1]))
    )
