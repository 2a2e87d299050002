"""The server is killed in the middle of a room and started again: nothing that was acknowledged is lost."""

import csv
import io
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from medmamba.deck import Case, Deck, write_deck
from tests.app.conftest import make_png

ROOT = Path(__file__).parents[2]
CLASSES = (("cyst", "Cyst"), ("normal", "Normal"), ("tumor", "Tumour"))
STUDENTS, TURNS = 8, 1_000_000


@pytest.fixture
def serve(tmp_path, checkpoint_root):
    """Starts the real server on one port and one database, each time it is called."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "MEDMAMBA_PORT": str(port),
        "MEDMAMBA_ROOMS": f"sqlite:///{tmp_path}/rooms.sqlite",
        "MEDMAMBA_CHECKPOINTS": str(checkpoint_root),
        "TMPDIR": str(tmp_path),
    }
    started = []

    def start():
        server = subprocess.Popen(
            [sys.executable, "-m", "app"], cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, text=True
        )
        started.append(server)
        assert "ready" in server.stdout.readline()
        return server, f"http://127.0.0.1:{port}/classroom/"

    yield start
    for server in started:
        server.kill()
        server.wait()
        server.stdout.close()


def take(client, room, teacher, step):
    version = client.get(f"{room}/teacher", headers=teacher).json()["version"]
    return client.post(f"{room}/steps?step={step}&version={version}", headers=teacher)


def test_a_killed_server_loses_nothing_that_it_acknowledged(serve):
    server, address = serve()
    cases = tuple(Case(make_png(seed=i), CLASSES[i % 3][0]) for i in range(4))
    deck = write_deck(Deck("Slices", "en", "kidney-ct", CLASSES, cases))
    with httpx.Client(base_url=address, timeout=60) as client:
        opened = client.post("rooms", content=deck).json()
        room, teacher = f"rooms/{opened['code']}", {"authorization": f"Bearer {opened['key']}"}
        keys = [client.post(f"{room}/students", json={"name": "Ann"}).json()["key"] for _ in range(STUDENTS)]
        assert take(client, room, teacher, "start").status_code == 204

    acknowledged: dict[int, int] = {}  # the number of each student's last answer, sent as its mark
    enough = threading.Event()

    def keep_answering(number):
        with httpx.Client(base_url=address, timeout=60, headers={"authorization": f"Bearer {keys[number]}"}) as own:
            for turn in itertools.count():
                reply = {"choice": CLASSES[turn % 3][0], "confidence": 1, "mark": [turn / TURNS, 0]}
                try:
                    if own.put(f"{room}/answers/0", json=reply).status_code != 204:
                        return
                except httpx.TransportError:
                    return
                acknowledged[number] = turn
                if len(acknowledged) == STUDENTS:
                    enough.set()

    threads = [threading.Thread(target=keep_answering, args=(number,)) for number in range(STUDENTS)]
    for thread in threads:
        thread.start()
    assert enough.wait(120)
    server.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert server.wait() == -signal.SIGKILL

    serve()
    with httpx.Client(base_url=address, timeout=60) as client:
        kept = {}
        for number, key in enumerate(keys):
            view = client.get(f"{room}/student", headers={"authorization": f"Bearer {key}"}).json()
            assert (view["state"], view["position"]) == ("open", 0)
            kept[number] = round(view["answer"]["mark"][0] * TURNS)
        # The one answer that each student had under way may have been committed without being acknowledged.
        assert all(kept[n] - acknowledged[n] in (0, 1) for n in range(STUDENTS)), (kept, acknowledged)
        assert take(client, room, teacher, "close").status_code == 204
        while client.get(f"{room}/teacher", headers=teacher).json()["prepared"] < 4:
            threading.Event().wait(0.2)
        for step in ("reveal", "next"):
            assert take(client, room, teacher, step).status_code == 204
        reply = {"choice": "cyst", "confidence": 2}
        own = {"authorization": f"Bearer {keys[0]}"}
        assert client.put(f"{room}/answers/1", json=reply, headers=own).status_code == 204
        table = client.get(f"{room}/results.csv", headers=teacher).text
        assert [row["case"] for row in csv.DictReader(io.StringIO(table))] == ["1"] * STUDENTS + ["2"]
