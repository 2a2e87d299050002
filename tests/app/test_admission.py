"""A full server, asked over real connections."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from urllib.parse import urlsplit

import httpx
import pytest

from app import gate
from app.engine import FULL
from app.routes import DECODED_AT_ONCE
from app.service import Question

PATHS = ("pictures", "pictures/token/0/part", "archives", "examples/0", "gradio_api/upload")


@pytest.fixture
def full(running):
    """The server while as many pictures are under way as may be."""
    tokens = [f"other visitor {number}" for number in range(64)]
    for token in tokens:
        running.service.line.join(token)
    yield running
    for token in tokens:
        running.service.line.leave(token)


def begin(address, path, sent, language="en"):
    """The head of an upload of 10 MB and its first bytes; returns the connection."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=10)
    head = (
        f"POST /{path} HTTP/1.1",
        f"Host: {place.netloc}",
        f"Accept-Language: {language}",
        "Content-Length: 10000000",
    )
    connection.sendall("\r\n".join((*head, "", "")).encode() + b"x" * sent)
    return connection


def answer_on(connection):
    """(status, sentence)."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("path", PATHS)
def test_it_says_so_before_anything_is_sent(full, path):
    started = time.monotonic()
    with begin(full.address, path, 0) as connection:
        assert answer_on(connection) == (503, FULL)
        assert time.monotonic() - started < 2


def test_whoever_sends_on_still_hears_it(full):
    with begin(full.address, "pictures", 100_000, "de") as connection:
        connection.sendall(b"x" * 9_900_000)
        status, sentence = answer_on(connection)
        assert status == 503
        assert sentence.startswith("Der Server ist gerade voll")
        assert connection.recv(4096) == b""


def test_everything_else_goes_on(full, png):
    held = full.service.hold(png())
    assert httpx.get(full.address).status_code == 200
    assert httpx.get(f"{full.address}pictures/{held}/0").status_code == 200
    assert httpx.post(f"{full.address}gradio_api/cancel", json={}).status_code == 422


def test_few_frames_are_decoded_at_once(running, png, monkeypatch):
    token, lock, now, most = running.service.hold(png()), threading.Lock(), [0], [0]
    decoded = running.service.picture

    def slowly(*asked):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        with lock:
            now[0] -= 1
        return decoded(*asked)

    monkeypatch.setattr(running.service, "picture", slowly)
    with ThreadPoolExecutor(20) as threads, httpx.Client(base_url=running.address) as client:
        asked = [threads.submit(client.get, f"pictures/{token}/0") for _ in range(20)]
        assert [answer.result().status_code for answer in asked] == [200] * 20
    assert most[0] == DECODED_AT_ONCE


def test_a_place_is_free_once_the_picture_is_answered(full, png):
    full.service.line.leave("other visitor 0")
    token = httpx.post(f"{full.address}pictures", content=png()).raise_for_status().text
    assert httpx.post(f"{full.address}pictures", content=png()).status_code == 503
    full.service.classify(Question(token))
    assert httpx.post(f"{full.address}pictures?later=true", content=png()).status_code == 200
    last = httpx.post(f"{full.address}pictures", content=png()).raise_for_status().text
    assert httpx.post(f"{full.address}pictures", content=b"x" * 100).status_code == 503
    full.service.drop(last)


def test_half_an_upload_gives_its_place_back(full):
    full.service.line.leave("other visitor 0")
    with begin(full.address, "pictures", 1000):
        assert comes_to(full.service.line.is_full)
    assert comes_to(lambda: not full.service.line.is_full())


def comes_to(condition):
    """Whether a condition holds within some seconds."""
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_session_that_reads_no_answers_gets_no_more(running):
    with httpx.Client(base_url=running.address, timeout=30) as client:
        dependencies = client.get("config").json()["dependencies"]
        scan = next(d for d in dependencies if d["targets"][0][1] == "scan")
        wish = {"data": [], "event_data": {}, "fn_index": scan["id"], "session_hash": "deaf"}
        wish |= {"trigger_id": scan["targets"][0][0]}
        answers = [client.post("gradio_api/queue/join", json=wish) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 8 + [503] * 4
        with client.stream("GET", "gradio_api/queue/data?session_hash=deaf") as stream:
            assert sum('"process_completed"' in line for line in stream.iter_lines()) == 8
        assert client.post("gradio_api/queue/join", json=wish).status_code == 200


def test_a_client_that_stops_sending_is_told_and_holds_nobody_up(running, monkeypatch):
    monkeypatch.setattr(gate, "SILENT_SECONDS", 0.5)
    with begin(running.address, "pictures", 1000) as silent:
        assert httpx.get(f"{running.address}healthz", timeout=2).status_code == 200
        assert answer_on(silent) == (408, gate.TOO_SLOW)
    assert not running.service.line.is_full()
