"""Memory and open files of a server over many API requests: ``python -m scripts.endurance [REQUESTS]`` (1000).

Starts the page on a free port with the shipped weights, asks ``/classify`` again and again with pictures that differ,
and prints what the server and its readers hold along the way. Linux only: it looks into /proc.
"""

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

ROOT = Path(__file__).parents[1]
LOOKS = 10  # times that the server is looked at


@dataclass(frozen=True)
class Held:
    """What a server and the processes under it hold. memory: resident bytes, what they share counted for each."""

    requests: int
    memory: int
    files: int

    def __str__(self) -> str:
        return f"after {self.requests:5} requests: {self.memory / 2**20:6.0f} MB, {self.files} open files"


def held(server: int, requests: int) -> Held:
    """Looks at a process and those that it started."""
    pages = [int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes(server)]
    files = [len(os.listdir(f"/proc/{process}/fd")) for process in processes(server)]
    return Held(requests, sum(pages) * os.sysconf("SC_PAGE_SIZE"), sum(files))


def endure(address: str, server: int, requests: int) -> Iterator[Held]:
    """Sends the requests; yields what the server holds after a tenth of them, and after each further tenth."""
    client = Client(address, analytics_enabled=False, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        for request in range(1, requests + 1):
            file.write_bytes(_picture(request))
            client.predict(handle_file(str(file)), None, 0, None, api_name="/classify")
            if request % max(1, requests // LOOKS) == 0:
                yield held(server, request)
    client.close()


def processes(server: int) -> list[int]:
    """A process and those that it started."""
    tasks = Path(f"/proc/{server}/task").iterdir()
    return [server, *(int(child) for task in tasks for child in (task / "children").read_text().split())]


def cpu_seconds(process: int) -> float:
    """What a process has worked so far, on Linux; on a busy machine it says more than the clock."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(requests: int = 1000) -> None:
    """Starts the server, and ends it."""
    port = free_port()
    environment = os.environ | {"MEDMAMBA_PORT": str(port)}
    command = [sys.executable, "-m", "app"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()  # it is ready
            started = time.monotonic()
            for state in endure(f"http://127.0.0.1:{port}/", server.pid, requests):
                print(f"{state}, {time.monotonic() - started:.0f} s", flush=True)
        finally:
            server.terminate()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
