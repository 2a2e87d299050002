"""Quizzes in memory, the network asked in the background, and the routes: what goes over the wire before an answer."""

import io
import json
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydicom.data import get_testdata_file
from starlette.testclient import TestClient

from app import opinion
from app.learn_routes import learn_routes
from app.quiz import Response
from app.service import Service
from app.store import PictureStore
from app.texts import texts_for
from app.tutor import ASKED_AHEAD, QUIZ_BYTES, Tutor, neutral
from medmamba.deck import MODALITY, Case, Deck, read_deck, write_deck
from medmamba.errors import BusyError, RequestError

HEARD = opinion.Opinion("cyst", checkpoint={"sha256": "f00"})
KIDNEY = (("cyst", "Cyst"), ("normal", "Normal"), ("tumor", "Tumor"))


@pytest.fixture
def deck(png):
    cases = [Case(png(seed=i), t, "SECRET-TEXT", "SECRET-SOURCE") for i, t in enumerate(("cyst", "tumor", "normal"))]
    return Deck("Kidneys", "en", "kidney-ct", KIDNEY, tuple(cases))


@pytest.fixture
def tutor(service):
    return Tutor(service, 2**20, 100.0)


def test_the_network_is_asked_once_for_a_picture_and_ahead_of_the_answer(tutor, deck, monkeypatch):
    asked = []
    monkeypatch.setattr(opinion, "ask", lambda *args: asked.append(args) or HEARD)
    first, second = tutor.start(deck, False), tutor.start(deck, False)
    for token in (first, second):
        for position in range(3):
            tutor.prepare(token, position)
    with tutor.quiz(first) as quiz:
        quiz.answer(0, Response("cyst", "sure"))
    assert tutor.opinion(first, 0).choice == "cyst"
    with pytest.raises(RequestError, match="Answer first"):
        tutor.opinion(first, 1)
    assert len(asked) <= 3


@pytest.mark.parametrize("failure", [BusyError("Too much is waiting."), opinion.Opinion()])
def test_the_network_is_asked_again_where_it_could_not_answer(tutor, deck, monkeypatch, failure):
    answers = [failure, HEARD]

    def ask(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(opinion, "ask", ask)
    one = replace(deck, cases=deck.cases[:1])
    token = tutor.start(one, False)
    tutor.prepare(token, 0)
    with tutor.quiz(token) as quiz:
        quiz.answer(0, Response("cyst", "sure"))
    while len(answers) == 2 or not all(f.done() for f in tutor._opinions.values()):
        time.sleep(0.01)
    assert tutor.opinion(token, 0) == tutor.opinion(token, 0) == HEARD


def test_another_checkpoint_has_an_opinion_of_its_own(tutor, deck, monkeypatch, checkpoint_root, tmp_path):
    tutor._service = Service(PictureStore(2**28, 900.0), root=tmp_path)
    token = tutor.start(deck, False)
    with tutor.quiz(token) as quiz:
        quiz.answer(0, Response("cyst", "sure"))
    for name in ("generalist", "second"):
        shutil.rmtree(tmp_path / "generalist", ignore_errors=True)
        shutil.copytree(checkpoint_root / name, tmp_path / "generalist")
        card = next(iter(tutor._service.usable().values()))
        assert tutor.opinion(token, 0).checkpoint["sha256"] == card.sha256


def test_quizzes_are_bounded_in_bytes_and_time(service, deck):
    now = [0.0]
    size = sum(len(case.picture) for case in deck.cases)
    tutor = Tutor(service, 2 * size + 4 * QUIZ_BYTES, 10.0, lambda: now[0])
    own = [tutor.start(deck, True) for _ in range(3)]
    with pytest.raises(RequestError, match="no longer held"):
        tutor.picture(own[0], 0)
    tutor.picture(own[2], 0)
    now[0] = 11.0
    with pytest.raises(RequestError, match="no longer held"):
        tutor.picture(own[2], 0)


def test_pictures_on_show_count(service, deck):
    tutor = Tutor(service, 2 * (QUIZ_BYTES + 96 * 80 * 3), 10.0)
    untouched, first, second = (tutor.start(deck, False) for _ in range(3))
    for token in (first, second):
        tutor.picture(token, 0)
    with pytest.raises(RequestError, match="no longer held"):
        tutor.picture(untouched, 0)
    tutor.picture(first, 1)


def test_who_only_looks_does_not_keep_the_network_from_others(tutor, png, monkeypatch):
    asked, go_on = [], threading.Event()
    monkeypatch.setattr(opinion, "ask", lambda *args: (go_on.wait(20) and asked.append(args)) or HEARD)
    cases = tuple(Case(png(8, 8, seed=i), "cyst") for i in range(2 * ASKED_AHEAD))
    token = tutor.start(Deck("Many", "en", "kidney-ct", KIDNEY, cases), False)
    for position in range(len(cases)):
        tutor.prepare(token, position)
    with tutor.quiz(token) as quiz:
        quiz.answer(0, Response("cyst", "sure"))
    go_on.set()
    assert tutor.opinion(token, 0) is HEARD
    tutor._thread.shutdown()
    assert len(asked) <= ASKED_AHEAD + 1


def test_a_picture_says_nothing_of_its_file():
    with open(get_testdata_file("CT_small.dcm"), "rb") as file:
        image = neutral(Case(file.read(), "x"))
    assert (image.pixels.dtype, image.kind, dict(image.tags), image.orientation) == (np.uint8, "PNG", {}, None)
    assert image.pixel_spacing is None
    assert image.windows == ()


@pytest.fixture
def ask(tutor, service, monkeypatch, deck):
    """Calls a route; a body makes it a POST. Answers with the response."""
    monkeypatch.setattr(Tutor, "decks", staticmethod(lambda: {"d": deck}))
    server = FastAPI()
    server.include_router(learn_routes(tutor, service, 2**22))

    with TestClient(server, base_url="http://test") as client:

        def ask(path, body=None):
            if body is None:
                return client.get(f"/learn/{path}")
            return client.post(f"/learn/{path}", content=body if isinstance(body, bytes) else json.dumps(body))

        yield ask


@pytest.mark.parametrize(
    ("name", "label", "words"),
    [
        *(("a", "Cyst", "Zyste"), ("ultrasound", "Ultrasound", "Ultraschall")),
        *(("Cyst", "Cyst of the liver", "Cyst of the liver"), ("ultrasound", "Echo", "Echo")),
    ],
)
def test_a_class_is_called_by_its_label_in_the_visitors_language(name, label, words):
    assert texts_for("de").label(name, label) == words


def test_a_quiz_over_the_wire(ask, deck):
    listed = ask("decks").json()
    assert listed["decks"] == [{"name": "d", "title": "Kidneys", "language": "en", "cases": 3}]
    assert MODALITY in [task["name"] for task in listed["tasks"]]
    start = ask("quizzes?deck=d", {}).json()
    quiz = f"quizzes/{start['quiz']}"
    before = [ask(f"{quiz}/0"), ask(f"{quiz}/0/samples"), ask(f"{quiz}/0/network")]
    for response in before:
        seen = response.content + str(response.headers).encode()
        assert not any(word in seen for word in (b"SECRET", b"cyst", b"tumor", b"normal", b"probabilities"))
    assert before[2].status_code == 422
    assert ask(f"{quiz}/results").json()["all"] == {"count": 0, "right": 0}
    picture = before[0].json()["picture"]
    assert len(before[1].content) == picture["shownWidth"] * picture["shownHeight"] * 3
    said = ask(f"{quiz}/0", {"choice": "cyst", "confidence": "sure", "mark": [0.5, 0.25]}).json()
    assert (said["text"], said["right"]) == ("SECRET-TEXT", said["truth"] == "cyst")
    assert said["response"]["mark"] == [0.5, 0.25]
    network = ask(f"{quiz}/0/network").json()
    assert sum(network["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert ask(f"{quiz}/results").json()["all"]["count"] == 1
    assert ask(f"{quiz}/table").text.count("\n") == 2
    again = ask(f"{quiz}/0", {"choice": "tumor", "confidence": "sure"})
    assert (again.status_code, again.text) == (422, "This case has been answered already; an answer is final.")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        {},
        {"choice": "cyst"},
        {"choice": 3, "confidence": "sure"},
        {"choice": "cyst", "confidence": "sure", "mark": [1, "2"]},
        {"choice": "cyst", "confidence": "sure", "mark": [True, 1]},
        {"choice": "cyst", "confidence": "sure", "mark": [10**400, 1]},
    ],
)
def test_bad_answers_get_a_sentence(ask, body):
    quiz = ask("quizzes?deck=d", {}).json()["quiz"]
    response = ask(f"quizzes/{quiz}/0", body)
    assert response.status_code == 422
    assert response.text.endswith(".")


def test_wrong_names_get_a_sentence(ask):
    for response, status in (
        (ask("quizzes?deck=none", {}), 422),
        (ask("quizzes", b"hello"), 422),
        (ask("quizzes/none/0"), 422),
        (ask("thumbnails/x"), 410),
    ):
        assert response.status_code == status
        assert response.text.endswith(".")


def test_the_editor_writes_no_deck_that_the_page_would_not_take_back(ask, deck, service):
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1200, 3), np.uint8)
    photograph = io.BytesIO()
    Image.fromarray(noise).save(photograph, "JPEG")
    draft = ask("drafts", write_deck(deck)).json()
    draft["cases"][0]["token"] = service.hold(photograph.getvalue())
    assert len(photograph.getvalue()) < 2**21
    refused = ask("decks", draft)
    words = "As PNG the pictures take more than the 4 MB that can be opened again. Split the deck."
    assert (refused.status_code, refused.text) == (422, words)


def test_the_editor_reads_what_it_writes(ask, deck, service):
    draft = ask("drafts", write_deck(deck)).json()
    assert [entry["truth"] for entry in draft["cases"]] == ["cyst", "tumor", "normal"]
    small = ask(f"thumbnails/{draft['cases'][0]['token']}")
    assert Image.open(io.BytesIO(small.content)).size == (96, 80)
    draft["cases"] = draft["cases"][::-1]
    draft["cases"][0]["text"] = "New <b>words</b>"
    written = read_deck(ask("decks", draft).content)
    assert [case.truth for case in written.cases] == ["normal", "tumor", "cyst"]
    assert written.cases[0].text == "New <b>words</b>"
    assert (written.title, written.task, written.classes) == (deck.title, deck.task, deck.classes)
    draft["cases"][1]["truth"] = "stone"
    assert ask("decks", draft).text == "Case 2: its truth is none of the deck's classes."
    service.drop(draft["cases"][2]["token"])
    gone = ask("decks", draft)
    words = "Case 3: its picture is no longer held in memory. Add it again."
    assert (gone.status_code, gone.text) == (410, words)
