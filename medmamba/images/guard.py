"""Decoding in worker processes that may hang, grow or die without harm to the server.

Two warm workers wait; a job takes one, and gives it back. One that is silent for ``TIMEOUT`` seconds is killed, one
that died is noticed, and in both cases a new one is started at once. Workers are started as programs of their own and
not by ``multiprocessing``: nothing of the server (threads, open files, environment, main module) is in them.
"""

import atexit
import contextlib
import io
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, cast

from medmamba.errors import ImageError
from medmamba.images.picture import MedicalImage
from medmamba.images.wire import unpack
from medmamba.images.worker import ANSWER, FAULT, JOB, READY, REFUSED

TIMEOUT = 10.0
START_TIMEOUT = 120.0
WORKERS = 2
MAX_ANSWER = 512 * 2**20
KEPT_ENVIRONMENT = ("LANG", "LC_ALL", "PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


class ReaderFault(ImageError):
    """The reader failed in a way that it should not: a fault of ours, although the file caused it.

    Attributes:
        kind: "exception", "hang", "death" or "start".
        where: the kind of the exception and our line, for a bug report; no text of the file.
    """

    def __init__(self, kind: str, where: str = "") -> None:
        super().__init__(
            {
                "exception": "The picture could not be read. It may be damaged: export it again as PNG or DICOM.",
                "start": "The picture reader could not be started on this machine. Tell whoever runs it.",
                "hang": f"Reading the picture took more than {TIMEOUT:.0f} seconds and was stopped. Export it smaller.",
                "death": "The picture stopped the reader: it is damaged or too large. Export it again, uncompressed.",
            }[kind]
        )
        self.kind = kind
        self.where = where


class Worker:
    """One worker process. Not for two threads at once; ``Guard`` sees to that."""

    def __init__(self) -> None:
        search = [entry or os.getcwd() for entry in sys.path]
        root = str(Path(__file__).parents[2])
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= {
            "PYTHONPATH": os.pathsep.join(dict.fromkeys([root, *search])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "medmamba.images.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._process = process
        self._stdin, self._stdout = cast(BinaryIO, process.stdin), cast(io.BufferedReader, process.stdout)
        self._ready = False

    def decode(self, data: bytes, frame: int, timeout: float) -> MedicalImage:
        """Raises ``ImageError`` if the file is refused, ``ReaderFault`` if the worker failed on it."""
        if not self._ready:
            if self._exchange((), START_TIMEOUT)[0] != READY:
                raise self._fault("start")
            self._ready = True
        state, text, pixels = self._exchange((JOB.pack(frame, len(data)), data), timeout)
        if state == REFUSED:
            raise ImageError(text.decode(errors="replace"))
        if state == FAULT:
            raise ReaderFault("exception", text.decode(errors="replace"))
        try:
            return unpack(bytes(text), pixels)
        except Exception:  # whatever a worker that a file has taken over may send
            raise self._fault("death") from None

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends the process at once and frees what it holds."""
        self._process.kill()
        for pipe in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    def _exchange(self, job: tuple[bytes, ...], timeout: float) -> tuple[int, bytearray, bytearray]:
        """Sends a job and waits for the answer: state, text, pixels."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            for part in job:
                self._stdin.write(part)
            self._stdin.flush()
            state, text, pixels = ANSWER.unpack(self._receive(ANSWER.size))
            return state, self._receive(text), self._receive(pixels)
        except (OSError, EOFError, ValueError):  # ValueError: the pipes are closed already
            raise self._fault("hang" if expired.is_set() else "death" if self._ready else "start") from None
        except BaseException:
            self.stop()  # else the answer to this job would be taken for the answer to the next
            raise
        finally:
            timer.cancel()
            timer.join()

    def _receive(self, length: int) -> bytearray:
        """Exactly ``length`` bytes. Raises ``EOFError`` if the worker ends before, or offers more than a picture."""
        if length > MAX_ANSWER:
            raise EOFError
        buffer = bytearray(length)
        view = memoryview(buffer)
        while view:
            got = self._stdout.readinto(view)
            if not got:
                raise EOFError
            view = view[got:]
        return buffer

    def _fault(self, kind: str) -> ReaderFault:
        """Stops a worker that cannot be trusted any more; to be raised."""
        self.stop()
        return ReaderFault(kind)


class Guard:
    """A pool of workers. ``decode`` may be called from any number of threads; they wait for a free worker."""

    def __init__(self, workers: int = WORKERS, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._closed = False
        self._lock = threading.Lock()
        self._workers = {Worker() for _ in range(workers)}
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def decode(self, data: bytes, frame: int = 0) -> MedicalImage:
        """Decodes one frame in a worker. Raises ``ImageError``; of these, ``ReaderFault`` if the worker failed."""
        worker = self._idle.get()
        try:
            return worker.decode(data, frame, self._timeout)
        finally:
            self._idle.put(worker if worker.alive else self._replace(worker))

    def close(self) -> None:
        """Ends every worker, busy or not; jobs after this fail."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.stop()

    def _replace(self, worker: Worker) -> Worker:
        worker.stop()
        with self._lock:
            if self._closed:
                return worker
            try:
                fresh = Worker()
            except OSError:
                return worker  # the next job on it fails, and tries again
            self._workers.discard(worker)
            self._workers.add(fresh)
        return fresh


_shared: Guard | None = None
_starting = threading.Lock()


def shared() -> Guard:
    """The guard of this process, started when it is first asked for, ended when the process exits."""
    global _shared
    with _starting:
        if _shared is None:
            try:
                _shared = Guard()
            except OSError:
                raise ReaderFault("start") from None
        return _shared


def close() -> None:
    """Ends the shared guard, if it runs; the next ``shared`` starts another."""
    global _shared
    with _starting:
        if _shared is not None:
            _shared.close()
        _shared = None


def _forget() -> None:
    """After a fork the workers belong to the parent alone."""
    global _shared, _starting
    _shared, _starting = None, threading.Lock()


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
