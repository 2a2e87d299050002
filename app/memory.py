"""Memory that was freed goes back to the system: glibc keeps it, torn by pictures of all sizes, until it is told to."""

import ctypes
import sys
from collections.abc import Callable

from app.chores import repeat

OFTEN = 20.0  # seconds


def trim() -> None:
    """Give back what is free; nothing happens where the C library cannot."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)


async def keep_trimmed(forget: Callable[[], None]) -> None:
    """Forget what has grown old and trim, again and again; to be cancelled."""

    def tidy() -> None:
        forget()
        trim()

    await repeat(OFTEN, tidy)
