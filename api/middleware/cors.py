"""Cross-origin requests (CORS): which pages of other origins may read the open standards.

None by default. No cookie is ever sent or read, so a page of another origin can read only what its
own token, or nobody's, allows.
"""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from geo.settings import settings

SHARED_PATHS = ("/ogc", "/tiles/", "/openapi.json")

REQUEST_HEADERS = ("Accept", "Accept-Language", "Authorization", "If-None-Match", "Range")
"""Headers that such a page may send."""

RESPONSE_HEADERS = (
    "ETag",
    "Content-Crs",
    "Content-Range",
    "Link",
    "Retry-After",
    "X-Gridatlas-Detail",
)
"""Headers of responses that it may read, beside those that browsers always allow."""

PREFLIGHT_MAX_AGE_S = 600


class CorsMiddleware:
    """Allow pages of the origins in the settings to read the shared paths."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._allowed = frozenset(settings().origins.replace(",", " ").split())
        self._cors = CORSMiddleware(
            app,
            allow_origins=sorted(self._allowed),
            allow_methods=("GET", "HEAD"),
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
            max_age=PREFLIGHT_MAX_AGE_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; without CORS headers browsers withhold the response from the page."""
        app = self._cors if self._allowed and self._is_allowed(scope) else self._app
        await app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        if scope["type"] != "http" or not scope["path"].startswith(SHARED_PATHS):
            return False
        origin = Headers(scope=scope).get("origin")
        return origin is None or "*" in self._allowed or origin in self._allowed
