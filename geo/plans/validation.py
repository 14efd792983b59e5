"""What is wrong with a plan, told from its grids as they are in the database: quick enough to be
told after every edit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, LargeBinary, Row, func, select

from geo.model import Grid, GridMember, Road
from geo.partition.scoring.checks import is_in_one_piece
from geo.partition.scoring.objective import Limits


@dataclass(frozen=True)
class Breach:
    """A grid that is not as it should be.

    Attributes
    ----------
    kind
        ``below``, ``above``, ``empty`` or ``not_contiguous``.
    households, limit
        The figure, and the limit that it breaks.
    """

    kind: str
    grid: str
    households: int | None = None
    limit: int | None = None


def limits_of(parameters: Mapping[str, Any]) -> Limits:
    """Return the limits that a plan was drawn with."""
    given = parameters.get("limits") or {}
    usual = Limits()
    return Limits(
        int(given.get("target", usual.target)),
        int(given.get("lower", usual.lower)),
        int(given.get("upper", usual.upper)),
    )


def breaches(connection: Connection, plan: int, limits: Limits) -> list[Breach]:
    """Return what is wrong with a plan, in the order of its grids."""
    pieces = func.ST_NumGeometries(Grid.geom).label("pieces")
    rows = connection.execute(
        select(Grid.code, Grid.kind, Grid.households, pieces)
        .where(Grid.plan_id == plan)
        .order_by(Grid.code)
    ).all()
    broken = apart(connection, plan, [row.code for row in rows if row.pieces != 1])
    found = [breach for row in rows if (breach := _of_households(row, limits)) is not None]
    found += [Breach("not_contiguous", code) for code in sorted(broken)]
    return sorted(found, key=lambda breach: breach.grid)


def _of_households(row: Row[Any], limits: Limits) -> Breach | None:
    if row.kind == "dedicated":
        return None
    if row.households == 0:
        return Breach("empty", row.code, 0, limits.lower)
    if row.households < limits.lower:
        return Breach("below", row.code, row.households, limits.lower)
    if row.households > limits.upper:
        return Breach("above", row.code, row.households, limits.upper)
    return None


def apart(connection: Connection, plan: int, codes: Sequence[str]) -> set[str]:
    """Return which of some grids lie in pieces that no way joins."""
    if not codes:
        return set()
    shapes = connection.execute(
        select(Grid.code, func.ST_AsBinary(Grid.geom, type_=LargeBinary)).where(
            Grid.plan_id == plan, Grid.code.in_(codes)
        )
    ).all()
    return {
        code
        for code, shape in shapes
        if not is_in_one_piece(shapely.from_wkb(shape), _ways(connection, shape))
    }


def _ways(connection: Connection, shape: bytes) -> Any:
    """Return the roads and paths near a grid."""
    land = func.ST_GeomFromWKB(shape, 4490)
    near = select(func.ST_AsBinary(Road.geom, type_=LargeBinary)).where(Road.geom.op("&&")(land))
    lines = connection.execute(near).scalars().all()
    return shapely.from_wkb(np.array(lines, dtype=object))


def atoms_in(connection: Connection, plan: int) -> dict[str, int]:
    """Return how many buildings and units each grid of a plan holds, by code."""
    count = func.count(GridMember.building_code)
    rows = connection.execute(
        select(Grid.code, count)
        .outerjoin(GridMember, GridMember.grid_id == Grid.id)
        .where(Grid.plan_id == plan)
        .group_by(Grid.code)
    )
    return {row[0]: row[1] for row in rows}
