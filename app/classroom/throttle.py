"""How often one address may do something: against guessing codes and opening rooms without end."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address

ADDRESSES = 10_000  # remembered at a time


class Throttle:
    """A bucket for each address, or network of them that is one visitor's, that refills evenly; safe for threads.

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
            return self._left(_whose(address)) < 1

    def take(self, address: str) -> bool:
        """Count one, unless the address has to wait; returns whether it was counted."""
        whose = _whose(address)
        with self._lock:
            left = self._left(whose)
            if left < 1:
                return False
            self._buckets[whose] = (left - 1, self._clock())
            self._buckets.move_to_end(whose)
            while len(self._buckets) > ADDRESSES:
                self._buckets.popitem(last=False)
        return True

    def give(self, address: str) -> None:
        """Take one count back."""
        whose = _whose(address)
        with self._lock:
            self._buckets[whose] = (min(self._often, self._left(whose) + 1), self._clock())

    def _left(self, whose: str) -> float:
        left, since = self._buckets.get(whose, (self._often, 0.0))
        return min(self._often, left + max(0.0, self._clock() - since) * self._often / self._seconds)


def _whose(address: str) -> str:
    """What one visitor is known by: of IPv6 the first 64 bits, since whoever has one such address has all of them."""
    try:
        known = ip_address(address)
    except ValueError:  # of a socket without addresses
        return address
    if isinstance(known, IPv4Address):
        return address
    return str(known.ipv4_mapped or f"{int(known) >> 64:x}")
