"""The server's end of a connection, which neither waits nor swells for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PATIENCE_S = 15.0
"""For the whole head of a request, and between looks at how it goes on."""

LEAST_BYTES = 16_384
"""Of a body, between two looks."""

MOST_HEAD_BYTES = 65_536


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 that ends a connection on which a request does not come, or an answer not go."""

    _patience: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _body_bytes = 0
    _was_in_head = True
    _stuck = False

    def connection_made(self, transport: Any) -> None:
        """Begin to look."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(PATIENCE_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; a head without end is refused."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES and self.parser is not None:
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """Note that a head comes."""
        super().on_message_begin()
        self._in_head, self._was_in_head = True, False

    def on_headers_complete(self) -> None:
        """Note that it has come."""
        self._in_head = False
        self._head_bytes = self._body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what comes."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to count anew."""
        super().on_message_complete()
        self._head_bytes = 0

    def _look(self) -> None:
        """End the connection if nothing has moved since the last look."""
        if self.transport.is_closing():
            return
        stuck = self.flow is not None and self.flow.write_paused
        if stuck and self._stuck:
            if self.cycle is not None:
                self.cycle.disconnected = True  # what is left of the answer goes nowhere
            self.transport.abort()
            return
        self._stuck = stuck
        if self._is_late():
            self.transport.close()
            return
        self._was_in_head, self._body_bytes = self._in_head, 0
        self._patience = self.loop.call_later(PATIENCE_S, self._look)

    def _is_late(self) -> bool:
        if self._in_head:
            return self._was_in_head
        unfinished = self.cycle is not None and self.cycle.more_body
        waits = unfinished and not self.cycle.response_complete and not self.flow.read_paused
        return waits and self._body_bytes < LEAST_BYTES
