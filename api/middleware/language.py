"""The language of responses."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.core import problems
from geo.messages import use_language


class LanguageMiddleware:
    """Make the caller's preferred language the default of all texts of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its language set."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with use_language(problems.preferred_language(Request(scope))):
            await self.app(scope, receive, send)
