"""Compression of responses."""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send


class CompressionMiddleware(GZipMiddleware):
    """Compress responses for clients that prefer gzip to plain bytes (RFC 9110, 12.5.3).

    Everything behind it sees ``Accept-Encoding`` either as ``gzip`` or not at all.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the encoding that it prefers."""
        if scope["type"] == "http":
            # In place: the router adds the route to this scope, and the request log reads it there.
            accepted = Headers(scope=scope).get("accept-encoding", "")
            others = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
            gzip = [(b"accept-encoding", b"gzip")] if prefers_gzip(accepted) else []
            scope["headers"] = [*others, *gzip]
        await super().__call__(scope, receive, send)


def prefers_gzip(accept_encoding: str) -> bool:
    """Return whether a header ``Accept-Encoding`` accepts gzip, and no less than plain bytes."""
    weights = dict(map(_weight, accept_encoding.lower().split(",")))
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight(part: str) -> tuple[str, float]:
    coding, _, parameter = part.partition(";")
    name, _, value = parameter.strip().partition("=")
    try:
        return coding.strip(), float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return coding.strip(), 0.0
