"""The colour of each grid and community, so that neighbours differ across the whole city.

A colouring depends on all areas at once, so it is made once for a state of the plans and kept
until that state changes.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, FromClause, func, select
from starlette.concurrency import run_in_threadpool

from api.core.caller import ANYONE, Caller, acting
from api.core.parameters import Rows
from geo.db.layer_frames import wkb
from geo.db.views import Status, grids_shown
from geo.model import Region
from maps.colours import colour_areas, touching_pairs

TOUCHING_GAP_DEGREES = 1e-5
"""About a metre: borders of neighbouring communities may come from two surveys."""

MAX_ENTRIES = 64
"""Colourings of drafts and plans; the one longest unused goes first."""


@dataclass(frozen=True)
class AreaColours:
    """Colours of areas.

    Attributes
    ----------
    keys
        (n,) grid ids or community codes.
    colours
        (n,) indices into the palette.
    boxes
        (n, 4) west, south, east, north in degrees.
    """

    keys: NDArray[Any]
    colours: NDArray[np.intp]
    boxes: NDArray[np.float64]

    def within(self, box: tuple[float, float, float, float]) -> tuple[list[Any], list[int]]:
        """Return keys and colours of the areas whose boxes touch a box in degrees."""
        west, south, east, north = self.boxes.T
        near = (west <= box[2]) & (east >= box[0]) & (south <= box[3]) & (north >= box[1])
        return self.keys[near].tolist(), self.colours[near].tolist()

    @cached_property
    def by_key(self) -> dict[Any, int]:
        """The colour of each area by its key."""
        return dict(zip(self.keys.tolist(), self.colours.tolist(), strict=True))


@dataclass(frozen=True)
class MapColours:
    """The colours of grids and of communities."""

    grids: AreaColours
    communities: AreaColours

    def within(self, box: tuple[float, float, float, float]) -> dict[str, Any]:
        """Return keys and colours of the areas in a box in degrees, by their names in queries."""
        grids, communities = self.grids.within(box), self.communities.within(box)
        return {
            "grid_keys": grids[0],
            "grid_colours": grids[1],
            "community_keys": communities[0],
            "community_colours": communities[1],
        }


class ColourCache:
    """The colourings in use, one for each kind of area; safe to use from many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Hashable, AreaColours]] = OrderedDict()
        self._in_force: tuple[int, MapColours] | None = None
        self._lock = threading.Lock()

    async def in_force(self, engine: Engine, state: int) -> MapColours:
        """Return the colours of what is in force, made once for a state.

        Parameters
        ----------
        engine, state
            The API's; and the state that it was in a moment ago: what is read is that or newer.
        """
        kept = self._in_force
        if kept is None or kept[0] != state:
            kept = (state, await run_in_threadpool(self._now, engine))
            self._in_force = kept
        return kept[1]

    def _now(self, engine: Engine) -> MapColours:
        with acting(engine, ANYONE, readonly=True) as connection:
            return self.published(connection)

    def published(self, connection: Connection) -> MapColours:
        """Return the colours of what a connection sees in force."""
        grids = self.grids(connection, "published", ANYONE)
        return MapColours(grids, self.communities(connection))

    def grids(self, connection: Connection, status: Status, caller: Caller) -> AreaColours:
        """Return the colours of the grids that a caller is shown, by grid id."""
        whose = (caller.role, caller.scope) if status == "draft" else ()
        return self.shown(connection, (status, *whose), grids_shown(status))

    def shown(self, connection: Connection, whose: Hashable, grids: FromClause) -> AreaColours:
        """Return the colours of some grids, by grid id, kept under a name."""
        grid = grids.c
        areas = select(grid.id, wkb(grid.geom)).order_by(grid.code)
        state = select(func.count(), func.max(grid.id), func.sum(grid.id), func.max(grid.revision))
        return self._get(connection, whose, state, areas)

    def communities(self, connection: Connection) -> AreaColours:
        """Return the colours of the communities, by code."""
        drawn = (Region.level == "community") & Region.geom.is_not(None)
        areas = select(Region.code, wkb(Region.geom)).where(drawn).order_by(Region.code)
        state = select(func.count(), func.max(Region.valid_from), func.max(Region.revision))
        return self._get(connection, "community", state.where(drawn), areas)

    def _get(
        self,
        connection: Connection,
        kind: Hashable,
        state: Rows,
        areas: Rows,
    ) -> AreaColours:
        now = tuple(connection.execute(state).one())
        return self._kept_or_made(kind, now, lambda: _colour_areas(connection, areas))

    def _kept_or_made(
        self, kind: Hashable, state: Hashable, make: Callable[[], AreaColours]
    ) -> AreaColours:
        with self._lock:
            kept = self._kept.get(kind)
            if kept is None or kept[0] != state:
                kept = (state, make())
                self._kept[kind] = kept
            self._kept.move_to_end(kind)
            while len(self._kept) > MAX_ENTRIES:
                self._kept.popitem(last=False)
            return kept[1]


def _colour_areas(connection: Connection, areas: Rows) -> AreaColours:
    rows = connection.execute(areas).all()
    keys = np.array([row[0] for row in rows])
    polygons = shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))
    colours = colour_areas(len(rows), touching_pairs(polygons, TOUCHING_GAP_DEGREES))
    return AreaColours(keys, colours, shapely.bounds(polygons).reshape(-1, 4))
