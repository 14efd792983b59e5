"""``/tiles``: vector tiles with all layers of the city map, encoded by PostGIS."""

import gzip
import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import asyncpg
from cachetools import LRUCache
from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import Connection as Database
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.core import problems
from api.core.caller import Caller, CurrentCaller, transaction_as
from api.core.parameters import StatusParameter
from api.core.responses import etag_response, is_not_modified
from api.tiles.area_colours import MapColours
from api.tiles.tile_layers import (
    prepared_tile_query,
    protected_layers,
    published_tile_query,
    tile_parameters,
    tile_query,
)
from api.tiles.tile_pyramid import MAX_ZOOM, Tile
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

MAX_ATTEMPTS = 3
"""How often a tile is encoded while layers change under it."""

DETAIL_HEADER = "X-Gridatlas-Detail"
OPTIONAL_LAYERS = frozenset(
    {"building_detail", "pipe_segment", "pipe_node", "building", "compound"}
)
"""Layers left out of a tile that exceeds the limits."""

MIN_GZIP_BYTES = 500
MAX_CACHED_BYTES = 32 * 2**20

TILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    204: {"description": "The tile is empty"},
    304: {"description": "The cached tile is current"},
}


async def find_tile(
    request: Request,
    z: Annotated[int, Path(ge=0, le=MAX_ZOOM)],
    x: Annotated[int, Path(ge=0)],
    y: Annotated[int, Path(ge=0)],
) -> Tile:
    """Return the tile that the path names.

    Raises
    ------
    NotFoundError
        If there is none, or a number is written in another way, such as 05: a tile has one address.
    """
    tile = Tile(z, x, y)
    numbers = {name: request.path_params[name] for name in "zxy"}
    if numbers != {"z": str(z), "x": str(x), "y": str(y)} or not tile.exists:
        raise NotFoundError("no_such_tile", **{name: text[:20] for name, text in numbers.items()})
    return tile


RequestedTile = Annotated[Tile, Depends(find_tile)]


@dataclass(frozen=True)
class EncodedTile:
    """A tile, the state of the layers that it shows, and whether layers were left out."""

    body: bytes
    state: int
    is_reduced: bool = False

    @cached_property
    def compressed(self) -> bytes:
        """The tile compressed by gzip."""
        return gzip.compress(self.body, 1, mtime=0)


class TileCache:
    """The tiles that this process encoded last, by viewer and place, with a limit of bytes.

    Only the tile of the current state of the layers is returned: a cached one is as new as one
    encoded now.
    """

    def __init__(self) -> None:
        self._tiles: LRUCache[tuple[Any, Tile], EncodedTile] = LRUCache(
            MAX_CACHED_BYTES, getsizeof=_cached_bytes
        )

    def find(self, state: int, caller: Caller, tile: Tile) -> EncodedTile | None:
        """Return a tile of a state of the layers, None if it is not cached."""
        encoded = self._tiles.get((caller.viewer, tile))
        return encoded if encoded is not None and encoded.state == state else None

    def store(self, caller: Caller, tile: Tile, encoded: EncodedTile) -> None:
        """Keep a tile in place of older ones."""
        if _cached_bytes(encoded) <= MAX_CACHED_BYTES:
            self._tiles[caller.viewer, tile] = encoded


def _cached_bytes(encoded: EncodedTile) -> int:
    """Return about how much memory a tile takes, compressed too."""
    return 500 + 2 * len(encoded.body)


@router.get(
    "/tiles/{z}/{x}/{y}", response_class=Response, responses=TILE_RESPONSES | problems.DOCUMENTED
)
async def tile(
    request: Request,
    caller: CurrentCaller,
    requested: RequestedTile,
    status: StatusParameter = "published",
    plan: Annotated[int | None, Query(ge=1, lt=2**63, description="the grids of one plan")] = None,
) -> Response:
    """Return a tile of the city; 204 if it is empty.

    The layers are water, railway, road, compound, building, facility, community and grid, with
    points for their labels.
    """
    if plan is not None or status == "draft":
        body = await run_in_threadpool(_encode_plan_tile, request, requested, caller, plan)
        return etag_response(request, body, MEDIA_TYPE)
    return await answer_tile(request, requested, caller)


async def answer_tile(request: Request, requested: Tile, caller: Caller) -> Response:
    """Return a tile with the grids in force, 204 if it is empty, or 304 if the client has it."""
    state = await request.app.state.layer_state.now()
    if response := _answer_not_modified(request, tile_etag(state, caller, requested)):
        return response
    tiles: TileCache = request.app.state.tile_cache
    encoded = tiles.find(state, caller, requested)
    if encoded is None:
        encoded = await _encode_current(request, state, requested, caller)
        tiles.store(caller, requested, encoded)
    protected = protected_layers(requested.z, caller)
    request.app.state.read_audit.note(caller, protected, requested.degrees())
    body, tag = encoded.body, tile_etag(encoded.state, caller, requested)
    headers = etag_headers(tag)
    if encoded.is_reduced:
        tag = f'{tag[:-1]}-reduced"'
        if response := _answer_not_modified(request, tag):
            return response
        headers = etag_headers(tag) | {DETAIL_HEADER: "reduced"}
    if not body:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > MIN_GZIP_BYTES:
        body = encoded.compressed
        headers |= {"Content-Encoding": "gzip", "ETag": compressed_etag(tag)}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


def _answer_not_modified(request: Request, tag: str) -> Response | None:
    """Return 304 if the client has the tile of a tag, plain or compressed."""
    for known in (tag, compressed_etag(tag)):
        if is_not_modified(request, known):
            return Response(status_code=304, headers=etag_headers(known))
    return None


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


async def _encode_current(request: Request, state: int, tile: Tile, caller: Caller) -> EncodedTile:
    """Return a tile, encoded again with the colours of the new state if a layer changed meanwhile.

    Parameters
    ----------
    state
        The number of changes to all layers.
    """
    colourings, engine = request.app.state.colourings, request.app.state.engine
    for _ in range(MAX_ATTEMPTS):
        colours = await colourings.in_force(engine, state)
        encoded = await _encode_within_limits(request, tile, caller, colours)
        if encoded.state == state:
            break
        state = encoded.state
    return encoded


async def _encode_within_limits(
    request: Request, tile: Tile, caller: Caller, colours: MapColours
) -> EncodedTile:
    """Return a tile within the limits of time and size.

    A tile beyond the limits is encoded again without :data:`OPTIONAL_LAYERS`.
    """
    try:
        encoded = await _encode_tile(request, tile, caller, colours)
        if len(encoded.body) <= MAX_BYTES:
            return encoded
    except asyncpg.QueryCanceledError:
        pass
    encoded = await _encode_tile(request, tile, caller, colours, OPTIONAL_LAYERS)
    return replace(encoded, is_reduced=True)


async def _encode_tile(
    request: Request,
    tile: Tile,
    caller: Caller,
    colours: MapColours,
    without: frozenset[str] = frozenset(),
) -> EncodedTile:
    protected = protected_layers(tile.z, caller)
    query = prepared_tile_query(tile.z, protected, without)
    arguments = query.arguments(**tile_parameters(tile, colours))
    async with request.app.state.pool.transaction_as(caller, timeout_ms=TIMEOUT_MS) as connection:
        *layers, state = await connection.fetchrow(query.sql, *arguments)
    return EncodedTile(b"".join(layers), state)


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
