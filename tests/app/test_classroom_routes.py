"""The rooms over HTTP: a whole room, what each side is told and when, and who is refused."""

import csv
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from app import opinion
from app import sheets as sheets_of_paper
from app.classroom import record, tables
from app.classroom.attendant import TRIES
from app.classroom.routes import Desk, add_classroom
from app.classroom.rules import RoomError
from app.classroom.store import RoomStore
from app.classroom.throttle import Throttle
from app.texts import texts_for
from medmamba.deck import Case, Deck, write_deck
from medmamba.errors import BusyError
from tests.app.conftest import make_png

CLASSES = (("cyst", "Cyst"), ("normal", "Normal"), ("tumor", "Tumor"))
SECRET = "SECRET-TEACHING-TEXT"


def make_deck(task="kidney-ct", classes=CLASSES, cases=2):
    entries = (Case(make_png(seed=i), classes[i % len(classes)][0], SECRET, "SECRET-SOURCE") for i in range(cases))
    return Deck("Slices", "en", task, classes, tuple(entries))


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


class Side:
    """A teacher or a student with a key."""

    def __init__(self, client, code, key):
        self.client, self.root, self.headers = client, f"/classroom/rooms/{code}", {"authorization": f"Bearer {key}"}

    def __call__(self, method, path, **options):
        headers = self.headers | options.pop("headers", {})
        return self.client.request(method, f"{self.root}/{path}".rstrip("/"), headers=headers, **options)


@pytest.fixture
def desk(tmp_path, service):
    store = RoomStore(tables.connect(f"sqlite:///{tmp_path}/rooms.sqlite"))
    yield Desk(store, service, hours=24, decks=lambda: {"slices": make_deck()}, clock=Clock())
    store.close()


@pytest.fixture
def client(desk):
    server = FastAPI()
    add_classroom(server, desk)
    with TestClient(server) as client:
        yield client


SAYS = {
    "choice": "tumor",
    "probabilities": {"cyst": 0.1, "normal": 0.2, "tumor": 0.7},
    "evidence": {"values": [[1.0, 0.0], [0.5, -1.0]], "reference": 1.0},
    "refused": False,
}


@pytest.fixture
def teacher(client, desk):
    """Of a room whose network's answers are there, and known."""
    opened = client.post("/classroom/rooms?deck=slices&names=true").json()
    for case, _, _ in desk.store.unprepared():
        desk.store.set_network(case, SAYS)
    return Side(client, **opened)


def join(client, teacher, name="Ann"):
    joined = client.post(f"{teacher.root}/students", json={"name": name}).json()
    return Side(client, joined["code"], joined["key"])


def take(teacher, *steps):
    for step in steps:
        version = teacher("GET", "teacher").json()["version"]
        answer = teacher("POST", f"steps?step={step}&version={version}")
        assert answer.status_code == 204, answer.text


def test_a_whole_room(client, teacher):
    ann, bob = join(client, teacher), join(client, teacher, "Bob")
    assert ann("GET", "student").json()["state"] == "lobby"
    take(teacher, "start")
    view = ann("GET", "student").json()
    assert (view["state"], view["position"], view["cases"], view["answer"]) == ("open", 0, 2, None)
    picture = client.get(f"/classroom/pictures/{view['picture']['token']}")
    assert Image.open(io.BytesIO(picture.content)).size == (96, 80)
    answer = {"choice": "cyst", "confidence": 3, "mark": [0.5, 0.25]}
    assert ann("PUT", "answers/0", json=answer).status_code == 204
    assert bob("PUT", "answers/0", json={"choice": "tumor", "confidence": 1}).status_code == 204
    assert ann("GET", "student").json()["answer"] == answer
    assert teacher("GET", "teacher").json()["answered"] == 2
    assert "histogram" not in teacher("GET", "teacher").json()
    take(teacher, "close")
    assert ann("PUT", "answers/0", json=answer).status_code == 409
    assert teacher("GET", "teacher").json()["histogram"] == {"cyst": 1, "normal": 0, "tumor": 1}
    take(teacher, "reveal")
    reveal = ann("GET", "student").json()["reveal"]
    assert (reveal["truth"], reveal["text"]) == ("cyst", SECRET)
    assert reveal["network"] == SAYS
    shown = teacher("GET", "teacher").json()["reveal"]
    assert shown["marks"] == 1
    assert len(shown["heat"]) == len(shown["heat"][0])
    take(teacher, "next", "end")
    assert ann("GET", "student").json()["score"]["own"] == [1, 1]
    results = teacher("GET", "teacher").json()["results"]
    assert results["students"] == [1, 2]
    assert len(results["cases"]) == 2


def test_nothing_of_truth_or_network_is_told_before_the_reveal(client, teacher):
    ann = join(client, teacher)
    seen = []
    for steps in ((), ("start",), ("close",)):
        take(teacher, *steps)
        if steps == ("start",):
            ann("PUT", "answers/0", json={"choice": "normal", "confidence": 1})
        for side, path in ((ann, "student"), (teacher, "teacher")):
            view = side("GET", path)
            seen.append(view.text)
            assert not {"reveal", "results", "score"} & view.json().keys()
    open_keys = {"state", "position", "cases", "title", "language", "question", "classes", "left", "label", "number"}
    assert ann("GET", "student").json().keys() == open_keys | {"picture", "answer"}
    for word in ("SECRET", "truth", "probabilities", "network", "reference"):
        assert not any(word in text for text in seen), word
    take(teacher, "reveal")
    assert SECRET in ann("GET", "student").text


def test_every_picture_has_a_random_name_and_no_header(client, teacher, desk):
    take(teacher, "start")
    token = teacher("GET", "teacher").json()["picture"]["token"]
    answer = client.get(f"/classroom/pictures/{token}")
    assert answer.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(answer.content)).info == {}
    room = desk.store.as_teacher(teacher.root[-6:], teacher.headers["authorization"][7:], Clock.now)
    later = desk.store.case(room, 1)
    assert client.get(f"/classroom/pictures/{later.token}").status_code == 404


def test_a_poll_that_finds_nothing_new_is_answered_without_a_body(client, teacher):
    ann = join(client, teacher)
    for side, path in ((ann, "student"), (teacher, "teacher")):
        tag = side("GET", path).headers["etag"]
        for known in (tag, f"W/{tag}"):  # as it comes back from a proxy that compresses
            again = side("GET", path, headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
        take(teacher, "start") if path == "student" else take(teacher, "close")
        assert side("GET", path, headers={"if-none-match": tag}).status_code == 200


def test_a_deadline_is_seen_without_a_step(client, desk):
    teacher = Side(client, **client.post("/classroom/rooms?deck=slices&seconds=30").json())
    ann = join(client, teacher)
    take(teacher, "start")
    opened = ann("GET", "student")
    assert opened.json()["left"] == 30
    desk.clock.now += 31.5
    closed = ann("GET", "student", headers={"if-none-match": opened.headers["etag"]})
    assert closed.json()["state"] == "closed"
    assert "histogram" in teacher("GET", "teacher").json()


def test_the_reveal_waits_for_the_network(client, desk):
    teacher = Side(client, **client.post("/classroom/rooms?deck=slices").json())
    take(teacher, "start", "close")
    version = teacher("GET", "teacher").json()["version"]
    refused = teacher("POST", f"steps?step=reveal&version={version}")
    assert (refused.status_code, refused.json()["error"][:11]) == (409, "The network")
    desk.attendant.prepare()
    take(teacher, "reveal")
    says = teacher("GET", "teacher").json()["reveal"]["network"]
    assert sum(says["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert len(says["evidence"]["values"]) == len(says["evidence"]["values"][0])


def test_the_reveal_waits_for_no_network_that_does_not_know_the_question(client):
    opened = client.post("/classroom/rooms", content=write_deck(make_deck("own", CLASSES[:2])))
    take(Side(client, **opened.json()), "start", "close", "reveal")


def test_guessing_codes_is_slowed_down_and_seats_are_not(client, teacher):
    ann = join(client, teacher)
    answers = [client.post("/classroom/rooms/AAAAAA/students", json={}).status_code for _ in range(61)]
    assert answers == [404] * 60 + [429]
    assert client.post(f"{teacher.root}/students", json={}).status_code == 429
    assert ann("GET", "student").status_code == 200


def test_guesses_at_the_same_time_do_not_pass_together(desk):
    for _ in range(59):
        desk.misses.take("10.0.0.1")
    together = threading.Barrier(8)

    def guess(_):
        together.wait()
        with pytest.raises(RoomError) as refused:
            desk.join("10.0.0.1", "AAAAAA", "")
        return refused.value.status

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(guess, range(8))) == [404] + [429] * 7


def test_right_codes_are_not_counted(client, teacher):
    assert [client.post(f"{teacher.root}/students", json={}).status_code for _ in range(70)] == [200] * 70


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True), ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True), ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("10.0.0.1", "10.0.0.2", False), ("testclient", "testclient", True),
    ],
)  # fmt: skip
def test_the_addresses_of_one_network_share_a_bucket(one, other, are_one):
    throttle = Throttle(2, 60.0, Clock())
    assert [throttle.take(one) for _ in range(3)] == [True, True, False]
    assert throttle.is_empty(other) is are_one


def test_keys_of_one_side_are_worthless_on_the_other(client, teacher):
    ann = join(client, teacher)
    for side, method, path in (
        (ann, "GET", "teacher"), (ann, "POST", "steps?step=start&version=0"), (ann, "GET", "results.csv"),
        (ann, "GET", "results.pdf"), (ann, "DELETE", "names/1"), (ann, "DELETE", ""), (teacher, "GET", "student"),
        (ann, "GET", "qr.svg?link=http://x/#"), (Side(client, "AAAAAA", "x"), "GET", "student"),
        (teacher, "PUT", "answers/0"), (ann, "PUT", "lock"), (ann, "DELETE", "lock"),
    ):  # fmt: skip
        answer = side(method, path)
        assert (answer.status_code, answer.json()["error"][:17]) == (403, "This room is over"), path


def test_a_projector_shows_and_steps_and_may_do_nothing_else(client, teacher):
    code = teacher.root[-6:]
    projector = Side(client, code, teacher("POST", "projectors").json()["key"])
    take(projector, "start", "close")
    assert projector("GET", "teacher").json()["state"] == "closed"
    assert projector("GET", "qr.svg", params={"link": f"http://x/#{code}"}).status_code == 200
    for method, path in (
        ("GET", "results.csv"), ("GET", "results.pdf"), ("DELETE", "names/1"), ("DELETE", ""), ("PUT", "lock"),
        ("DELETE", "lock"), ("POST", "projectors"), ("GET", "student"),
    ):  # fmt: skip
        assert projector(method, path).status_code == 403, path


@pytest.mark.parametrize(("names", "shown"), [("true", ["Ann"]), ("false", [])])
def test_a_projector_is_sent_nicknames_only_where_it_is_to_show_them(client, names, shown):
    teacher = Side(client, **client.post(f"/classroom/rooms?deck=slices&names={names}").json())
    projector = Side(client, teacher.root[-6:], teacher("POST", "projectors").json()["key"])
    join(client, teacher)
    assert [student["label"] for student in teacher("GET", "teacher").json()["students"]] == ["Ann"]
    assert [student["label"] for student in projector("GET", "teacher").json()["students"]] == shown
    assert projector("GET", "teacher").json()["joined"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"choice": "liver", "confidence": 1}', b"[" * 4000])
def test_what_is_no_answer_is_refused_with_a_sentence(client, teacher, body):
    ann = join(client, teacher)
    take(teacher, "start")
    answer = ann("PUT", "answers/0", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")
    assert ann("PUT", "answers/0", content=b" " * 5000).status_code == 413


def test_names_can_be_removed_by_both_sides_and_one_can_leave(client, teacher):
    ann, bob = join(client, teacher, "Ann"), join(client, teacher, "Bob")
    assert ann("DELETE", "student/name").status_code == 204
    assert teacher("DELETE", "names/2").status_code == 204
    assert teacher("DELETE", f"names/{10**30}").status_code == 422
    assert [s["label"] for s in teacher("GET", "teacher").json()["students"]] == ["#1", "#2"]
    assert bob("DELETE", "student").status_code == 204
    assert bob("GET", "student").status_code == 403
    assert teacher("GET", "teacher").json()["joined"] == 1


def test_a_teacher_can_lock_the_room_and_unlock_it(client, teacher):
    ann = join(client, teacher)
    before = teacher("GET", "teacher")
    assert before.json()["locked"] is False
    assert teacher("PUT", "lock").status_code == 204
    assert teacher("GET", "teacher", headers={"if-none-match": before.headers["etag"]}).json()["locked"] is True
    refused = client.post(f"{teacher.root}/students", json={}, headers={"accept-language": "de"})
    assert (refused.status_code, refused.json()["error"][:24]) == (409, "Dieser Raum ist gesperrt")
    assert ann("GET", "student").status_code == 200
    assert teacher("DELETE", "lock").status_code == 204
    join(client, teacher, "Bob")
    assert teacher("GET", "teacher").json()["joined"] == 2


def test_one_who_leaves_at_the_end_is_out_of_every_result(client, teacher):
    ann, bob = join(client, teacher), join(client, teacher, "Bob")
    take(teacher, "start")
    for side, choice in ((ann, "cyst"), (bob, "tumor")):
        side("PUT", "answers/0", json={"choice": choice, "confidence": 1})
    take(teacher, "end")
    seen = {side: side("GET", path) for side, path in ((ann, "student"), (teacher, "teacher"))}
    assert seen[teacher].json()["results"]["students"] == [1, 2]
    assert bob("DELETE", "student").status_code == 204
    for side, path in ((ann, "student"), (teacher, "teacher")):
        again = side("GET", path, headers={"if-none-match": seen[side].headers["etag"]}).json()
        assert again.get("score", again.get("results"))["students"] == [1, 1]


def test_what_the_network_declined_is_told_apart(client, desk):
    teacher = Side(client, **client.post("/classroom/rooms?deck=slices").json())
    for (case, _, _), refused in zip(desk.store.unprepared(), (True, False), strict=True):
        desk.store.set_network(case, SAYS | {"refused": refused})
    ann = join(client, teacher)
    for position in range(2):
        take(teacher, "next" if position else "start")
        ann("PUT", f"answers/{position}", json={"choice": "cyst", "confidence": 2})
        take(teacher, "close", "reveal")
    take(teacher, "end")
    results = teacher("GET", "teacher").json()["results"]
    assert (results["network"], results["declined"]) == ([0, 1], 1)
    assert ann("GET", "student").json()["score"]["declined"] == 1
    rows = csv.DictReader(io.StringIO(teacher("GET", "results.csv").text))
    assert [(row["network"], row["network_refused"]) for row in rows] == [("Tumor", "1"), ("Tumor", "0")]
    room = desk.store.as_teacher(teacher.root[-6:], teacher.headers["authorization"][7:], Clock.now)
    written = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record._Page, "write", lambda self, words, *_, **__: written.append(words))
        record.sheet(desk.store, room, texts_for("en"), names=False)
    assert "Network: declined" in written
    assert "Cases in which the network gave no answer, since the picture is unlike what it learnt: 1." in written


def test_a_number_stands_behind_its_label_in_scripts_from_the_right_too(client, monkeypatch):
    deck = write_deck(make_deck("own", (("a", "\u05e6\u05d9\u05e1\u05d8\u05d4"), ("b", "Square"))))
    teacher = Side(client, **client.post("/classroom/rooms", content=deck).json())
    ann = join(client, teacher)
    take(teacher, "start")
    ann("PUT", "answers/0", json={"choice": "a", "confidence": 2})
    written = []
    monkeypatch.setattr(record._Page, "write", lambda self, words, *_, **__: written.append(words))
    teacher("GET", "results.pdf")
    assert "Answers: \u05e6\u05d9\u05e1\u05d8\u05d4\u200e 1" in written


def test_a_sheet_without_a_network_says_nothing_of_one(client, desk, monkeypatch):
    deck = write_deck(make_deck("own", (("a", "Round"), ("b", "Square"))))
    teacher = Side(client, **client.post("/classroom/rooms", content=deck).json())
    take(teacher, "start", "end")
    written = []
    monkeypatch.setattr(record._Page, "write", lambda self, words, *_, **__: written.append(words))
    assert teacher("GET", "results.pdf").status_code == 200
    assert "Round" in written
    assert not [words for words in written if "network" in words.lower()]


def test_the_sheet_shows_grey_as_it_is_and_every_name(client, desk, monkeypatch):
    teacher = Side(client, **client.post("/classroom/rooms?deck=slices&names=true").json())
    ann = join(client, teacher, "Ann")
    take(teacher, "start")
    ann("PUT", "answers/0", json={"choice": "cyst", "confidence": 2})
    take(teacher, "close", "end")
    room = desk.store.as_teacher(teacher.root[-6:], teacher.headers["authorization"][7:], Clock.now)
    sheets, names = [], [f"{number:03} of twenty-four letter" for number in range(450)]
    monkeypatch.setattr(sheets_of_paper.PdfPages, "savefig", lambda self, figure: sheets.append(figure))
    students = [SimpleNamespace(label=name, number=number) for number, name in enumerate(names)]
    monkeypatch.setattr(desk.store, "students", lambda room: students)
    record.sheet(desk.store, room, texts_for("en"), names=True)
    limits = [image.get_clim() for sheet in sheets for axes in sheet.axes for image in axes.images]
    assert limits
    assert set(limits) == {(0, 255)}
    written = [text for sheet in sheets for text in sheet.texts]
    assert all(text.get_position()[1] > 0.02 for text in written), "nothing below the lower edge"
    plain = [text for text in written if text.get_fontweight() == "normal"]  # a bold head may stand within a name
    together = " ".join(text.get_text() for text in plain)
    assert all(name in together for name in names)
    assert len(sheets) > 2
    assert all(sheet.texts[0].get_text().startswith("Research and education only.") for sheet in sheets)


def test_the_network_is_asked_again_where_it_could_not_answer(client, desk, monkeypatch):
    teacher = Side(client, **client.post("/classroom/rooms?deck=slices").json())
    with monkeypatch.context() as patch:
        patch.setattr(opinion, "ask", lambda *_: opinion.Opinion())
        for _ in range(TRIES - 1):
            desk.attendant.prepare()
    assert teacher("GET", "teacher").json()["prepared"] == 0
    desk.attendant.prepare()
    assert all(case["network"]["choice"] for case in asked(desk, teacher))


def test_a_room_opened_meanwhile_does_not_wait_for_the_deck_of_another(client, desk, monkeypatch):
    client.post("/classroom/rooms?deck=slices")
    met = []

    def ask(_, picture, task, classes):
        met.append(task)
        if len(met) == 1:
            client.post("/classroom/rooms", content=write_deck(make_deck("own", CLASSES[:2])))
        return opinion.Opinion(checkpoint={"title": "x"})

    monkeypatch.setattr(opinion, "ask", ask)
    desk.attendant.prepare()
    assert met == ["kidney-ct", "own", "kidney-ct", "own"]


def test_a_class_does_not_wait_for_a_network_that_is_away(client, desk, monkeypatch):
    def fail(*_):
        raise BusyError("Too much is waiting.")

    teacher = Side(client, **client.post("/classroom/rooms?deck=slices").json())
    monkeypatch.setattr(opinion, "ask", fail)
    for _ in range(TRIES):
        assert teacher("GET", "teacher").json()["prepared"] == 0
        desk.attendant.prepare()
    assert [case["network"]["choice"] for case in asked(desk, teacher)] == [None, None]


def asked(desk, teacher):
    room = desk.store.as_teacher(teacher.root[-6:], teacher.headers["authorization"][7:], Clock.now)
    return [vars(case) for case in desk.store.cases(room)]


def test_results_as_csv_and_pdf_hold_names_only_when_asked(client, teacher):
    ann = join(client, teacher, "=Ann")
    take(teacher, "start")
    ann("PUT", "answers/0", json={"choice": "cyst", "confidence": 2, "mark": [0.5, 0.25]})
    take(teacher, "close", "reveal", "end")
    [row] = csv.DictReader(io.StringIO(teacher("GET", "results.csv").text))
    wanted = {"case": "1", "truth": "Cyst", "student": "1", "answer": "Cyst", "right": "1", "mark_x": "0.5000"}
    assert wanted.items() <= row.items()
    assert row["notice"] == "Research and education only, not a medical device."
    assert "'=Ann" in teacher("GET", "results.csv?names=true").text
    assert "Nur für Forschung und Lehre" in teacher("GET", "results.csv?language=de").text
    for language in ("en", "de"):
        sheet = teacher("GET", f"results.pdf?language={language}")
        assert sheet.content.startswith(b"%PDF")
    assert len(sheet.content) < 500_000


def test_a_sheet_says_that_letters_of_a_name_are_missing(client, teacher, monkeypatch):
    written = []
    monkeypatch.setattr(record, "pdf", lambda sheets: written.extend(t.get_text() for s in sheets for t in s.texts))
    join(client, teacher, "李小龍")
    teacher("GET", "results.pdf?names=true")
    assert "Students: □□□" in written
    assert any(line.startswith("□ stands for a letter") for line in written)


def test_an_answer_to_a_case_that_was_opened_meanwhile_does_not_end_the_table(client, teacher, desk):
    ann = join(client, teacher)
    take(teacher, "start")
    before = desk.store.as_teacher(teacher.root[-6:], teacher.headers["authorization"][7:], Clock.now)
    take(teacher, "close", "reveal", "next")
    ann("PUT", "answers/1", json={"choice": "cyst", "confidence": 2})
    [row] = csv.DictReader(io.StringIO(record.table(desk.store, before, texts_for("en"), names=False)))
    assert (row["case"], row["truth"]) == ("2", "Normal")


def test_a_renamed_class_is_called_by_its_label_in_the_table(client):
    deck = make_deck(classes=(("Cyts", "=Cyst"), ("b", "Normal")))
    teacher = Side(client, **client.post("/classroom/rooms", content=write_deck(deck)).json())
    ann = join(client, teacher)
    take(teacher, "start")
    ann("PUT", "answers/0", json={"choice": "Cyts", "confidence": 2})
    [row] = csv.DictReader(io.StringIO(teacher("GET", "results.csv").text))
    assert (row["truth"], row["network"], row["answer"], row["right"]) == ("'=Cyst", "", "'=Cyst", "1")


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0 %"), (0.004, "<1 %"), (0.5, "50 %"), (0.994, "99 %"), (0.996, ">99 %"), (1, "100 %")]
)
def test_shares_on_paper_are_never_rounded_to_none_or_all(share, words):
    assert record._percent(share) == words.replace(" ", "\u00a0")


def test_a_room_is_deleted_on_request(client, teacher):
    ann = join(client, teacher)
    assert teacher("DELETE", "").status_code == 204
    assert ann("GET", "student").status_code == 403
    assert teacher("GET", "teacher").status_code == 403


def test_the_qr_code_is_of_the_room_s_link_alone(client, teacher):
    code = teacher.root[-6:]
    answer = teacher("GET", "qr.svg", params={"link": f"https://host.example/classroom/#{code}"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in answer.content
    for link in ("https://host.example/", f"javascript:alert(1)#{code}", f"https://{'x' * 300}/#{code}"):
        assert teacher("GET", "qr.svg", params={"link": link}).status_code == 422


def test_decks_of_one_s_own(client, desk):
    opened = client.post("/classroom/rooms?seconds=60", content=write_deck(make_deck("own", CLASSES[:2])))
    teacher = Side(client, **opened.json())
    desk.attendant.prepare()
    take(teacher, "start", "close", "reveal")
    assert teacher("GET", "teacher").json()["reveal"]["network"] is None
    refused = client.post("/classroom/rooms", content=b"no deck")
    assert refused.status_code == 422
    assert refused.json()["error"].endswith(".")
    assert client.post("/classroom/rooms?deck=none").status_code == 404
    assert client.post("/classroom/rooms?deck=slices&seconds=1").status_code == 422


def test_decks_are_listed_without_their_truth(client):
    text = client.get("/classroom/decks").text
    assert json.loads(text) == [{"name": "slices", "title": "Slices", "language": "en", "cases": 2}]


def test_a_room_may_ask_whether_the_network_should_answer(client, desk):
    cases = tuple(Case(make_png(seed=i), truth) for i, truth in enumerate(("known", "other")))
    classes = (("known", "Known"), ("other", "Something else"))
    opened = client.post("/classroom/rooms", content=write_deck(Deck("Strangers", "en", "familiar", classes, cases)))
    teacher = Side(client, **opened.json())
    desk.attendant.prepare()
    take(teacher, "start", "close", "reveal")
    view = teacher("GET", "teacher").json()
    assert view["question"] == "learn.question.familiar"
    assert view["model"] == "Test generalist 0.1"
    says = view["reveal"]["network"]
    assert (says["choice"], says["probabilities"]) == ("known", {})
    assert says["evidence"]["values"]
    assert says["distance"] < says["limit"]
