"""A disk without space, under the real server: a small file system in memory, which only root may mount."""

import subprocess

import httpx
import pytest

from app.classroom.routes import NOT_SAVED
from app.routes import DISK_FULL
from medmamba.deck import Case, Deck, write_deck
from tests.app.conftest import make_png
from tests.app.test_classroom_restart import CLASSES, take
from tests.app.test_serving import process

FILE = {"files": ("x.png", make_png(400, 400))}


@pytest.fixture
def disk(tmp_path):
    """A folder with 4 MB of space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small file system, which failed: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk):
    """Takes all the space there is; returns the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**16, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                pass
    return filler


def test_it_is_said_nothing_acknowledged_is_lost_and_all_goes_on_with_space(disk, checkpoint_root):
    with process(checkpoint_root, disk) as (_, address), httpx.Client(base_url=address, timeout=60) as client:
        cases = tuple(Case(make_png(seed=i), CLASSES[i][0]) for i in range(2))
        deck = write_deck(Deck("Slices", "en", "kidney-ct", CLASSES, cases))
        opened = client.post("classroom/rooms", content=deck).json()
        room, teacher = f"classroom/rooms/{opened['code']}", {"authorization": f"Bearer {opened['key']}"}
        key = client.post(f"{room}/students", json={"name": "Ann"}).json()["key"]
        student = {"authorization": f"Bearer {key}"}
        assert take(client, room, teacher, "start").status_code == 204
        filler = fill(disk)

        marks = []
        for turn in range(2000):  # what is acknowledged as long as pages of the database are free, and then no more
            reply = {"choice": "cyst", "confidence": 1, "mark": [turn / 1000, 0] if turn < 1000 else None}
            answer = client.put(f"{room}/answers/0", json=reply, headers=student)
            if answer.status_code != 204:
                break
            marks.append(turn / 1000)
        assert (answer.status_code, answer.json()["error"]) == (503, NOT_SAVED)
        refused = client.post("gradio_api/upload", files=FILE, headers={"accept-language": "en"})
        assert (refused.status_code, refused.text) == (507, DISK_FULL)
        token = client.post("pictures", content=FILE["files"][1]).raise_for_status().text
        assert client.get(f"pictures/{token}/0").status_code == 200  # pictures of the page never touch the disk
        if marks:
            kept = client.get(f"{room}/student", headers=student).json()
            assert kept["answer"]["mark"] == [marks[-1], 0]

        filler.unlink()
        assert client.post("gradio_api/upload", files=FILE).status_code == 200
        reply = {"choice": "tumor", "confidence": 3}
        assert client.put(f"{room}/answers/0", json=reply, headers=student).status_code == 204
        assert client.get(f"{room}/student", headers=student).json()["answer"]["choice"] == "tumor"
