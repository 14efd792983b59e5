"""Limit of concurrent requests to the connections of the pool.

A request takes a connection in one thread and uses it in another. If there were more requests than
connections, those waiting for one would hold every thread, and those that have one would find no
thread to continue in. So requests wait here, before they take either. Small bodies are read before
a slot is taken, and slots are freed when the response starts: slow clients hold none.
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
"""Connections for the tile archive, the audit trail and the event streams of jobs."""

TIMEOUT_S = 5.0

UNLIMITED_PATHS = ("/static", "/ogc", "/metrics")
"""Paths that need no connection of the pool."""

SMALL_BODY_BYTES = 1_000_000
"""Larger bodies are read after a slot is taken, and share two slots."""

MAX_JSON_DEPTH = 32
"""GeoJSON and the deepest body of this API have less than ten levels."""

MAX_BODY_BYTES, MAX_IMPORT_BODY_BYTES = 8 * 2**20, 65 * 2**20
"""Of any request (the largest is a photo of 5 MB), and of those to the imports."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class ConcurrencyLimitMiddleware:
    """Limit concurrent requests to the connection pool.

    Further requests wait 5 s and are then answered 503 with Retry-After.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._slots: tuple[asyncio.Semaphore, asyncio.Semaphore] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on when a slot is free."""
        if scope["type"] != "http" or _is_unlimited(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            is_large = _is_large(scope)
            if not is_large:
                receive = await _read_body(scope, receive)
        except ClientDisconnect:
            return
        except GridatlasError as error:
            await problems.problem_from_error(Request(scope), error)(scope, receive, send)
            return
        async with AsyncExitStack() as slots:
            try:
                for semaphore in self._semaphores(is_large=is_large):
                    await slots.enter_async_context(_slot(semaphore))
            except TimeoutError:
                await _answer_busy(scope, receive, send)
                return
            try:
                if is_large and _may_be_json(scope):
                    receive = await _read_body(scope, receive)
            except ClientDisconnect:
                return
            except GridatlasError as error:
                await problems.problem_from_error(Request(scope), error)(scope, receive, send)
                return

            async def send_and_free_slots(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await slots.aclose()
                await send(message)

            await self.app(scope, receive, send_and_free_slots)

    def _semaphores(self, *, is_large: bool) -> tuple[asyncio.Semaphore, ...]:
        """Return the semaphores that a request acquires; they are made in the event loop."""
        if self._slots is None:
            count = max(1, settings().connections - RESERVED_CONNECTIONS)
            self._slots = asyncio.Semaphore(count), asyncio.Semaphore(max(1, min(2, count - 1)))
        return self._slots if is_large else self._slots[:1]


@asynccontextmanager
async def _slot(semaphore: asyncio.Semaphore) -> AsyncIterator[None]:
    await asyncio.wait_for(semaphore.acquire(), TIMEOUT_S)
    try:
        yield
    finally:
        semaphore.release()


async def _answer_busy(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    detail = text("problem.busy", lang=problems.preferred_language(request))
    await problems.problem(request, 503, detail)(scope, receive, send)


async def _read_body(scope: Scope, receive: Receive) -> Receive:
    """Read a body, check it if it may be JSON, and return a ``receive`` that gives it again."""
    parts: list[bytes] = []
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        has_more = message.get("more_body", False)
    body = b"".join(parts)
    if _may_be_json(scope):
        check_json(body)
    pending: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def receive_again() -> Message:
        nonlocal pending
        message, pending = pending, None
        return message or await receive()

    return receive_again


def _may_be_json(scope: Scope) -> bool:
    media_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return not media_type or media_type == "application/json" or media_type.endswith("+json")


def check_json(body: bytes) -> None:
    """Refuse JSON that Python's reader accepts but later steps can't store.

    That is NaN and infinity, lone surrogates, numbers out of range, control characters other than
    tabs and line breaks, and deep nesting.

    Raises
    ------
    InputError
        If the body has one of these, or is no JSON at all.
    """
    if not body:
        return
    try:
        values: list[Any] = [orjson.loads(body)]
    except orjson.JSONDecodeError as error:
        raise InputError("body_unfit", depth=MAX_JSON_DEPTH, said=str(error)) from None
    for _ in range(MAX_JSON_DEPTH + 1):
        for value in values:
            if isinstance(value, str) and _CONTROL.search(value):
                raise InputError("body_unfit", depth=MAX_JSON_DEPTH, said=repr(value[:80]))
        values = [child for value in values for child in _values_inside(value)]
        if not values:
            return
    raise InputError("body_unfit", depth=MAX_JSON_DEPTH, said=f"> {MAX_JSON_DEPTH}")


def _values_inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    return value if isinstance(value, list) else ()


def _is_large(scope: Scope) -> bool:
    """Return whether a body is larger than :data:`SMALL_BODY_BYTES`; refuse one over the limit."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit():
        raise InputError("body_length_unknown")
    limit = MAX_IMPORT_BODY_BYTES if scope["path"].startswith("/imports") else MAX_BODY_BYTES
    if len(length) > 15 or int(length) > limit:
        raise TooLargeError("body_too_large", most=limit // 2**20)
    return int(length) > SMALL_BODY_BYTES


def _is_unlimited(path: str) -> bool:
    return path.startswith(UNLIMITED_PATHS) or path.endswith("/events")
