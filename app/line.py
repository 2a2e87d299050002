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
        most_bytes: of those that wait.
        seconds: how long a picture counts that nobody asks about: its visitor may have gone.
        clock: seconds, from any start.
    """

    def __init__(
        self,
        most: int = 64,
        most_bytes: int = 2**28,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self._most, self._most_bytes, self._clock = most, most_bytes, clock
        self._sending = 0
        self._waiting: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when and how large, longest first
        self._lock = threading.Lock()

    def is_full(self) -> bool:
        """Whether there is no place for another."""
        with self._lock:
            oldest = self._clock() - self.seconds
            while self._waiting and next(iter(self._waiting.values()))[0] < oldest:
                self._waiting.popitem(last=False)
            size = sum(size for _, size in self._waiting.values())
            return self._sending + len(self._waiting) >= self._most or size >= self._most_bytes

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

    def join(self, token: str, size: int = 0) -> None:
        """It has been sent, so many bytes, and waits."""
        with self._lock:
            self._waiting[token] = self._clock(), size

    def leave(self, token: str) -> None:
        """It has been answered, or never will be; nothing happens if it does not wait."""
        with self._lock:
            self._waiting.pop(token, None)
