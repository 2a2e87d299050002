"""What is freed goes back, in a process of its own, whose heap has nothing else in it; what is old is freed unasked."""

import ctypes
import subprocess
import sys
import time
import weakref

import pytest

from app import main, memory
from app.tutor import Tutor
from medmamba.deck import Case, Deck
from tests.app.conftest import Running

PROGRAM = """
from pathlib import Path
from app.memory import trim
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
pieces = [bytes(20_000) for _ in range(5_000)]
kept = pieces[::50]
del pieces
before = resident()
trim()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_what_lies_between_pieces_in_use_is_given_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50


def test_a_server_that_nobody_asks_forgets_pictures_and_quizzes(checkpoint_root, monkeypatch, png):
    made = []

    def tutor(service, max_bytes, max_seconds):
        made.append(Tutor(service, max_bytes, 3.0))
        return made[-1]

    monkeypatch.setattr(memory, "OFTEN", 0.1)
    monkeypatch.setattr(main, "Tutor", tutor)
    with Running(checkpoint_root) as running:
        running.service._store._max_seconds = 3.0
        quiz = made[0].start(Deck("Kidneys", "en", "own", (("a", "A"), ("b", "B")), (Case(png(), "a"),)), True)
        shown = weakref.ref(made[0].picture(quiz, 0))
        held = weakref.ref(running.service._store.get(running.service.hold(png())))
        assert shown() is not None
        ends = time.monotonic() + 20
        while (held() or shown()) and time.monotonic() < ends:
            time.sleep(0.05)
        assert held() is shown() is None
