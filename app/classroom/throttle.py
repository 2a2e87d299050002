"""How often one address may do something: against guessing codes and opening rooms without end."""

import threading
from collections import OrderedDict
from collections.abc import Callable

ADDRESSES = 10_000  # remembered at a time


class Throttle:
    """A bucket for each address that refills evenly; safe for threads.

    Args:
        often: how many at once.
        seconds: in which an empty bucket fills up again.
        clock: seconds, from any start.
    """

    def __init__(self, often: int, seconds: float, clock: Callable[[], float]) -> None:
        self._often, self._seconds, self._clock = often, seconds, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was so
        self._lock = threading.Lock()

    def is_empty(self, address: str) -> bool:
        """Whether the address has to wait."""
        with self._lock:
            return self._left(address) < 1

    def take(self, address: str) -> None:
        """Count one."""
        with self._lock:
            self._buckets[address] = (max(0.0, self._left(address) - 1), self._clock())
            self._buckets.move_to_end(address)
            while len(self._buckets) > ADDRESSES:
                self._buckets.popitem(last=False)

    def give(self, address: str) -> None:
        """Take one count back."""
        with self._lock:
            self._buckets[address] = (min(self._often, self._left(address) + 1), self._clock())

    def _left(self, address: str) -> float:
        left, since = self._buckets.get(address, (self._often, 0.0))
        return min(self._often, left + max(0.0, self._clock() - since) * self._often / self._seconds)
