"""Sessions that ask and never read: Gradio's queue goes on, and others have their answers."""

import threading

import gradio as gr
import httpx
import pytest

from app import unread
from tests.app.conftest import Running


@pytest.fixture
def page():
    """A page with one slow question: its address, its queue bound to three sessions, and what lets the question end."""
    may_end = threading.Event()

    def wait(text):
        assert may_end.wait(20)
        return text

    with gr.Blocks() as blocks:
        text = gr.Textbox()
        gr.Button().click(wait, text, text)
    blocks.queue(default_concurrency_limit=1, max_size=100)
    unread.bound(blocks._queue, sessions=3)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    yield address, blocks._queue, may_end
    may_end.set()
    blocks.close()


def ask(address, session, text="text"):
    body = {"data": [text], "fn_index": 0, "session_hash": session}
    return httpx.post(f"{address}gradio_api/queue/join", json=body)


def read(address, session):
    """All that the session is told, until its question is answered."""
    with httpx.stream("GET", f"{address}gradio_api/queue/data", params={"session_hash": session}, timeout=20) as told:
        lines = []
        for line in told.iter_lines():
            lines.append(line)
            if "process_completed" in line:
                break
        return "".join(lines)


def test_a_forgotten_session_does_not_end_the_queue(page):
    address, queue, may_end = page
    for n in range(6):  # one runs, the first that wait are forgotten
        assert ask(address, f"silent{n}").status_code == 200
    assert [*queue.pending_messages_per_session] == ["silent3", "silent4", "silent5"]
    may_end.set()
    assert ask(address, "reader", "hello").status_code == 200
    assert '"hello"' in read(address, "reader")
    assert not queue.stopped


def test_a_session_that_asks_again_is_remembered_anew(page):
    address, queue, may_end = page
    for session in ("old", "a", "b", "old", "c"):
        ask(address, session)
    assert [*queue.pending_messages_per_session] == ["b", "old", "c"]
    may_end.set()
    assert '"text"' in read(address, "old")


def test_what_is_known_of_forgotten_sessions_does_not_grow(page):
    address, queue, may_end = page
    may_end.set()
    for n in range(12):
        ask(address, f"silent{n}")
    assert len(queue.pending_event_ids_session) <= 5


def test_a_session_that_lets_its_answers_lie_is_refused(page):
    address, _, may_end = page
    may_end.set()
    answers = [ask(address, "greedy") for _ in range(unread.ANSWERS + 1)]
    assert [answer.status_code for answer in answers] == [200] * unread.ANSWERS + [503]
    assert "full" in answers[-1].text


def test_a_server_whose_queue_has_ended_says_so(checkpoint_root):
    with Running(checkpoint_root) as running:
        assert httpx.get(f"{running.address}healthz").json() == {"status": "ok"}
        running.server.config.app.page.get_blocks()._queue.close()
        answer = httpx.get(f"{running.address}healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "stopped"})
