"""Changes of cases as they are committed: one listening connection a process, for all streams.

A trigger on ``case_event`` notifies the channel; the notification holds the case's id alone. Each
stream then reads the case under its caller's rights.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from sqlalchemy import URL

from api.core.connection_pool import UNREACHABLE_ERRORS, connect_arguments

CHANNEL = "gridatlas_cases"
MAX_WAITING_CASES = 1_000
"""Notifications that a stream may be behind; then its client is told to read the list again."""

RECONNECT_INTERVAL_S = 1.0
RESET = 0
"""In place of a case: some notifications were lost."""

_log = logging.getLogger(__name__)


class CaseFeed:
    """Deliver the ids of changed cases to all subscribers of this process."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._queues: set[asyncio.Queue[int]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Queue[int]]:
        """Lend a queue of ids, which begins with every change committed from now on."""
        queue: asyncio.Queue[int] = asyncio.Queue(MAX_WAITING_CASES)
        self._queues.add(queue)
        try:
            if self._listener is None or self._listener.done():
                self._listener = asyncio.create_task(self._listen())
            await self._listening.wait()
            yield queue
        finally:
            self._queues.discard(queue)

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    async def _listen(self) -> None:
        """Listen as long as there are subscribers; connect again after a loss."""
        try:
            while self._queues:
                with suppress(*UNREACHABLE_ERRORS):
                    await self._listen_once()
                self._listening.clear()
                self._put(RESET)
                await asyncio.sleep(RECONNECT_INTERVAL_S)
        finally:
            self._listening.clear()

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(**connect_arguments(self._url))
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(CHANNEL, lambda *said: self._put(int(said[3])))
            self._listening.set()
            while self._queues and not lost.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), RECONNECT_INTERVAL_S)
        finally:
            connection.terminate()

    def _put(self, case: int) -> None:
        for queue in self._queues:
            try:
                queue.put_nowait(case)
            except asyncio.QueueFull:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESET)
                _log.info("a stream of cases was too far behind")
