"""The colour of each grid and community, so that neighbours differ across the whole city.

A colouring depends on all areas at once, so it is made once for a state of the plans and kept
until that state changes.
"""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from api.access import Caller
from api.requests import Rows
from geo.layers import wkb
from geo.model import Region
from geo.published import Status, grids_shown
from maps.colours import colour, neighbours

GAP_DEGREES = 1e-5
"""About a metre: borders of neighbouring communities may come from two surveys."""


@dataclass(frozen=True)
class Colouring:
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

    def by_key(self) -> dict[Any, int]:
        """Return the colour of each area by its key."""
        return dict(zip(self.keys.tolist(), self.colours.tolist(), strict=True))


class Colourings:
    """The colourings in use, one for each kind of area; safe to use from many threads."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Hashable, Colouring]] = {}
        self._lock = threading.Lock()

    def grids(self, connection: Connection, status: Status, caller: Caller) -> Colouring:
        """Return the colours of the grids that a caller is shown, by grid id."""
        grid = grids_shown(status).c
        areas = select(grid.id, wkb(grid.geom)).order_by(grid.code)
        state = select(func.count(), func.max(grid.id), func.sum(grid.id), func.max(grid.revision))
        whose = (caller.role, caller.scope) if status == "draft" else ()
        return self._get(connection, (status, *whose), state, areas)

    def communities(self, connection: Connection) -> Colouring:
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
    ) -> Colouring:
        now = tuple(connection.execute(state).one())
        return self._kept_or_made(kind, now, lambda: _made(connection, areas))

    def _kept_or_made(
        self, kind: Hashable, state: Hashable, make: Callable[[], Colouring]
    ) -> Colouring:
        with self._lock:
            kept = self._kept.get(kind)
            if kept is None or kept[0] != state:
                kept = (state, make())
                self._kept[kind] = kept
            return kept[1]


def _made(connection: Connection, areas: Rows) -> Colouring:
    rows = connection.execute(areas).all()
    keys = np.array([row[0] for row in rows])
    polygons = shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))
    colours = colour(len(rows), neighbours(polygons, GAP_DEGREES))
    return Colouring(keys, colours, shapely.bounds(polygons).reshape(-1, 4))
