"""Rooms in a database: what is kept, what is told to whom, and what is gone."""

import sqlite3
import stat
import threading

import pytest
from sqlalchemy import func, select

from app.classroom import tables, views
from app.classroom.results import Tally
from app.classroom.rules import Reply, RoomError
from app.classroom.store import MAX_STUDENTS, NewCase, NewRoom, RoomStore, digest
from medmamba.errors import MedMambaError

NOW = 1_000_000.0
CLASSES = (("a", "A"), ("b", "B"))


def new_room(cases=3, **changes):
    entries = tuple(NewCase(b"png%d" % i, 8, 6, "a", "A secret text.") for i in range(cases))
    fields = {"title": "T", "language": "en", "question": "Q?", "task": "t", "classes": CLASSES, "model": "M"}
    return NewRoom(**fields | {"seconds": None, "names": False, "cases": entries} | changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rooms.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, path):
    return f"sqlite:///{path}" if request.param == "sqlite" else request.getfixturevalue("postgres")()


@pytest.fixture
def store(url):
    store = RoomStore(tables.connect(url))
    yield store
    store.close()


@pytest.fixture
def other(url):
    """The same rooms from another server's process: with connections of its own."""
    store = RoomStore(tables.connect(url))
    yield store
    store.close()


in_a_file = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def steps(store, room, *names, now=NOW):
    for name in names:
        room = store.step(room, name, room.version, now)
    return room


@in_a_file
def test_an_answer_is_on_disk_when_it_is_acknowledged(store, path):
    room, _ = store.open_room(new_room(), NOW, 1)
    student, _ = store.join(room.code, "Ann", NOW)
    room = steps(store, room, "start")
    store.answer(room, student, 0, Reply("a", 3, (0.25, 0.5)), NOW)
    other = sqlite3.connect(path)
    assert other.execute("SELECT choice, confidence, x, y FROM answers").fetchall() == [("a", 3, 0.25, 0.5)]
    other.close()


def test_a_later_answer_takes_the_place_of_an_earlier_one(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    student, key = store.join(room.code, "Ann", NOW)
    room = steps(store, room, "start")
    store.answer(room, student, 0, Reply("a", 3, (0.25, 0.5)), NOW)
    store.answer(room, student, 0, Reply("b", 1), NOW)
    [answer] = store.answers(room)
    assert answer.reply == Reply("b", 1)
    assert store.as_student(room.code, key, NOW)[1].revision == 2


def test_only_the_open_case_takes_answers(store):
    room, _ = store.open_room(new_room(seconds=30), NOW, 1)
    student, _ = store.join(room.code, "", NOW)
    with pytest.raises(RoomError):
        store.answer(room, student, 0, Reply("a", 1), NOW)
    room = steps(store, room, "start")
    with pytest.raises(RoomError):
        store.answer(room, student, 1, Reply("a", 1), NOW)
    store.answer(room, student, 0, Reply("a", 1), NOW + 30.5)
    with pytest.raises(RoomError, match="too late"):
        store.answer(room, student, 0, Reply("b", 1), NOW + 31)
    room = steps(store, room, "reveal", now=NOW + 40)
    with pytest.raises(RoomError):
        store.answer(room, student, 0, Reply("b", 1), NOW + 41)
    assert [a.reply.choice for a in store.answers(room)] == ["a"]


def test_two_teachers_pages_take_a_step_once(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    store.step(room, "start", room.version, NOW)
    with pytest.raises(RoomError, match="meanwhile"):
        store.step(room, "start", room.version, NOW)


def test_keys_open_their_own_room_alone(store):
    one, teacher = store.open_room(new_room(), NOW, 1)
    other, _ = store.open_room(new_room(), NOW, 1)
    _, student = store.join(one.code, "Ann", NOW)
    assert store.as_teacher(one.code, teacher, NOW).id == one.id
    assert store.as_student(one.code, student, NOW)[0].id == one.id
    for code, key, ask in (
        (other.code, teacher, store.as_teacher),
        (other.code, student, store.as_student),
        (one.code, student, store.as_teacher),
        (one.code, teacher, store.as_student),
        ("AAAAAA", teacher, store.as_teacher),
        (one.code, "", store.as_student),
    ):
        with pytest.raises(RoomError, match="no place in it"):
            ask(code, key, NOW)


@in_a_file
def test_the_database_holds_no_key(store, path):
    room, teacher = store.open_room(new_room(), NOW, 1)
    _, student = store.join(room.code, "Ann", NOW)
    projector = store.let_project(room)
    store.close()
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert teacher.encode() not in kept
    assert student.encode() not in kept
    assert projector.encode() not in kept
    assert digest(student).encode() in kept


def test_students_are_told_apart_and_rooms_fill_up(store, monkeypatch):
    room, _ = store.open_room(new_room(), NOW, 1)
    assert [store.join(room.code, name, NOW)[0].label for name in ("Ann", "ann", "", "Ann")] == [
        "Ann", "ann 2", "#3", "Ann 3",
    ]  # fmt: skip
    monkeypatch.setattr("app.classroom.store.MAX_STUDENTS", 4)
    with pytest.raises(RoomError, match="full"):
        store.join(room.code, "Bob", NOW)
    assert MAX_STUDENTS >= 200


def test_late_joiners_have_a_place_until_the_end(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    room = steps(store, room, "start", "close", "reveal", "next")
    store.join(room.code, "Late", NOW)
    room = steps(store, room, "end")
    with pytest.raises(RoomError, match="ended"):
        store.join(room.code, "Later", NOW)


def test_a_removed_name_leaves_the_answers_and_one_who_leaves_takes_them(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    ann, key = store.join(room.code, "Ann", NOW)
    bob, _ = store.join(room.code, "Bob", NOW)
    room = steps(store, room, "start")
    for student in (ann, bob):
        store.answer(room, student, 0, Reply("a", 1), NOW)
    store.drop_name(room, ann.number)
    assert [s.label for s in store.students(room)] == ["#1", "Bob"]
    assert len(store.answers(room)) == 2
    store.leave(room, ann)
    assert [a.student for a in store.answers(room)] == [2]
    with pytest.raises(RoomError):
        store.as_student(room.code, key, NOW)


def test_results_are_without_one_who_left_after_the_end_and_the_teacher_goes_on(store, other):
    room, key = store.open_room(new_room(), NOW, 1)
    seats = [store.join(room.code, "", NOW)[0] for _ in range(3)]
    room = steps(store, room, "start")
    for student, choice in zip(seats, "aab", strict=True):
        store.answer(room, student, 0, Reply(choice, 1), NOW)
    store.leave(room, seats[1])
    room = steps(store, room, "end")  # as the page saw it before one left
    tags = set()
    for left, right in ((2, 1), (1, 0)):
        for server in (store, other):
            assert views.session(server, room).students == Tally(right, left)
        tags.add(views.student_tag(store, room, seats[2], room.stage))
        store.leave(room, seats[0])
    assert len(tags) == 2
    assert store.as_teacher(room.code, key, NOW) == room


def test_a_locked_room_takes_nobody_else(store):
    room, key = store.open_room(new_room(), NOW, 1)
    _, seat = store.join(room.code, "Ann", NOW)
    store.lock(room, True)
    store.lock(room, True)
    locked = store.as_teacher(room.code, key, NOW)
    assert store.is_locked(locked)
    assert locked.version > room.version
    with pytest.raises(RoomError, match="locked"):
        store.join(room.code, "Bob", NOW)
    assert store.as_student(room.code, seat, NOW)[1].label == "Ann"
    store.lock(locked, False)
    assert not store.is_locked(locked)
    assert store.join(room.code, "Bob", NOW)[0].number == 2
    store.lock(locked, True)
    store.delete_room(locked)
    store.lock(locked, True)
    with store._read() as db:
        assert db.scalar(select(func.count()).select_from(tables.locks)) == 0


def test_a_projector_has_a_key_of_its_own(store):
    room, teacher = store.open_room(new_room(), NOW, 1)
    other, _ = store.open_room(new_room(), NOW, 1)
    keys = {store.let_project(room), store.let_project(room)}
    assert len(keys) == 2
    for key in (teacher, *keys):
        assert store.as_projector(room.code, key, NOW) == room
        for code, now in ((other.code, NOW), (room.code, NOW + 3600)):
            with pytest.raises(RoomError, match="no place in it"):
                store.as_projector(code, key, now)
    for key in keys:
        with pytest.raises(RoomError, match="no place in it"):
            store.as_teacher(room.code, key, NOW)
    store.delete_room(room)
    with store._read() as db:
        assert db.scalar(select(func.count()).select_from(tables.projectors)) == 0


def test_a_database_made_before_rooms_could_be_locked_is_taken_over(store, url):
    room, _ = store.open_room(new_room(), NOW, 1)
    with store._write() as db:
        tables.locks.drop(db)
    again = RoomStore(tables.connect(url))
    again.lock(room, True)
    assert again.is_locked(room)
    again.close()


def test_pictures_are_given_out_once_their_case_was_opened(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    tokens = [case.token for case in store.cases(room)]
    assert len(set(tokens)) == 3
    with pytest.raises(RoomError):
        store.picture(tokens[0], NOW)
    room = steps(store, room, "start")
    assert store.picture(tokens[0], NOW) == b"png0"
    with pytest.raises(RoomError):
        store.picture(tokens[1], NOW)
    with pytest.raises(RoomError):
        store.picture(tokens[0], NOW + 3600)


def test_an_expired_room_is_deleted_with_everything_in_it(store):
    room, key = store.open_room(new_room(), NOW, 1)
    kept, _ = store.open_room(new_room(cases=1), NOW, 5)
    student, _ = store.join(room.code, "Ann", NOW)
    room = steps(store, room, "start")
    store.answer(room, student, 0, Reply("a", 1), NOW)
    assert store.sweep(NOW + 3599) == 0
    assert store.sweep(NOW + 3600) == 1
    with pytest.raises(RoomError):
        store.as_teacher(room.code, key, NOW)
    with store._read() as db:
        left = [db.scalar(select(func.count()).select_from(t)) for t in (tables.rooms, tables.cases, tables.students)]
        assert left == [1, 1, 0]
        assert db.scalar(select(func.count()).select_from(tables.answers)) == 0
    assert len(store.cases(kept)) == 1


def on_disk(path):
    """All bytes of the database and its log. While it is open: closing would empty the log by itself."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


@in_a_file
@pytest.mark.parametrize("end", ["expires", "is deleted"])
def test_a_deleted_room_is_overwritten(store, path, end):
    room, _ = store.open_room(new_room(), NOW, 1)
    store.join(room.code, "Nickname", NOW)
    assert b"png1" in on_disk(path)
    if end == "expires":
        store.sweep(NOW + 3600)
    else:
        store.delete_room(room)
    assert b"png1" not in on_disk(path)  # overwritten, not only unlinked
    assert b"Nickname" not in on_disk(path)


@in_a_file
def test_a_nickname_is_overwritten_by_the_next_sweep(store, path):
    room, _ = store.open_room(new_room(), NOW, 1)
    leaving, dropped = (store.join(room.code, name, NOW)[0] for name in ("Nickname1", "Nickname2"))
    store.leave(room, leaving)
    store.drop_name(room, dropped.number)
    store.sweep(NOW)
    assert b"Nickname" not in on_disk(path)


def test_who_joins_when_another_leaves_is_news_for_the_teacher(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    ann, _ = store.join(room.code, "Ann", NOW)
    before = views.teacher_tag(room, room.stage, store.counts(room))
    store.leave(room, ann)
    store.join(room.code, "Bob", NOW)
    assert views.teacher_tag(room, room.stage, store.counts(room)) != before


def test_what_the_network_has_not_seen_is_known_after_a_restart(store, url):
    room, _ = store.open_room(new_room(), NOW, 1)
    first = store.cases(room)[0].id
    store.set_network(first, {"choice": "a"})
    store.close()
    again = RoomStore(tables.connect(url))
    todo = again.unprepared()
    assert [again.picture_of(case) for case, _, _ in todo] == [b"png1", b"png2"]
    assert todo[0][1:] == ("t", ["a", "b"])
    assert again.counts(room) == (0, 0, 1, 0)
    again.close()


def test_many_writers_at_once_lose_nothing(store):
    room, _ = store.open_room(new_room(), NOW, 1)
    room = steps(store, room, "start")
    failed = []

    def attend():
        try:
            student, _ = store.join(room.code, "Ann", NOW)
            for choice in "ab":
                store.answer(room, student, 0, Reply(choice, 2), NOW)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=attend) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(s.number for s in store.students(room)) == list(range(1, 25))
    assert len({s.label for s in store.students(room)}) == 24
    assert [a.reply.choice for a in store.answers(room)] == ["b"] * 24


def test_two_servers_lose_nothing_and_never_lock_each_other_out(store, other):
    room, key = store.open_room(new_room(), NOW, 1)
    steps(store, room, "start")
    kept, failed, threads, refused = {}, [], [], set()

    def attend(here, there, leaves):
        student, _ = here.join(room.code, "Ann", NOW)
        for turn in range(20):
            reply = Reply("ab"[turn % 2], 1 + turn % 3)
            if turn == 10 and leaves:
                start(there.leave, room, student)
            if turn % 5 == 4:
                start(there.drop_name, room, student.number)
            try:
                here.answer(room, student, 0, reply, NOW)
                kept[student.number] = reply
            except RoomError as error:  # the case is closed for a moment, or the student has left
                refused.add((error.status, leaves))
        if leaves:
            there.leave(room, student)
            kept.pop(student.number, None)

    def lead(server, turns):
        for _ in range(turns):
            try:
                stage = server.as_teacher(room.code, key, NOW)
                server.step(room, ("close", "reopen")[stage.stage.state == "closed"], stage.version, NOW)
            except RoomError as error:  # the other teacher's page was first
                refused.add((error.status, False))

    def start(work, *arguments):
        def guarded():
            try:
                work(*arguments)
            except Exception as error:
                failed.append(error)

        threads.append(threading.Thread(target=guarded))
        threads[-1].start()

    for i in range(16):
        start(attend, *((store, other) if i % 2 else (other, store)), i % 4 == 0)
    start(lead, store, 20)
    start(lead, other, 20)
    for thread in threads:  # more are added meanwhile
        thread.join()
    assert failed == []
    assert {answer.student: answer.reply for answer in store.answers(room)} == kept
    assert len(other.students(room)) == 12
    assert refused <= {(409, False), (409, True), (403, True)}


def test_two_servers_open_no_more_rooms_than_may_be(store, other, monkeypatch):
    monkeypatch.setattr("app.classroom.store.MAX_ROOMS", 5)
    refused = []

    def open_some(server):
        for _ in range(5):
            try:
                server.open_room(new_room(cases=1), NOW, 1)
            except RoomError as error:
                refused.append(error.status)

    threads = [threading.Thread(target=open_some, args=(server,)) for server in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [503] * 5


def test_servers_that_start_at_once_make_the_tables_once(url):
    made, barrier = [], threading.Barrier(6)

    def start():
        barrier.wait()
        made.append(tables.connect(url))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in made:
        engine.dispose()
    assert len(made) == 6


def test_text_that_no_database_takes(store):
    room, _ = store.open_room(new_room(title="A\0B\ud800"), NOW, 1)
    assert room.title == "AB?"
    with pytest.raises(RoomError, match="no such picture"):
        store.picture("\0", NOW)


@in_a_file
def test_the_file_is_for_its_owner_alone(store, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite://",
        "sqlite:////no/such/folder/rooms.sqlite",
        "nosuch://x/y",
        "postgresql+psycopg://nobody@127.0.0.1:1/rooms",
    ],
)
def test_an_address_that_is_none_names_the_setting(url):
    with pytest.raises(MedMambaError, match="MEDMAMBA_ROOMS"):
        tables.connect(url)


def test_without_a_home_that_can_be_written_the_setting_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(MedMambaError, match="MEDMAMBA_ROOMS"):
        tables.connect()
