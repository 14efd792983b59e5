"""Micro-grids of stored plans: read, count and remove them.

:mod:`geo.plans.micro_division` draws them; this module does not load the search.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from geo.model import Grid, MicroGrid

SERIAL_DIGITS = 2
"""Digits of a micro-grid's code after those of its grid."""


def has_micro_grids(connection: Connection, plan: int) -> bool:
    """Return whether a grid of a plan is divided."""
    divided = select(MicroGrid.id).where(MicroGrid.plan_id == plan).limit(1)
    return connection.execute(divided).first() is not None


def remove_micro_grids(connection: Connection, plan: int, grids: Sequence[str]) -> None:
    """Remove the micro-grids of grids whose buildings change."""
    of_grids = select(Grid.id).where(Grid.plan_id == plan, Grid.code.in_(grids))
    connection.execute(delete(MicroGrid).where(MicroGrid.grid_id.in_(of_grids)))
    changed = (Grid.plan_id == plan, Grid.code.in_(grids), Grid.micro_reasons.is_not(None))
    connection.execute(update(Grid).where(*changed).values(micro_reasons=None))


def list_micro_grids(connection: Connection, plan: int, grid: str = "") -> list[dict[str, Any]]:
    """Return the micro-grids of a plan, or of one of its grids, without geometry.

    Returns
    -------
    list
        ``code``, ``serial``, ``grid``, ``households``, ``buildings`` and ``units`` (codes).
    """
    statement = (
        select(
            MicroGrid.code,
            Grid.code.label("grid"),
            MicroGrid.households,
            MicroGrid.buildings,
            MicroGrid.units,
        )
        .join(Grid, Grid.id == MicroGrid.grid_id)
        .where(MicroGrid.plan_id == plan)
        .order_by(MicroGrid.code)
    )
    if grid:
        statement = statement.where(Grid.code == grid)
    rows = connection.execute(statement).mappings()
    return [{**row, "serial": int(row["code"][-SERIAL_DIGITS:])} for row in rows]


def count_by_grid(connection: Connection, plan: int) -> dict[str, int]:
    """Return the number of micro-grids of each divided grid of a plan."""
    rows = connection.execute(
        select(Grid.code, func.count())
        .join(MicroGrid, MicroGrid.grid_id == Grid.id)
        .where(MicroGrid.plan_id == plan)
        .group_by(Grid.code)
    )
    return {row[0]: row[1] for row in rows}
