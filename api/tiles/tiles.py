"""``/tiles``: the city as vector tiles, several layers in one, straight from PostGIS."""

import gzip
import hashlib
import re
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection as Database
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.core import problems
from api.core.caller import ANYONE, Asker, Caller, acting
from api.core.connection_pool import UnreachableError
from api.core.parameters import Shown
from api.core.responses import etag_response, is_known, knows
from api.tiles.area_colours import MapColours
from api.tiles.tile_layers import (
    Tile,
    prepared_tile_query,
    protected_layers,
    published_tile_query,
    tile_parameters,
    tile_query,
)
from geo.db.views import grids_of, grids_shown
from geo.errors import NotFoundError

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
MAX_ZOOM = 22
MAX_SOURCE_ZOOM = 16
"""The last zoom that the page asks for; nearer ones are this one magnified."""

CACHE_VERSION = 1
"""Which way of making tiles; another number makes every tag another."""

MOST_MS, MOST_BYTES = 3_000, 2_000_000
"""What making a tile may take, and how large it may be."""

DETAIL_HEADER = "X-Gridatlas-Detail"
OPTIONAL_LAYERS = frozenset(
    {"building_detail", "pipe_segment", "pipe_node", "building", "compound"}
)
"""What is least missed."""

MIN_GZIP_BYTES = 500

_ADDRESS = re.compile(r"/tiles/([0-9]{1,2})/([0-9]{1,8})/([0-9]{1,8})")

TILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    204: {"description": "There is nothing here"},
    304: {"description": "The caller has it already"},
}


@router.get(
    "/tiles/{z}/{x}/{y}", response_class=Response, responses=TILE_RESPONSES | problems.DOCUMENTED
)
async def tile(
    request: Request,
    asker: Asker,
    z: Annotated[int, Path(ge=0, le=MAX_ZOOM)],
    x: Annotated[int, Path(ge=0)],
    y: Annotated[int, Path(ge=0)],
    status: Shown = "published",
    plan: Annotated[int | None, Query(ge=1, lt=2**63, description="the grids of one plan")] = None,
) -> Response:
    """Return a tile with the layers water, railway, road, compound, building, facility,
    community and grid, and the points of the labels; 204 where there is nothing."""
    asked = Tile(z, x, y)
    if not asked.exists:
        raise NotFoundError("no_such_tile", z=z, x=x, y=y)
    if plan is not None or status == "draft":
        body = await run_in_threadpool(_of_plans, request, asked, asker, plan)
        return etag_response(request, body, MEDIA_TYPE)
    # The state is read before the tile: what changes in between makes the tile newer than its tag.
    state = await request.app.state.state.now()
    tag = _tag(state, asker, asked)
    for known in (tag, _compressed_tag(tag)):
        if is_known(request, known):
            return Response(status_code=304, headers=_headers(known))
    body, reduced = await _within_limits(request, state, asked, asker)
    headers = _headers(tag) | ({DETAIL_HEADER: "reduced"} if reduced else {})
    if not body:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > MIN_GZIP_BYTES:
        body = gzip.compress(body, 1, mtime=0)
        headers |= {"Content-Encoding": "gzip", "ETag": _compressed_tag(tag)}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


class TileNotModifiedMiddleware:
    """Answers who has a tile already, before a place at the gate or a connection is taken."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 304 if what the public has is what is in force, and pass on all else."""
        if scope["type"] == "http":
            tag = await _tag_known(scope)
            if tag is not None:
                await Response(status_code=304, headers=_headers(tag))(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _tag_known(scope: Scope) -> str | None:
    """Return the tag that a caller without a token gave, if it is the tile's."""
    address = _ADDRESS.fullmatch(scope["path"])
    if address is None or scope["query_string"] or scope["method"] != "GET":
        return None
    headers = Headers(scope=scope)
    given = headers.get("if-none-match")
    asked = Tile(*map(int, address.groups()))
    if given is None or "authorization" in headers or asked.z > MAX_ZOOM or not asked.exists:
        return None
    try:
        state = await scope["app"].state.state.now()
    except UnreachableError:
        return None  # who answers all else says so
    tag = _tag(state, ANYONE, asked)
    return next((known for known in (tag, _compressed_tag(tag)) if knows(given, known)), None)


def _compressed_tag(tag: str) -> str:
    """Return the tag of the same tile compressed: other bytes have another strong tag."""
    return f'{tag[:-1]}-gzip"'


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}


def _tag(state: int, asker: Caller, tile: Tile) -> str:
    """Return the strong tag of a tile: of the state that is published, of who asks, of the place.

    The state moves in the transaction that changes a layer.
    """
    whose = (asker.role, asker.scope, *asker.networks)
    known = repr((CACHE_VERSION, state, whose, (tile.z, tile.x, tile.y))).encode()
    return f'"{hashlib.blake2b(known, digest_size=12).hexdigest()}"'


async def _within_limits(
    request: Request, state: int, asked: Tile, asker: Caller
) -> tuple[bytes, bool]:
    """Return a tile that takes no more than some time and size, and whether detail was dropped.

    Where it would, it is made anew without what is least missed: buildings, compounds, pipes.
    """
    here = request.app.state
    colours = await here.colourings.in_force(here.engine, state)
    try:
        body = await _make_tile(request, asked, asker, colours)
        if len(body) <= MOST_BYTES:
            return body, False
    except asyncpg.QueryCanceledError:
        pass
    return await _make_tile(request, asked, asker, colours, OPTIONAL_LAYERS), True


async def _make_tile(
    request: Request,
    asked: Tile,
    asker: Caller,
    colours: MapColours,
    without: frozenset[str] = frozenset(),
) -> bytes:
    inner = protected_layers(asked.z, asker)
    query = prepared_tile_query(asked.z, inner, without)
    arguments = query.arguments(**tile_parameters(asked, colours))
    async with request.app.state.pool.acting(asker, most_ms=MOST_MS) as connection:
        row = await connection.fetchrow(query.sql, *arguments)
    request.app.state.reads.note(asker, inner, asked.degrees())
    return b"".join(row)


def _of_plans(request: Request, asked: Tile, asker: Caller, plan: int | None) -> bytes:
    """Return a tile with the grids of one plan, or of each community's newest draft."""
    shown = grids_shown("draft") if plan is None else grids_of(plan)
    inner = protected_layers(asked.z, asker)
    colourings = request.app.state.colourings
    with acting(request.app.state.engine, asker, readonly=True) as connection:
        grids = colourings.shown(connection, ("draft", plan, asker.role, asker.scope), shown)
        colours = MapColours(grids, colourings.communities(connection))
        rows = connection.execute(
            tile_query(asked.z, shown, inner), tile_parameters(asked, colours)
        )
        body = b"".join(rows.one())
    request.app.state.reads.note(asker, inner, asked.degrees())
    return body


def encode_public_tile(connection: Database, colours: MapColours, asked: Tile) -> bytes:
    """Return a tile as anyone may see it, empty where there is nothing."""
    rows = connection.execute(
        published_tile_query(asked.z, frozenset()), tile_parameters(asked, colours)
    )
    return b"".join(rows.one())
