"""What is freed goes back, in a process of its own, whose heap has nothing else in it."""

import ctypes
import subprocess
import sys

import pytest

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
