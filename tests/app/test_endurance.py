"""A short version of ``python scripts/endurance.py``, against the server of the tests."""

import os
from pathlib import Path

import pytest

from scripts.endurance import endure


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_requests_leave_neither_memory_nor_files_behind(running):
    states = list(endure(running.address, os.getpid(), 30))
    assert [state.requests for state in states] == list(range(3, 31, 3))
    assert states[-1].files <= states[2].files + 3
    assert states[-1].memory - states[2].memory < 60 * 2**20
    assert list(running.temporary.rglob("*.png")) == []
