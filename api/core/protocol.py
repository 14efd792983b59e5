"""HTTP/1.1 as uvicorn speaks it, with limits on the time that a client may take.

uvicorn has none for heads, bodies or unread answers (``docs/decisions/limits-of-connections.md``).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_S = 15.0
"""From the connection, or the first byte of a later request, to the end of the head."""

BODY_INTERVAL_S = 15.0
MIN_BODY_BYTES = 16_384
"""Bytes of a body that must arrive in each interval."""

WRITE_TIMEOUT_S = 30.0
"""For the client to make room in a full send buffer."""

MAX_HEAD_BYTES = 65_536


class TimeLimitedProtocol(HttpToolsProtocol):
    """End connections on which a head, a body or the reading of an answer takes too long."""

    _head_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _body_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Start the time limit of the first head."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        for name in ("_head_timer", "_body_timer", "_write_timer"):
            self._stop(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; refuse a head that is too long."""
        self._head_bytes += len(data)
        super().data_received(data)
        is_in_head = self._head_timer is not None
        if is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """Start the time limit of a head, unless it runs since the connection was made."""
        super().on_message_begin()
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def on_headers_complete(self) -> None:
        """Stop the limit of the head and start that of the body."""
        self._stop("_head_timer")
        self._body_bytes = 0
        self._body_timer = self.loop.call_later(BODY_INTERVAL_S, self._check_body)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count the bytes of a body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the limit of the body."""
        super().on_message_complete()
        self._stop("_body_timer")
        self._head_bytes = 0

    def pause_writing(self) -> None:
        """Start the time limit for the client to read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT_S, self._abort)

    def resume_writing(self) -> None:
        """Stop it."""
        self._stop("_write_timer")
        super().resume_writing()

    def _check_body(self) -> None:
        """End the connection if too little of a body arrived while the application wants it."""
        if self._body_bytes < MIN_BODY_BYTES and not self.flow.read_paused:
            self.transport.close()
            return
        self._body_bytes = 0
        self._body_timer = self.loop.call_later(BODY_INTERVAL_S, self._check_body)

    def _abort(self) -> None:
        """Drop the connection with what is left of its answer."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application stops writing the answer
        self.transport.abort()

    def _stop(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
        setattr(self, name, None)
