"""What a worker does when it starts, so that the first who ask do not wait.

The first edit in a process takes twice what those after it do: queries are put into SQL, the
database's session reads in functions and triggers. So one is made of a copy of the smallest plan,
in a transaction that is rolled back. Nor is the first tile of a process, or of a connection, like
those after it: the city's colours are found, and the session plans a query over all layers.
"""

import logging
from typing import Any

import asyncpg
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.core.caller import Caller, acting
from api.core.connection_pool import UnreachableError
from api.plans.edits import Assign, edit
from api.tiles.tile_layers import prepared_tile_query, tile_at, tile_parameters
from api.tiles.tiles import MAX_SOURCE_ZOOM
from geo.model import Grid, GridMember, GridPlan, Role
from geo.plans import edits

REHEARSER = Caller(role=Role.ADMIN.value, name="gridatlas")

ZOOMS = range(10, MAX_SOURCE_ZOOM + 1)
"""Of the tiles that a planner works with."""

_TYPICAL = 15
"""The zoom of the tile that is made: it has every layer that all may see."""

_NO_WAITING = text("SET LOCAL lock_timeout = '200ms'")

_log = logging.getLogger(__name__)


def rehearse(engine: Engine) -> bool:
    """Make an edit and take it back; return whether there was a plan to make it of.

    A database that is away, or in which another works on the same tables, is left alone.
    """
    try:
        return _warm_up_edits(engine)
    except SQLAlchemyError as error:
        _log.info("no edit was rehearsed: %s", error)
        return False


def _warm_up_edits(engine: Engine) -> bool:
    with acting(engine, REHEARSER) as connection:
        connection.execute(_NO_WAITING)
        smallest = (
            select(GridPlan.id)
            .join(GridMember, GridMember.plan_id == GridPlan.id)
            .group_by(GridPlan.id)
            .having(func.count(GridMember.grid_id.distinct()) > 1)
            .order_by(func.count(), GridPlan.id)
        )
        plan = connection.execute(smallest.limit(1)).scalar()
        if plan is None:
            return False
        made = edits.copy_as_draft(connection, plan, REHEARSER.name)
        atom, own = connection.execute(
            select(GridMember.id, Grid.code)
            .join(Grid, Grid.id == GridMember.grid_id)
            .where(GridMember.plan_id == made)
            .limit(1)
        ).one()
        other = select(Grid.code).where(Grid.plan_id == made, Grid.code != own).limit(1)
        to = connection.execute(other).scalar_one()
        edit(
            connection=connection,
            asker=REHEARSER,
            lang="zh",
            number=made,
            seen=0,
            requested=Assign(kind="assign", atoms=[atom], grid=to),
        )
        connection.rollback()
    return True


async def rehearse_tiles(here: Any) -> bool:
    """Make a tile on every connection that is kept; return whether there was a city to show.

    Parameters
    ----------
    here
        The state of the application.
    """
    try:
        colours = await here.colourings.in_force(here.engine, await here.state.now())
        if len(colours.communities.keys) == 0:
            return False
        west, south, east, north = colours.communities.boxes[0].tolist()
        tile = tile_at((west + east) / 2, (south + north) / 2, _TYPICAL)
        query = await run_in_threadpool(prepared_tile_query, tile.z, frozenset())
        arguments = query.arguments(**tile_parameters(tile, colours))

        async def make(connection: asyncpg.Connection) -> None:
            await connection.fetchrow(query.sql, *arguments)

        await here.pool.warm(make)
        for zoom in ZOOMS:
            await run_in_threadpool(prepared_tile_query, zoom, frozenset())
    except (SQLAlchemyError, UnreachableError, asyncpg.PostgresError) as error:
        _log.info("no tile was rehearsed: %s", error)
        return False
    return True
