"""The one background thread of the rooms: asks the network about new cases, and deletes rooms that have expired."""

import contextlib
import threading
import time
from collections import Counter
from dataclasses import asdict

from sqlalchemy.exc import SQLAlchemyError

from app import opinion
from app.classroom.store import RoomStore
from app.opinion import Opinion
from app.service import Service

SWEEP_SECONDS = 60.0
RETRY_SECONDS = 5.0
TRIES = 4  # to ask about a case: a queue may be full for a moment, but a class does not wait for ever


class Attendant:
    """Started with the server; picks up where a killed server left off, since all it knows is in the store."""

    def __init__(self, store: RoomStore, service: Service) -> None:
        self._store, self._service = store, service
        self._called, self._ended, self._news = threading.Event(), threading.Event(), threading.Event()
        self._failures: Counter[int] = Counter()  # of the cases to be asked about again
        self._thread = threading.Thread(target=self._attend, name="classroom", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self) -> None:
        """There is a new room."""
        self._news.set()
        self._called.set()

    def stop(self) -> None:
        """End after the case in hand."""
        self._ended.set()
        self._called.set()
        self._thread.join()

    def prepare(self) -> None:
        """Ask the network about every case that it has not been asked about, the first of each room first.

        A room that is opened meanwhile does not wait until the long deck of another is through.
        """
        failures, self._failures = self._failures, Counter()
        met: set[int] = set()
        waiting = self._waiting(met)
        while waiting:
            case, task, classes = waiting.pop(0)
            met.add(case)
            picture = self._store.picture_of(case)
            if self._ended.is_set():
                return
            if picture is None:
                continue
            said = self._ask(picture, task, classes)
            tries = failures[case] + 1
            if said.was_heard or tries >= TRIES:
                self._store.set_network(case, asdict(said))
            else:
                self._failures[case] = tries
            if self._news.is_set():
                waiting = self._waiting(met)

    def _waiting(self, met: set[int]) -> list[tuple[int, str, list[str]]]:
        """What to ask about, without the cases that this round has met."""
        self._news.clear()
        return [entry for entry in self._store.unprepared() if entry[0] not in met]

    def _ask(self, picture: bytes, task: str, classes: list[str]) -> Opinion:
        try:
            return opinion.ask(self._service, picture, task, classes)
        except Exception:  # whatever it is: a class goes on without the network rather than wait for it
            return Opinion()

    def _attend(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(SQLAlchemyError):  # a database that is away for a while may come back
                self._store.sweep(time.time())
                self.prepare()
            self._called.wait(RETRY_SECONDS if self._failures else SWEEP_SECONDS)
            self._called.clear()
