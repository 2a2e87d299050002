"""How many pictures are under way, so that one too many is refused before it is sent rather than after."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Line:
    """Pictures that are being sent, and those sent that wait for their first answer. Safe for threads.

    Args:
        most: pictures that may be under way.
        seconds: how long a picture counts that nobody asks about: its visitor may have gone.
        clock: seconds, from any start.
    """

    def __init__(self, most: int = 64, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._sending = 0
        self._waiting: OrderedDict[str, float] = OrderedDict()  # since when, by token, the longest first
        self._lock = threading.Lock()

    def is_full(self) -> bool:
        """Whether there is no place for another."""
        with self._lock:
            oldest = self._clock() - self._seconds
            while self._waiting and next(iter(self._waiting.values())) < oldest:
                self._waiting.popitem(last=False)
            return self._sending + len(self._waiting) >= self._most

    @contextmanager
    def sending(self) -> Iterator[None]:
        """While one is being sent."""
        with self._lock:
            self._sending += 1
        try:
            yield
        finally:
            with self._lock:
                self._sending -= 1

    def join(self, token: str) -> None:
        """It has been sent, and waits."""
        with self._lock:
            self._waiting[token] = self._clock()

    def leave(self, token: str) -> None:
        """It has been answered, or never will be; nothing happens if it does not wait."""
        with self._lock:
            self._waiting.pop(token, None)
