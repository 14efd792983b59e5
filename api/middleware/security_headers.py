"""Headers that restrict browsers and caches."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo.settings import settings

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
"""Pages may load from and send to their own server only."""

TIANDITU = "https://*.tianditu.gov.cn"

LINE_BREAKS = b"\r\n\0"
"""Removed from header values: the server sends values unchanged, so a break would add a header."""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class SecurityHeadersMiddleware:
    """Add the headers that restrict browsers and caches, and remove line breaks from headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        policy = content_security_policy().encode()
        self._headers = ((b"content-security-policy", policy), *_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response."""
        depends_on_caller = not scope.get("path", "").startswith("/static/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, value.translate(None, LINE_BREAKS)) for name, value in message["headers"]
                ]
                message["headers"] = [*headers, *self._headers]
                _merge_vary(message["headers"], "Authorization" if depends_on_caller else "")
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _merge_vary(headers: list[tuple[bytes, bytes]], addition: str) -> None:
    """Merge the headers ``Vary`` into one that names each request header once, with an addition."""
    merged = MutableHeaders(raw=headers)
    listed = ",".join([*merged.getlist("vary"), addition]).split(",")
    names = {name.strip().lower(): name.strip() for name in reversed(listed) if name.strip()}
    del merged["vary"]
    if names:
        merged["vary"] = ", ".join(reversed(names.values()))


def content_security_policy() -> str:
    """Return the policy of all pages; with a key for Tianditu it allows that service's images."""
    if not settings().tianditu_key:
        return CONTENT_POLICY
    policy = CONTENT_POLICY.replace("img-src 'self'", f"img-src 'self' {TIANDITU}")
    return f"{policy}; connect-src 'self' {TIANDITU}"
