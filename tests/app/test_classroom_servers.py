"""A teacher at one server and the class at another, with one PostgreSQL behind both; then the teacher's is killed."""

import time

import httpx

from medmamba.deck import Case, Deck, write_deck
from tests.app.conftest import make_png
from tests.app.test_serving import process

CLASSES = (("cyst", "Cyst"), ("normal", "Normal"), ("tumor", "Tumour"))


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_a_room_is_the_same_at_two_servers_and_outlives_one(checkpoint_root, tmp_path, postgres):
    rooms = postgres()
    with (
        process(checkpoint_root, tmp_path, rooms=rooms) as (server, here),
        process(checkpoint_root, tmp_path, rooms=rooms) as (_, there),
        httpx.Client(base_url=f"{here}classroom/", timeout=60) as teachers,
        httpx.Client(base_url=f"{there}classroom/", timeout=60) as students,
    ):
        cases = tuple(Case(make_png(seed=i), CLASSES[i][0]) for i in range(2))
        opened = teachers.post("rooms", content=write_deck(Deck("Slices", "en", "kidney-ct", CLASSES, cases))).json()
        room, teacher = f"rooms/{opened['code']}", bearer(opened["key"])

        def take(client, *steps):
            for step in steps:
                version = client.get(f"{room}/teacher", headers=teacher).json()["version"]
                done = client.post(f"{room}/steps?step={step}&version={version}", headers=teacher)
                assert done.status_code == 204, done.text

        ann, bob = (bearer(students.post(f"{room}/students", json={"name": n}).json()["key"]) for n in ("Ann", "Bob"))
        lobby = students.get(f"{room}/student", headers=ann)
        unchanged = ann | {"if-none-match": lobby.headers["etag"]}
        assert students.get(f"{room}/student", headers=unchanged).status_code == 304
        take(teachers, "start")
        view = students.get(f"{room}/student", headers=unchanged).json()
        assert view["state"] == "open"
        assert students.get(f"pictures/{view['picture']['token']}").status_code == 200
        for student, choice in ((ann, "cyst"), (bob, "tumor")):
            reply = {"choice": choice, "confidence": 2}
            assert students.put(f"{room}/answers/0", json=reply, headers=student).status_code == 204
        assert teachers.get(f"{room}/teacher", headers=teacher).json()["answered"] == 2
        assert teachers.delete(f"{room}/names/1", headers=teacher).status_code == 204
        assert students.get(f"{room}/student", headers=ann).json()["label"] == "#1"
        while teachers.get(f"{room}/teacher", headers=teacher).json()["prepared"] < 2:
            time.sleep(0.1)

        server.kill()
        server.wait()
        take(students, "close", "reveal")
        view = students.get(f"{room}/teacher", headers=teacher).json()
        assert view["histogram"] == {"cyst": 1, "normal": 0, "tumor": 1}
        assert view["reveal"]["network"]["choice"] in dict(CLASSES)
        take(students, "next", "end")
        assert students.get(f"{room}/student", headers=ann).json()["score"]["own"] == [1, 1]
