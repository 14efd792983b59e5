"""Tiles made when a server worker starts, so that the first requests are as fast as later ones.

A new process first computes the city's colours, and each new connection plans a query over all
layers: without this, tiles wait for two seconds after a start under load
(``docs/decisions/tiles-without-threads.md``).
"""

import logging
from typing import Any

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.core.connection_pool import UnreachableError
from api.tiles.tile_layers import prepared_tile_query, tile_parameters
from api.tiles.tile_pyramid import tile_at
from api.tiles.tiles import MAX_SOURCE_ZOOM

ZOOMS = range(10, MAX_SOURCE_ZOOM + 1)
"""Zooms whose queries are compiled."""

_ZOOM = 15
"""Zoom of the tile that is made: all public layers appear at it."""

_log = logging.getLogger(__name__)


async def warm_up_tiles(state: Any) -> bool:
    """Make a tile on some connections of the pool; return whether there was a city to show.

    Parameters
    ----------
    state
        State of the application.
    """
    try:
        colours = await state.colourings.in_force(state.engine, await state.layer_state.now())
        if len(colours.communities.keys) == 0:
            return False
        west, south, east, north = colours.communities.boxes[0].tolist()
        tile = tile_at((west + east) / 2, (south + north) / 2, _ZOOM)
        query = await run_in_threadpool(prepared_tile_query, tile.z, frozenset())
        arguments = query.arguments(**tile_parameters(tile, colours))

        async def make_tile(connection: asyncpg.Connection) -> None:
            await connection.fetchrow(query.sql, *arguments)

        await state.pool.warm(make_tile)
        for zoom in ZOOMS:
            await run_in_threadpool(prepared_tile_query, zoom, frozenset())
    except (SQLAlchemyError, UnreachableError, asyncpg.PostgresError) as error:
        _log.info("no tile was made at the start: %s", error)
        return False
    return True
