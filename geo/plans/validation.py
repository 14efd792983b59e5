"""Validation of a stored plan, fast enough to run after every edit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy import ColumnElement, Connection, LargeBinary, Row, func, select

from geo.model import STORAGE_SRID, Grid, GridMember, Road
from geo.partition.scoring.checks import drop_islets, is_in_one_piece
from geo.partition.scoring.objective import Balance, Limits
from geo.types import Points


@dataclass(frozen=True)
class Breach:
    """A rule that a grid breaks.

    Attributes
    ----------
    kind
        ``below``, ``above``, ``empty`` or ``not_contiguous``.
    households, limit
        Households of the grid, or its workload, and the limit that they break.
    balance
        Which of the two they are.
    """

    kind: str
    grid: str
    households: int | None = None
    limit: int | None = None
    balance: Balance = Balance.HOUSEHOLDS


def limits_from_parameters(parameters: Mapping[str, Any]) -> Limits:
    """Return the limits with which a plan was drawn, from its parameters."""
    limits = asdict(Limits()) | (parameters.get("limits") or {})
    return Limits(
        int(limits["target"]),
        int(limits["lower"]),
        int(limits["upper"]),
        Balance(limits["balance"]),
    )


def validate_plan(connection: Connection, plan: int, limits: Limits) -> list[Breach]:
    """Return the rules that a plan breaks, in the order of its grids."""
    pieces = func.ST_NumGeometries(Grid.geom).label("pieces")
    rows = connection.execute(
        select(Grid.code, Grid.kind, size_column(Grid, limits).label("size"), pieces)
        .where(Grid.plan_id == plan)
        .order_by(Grid.code)
    ).all()
    disconnected = disconnected_grids(
        connection, plan, [row.code for row in rows if row.pieces != 1]
    )
    breaches = [breach for row in rows if (breach := _check_size(row, limits)) is not None]
    breaches += [Breach("not_contiguous", code) for code in sorted(disconnected)]
    return sorted(breaches, key=lambda breach: breach.grid)


def size_column(table: type[Grid | GridMember], limits: Limits) -> ColumnElement[int]:
    """Return the column of grids or members that limits are for; households where it is unknown."""
    if limits.balance is Balance.WORKLOAD:
        return func.coalesce(table.workload, table.households)
    return table.households.expression


def _check_size(row: Row[Any], limits: Limits) -> Breach | None:
    if row.kind == "dedicated":
        return None
    if row.size == 0:
        return Breach("empty", row.code, 0, limits.lower, limits.balance)
    if row.size < limits.lower:
        return Breach("below", row.code, row.size, limits.lower, limits.balance)
    if row.size > limits.upper:
        return Breach("above", row.code, row.size, limits.upper, limits.balance)
    return None


def disconnected_grids(connection: Connection, plan: int, codes: Sequence[str]) -> set[str]:
    """Return the codes of the grids whose parts no road or path connects."""
    if not codes:
        return set()
    rows = connection.execute(
        select(Grid.code, func.ST_AsBinary(Grid.geom, type_=LargeBinary)).where(
            Grid.plan_id == plan
        )
    ).all()
    shapes = shapely.from_wkb(np.array([shape for _, shape in rows], dtype=object))
    connected = drop_islets(shapes, _read_inhabited_points(connection, plan))
    return {
        code
        for (code, wkb), shape in zip(rows, connected, strict=True)
        if code in codes and not is_in_one_piece(shape, _read_ways(connection, wkb))
    }


def _read_inhabited_points(connection: Connection, plan: int) -> Points:
    """Return a point on each cell of a plan with households, in degrees."""
    point = func.ST_AsBinary(func.ST_PointOnSurface(GridMember.geom), type_=LargeBinary)
    inhabited = select(point).where(GridMember.plan_id == plan, GridMember.households > 0)
    points = connection.execute(inhabited).scalars().all()
    located: Points = shapely.from_wkb(np.array(points, dtype=object))
    return located


def _read_ways(connection: Connection, shape: bytes) -> Any:
    """Return the roads and paths whose envelope meets that of a grid, in degrees."""
    land = func.ST_GeomFromWKB(shape, STORAGE_SRID)
    near = select(func.ST_AsBinary(Road.geom, type_=LargeBinary)).where(Road.geom.op("&&")(land))
    lines = connection.execute(near).scalars().all()
    return shapely.from_wkb(np.array(lines, dtype=object))


def count_atoms(connection: Connection, plan: int) -> dict[str, int]:
    """Return the number of buildings and units of each grid of a plan, by code."""
    count = func.count(GridMember.building_code)
    rows = connection.execute(
        select(Grid.code, count)
        .outerjoin(GridMember, GridMember.grid_id == Grid.id)
        .where(Grid.plan_id == plan)
        .group_by(Grid.code)
    )
    return {row[0]: row[1] for row in rows}
