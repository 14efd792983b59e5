"""The caller of requests to ``/ogc``, whose routes are tipg's."""

import re

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.core import problems
from api.core.caller import PUBLIC_CALLER, Caller, caller_from_token
from api.ogc.collections import MAX_FEATURES, current_caller
from geo.errors import InputError, NotSignedInError

_LIMIT = re.compile(rb"(?<![^&])limit=([0-9]+)(?![^&])")
_FORMATS = ("geojson", "json", "csv", "geojsonseq", "ndjson")


class CallerRoleMiddleware:
    """Set the caller under whose role tipg reads, and add the headers that tipg lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller set."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            scope = _adapt_to_tipg(scope)
            current_caller.set(await _identify_caller(Request(scope)))
        except (InputError, NotSignedInError) as error:
            await problems.problem_from_error(Request(scope), error)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                crs = scope.get("state", {}).get("crs")
                if crs and message["status"] == 200:
                    headers["Content-Crs"] = f"<{crs}>"
                headers.setdefault("Cache-Control", "no-cache")
                headers["Vary"] = "Accept, Accept-Language, Authorization"
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _adapt_to_tipg(scope: Scope) -> Scope:
    """Return a request in a form that tipg answers correctly.

    A ``limit`` above the maximum becomes the maximum (OGC 17-069r4, 7.15.2). tipg's HTML pages are
    refused: they load scripts from other servers.

    Raises
    ------
    InputError
        If the limit is 0 or the format is HTML.
    """

    def bound_limit(match: re.Match[bytes]) -> bytes:
        limit = int(match[1][:18])
        if not limit:
            raise InputError("limit_of_nothing")
        return b"limit=%d" % min(limit, MAX_FEATURES)

    query = _LIMIT.sub(bound_limit, scope["query_string"])
    if b"f=html" in query.split(b"&"):
        raise InputError("format_unknown", format="html", formats=", ".join(_FORMATS))
    headers = [
        (name, value.replace(b"text/html", b"*/*") if name == b"accept" else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "query_string": query, "headers": headers}


async def _identify_caller(request: Request) -> Caller:
    authorization = request.headers.get("authorization")
    if not authorization:
        return PUBLIC_CALLER
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedInError("token_invalid")
    return await caller_from_token(request.app.state.pool.plain, token.strip())
