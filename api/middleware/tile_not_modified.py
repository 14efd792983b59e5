"""Conditional requests for public tiles."""

import re

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.core.caller import PUBLIC_CALLER
from api.core.connection_pool import UnreachableError
from api.core.responses import etag_matches
from api.tiles.tile_pyramid import MAX_ZOOM, Tile
from api.tiles.tiles import compressed_etag, etag_headers, tile_etag

_NUMBER = "(0|[1-9][0-9]{0,7})"
_PATH = re.compile(f"/tiles/{_NUMBER}/{_NUMBER}/{_NUMBER}")


class TileNotModifiedMiddleware:
    """Answer 304 for a public tile that the client has, without a connection of the pool.

    It stands before the concurrency limit, so that clients that only revalidate never wait.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 304 if the client's ETag is that of the published state; pass on all else."""
        if scope["type"] == "http":
            etag = await _current_etag_of_client(scope)
            if etag is not None:
                await Response(status_code=304, headers=etag_headers(etag))(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _current_etag_of_client(scope: Scope) -> str | None:
    """Return the ETag that a client without a token sent, if it is the tile's current one."""
    path = _PATH.fullmatch(scope["path"])
    if path is None or scope["query_string"] or scope["method"] != "GET":
        return None
    headers = Headers(scope=scope)
    if_none_match = headers.get("if-none-match")
    tile = Tile(*map(int, path.groups()))
    if if_none_match is None or "authorization" in headers or tile.z > MAX_ZOOM or not tile.exists:
        return None
    try:
        state = await scope["app"].state.layer_state.now()
    except UnreachableError:
        return None  # the route answers with the problem
    etag = tile_etag(state, PUBLIC_CALLER, tile)
    current = (etag, compressed_etag(etag))
    return next((etag for etag in current if etag_matches(if_none_match, etag)), None)
