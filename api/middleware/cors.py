"""Which pages of other origins may read the open standards, as browsers ask before they let them.

None by default. What answers (``/ogc``, ``/tiles``, the description) is the same for everyone who
gives the same token: no cookie is ever sent or taken.
"""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from geo.settings import settings

OPEN = ("/ogc", "/tiles/", "/openapi.json")

ASKED_WITH = ("Accept", "Accept-Language", "Authorization", "If-None-Match", "Range")
"""Headers that such a page may send."""

TOLD = ("ETag", "Content-Crs", "Content-Range", "Link", "Retry-After", "X-Gridatlas-Detail")
"""Headers of answers that it may read, beside the few that all may."""

KEPT_S = 600
"""How long a browser need not ask again."""


class CorsMiddleware:
    """Lets pages of the origins in the settings read what is open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._allowed = frozenset(settings().origins.replace(",", " ").split())
        self._shared = CORSMiddleware(
            app,
            allow_origins=sorted(self._allowed),
            allow_methods=("GET", "HEAD"),
            allow_headers=ASKED_WITH,
            expose_headers=TOLD,
            max_age=KEPT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; to pages of other origins as to a program, which is of no use to them."""
        app = self._shared if self._allowed and self._is_shared(scope) else self._app
        await app(scope, receive, send)

    def _is_shared(self, scope: Scope) -> bool:
        if scope["type"] != "http" or not scope["path"].startswith(OPEN):
            return False
        origin = Headers(scope=scope).get("origin")
        return origin is None or "*" in self._allowed or origin in self._allowed
