"""Memory that was freed goes back to the system: glibc keeps it, torn by pictures of all sizes, until it is told to."""

import asyncio
import ctypes
import logging
import sys
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from app.logs import places

OFTEN = 20.0  # seconds

logger = logging.getLogger("medmamba.faults")


def trim() -> None:
    """Give back what is free; nothing happens where the C library cannot."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)


async def keep_trimmed(forget: Callable[[], None]) -> None:
    """Forget what has grown old and trim, again and again, whatever happens; to be cancelled."""
    while True:
        await asyncio.sleep(OFTEN)
        try:
            await run_in_threadpool(forget)
            await run_in_threadpool(trim)
        except Exception as error:
            logger.error("not trimmed: %s", places(error))
