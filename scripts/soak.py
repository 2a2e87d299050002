"""A server under mixed traffic for a long time: ``python scripts/soak.py --seconds 3600 --rate 2``.

Good pictures and hostile files by way of the page and of the API, archives, malformed calls and half uploads, all of
them with a canary where a patient's name may stand (``scripts/hostile.py``). Looks at the server's memory all along,
and at the end, a minute after the last request, for anything left in its temporary folder and for the canary: in what
it wrote to standard output and error, in that folder, and in every answer. Exits with 1 when a goal is missed.
Linux only: it looks into /proc.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts import hostile  # noqa: E402
from scripts.endurance import free_port, held  # noqa: E402

GROWTH = 1.05  # of the resident memory after warming up
AFTERWARDS = 65.0  # seconds that the temporary folder has to be empty in
MIX = {"page": 8, "hostile by page": 8, "api": 3, "hostile by api": 3, "malformed": 4, "archive": 1, "half": 1}
AT_ONCE = 8  # requests under way
LOOKS = 60  # at the memory
HELD_MB = 64  # of pictures in memory: little, so that they fill it soon and only what grows on grows


class Traffic:
    """Requests of every kind, one after another from several threads; what became of them."""

    def __init__(self, address: str, seed: int) -> None:
        self.address, self.seed = address, seed
        self.client = httpx.Client(base_url=address, timeout=60)
        once = httpx.Limits(max_keepalive_connections=0)  # after a fault of Gradio's the connection ends
        self.malformed = httpx.Client(base_url=address, timeout=60, limits=once)
        config = self.client.get("config").json()
        self.ask = next(d for d in config["dependencies"] if any(t[1] == "ask" for t in d["targets"]))
        self.files, self.calls = hostile.seeds(), list(hostile.calls(config))
        self.outcomes: Counter[str] = Counter()
        self.told: Counter[str] = Counter()  # kinds of request whose answer held the canary
        self.lock = threading.Lock()

    def send(self, number: int) -> None:
        """One request; the same number is the same request."""
        rng = random.Random(f"{self.seed}:{number}")
        kind = rng.choices([*MIX], [*MIX.values()])[0]
        try:
            outcome = self._send(kind, rng, number)
        except Exception as error:
            outcome = type(error).__name__
        with self.lock:
            self.outcomes[f"{kind}: {outcome}"] += 1

    def _send(self, kind: str, rng: random.Random, number: int) -> str:
        good = hostile.picture(rng.randrange(10**6))
        match kind:
            case "page":
                return self._by_page(kind, good, number)
            case "hostile by page":
                return self._by_page(kind, hostile.file(self.files, rng), number)
            case "api":
                return self._by_api(kind, good)
            case "hostile by api":
                return self._by_api(kind, hostile.file(self.files, rng))
            case "archive":
                answer = self.client.post("archives", content=hostile.archive(hostile.file(self.files, rng)))
                return self._seen(kind, answer)
            case "half":
                return self._half(good)
            case _:
                call = rng.choice(self.calls)
                return self._seen(kind, self.malformed.request(call.method, call.path, **call.more))

    def _by_page(self, kind: str, data: bytes, number: int) -> str:
        held = self.client.post("pictures", content=data)
        if held.status_code != 200:
            return self._seen(kind, held)
        session = f"soak{number}"
        event = {"token": held.text, "request": 1, "language": "en", "frame": 0}
        body: dict[str, Any] = {"data": [], "event_data": event, "fn_index": self.ask["id"], "session_hash": session}
        joined = self.client.post("gradio_api/queue/join", json=body | {"trigger_id": self.ask["targets"][0][0]})
        if joined.status_code != 200:
            return self._seen(kind, joined)
        lines = []
        with self.client.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                lines.append(line)
                if '"process_completed"' in line:
                    break
        samples = self.client.get(f"pictures/{held.text}/0")
        whole = "".join(lines)
        self._look(kind, whole.encode() + samples.content)
        return "answered" if '"evidence"' in whole else "refused with a sentence" if '"error"' in whole else "no answer"

    def _by_api(self, kind: str, data: bytes) -> str:
        sent = self.client.post("gradio_api/upload", files={"files": (f"{hostile.CANARY}.dcm", data)})
        if sent.status_code != 200:
            return self._seen(kind, sent)
        file = {"path": sent.json()[0], "orig_name": hostile.CANARY, "meta": {"_type": "gradio.FileData"}}
        called = self.client.post("gradio_api/call/classify", json={"data": [file, None, 0, None]})
        if called.status_code != 200:
            return self._seen(kind, called)
        answer = self.client.get(f"gradio_api/call/classify/{called.json()['event_id']}")
        self._look(kind, sent.content + called.content + answer.content)
        return "answered" if "event: complete" in answer.text else "refused with a sentence"

    def _half(self, data: bytes) -> str:
        """An upload that is never finished."""
        place = urlsplit(self.address)
        with socket.create_connection((str(place.hostname), int(place.port or 80)), timeout=10) as connection:
            head = f"POST /pictures HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data[: len(data) // 2])
        return "left"

    def _seen(self, kind: str, answer: httpx.Response) -> str:
        self._look(kind, answer.content + str(answer.headers.raw).encode())
        return f"status {answer.status_code}"

    def _look(self, kind: str, content: bytes) -> None:
        if hostile.MARK in content:
            with self.lock:
                self.told[kind] += 1


def soak(traffic: Traffic, server: int, seconds: float, rate: float) -> list[int]:
    """Sends for so long; returns the server's memory in bytes, look by look."""
    memory: list[int] = []
    free = threading.Semaphore(AT_ONCE)
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        number = 0
        while (passed := time.monotonic() - started) < seconds:
            free.acquire()
            threads.submit(traffic.send, number).add_done_callback(lambda _: free.release())
            number += 1
            if passed > seconds * len(memory) / LOOKS:
                memory.append(held(server, number).memory)
                print(f"{passed:5.0f} s, {number:6} requests: {memory[-1] / 2**20:.0f} MB", flush=True)
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
    return memory


def left_behind(folder: Path, before: set[Path]) -> list[Path]:
    """Files under the server's temporary folders that were not there at the start."""
    return [path for path in folder.glob("medmamba-*/**/*") if path.is_file() and path not in before]


def canaries(folder: Path) -> list[str]:
    """Names and contents under a folder with the canary in them."""
    found = [str(path) for path in folder.rglob("*") if hostile.CANARY in str(path)]
    return found + [str(path) for path in folder.rglob("*") if path.is_file() and hostile.MARK in path.read_bytes()]


def report(traffic: Traffic, memory: list[int], left: list[Path], found: list[str]) -> bool:
    """Prints everything; whether all goals were met."""
    for outcome, number in sorted(traffic.outcomes.items()):
        print(f"{number:6} {outcome}")
    third = len(memory) // 3
    before, after = median(memory[third : third + 5]), median(memory[-5:])
    megabytes = f"{before / 2**20:.0f} MB, at the end {after / 2**20:.0f} MB ({after / before - 1:+.1%})"
    print(f"Memory after warming up {megabytes}.")
    print(f"{len(left)} files left in the temporary folder after {AFTERWARDS:.0f} s: {[p.name for p in left[:5]]}")
    print(
        f"Canaries: {len(found)} in logs and on the disk, {sum(traffic.told.values())} in answers {dict(traffic.told)}."
    )
    answered = traffic.outcomes["page: answered"] + traffic.outcomes["api: answered"]
    asked = sum(number for outcome, number in traffic.outcomes.items() if outcome.startswith(("page:", "api:")))
    print(f"{answered} of {asked} good pictures were answered.")
    return after <= GROWTH * before and not left and not found and not traffic.told and answered == asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=3600, help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    arguments = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"MEDMAMBA_PORT": str(port), "MEDMAMBA_ROOMS": f"sqlite:///{folder}/rooms.sqlite", "TMPDIR": name}
        settings |= {"MEDMAMBA_HELD_MB": str(HELD_MB), "MEDMAMBA_LOG": "json"}
        with (
            (folder / "error").open("w") as error,
            (folder / "output").open("w+") as output,
            subprocess.Popen(
                [sys.executable, "-m", "app"], cwd=ROOT, env=os.environ | settings, stdout=output, stderr=error
            ) as server,
        ):
            try:
                while "ready" not in (folder / "output").read_text():
                    if server.poll() is not None:
                        raise SystemExit("The server did not start.")
                    time.sleep(0.2)
                before = {path for path in folder.glob("medmamba-*/**/*") if path.is_file()}
                traffic = Traffic(f"http://127.0.0.1:{port}/", arguments.seed)
                memory = soak(traffic, server.pid, arguments.seconds, arguments.rate)
                time.sleep(AFTERWARDS)
                left, found = left_behind(folder, before), canaries(folder)
                lines = (folder / "error").read_text().splitlines()
            finally:
                server.terminate()
    levels = Counter(json.loads(line)["level"] for line in lines if line.startswith("{"))
    print(f"The log: {dict(levels)}; {sum(not line.startswith('{') for line in lines)} lines that are not JSON.")
    is_met = report(traffic, memory, left, found)
    print("All goals are met." if is_met else "A goal is missed.")
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
