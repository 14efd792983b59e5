"""How many requests may use the database at once.

A request takes a connection in one thread and uses it in another. If more came in than there are
connections, those that wait for one would hold every thread, and those that have one would find no
thread to go on in. So they wait here, before either is taken; and no place is held for who is slow
to send or to take.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.core import problems
from geo.errors import GridatlasError, InputError, TooLargeError
from geo.messages import text
from geo.settings import settings

RESERVED_CONNECTIONS = 4
"""Connections for the baker, the audit trail and those who follow a job."""

TIMEOUT_S = 5.0

FREE = ("/static", "/ogc", "/metrics")
"""What needs no connection of the pool."""

SMALL_BYTES = 1_000_000
"""A body up to this is taken in whole before a place is; larger ones have two places to share."""

MAX_DEPTH = 32
"""Of nesting in JSON; GeoJSON and the deepest body of ours have less than ten levels."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

MOST_BYTES, MOST_IMPORTED = 8 * 2**20, 65 * 2**20
"""Of a body anywhere (a photo of 5 MB is the largest), and of what is given to the imports."""


class ConcurrencyLimitMiddleware:
    """Lets so many requests in as there are connections; others wait a little, or are told when."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._places: tuple[asyncio.Semaphore, asyncio.Semaphore] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request when it is its turn."""
        if scope["type"] != "http" or _is_free(scope["path"]):
            await self.app(scope, receive, send)
            return
        if self._places is None:
            most = max(1, settings().connections - RESERVED_CONNECTIONS)
            self._places = asyncio.Semaphore(most), asyncio.Semaphore(max(1, min(2, most - 1)))
        try:
            large = _is_large(scope)
            if not large:
                receive = await _take_in(scope, receive)
        except ClientDisconnect:
            return
        except GridatlasError as error:
            request = Request(scope)
            await problems.problem_from_error(request, error)(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                for place in self._places if large else self._places[:1]:
                    await held.enter_async_context(_place(place))
            except TimeoutError:
                await _busy(scope, receive, send)
                return
            try:
                if large and _may_be_json(scope):
                    receive = await _take_in(scope, receive)
            except ClientDisconnect:
                return
            except GridatlasError as error:
                await problems.problem_from_error(Request(scope), error)(scope, receive, send)
                return

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await held.aclose()
                await send(message)

            await self.app(scope, receive, told)


@asynccontextmanager
async def _place(places: asyncio.Semaphore) -> AsyncIterator[None]:
    await asyncio.wait_for(places.acquire(), TIMEOUT_S)
    try:
        yield
    finally:
        places.release()


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    detail = text("problem.busy", lang=problems.preferred_language(request))
    await problems.problem(request, 503, detail)(scope, receive, send)


async def _take_in(scope: Scope, receive: Receive) -> Receive:
    """Take in a body, check it if it is JSON, and return what gives it once more.

    Raises
    ------
    ClientDisconnect, InputError
        If it does not come, or is no JSON that is taken.
    """
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    if _may_be_json(scope):
        check_json(b"".join(parts))
    whole: Message | None = {"type": "http.request", "body": b"".join(parts), "more_body": False}

    async def again() -> Message:
        nonlocal whole
        message, whole = whole, None
        return message or await receive()

    return again


def _may_be_json(scope: Scope) -> bool:
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return not kind or kind == "application/json" or kind.endswith("+json")


def check_json(body: bytes) -> None:
    """Refuse JSON that Python's reader takes and nothing after it can store.

    That is NaN and infinity, lone surrogates, figures beyond all bounds, control characters other
    than tabs and line breaks, and deep nesting.

    Raises
    ------
    InputError
        If it is such, or no JSON at all.
    """
    if not body:
        return
    try:
        values: list[Any] = [orjson.loads(body)]
    except orjson.JSONDecodeError as error:
        raise InputError("body_unfit", depth=MAX_DEPTH, said=str(error)) from None
    for _ in range(MAX_DEPTH + 1):
        for value in values:
            if isinstance(value, str) and _CONTROL.search(value):
                raise InputError("body_unfit", depth=MAX_DEPTH, said=repr(value[:80]))
        values = [part for value in values for part in _parts_of(value)]
        if not values:
            return
    raise InputError("body_unfit", depth=MAX_DEPTH, said=f"> {MAX_DEPTH}")


def _parts_of(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    return value if isinstance(value, list) else ()


def _is_large(scope: Scope) -> bool:
    """Return whether a body is not small.

    Raises
    ------
    InputError, TooLargeError
        If it does not say how long it is, or is longer than what is taken there.
    """
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit():
        raise InputError("body_length_unknown")
    most = MOST_IMPORTED if scope["path"].startswith("/imports") else MOST_BYTES
    if len(length) > 15 or int(length) > most:
        raise TooLargeError("body_too_large", most=most // 2**20)
    return int(length) > SMALL_BYTES


def _is_free(path: str) -> bool:
    return path.startswith(FREE) or path.endswith("/events")
