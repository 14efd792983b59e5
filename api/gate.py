"""How many requests may use the database at once.

A request takes a connection in one thread and uses it in another. If more came in than there are
connections, those that wait for one would hold every thread, and those that have one would find no
thread to go on in. So they wait here, before either is taken.
"""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from geo.messages import text
from geo.settings import settings

KEPT_BACK = 4
"""Connections for the workshop, the baker and those who follow a job."""

PATIENCE_S = 5.0

FREE = ("/static", "/ogc", "/metrics")
"""What needs no connection of the pool."""


class Gate:
    """Lets so many requests in as there are connections; others wait a little, or are told when."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._places: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request when it is its turn."""
        if scope["type"] != "http" or _is_free(scope["path"]):
            await self.app(scope, receive, send)
            return
        if self._places is None:
            self._places = asyncio.Semaphore(max(1, settings().connections - KEPT_BACK))
        try:
            await asyncio.wait_for(self._places.acquire(), PATIENCE_S)
        except TimeoutError:
            request = Request(scope)
            detail = text("problem.busy", lang=problems.language(request))
            await problems.problem(request, 503, detail)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self._places.release()


def _is_free(path: str) -> bool:
    return path.startswith(FREE) or path.endswith("/events")
