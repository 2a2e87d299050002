"""A class on loopback: ``python scripts/classroom_load.py --students 200`` starts a server and times its answers.

The students do what the student's page does: join within some seconds, poll every 1.5 s with the last ETag, fetch the
picture when a case opens, answer once or twice with a mark. Server and students share the machine's cores. The last
lines are a table for docs/benchmark.md; it fails when an acknowledged answer is missing in the end.
"""

import argparse
import asyncio
import csv
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from medmamba.deck import Case, Deck, write_deck  # noqa: E402
from scripts.endurance import cpu_seconds, free_port  # noqa: E402

CLASSES = (("cyst", "Cyst"), ("normal", "No finding"), ("tumor", "Tumour"))
PAUSE = 1.5  # seconds between two polls, as in pages/room.js
JOINING, ANSWERING = 10.0, 12.0  # seconds over which a class joins, and answers a case


def made_up_deck(cases: int) -> bytes:
    """Smooth noise with the question of kidney CT, so that the network answers beforehand."""
    chance = np.random.default_rng(1)
    entries = []
    for i in range(cases):
        small = Image.fromarray(chance.integers(0, 256, (16, 16), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((512, 512), Image.Resampling.BICUBIC).save(buffer, "PNG")
        entries.append(Case(buffer.getvalue(), CLASSES[i % 3][0]))
    return write_deck(Deck("Made-up pictures", "en", "kidney-ct", CLASSES, tuple(entries)))


class Class:
    """A room, its students, and how long each of their requests took."""

    def __init__(self, address: str, students: int, cases: int) -> None:
        self.address, self.students, self.cases = address, students, cases
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.acknowledged: dict[tuple[int, int], str] = {}
        self.late, self.is_over = 0, False

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(base_url=self.address, timeout=60, limits=limits) as self.client:
            answer = await self.client.post("rooms", content=made_up_deck(self.cases))
            opened = answer.raise_for_status().json()
            self.room, self.teacher = f"rooms/{opened['code']}", {"authorization": f"Bearer {opened['key']}"}
            started = time.perf_counter()
            while (await self.look())["prepared"] < self.cases:
                await asyncio.sleep(0.2)
            report(f"The network answered {self.cases} cases in {time.perf_counter() - started:.1f} s.")
            async with asyncio.TaskGroup() as group:
                self.group = group
                for number in range(self.students):
                    group.create_task(self.student(number))
                group.create_task(self.lead())
            await self.check()

    async def ask(self, kind: str, method: str, path: str, **options: Any) -> httpx.Response:
        started = time.perf_counter()
        answer = await self.client.request(method, path, **options)
        self.seconds[kind].append(time.perf_counter() - started)
        return answer

    async def look(self) -> dict[str, Any]:
        answer = await self.ask("teacher's poll", "GET", f"{self.room}/teacher", headers=self.teacher)
        view: dict[str, Any] = answer.raise_for_status().json()
        return view

    async def step(self, name: str) -> None:
        version = (await self.look())["version"]
        path = f"{self.room}/steps?step={name}&version={version}"
        (await self.ask("teacher's step", "POST", path, headers=self.teacher)).raise_for_status()

    async def lead(self) -> None:
        await asyncio.sleep(JOINING + 2)
        for case in range(self.cases):
            await self.step("next" if case else "start")
            for _ in range(round(ANSWERING) + 4):
                await asyncio.sleep(1)
                await self.look()
            await self.step("close")
            await asyncio.sleep(3)
            await self.step("reveal")
            await asyncio.sleep(4)
        await self.step("end")
        await asyncio.sleep(4)
        self.is_over = True

    async def student(self, number: int) -> None:
        chance = random.Random(number)
        await asyncio.sleep(chance.uniform(0, JOINING))
        joined = await self.ask("join", "POST", f"{self.room}/students", json={"name": f"Student {number}"})
        key = {"authorization": f"Bearer {joined.raise_for_status().json()['key']}"}
        tag, position = "", -1
        while not self.is_over:
            answer = await self.ask("poll", "GET", f"{self.room}/student", headers=key | {"if-none-match": tag})
            if answer.status_code == 200:
                tag, view = answer.headers["etag"], answer.json()
                if view["state"] == "open" and view["position"] != position:
                    position = view["position"]
                    picture = f"pictures/{view['picture']['token']}"
                    (await self.ask("picture", "GET", picture)).raise_for_status()
                    self.group.create_task(self.answer(number, key, position, chance))
            elif answer.status_code != 304:
                answer.raise_for_status()
            await asyncio.sleep(PAUSE * chance.uniform(0.8, 1.2))

    async def answer(self, number: int, key: dict[str, str], position: int, chance: random.Random) -> None:
        for _ in range(chance.choice((1, 1, 2))):
            await asyncio.sleep(chance.uniform(0, ANSWERING / 2))
            choice, label = chance.choice(CLASSES)
            reply = {"choice": choice, "confidence": chance.randint(1, 3), "mark": [chance.random(), chance.random()]}
            path = f"{self.room}/answers/{position}"
            answer = await self.ask("answer", "PUT", path, headers=key, json=reply)
            if answer.status_code == 409:
                self.late += 1
                return
            answer.raise_for_status()
            self.acknowledged[number, position] = label

    async def check(self) -> None:
        """Compare what was acknowledged with what the teacher gets."""
        table = await self.client.get(f"{self.room}/results.csv?names=true", headers=self.teacher)
        rows = csv.DictReader(io.StringIO(table.text))
        kept = {(int(row["student"].split()[1]), int(row["case"]) - 1): row["answer"] for row in rows}
        if kept != self.acknowledged:
            raise SystemExit(
                f"{len(self.acknowledged)} answers were acknowledged; {len(kept)} are there, or they differ."
            )
        report(f"{len(kept)} answers were acknowledged, and all are there.")

    def table(self) -> str:
        lines = ["| request | number | median, ms | 95th percentile, ms | longest, ms |", "|---|---|---|---|---|"]
        for kind, seconds in self.seconds.items():
            median, late, longest = (1000 * np.quantile(seconds, share) for share in (0.5, 0.95, 1))
            lines.append(f"| {kind} | {len(seconds):,} | {median:,.0f} | {late:,.0f} | {longest:,.0f} |")
        return "\n".join(lines)


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--students", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--cases", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--rooms", default="", help="the rooms' database; default: a file that is removed afterwards")
    arguments = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"MEDMAMBA_PORT": str(port), "MEDMAMBA_ROOMS": arguments.rooms or f"sqlite:///{folder}/rooms.sqlite"}
        command = [sys.executable, "-m", "app"]
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            if "ready" not in server.stdout.readline():
                raise SystemExit("The server did not start.")
            load, busy = os.getloadavg()[0], cpu_seconds(server.pid)
            whole = Class(f"http://127.0.0.1:{port}/classroom/", arguments.students, arguments.cases)
            asyncio.run(whole.run())
            busy = cpu_seconds(server.pid) - busy
        finally:
            server.terminate()
            server.wait()
    requests = sum(map(len, whole.seconds.values()))
    report(f"{arguments.students} students, {requests:,} requests, {whole.late} answers refused as late.")
    report(f"Load average {load:.1f} before, {os.getloadavg()[0]:.1f} after.")
    report(f"The server worked {1000 * busy / requests:.1f} ms of a core for a request.")
    report(whole.table())


if __name__ == "__main__":
    main()
