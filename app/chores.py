"""What a server does again and again as long as it runs."""

import asyncio
import logging
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from app.logs import places

logger = logging.getLogger("medmamba.faults")


async def repeat(seconds: float, work: Callable[[], object]) -> None:
    """Work in a thread after every so many seconds, whatever happens there; to be cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await run_in_threadpool(work)
        except Exception as error:
            logger.error("a chore failed: %s", places(error))
