"""Log of requests, one line of JSON each, and metrics for Prometheus."""

import json
import logging
import os
import re
import secrets
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
"""Variable of prometheus_client: the folder where several workers share their metrics."""

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
_FIELDS = ("request", "method", "path", "status", "bytes", "ms", "client")
_access = logging.getLogger("gridatlas.access")


class RequestLogMiddleware:
    """Give each request an identifier, measure it, and log it when it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client_id = Headers(scope=scope).get("x-request-id", "")
        request_id = client_id if _ID.fullmatch(client_id) else secrets.token_hex(8)
        start, status, size = time.perf_counter(), 500, 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        OPEN.inc()
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            OPEN.dec()
            seconds = time.perf_counter() - start
            route = _route(scope)
            REQUESTS.labels(scope["method"], route, status).inc()
            SECONDS.labels(route).observe(seconds)
            _log_request(scope, request_id, status, size, seconds)


def _route(scope: Scope) -> str:
    """Return the pattern of a path: a metric a path would be without bound."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path", "")) or "/"
    path = str(scope["path"])
    return next((top for top in ("/ogc", "/static", "/tiles") if path.startswith(top)), "other")


def _log_request(scope: Scope, request_id: str, status: int, size: int, seconds: float) -> None:
    client = scope.get("client")
    _access.info(
        "answered",
        extra={
            "request": request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1000, 1),
            "client": client[0] if client else "",
        },
    )


def render_metrics() -> tuple[bytes, str]:
    """Return the metrics of all workers in Prometheus' format, and its media type."""
    if os.environ.get(MULTIPROCESS):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


class JsonLinesFormatter(logging.Formatter):
    """Format a record as one line of JSON, which no line break in a value can split."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in vars(record).items() if name in _FIELDS}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(*, access: bool) -> None:
    """Write every log record to standard error as a line of JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLinesFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _access.setLevel(logging.INFO if access else logging.WARNING)
