"""Invented managers for the grids of the sample city, with impossible telephone numbers."""

import numpy as np
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from etl.sample import names
from geo.model import Grid, GridManager, GridPlan

TASKS = "信息采录、社会治安、劳动保障、民政服务、计划生育、城市管理、综合事务"
DUTIES = "走访联系居民，了解民情，排查矛盾，受理诉求并及时上报、反馈"


def appoint_managers(connection: Connection, region: str) -> int:
    """Appoint a manager for every published grid of a region without one; return their number.

    Parameters
    ----------
    region
        Leading digits of the region's code.
    """
    in_charge = select(GridManager.grid_code).where(GridManager.valid_to.is_(None))
    vacant = (
        select(Grid.code)
        .join(GridPlan, GridPlan.id == Grid.plan_id)
        .where(GridPlan.status == "published", Grid.code.startswith(region))
        .where(Grid.code.not_in(in_charge))
        .order_by(Grid.code)
    )
    rows = [_manager(code) for code in connection.execute(vacant).scalars()]
    if rows:
        connection.execute(insert(GridManager).on_conflict_do_nothing(), rows)
    return len(rows)


def _manager(grid: str) -> dict[str, str]:
    random = np.random.default_rng(int(grid))
    number = f"0710-000{random.integers(10_000):04d}"  # no number in China begins with 0
    return {
        "grid_code": grid,
        "name": names.person(random),
        "phone": number,
        "tasks": TASKS,
        "duties": DUTIES,
    }
