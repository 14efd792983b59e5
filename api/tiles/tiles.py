"""``/tiles``: vector tiles with all layers of the city map, encoded by PostGIS."""

import gzip
import hashlib
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection as Database
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.core import problems
from api.core.caller import Caller, CurrentCaller, transaction_as
from api.core.parameters import Shown
from api.core.responses import etag_response, is_not_modified
from api.tiles.area_colours import MapColours
from api.tiles.tile_layers import (
    MAX_ZOOM,
    Tile,
    prepared_tile_query,
    protected_layers,
    published_tile_query,
    tile_parameters,
    tile_query,
)
from geo.db.views import grids_by_status, grids_of_plan
from geo.errors import NotFoundError

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
MAX_SOURCE_ZOOM = 16
"""Highest zoom that pages request; they magnify its tiles beyond it."""

CACHE_VERSION = 1
"""Version of the tile encoding; increase it to change all ETags."""

TIMEOUT_MS, MAX_BYTES = 3_000, 2_000_000
"""Limits of a tile's query and size; beyond them :data:`OPTIONAL_LAYERS` are left out."""

DETAIL_HEADER = "X-Gridatlas-Detail"
OPTIONAL_LAYERS = frozenset(
    {"building_detail", "pipe_segment", "pipe_node", "building", "compound"}
)
"""Layers left out of a tile that exceeds the limits."""

MIN_GZIP_BYTES = 500

TILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    204: {"description": "The tile is empty"},
    304: {"description": "The cached tile is current"},
}


@router.get(
    "/tiles/{z}/{x}/{y}", response_class=Response, responses=TILE_RESPONSES | problems.DOCUMENTED
)
async def tile(
    request: Request,
    caller: CurrentCaller,
    z: Annotated[int, Path(ge=0, le=MAX_ZOOM)],
    x: Annotated[int, Path(ge=0)],
    y: Annotated[int, Path(ge=0)],
    status: Shown = "published",
    plan: Annotated[int | None, Query(ge=1, lt=2**63, description="the grids of one plan")] = None,
) -> Response:
    """Return a tile with the layers water, railway, road, compound, building, facility,
    community and grid, and label points; 204 if it is empty."""
    requested = Tile(z, x, y)
    if not requested.exists:
        raise NotFoundError("no_such_tile", z=z, x=x, y=y)
    if plan is not None or status == "draft":
        body = await run_in_threadpool(_encode_plan_tile, request, requested, caller, plan)
        return etag_response(request, body, MEDIA_TYPE)
    return await answer_tile(request, requested, caller)


async def answer_tile(request: Request, requested: Tile, caller: Caller) -> Response:
    """Return a tile with the grids in force, 204 if it is empty, or 304 if the client has it."""
    # Read the state before the tile: after a change in between, the tile is newer than its tag.
    state = await request.app.state.layer_state.now()
    tag = tile_etag(state, caller, requested)
    for known in (tag, compressed_etag(tag)):
        if is_not_modified(request, known):
            return Response(status_code=304, headers=etag_headers(known))
    body, reduced = await _encode_within_limits(request, state, requested, caller)
    headers = etag_headers(tag) | ({DETAIL_HEADER: "reduced"} if reduced else {})
    if not body:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > MIN_GZIP_BYTES:
        body = gzip.compress(body, 1, mtime=0)
        headers |= {"Content-Encoding": "gzip", "ETag": compressed_etag(tag)}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


def compressed_etag(tag: str) -> str:
    """Return the strong tag of the compressed tile, which differs since its bytes do."""
    return f'{tag[:-1]}-gzip"'


def etag_headers(tag: str) -> dict[str, str]:
    """Return the headers of a tile for caches."""
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}


def tile_etag(state: int, caller: Caller, tile: Tile) -> str:
    """Return the strong tag of a tile, a digest of the database state, the caller and the tile.

    The state changes in the transaction that changes a layer.
    """
    content = repr((CACHE_VERSION, state, caller.viewer, (tile.z, tile.x, tile.y))).encode()
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


async def _encode_within_limits(
    request: Request, state: int, tile: Tile, caller: Caller
) -> tuple[bytes, bool]:
    """Return a tile within the time and size limits, and whether layers were left out.

    A tile beyond the limits is encoded again without :data:`OPTIONAL_LAYERS`.
    """
    app_state = request.app.state
    colours = await app_state.colourings.in_force(app_state.engine, state)
    try:
        body = await _encode_tile(request, tile, caller, colours)
        if len(body) <= MAX_BYTES:
            return body, False
    except asyncpg.QueryCanceledError:
        pass
    return await _encode_tile(request, tile, caller, colours, OPTIONAL_LAYERS), True


async def _encode_tile(
    request: Request,
    tile: Tile,
    caller: Caller,
    colours: MapColours,
    without: frozenset[str] = frozenset(),
) -> bytes:
    protected = protected_layers(tile.z, caller)
    query = prepared_tile_query(tile.z, protected, without)
    arguments = query.arguments(**tile_parameters(tile, colours))
    async with request.app.state.pool.transaction_as(caller, timeout_ms=TIMEOUT_MS) as connection:
        row = await connection.fetchrow(query.sql, *arguments)
    request.app.state.read_audit.note(caller, protected, tile.degrees())
    return b"".join(row)


def _encode_plan_tile(request: Request, tile: Tile, caller: Caller, plan: int | None) -> bytes:
    """Return a tile with the grids of one plan, or of the newest draft of each community."""
    grids = grids_by_status("draft") if plan is None else grids_of_plan(plan)
    protected = protected_layers(tile.z, caller)
    colourings = request.app.state.colourings
    with transaction_as(request.app.state.engine, caller, readonly=True) as connection:
        key = ("draft", plan, *caller.viewer)
        colours = MapColours(
            colourings.grids_of(connection, key, grids), colourings.communities(connection)
        )
        query = tile_query(tile.z, grids, protected)
        rows = connection.execute(query, tile_parameters(tile, colours))
        body = b"".join(rows.one())
    request.app.state.read_audit.note(caller, protected, tile.degrees())
    return body


def encode_public_tile(connection: Database, colours: MapColours, tile: Tile) -> bytes:
    """Return a tile with public data only, as bytes; empty if it has no features."""
    rows = connection.execute(
        published_tile_query(tile.z, frozenset()), tile_parameters(tile, colours)
    )
    return b"".join(rows.one())
