"""HEAD requests."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.core import problems


class HeadMiddleware:
    """Answer HEAD as GET; the server leaves the body out.

    Exports and event streams are left out: their headers would cost as much as their bodies.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, HEAD as GET."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if is_head and problems.has_head(scope["path"]):
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)
