"""``/tiles``: the city as vector tiles, several layers in one, straight from PostGIS."""

import gzip
import hashlib
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection as Database
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.core import problems
from api.core.caller import Asker, Caller, transaction_as
from api.core.parameters import Shown
from api.core.responses import etag_response, is_not_modified
from api.tiles.colouring import Colours
from api.tiles.tile_layers import (
    Tile,
    in_force,
    in_force_prepared,
    layers_of,
    parameters,
    protected_layers,
)
from geo.db.views import grids_by_status, grids_of_plan
from geo.errors import NotFoundError

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
MAX_ZOOM = 22
MADE_TO_ZOOM = 16
"""The last zoom that the page asks for; nearer ones are this one magnified."""

CACHE_VERSION = 1
"""Which way of making tiles; another number makes every tag another."""

MOST_MS, MOST_BYTES = 3_000, 2_000_000
"""What making a tile may take, and how large it may be."""

DETAIL = "X-Gridatlas-Detail"
DROPPED = frozenset({"building_detail", "pipe_segment", "pipe_node", "building", "compound"})
"""What is least missed."""

LEAST_TO_PACK = 500

TILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    204: {"description": "There is nothing here"},
    304: {"description": "The caller has it already"},
}


@router.get("/tiles/{z}/{x}/{y}", response_class=Response, responses=TILE | problems.DOCUMENTED)
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
    state = await request.app.state.layer_state.now()
    tag = tile_etag(state, asker, asked)
    for known in (tag, compressed_etag(tag)):
        if is_not_modified(request, known):
            return Response(status_code=304, headers=etag_headers(known))
    body, reduced = await _within_limits(request, state, asked, asker)
    headers = etag_headers(tag) | ({DETAIL: "reduced"} if reduced else {})
    if not body:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > LEAST_TO_PACK:
        body = gzip.compress(body, 1, mtime=0)
        headers |= {"Content-Encoding": "gzip", "ETag": compressed_etag(tag)}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


def compressed_etag(tag: str) -> str:
    """Return the tag of the same tile compressed: other bytes have another strong tag."""
    return f'{tag[:-1]}-gzip"'


def etag_headers(tag: str) -> dict[str, str]:
    """Return the headers of a tile for caches."""
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}


def tile_etag(state: int, asker: Caller, tile: Tile) -> str:
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
    return await _make_tile(request, asked, asker, colours, DROPPED), True


async def _make_tile(
    request: Request,
    asked: Tile,
    asker: Caller,
    colours: Colours,
    without: frozenset[str] = frozenset(),
) -> bytes:
    inner = protected_layers(asked.z, asker)
    query = in_force_prepared(asked.z, inner, without)
    arguments = query.arguments(**parameters(asked, colours))
    async with request.app.state.pool.transaction_as(asker, timeout_ms=MOST_MS) as connection:
        row = await connection.fetchrow(query.sql, *arguments)
    request.app.state.read_audit.note(asker, inner, asked.degrees())
    return b"".join(row)


def _of_plans(request: Request, asked: Tile, asker: Caller, plan: int | None) -> bytes:
    """Return a tile with the grids of one plan, or of each community's newest draft."""
    shown = grids_by_status("draft") if plan is None else grids_of_plan(plan)
    inner = protected_layers(asked.z, asker)
    colourings = request.app.state.colourings
    with transaction_as(request.app.state.engine, asker, readonly=True) as connection:
        grids = colourings.shown(connection, ("draft", plan, asker.role, asker.scope), shown)
        colours = Colours(grids, colourings.communities(connection))
        rows = connection.execute(layers_of(asked.z, shown, inner), parameters(asked, colours))
        body = b"".join(rows.one())
    request.app.state.read_audit.note(asker, inner, asked.degrees())
    return body


def encode_public_tile(connection: Database, colours: Colours, asked: Tile) -> bytes:
    """Return a tile as anyone may see it, empty where there is nothing."""
    rows = connection.execute(in_force(asked.z, frozenset()), parameters(asked, colours))
    return b"".join(rows.one())
