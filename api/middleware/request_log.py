"""What the server tells of itself: one line of JSON a request, and figures for Prometheus."""

import json
import logging
import os
import re
import secrets
import sys
import time
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers put their figures together (a variable of prometheus_client)."""

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "gridatlas_requests", "Requests answered", ["method", "route", "status"], registry=REGISTRY
)
SECONDS = Histogram(
    "gridatlas_request_seconds",
    "Time to answer a request",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.06, 0.15, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
OPEN = Gauge(
    "gridatlas_requests_open",
    "Requests being answered",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_access = logging.getLogger("gridatlas.access")


class RequestLogMiddleware:
    """Gives each request a number, measures it, and writes a line when it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        number = given if _ID.fullmatch(given) else secrets.token_hex(8)
        began, status, size = time.perf_counter(), 500, 0

        async def told(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = number
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        OPEN.inc()
        try:
            await self.app(scope, receive, told)
        finally:
            OPEN.dec()
            seconds = time.perf_counter() - began
            route = _route(scope)
            REQUESTS.labels(scope["method"], route, status).inc()
            SECONDS.labels(route).observe(seconds)
            _write(scope, number, status, size, seconds)


def _route(scope: Scope) -> str:
    """Return the pattern of a path: paths themselves would be endless."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path", "")) or "/"
    path = str(scope["path"])
    return next((top for top in ("/ogc", "/static", "/tiles") if path.startswith(top)), "other")


def _write(scope: Scope, number: str, status: int, size: int, seconds: float) -> None:
    client = scope.get("client")
    _access.info(
        "answered",
        extra={
            "request": number,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1000, 1),
            "client": client[0] if client else "",
        },
    )


def render_metrics() -> tuple[bytes, str]:
    """Return the figures as Prometheus reads them, of all workers together."""
    if os.environ.get(MULTIPROCESS):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


class JsonLinesFormatter(logging.Formatter):
    """Formats a record as one line of JSON: no line break of a caller's gets through."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        own = vars(record)
        known = ("request", "method", "path", "status", "bytes", "ms", "client")
        said |= {name: own[name] for name in known if name in own}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def configure_logging(stream: Any = sys.stderr, *, access: bool = True) -> None:
    """Send every record to a stream as lines of JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLinesFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _access.setLevel(logging.INFO if access else logging.WARNING)
