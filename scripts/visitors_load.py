"""Visitors at once, on loopback: ``python scripts/visitors_load.py`` (200 of them, with a picture of 512 x 512 each).

Each visitor does what the page does: sends the picture, asks about it, and waits for answer and evidence map. Whoever
is told 503, "full, try again", counts as refused, and fails if that took longer than a second in the server's own
time. Meanwhile the page is fetched twice a second. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.endurance import free_port, held  # noqa: E402

LAST, PAGE, REFUSED, GROWTH = 30.0, 2.0, 2.0, 1.15  # seconds to the last answer, the page and a refusal; memory


def picture(seed: int) -> bytes:
    """A smooth picture, another one for every visitor."""
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((512, 512), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Visitors:
    """All of them, and what became of each."""

    def __init__(self, client: httpx.AsyncClient, number: int) -> None:
        self.client, self.number = client, number
        self.answered: list[float] = []
        self.refused: list[float] = []
        self.failed: list[str] = []
        self.pages: list[float] = []

    async def run(self) -> None:
        config = (await self.client.get("config")).json()
        self.ask = next(d for d in config["dependencies"] if any(t[1] == "ask" for t in d["targets"]))
        pictures = [picture(seed) for seed in range(self.number)]
        watcher = asyncio.create_task(self.watch())
        await asyncio.sleep(1)
        self.started = time.perf_counter()
        await asyncio.gather(*(self.visit(number, data) for number, data in enumerate(pictures)))
        watcher.cancel()

    async def watch(self) -> None:
        while True:
            started = time.perf_counter()
            (await self.client.get("", headers={"accept": "text/html"})).raise_for_status()
            self.pages.append(time.perf_counter() - started)
            await asyncio.sleep(0.5)

    async def visit(self, number: int, data: bytes) -> None:
        asked = time.perf_counter()
        sent = await self.client.post("pictures", content=data)
        if sent.status_code == 200:
            asked = time.perf_counter()
            event = {"token": sent.text, "request": 1, "language": "en", "frame": 0}
            body: dict[str, Any] = {"data": [], "event_data": event, "fn_index": self.ask["id"]}
            body |= {"trigger_id": self.ask["targets"][0][0], "session_hash": f"visitor{number}"}
            sent = await self.client.post("gradio_api/queue/join", json=body)
        if sent.status_code == 503:
            self.refused.append(time.perf_counter() - asked)
        elif sent.status_code != 200:
            self.failed.append(f"status {sent.status_code}")
        else:
            await self.wait(f"visitor{number}")

    async def wait(self, session: str) -> None:
        is_done = False
        async with self.client.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                is_done |= '"progress": "done"' in line.replace('":"', '": "') and '"error"' not in line[:400]
                if message.get("msg") == "process_completed":
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
        return "\n".join(lines)


async def load(address: str, server: int, number: int, rounds: int) -> bool:
    """Some rounds of visitors; whether all goals were met."""
    limits, is_met = httpx.Limits(max_connections=None), True
    memory = []
    for turn in range(rounds + 1):
        async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
            visitors = Visitors(client, number)
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
