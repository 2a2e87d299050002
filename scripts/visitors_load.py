"""Visitors at once, on loopback: ``python scripts/visitors_load.py`` (200 of them, with a picture of 512 x 512 each).

Each visitor does what the page does: sends the picture, asks about it, and waits for answer and evidence map. Whoever
is told 503, "full, try again", counts as refused. Meanwhile the page is fetched twice a second. The visitors share the
processors with the server; how much of the processors' time each took is printed. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.endurance import cpu_seconds, free_port, held, processes  # noqa: E402

LAST, PAGE, REFUSED, GROWTH = 30.0, 2.0, 2.0, 1.05  # seconds to the last answer, the page and a refusal; memory
HELD_MB = 128  # of pictures in memory: so little that the round to warm up fills it


def picture(seed: int) -> bytes:
    """A smooth picture, another one for every visitor."""
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((512, 512), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Connection:
    """A connection, with as little of HTTP as the answers need: the visitors share the server's processors."""

    def __init__(self, address: str) -> None:
        place = urlsplit(address)
        self.host, self.port = str(place.hostname), int(place.port or 80)

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> int:
        """Sends a request; returns the answer's status once its head is there."""
        head = f"{method} /{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: {kind}\r\n"
        self.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        self.length = int(answer.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        return int(answer.split()[1])

    async def body(self) -> bytes:
        """The answer's body, where its length was told."""
        return await self.reader.readexactly(self.length)


class Visitors:
    """All of them, and what became of each."""

    def __init__(self, address: str, server: int, number: int) -> None:
        self.address, self.server, self.number = address, server, number
        self.answered: list[float] = []
        self.refused: list[float] = []
        self.failed: list[str] = []
        self.pages: list[float] = []

    async def run(self) -> None:
        with urlopen(f"{self.address}config") as answer:
            config = json.load(answer)
        self.wish = next(d for d in config["dependencies"] if any(t[1] == "ask" for t in d["targets"]))
        pictures = [picture(seed) for seed in range(self.number)]
        inside, outside = multiprocessing.Pipe()
        watcher = multiprocessing.get_context("spawn").Process(target=watch, args=(self.address, inside))
        watcher.start()
        outside.recv()
        self.started, spent, served = time.perf_counter(), time.process_time(), seconds_of(self.server)
        await asyncio.gather(*(self.visit(number, data) for number, data in enumerate(pictures)))
        self.took = time.perf_counter() - self.started
        self.spent, self.served = time.process_time() - spent, seconds_of(self.server) - served
        outside.send("enough")
        self.pages = outside.recv()
        watcher.join()

    async def visit(self, number: int, data: bytes) -> None:
        asked = time.perf_counter()
        async with Connection(self.address) as connection:
            status = await connection.ask("POST", "pictures", data)
            if status == 200:
                asked, token = time.perf_counter(), (await connection.body()).decode()
                event = {"token": token, "request": 1, "language": "en", "frame": 0}
                wish = {"data": [], "event_data": event, "fn_index": self.wish["id"]}
                wish |= {"trigger_id": self.wish["targets"][0][0], "session_hash": f"visitor{number}"}
                status = await connection.ask(
                    "POST", "gradio_api/queue/join", json.dumps(wish).encode(), "application/json"
                )
            if status == 503:
                self.refused.append(time.perf_counter() - asked)
            elif status != 200:
                self.failed.append(f"status {status}")
            else:
                await connection.body()
                await connection.ask("GET", f"gradio_api/queue/data?session_hash=visitor{number}")
                await self.wait(connection)

    async def wait(self, connection: Connection) -> None:
        is_done = False
        while b'"process_completed"' not in (line := await connection.reader.readline()):
            is_done |= b'"evidence"' in line
            if not line:
                break
        if is_done:
            self.answered.append(time.perf_counter() - self.started)
        else:
            self.failed.append("no answer")

    def table(self) -> str:
        lines = ["| | number | median, s | longest, s |", "|---|---|---|---|"]
        for name, seconds in (("answer", self.answered), ("full, try again", self.refused), ("page", self.pages)):
            if seconds:
                lines.append(f"| {name} | {len(seconds)} | {np.median(seconds):.2f} | {max(seconds):.2f} |")
        share = f"{self.served:.0f} s of processors' time by the server, {self.spent:.0f} s by the visitors"
        return "\n".join([*lines, f"In {self.took:.1f} s: {share}."])


def seconds_of(server: int) -> float:
    """Processors' time that a process and those under it have taken."""
    return sum(cpu_seconds(process) for process in processes(server))


def watch(address: str, visitors: Any) -> None:
    """Fetches the page twice a second until told otherwise; in a process of its own, whose clock nobody holds up."""
    pages = []
    while not visitors.poll(0.5):
        started = time.perf_counter()
        with urlopen(Request(address, headers={"Accept": "text/html"}), timeout=60) as page:
            page.read()
        pages.append(time.perf_counter() - started)
        if len(pages) == 1:
            visitors.send("begun")
    visitors.send(pages)


async def load(address: str, server: int, number: int, rounds: int) -> bool:
    """Some rounds of visitors; whether all goals were met."""
    is_met = True
    memory = []
    for turn in range(rounds + 1):
        visitors = Visitors(address, server, number)
        await visitors.run()
        await asyncio.sleep(2)
        memory.append(held(server, number).memory)
        print(f"Round {turn}{' (to warm up)' if turn == 0 else ''}: {memory[-1] / 2**20:.0f} MB afterwards.")
        if turn:
            print(visitors.table(), flush=True)
            print("\n".join(visitors.failed[:5]))
            is_met &= not visitors.failed and max(visitors.answered) <= LAST and max(visitors.pages) <= PAGE
            is_met &= max(visitors.refused, default=0) <= REFUSED
    return is_met and memory[-1] <= GROWTH * memory[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--visitors", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="after one to warm up (default: %(default)s)")
    arguments = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"MEDMAMBA_PORT": str(port), "MEDMAMBA_ROOMS": f"sqlite:///{folder}/rooms.sqlite"}
        settings["MEDMAMBA_HELD_MB"] = str(HELD_MB)
        command = [sys.executable, "-m", "app"]
        with subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                if server.stdout is None or "ready" not in server.stdout.readline():
                    raise SystemExit("The server did not start.")
                before = os.getloadavg()[0]
                is_met = asyncio.run(
                    load(f"http://127.0.0.1:{port}/", server.pid, arguments.visitors, arguments.rounds)
                )
            finally:
                server.terminate()
    print(f"Load average {before:.1f} before, {os.getloadavg()[0]:.1f} after.")
    print("All goals are met." if is_met else "A goal is missed.")
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
