"""The Host header, from which links in responses are made."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.core import problems
from geo.errors import InputError
from geo.settings import settings


class HostMiddleware:
    """Refuse requests for foreign hosts, and make links lead to the public address if one is set.

    Without ``GRIDATLAS_SITE`` the loopback's names and the address at which the connection came in
    are accepted; links then lead to the address that the caller used.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its host is accepted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host")
        site = urlsplit(settings().site)
        if host is not None and _host_name(host) not in _accepted_names(scope, site.hostname):
            error = InputError("host_unknown", host=host[:100])
            await problems.problem_from_error(Request(scope), error)(scope, receive, send)
            return
        if site.hostname:
            others = [header for header in scope["headers"] if header[0] != b"host"]
            # In place: the router adds the route to this scope, and the request log reads it there.
            scope["headers"] = [(b"host", site.netloc.encode()), *others]
            scope["scheme"] = site.scheme
        await self.app(scope, receive, send)


def _host_name(host: str) -> str | None:
    """Return the name in a Host header without its port, None if it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _accepted_names(scope: Scope, site: str | None) -> set[str | None]:
    server = scope.get("server")
    return {"localhost", "127.0.0.1", "::1", *([site] if site else ()), *(server or ())[:1]}
