"""Map colouring of grids and communities, cached: neighbours differ across the whole city.

A colouring depends on all areas, so it is computed once for a state of the plans and cached until
that state changes.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, FromClause, func, select
from starlette.concurrency import run_in_threadpool

from api.core.caller import PUBLIC_CALLER, Caller, transaction_as
from api.core.parameters import Rows
from geo.db.layer_frames import wkb
from geo.db.views import Status, grids_by_status
from geo.model import Region
from geo.types import Floats
from maps.colours import colour_areas, touching_pairs

TOUCHING_GAP_DEGREES = 1e-5
"""About a metre: borders of neighbouring communities may come from different surveys."""

MAX_ENTRIES = 64
"""Cached colourings of drafts and plans; the least recently used is evicted first."""


@dataclass(frozen=True)
class AreaColours:
    """Colours of areas of one kind.

    Attributes
    ----------
    keys
        Grid ids or community codes, shape (n,).
    colours
        Indices into the palette, shape (n,).
    boxes
        Bounding boxes (west, south, east, north) in degrees, shape (n, 4).
    """

    keys: NDArray[Any]
    colours: NDArray[np.intp]
    boxes: Floats

    def within(self, box: tuple[float, float, float, float]) -> tuple[list[Any], list[int]]:
        """Return keys and colours of the areas whose bounding boxes touch a box in degrees."""
        west, south, east, north = self.boxes.T
        near = (west <= box[2]) & (east >= box[0]) & (south <= box[3]) & (north >= box[1])
        return self.keys[near].tolist(), self.colours[near].tolist()

    @cached_property
    def by_key(self) -> dict[Any, int]:
        """The colour of each area by its key."""
        return dict(zip(self.keys.tolist(), self.colours.tolist(), strict=True))


@dataclass(frozen=True)
class MapColours:
    """Colours of grids and of communities."""

    grids: AreaColours
    communities: AreaColours

    def within(self, box: tuple[float, float, float, float]) -> dict[str, Any]:
        """Return keys and colours of the areas in a box in degrees, by query parameter."""
        grids, communities = self.grids.within(box), self.communities.within(box)
        return {
            "grid_keys": grids[0],
            "grid_colours": grids[1],
            "community_keys": communities[0],
            "community_colours": communities[1],
        }


class ColourCache:
    """Cache of colourings, one for each kind of area; thread-safe."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, tuple[Hashable, AreaColours]] = OrderedDict()
        self._in_force: tuple[int, MapColours] | None = None
        self._lock = threading.Lock()

    async def in_force(self, engine: Engine, state: int) -> MapColours:
        """Return the colours of the plans in force, computed once for a database state.

        Parameters
        ----------
        engine
            The engine of the API.
        state
            The state of the database as read before this call; the colours are of this state or
            a newer one.
        """
        entry = self._in_force
        if entry is None or entry[0] != state:
            entry = (state, await run_in_threadpool(self._read_published, engine))
            self._in_force = entry
        return entry[1]

    def _read_published(self, engine: Engine) -> MapColours:
        with transaction_as(engine, PUBLIC_CALLER, readonly=True) as connection:
            return self.published_colours(connection)

    def published_colours(self, connection: Connection) -> MapColours:
        """Return the colours of the plans in force that a connection sees."""
        grids = self.grids(connection, "published", PUBLIC_CALLER)
        return MapColours(grids, self.communities(connection))

    def grids(self, connection: Connection, status: Status, caller: Caller) -> AreaColours:
        """Return the colours of the grids that a caller may see, by grid id."""
        viewer = caller.viewer if status == "draft" else ()
        return self.grids_of(connection, (status, *viewer), grids_by_status(status))

    def grids_of(self, connection: Connection, key: Hashable, grids: FromClause) -> AreaColours:
        """Return the colours of a selection of grids, by grid id, cached under a key."""
        grid = grids.c
        areas = select(grid.id, wkb(grid.geom)).order_by(grid.code)
        state = select(func.count(), func.max(grid.id), func.sum(grid.id), func.max(grid.revision))
        return self._get(connection, key, state, areas)

    def communities(self, connection: Connection) -> AreaColours:
        """Return the colours of the communities, by code."""
        is_mapped = (Region.level == "community") & Region.geom.is_not(None)
        areas = select(Region.code, wkb(Region.geom)).where(is_mapped).order_by(Region.code)
        state = select(func.count(), func.max(Region.valid_from), func.max(Region.revision))
        return self._get(connection, "community", state.where(is_mapped), areas)

    def _get(
        self, connection: Connection, key: Hashable, state_query: Rows, areas: Rows
    ) -> AreaColours:
        """Return the colours stored under a key, computed again if the state has changed."""
        state = tuple(connection.execute(state_query).one())
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[0] != state:
                entry = (state, _colour_areas(connection, areas))
                self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)
            return entry[1]


def _colour_areas(connection: Connection, areas: Rows) -> AreaColours:
    rows = connection.execute(areas).all()
    keys = np.array([row[0] for row in rows])
    polygons = shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))
    colours = colour_areas(len(rows), touching_pairs(polygons, TOUCHING_GAP_DEGREES))
    return AreaColours(keys, colours, shapely.bounds(polygons).reshape(-1, 4))
