"""Managers and informants of the grids in force: who is appointed, and appointments."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from geo import locks
from geo.codes import code_prefix
from geo.db.views import GRIDS
from geo.locks import Lock
from geo.model import Grid, GridInformant, GridManager, GridMember, GridPlan
from geo.model.grid import PlanStatus

MAX_NAME_LENGTH, MAX_PHONE_LENGTH, MAX_DUTIES_LENGTH = 60, 40, 2000
MAX_HOUSEHOLDS = 10_000

PHONE = r"^[0-9+()\- ]*$"
"""Pattern of a telephone number."""


@dataclass(frozen=True)
class Manager:
    """The manager to appoint for a grid; without a photo, the current one is kept."""

    grid: str
    name: str
    phone: str = ""
    tasks: str = ""
    duties: str = ""
    photo: bytes | None = None


@dataclass(frozen=True)
class Informant:
    """An informant of a grid, with the households and the codes of the buildings in their care.

    ``micro_grid`` is the serial of their micro-grid.
    """

    grid: str
    name: str
    phone: str = ""
    households: int = 0
    buildings: tuple[str, ...] = ()
    micro_grid: int | None = None


@dataclass(frozen=True)
class GridStaff:
    """A grid in force with its staff; ``manager`` is None where the post is vacant."""

    grid: str
    community: str
    households: int
    manager: Manager | None
    has_photo: bool
    informants: list[Informant] = field(default_factory=list)


def list_staff(
    connection: Connection, region: str = "", scope: str = "", *, vacant: bool = False
) -> list[GridStaff]:
    """Return the general grids in force with their staff, ordered by code.

    Parameters
    ----------
    region, scope
        Codes of regions, or their first digits, in both of which the grids are.
    vacant
        Whether to return only the grids without a manager.
    """
    grid, manager = GRIDS.c, GridManager
    statement = (
        select(
            *(grid.code, grid.community, grid.households),
            *(manager.name, manager.phone, manager.tasks, manager.duties),
            manager.photo.is_not(None).label("has_photo"),
        )
        .outerjoin(manager, (manager.grid_code == grid.code) & manager.valid_to.is_(None))
        .where(grid.kind == "general")
        .where(*(func.starts_with(grid.code, code_prefix(part)) for part in (region, scope)))
        .order_by(grid.code)
    )
    if vacant:
        statement = statement.where(manager.id.is_(None))
    informants = _read_informants(connection, code_prefix(region))
    return [_grid_staff(row, informants) for row in connection.execute(statement)]


def buildings_of_grids(connection: Connection, grids: Sequence[str]) -> dict[str, set[str]]:
    """Return the codes of the buildings of grids in force, by grid."""
    members = (
        select(Grid.code, GridMember.building_code)
        .join(GridMember, GridMember.grid_id == Grid.id)
        .join(GridPlan, GridPlan.id == Grid.plan_id)
        .where(GridPlan.status == PlanStatus.PUBLISHED, Grid.code.in_(grids))
        .where(GridMember.building_code.is_not(None))
    )
    buildings: dict[str, set[str]] = {}
    for grid, building in connection.execute(members):
        buildings.setdefault(grid, set()).add(str(building))
    return buildings


def appoint_manager(connection: Connection, manager: Manager) -> bool:
    """Appoint the manager of a grid; return whether anything changed.

    The term of another person ends and stays on record; of the same person the details change.
    """
    locks.acquire(connection, Lock.STAFF, manager.grid)
    is_current = (GridManager.grid_code == manager.grid, GridManager.valid_to.is_(None))
    table = GridManager.__table__.c
    columns = (table[name] for name in ("name", "phone", "tasks", "duties", "photo"))
    current = connection.execute(select(*columns).where(*is_current)).mappings().first()
    values: dict[str, Any] = {
        "name": manager.name,
        "phone": manager.phone,
        "tasks": manager.tasks,
        "duties": manager.duties,
    }
    if manager.photo is not None:
        values |= {"photo": manager.photo}
    if current and all(current[key] == value for key, value in values.items()):
        return False
    if current and current["name"] == manager.name:
        connection.execute(update(GridManager).where(*is_current).values(values))
        return True
    connection.execute(update(GridManager).where(*is_current).values(valid_to=func.now()))
    connection.execute(insert(GridManager).inline(), values | {"grid_code": manager.grid})
    return True


def save_informant(connection: Connection, informant: Informant) -> bool:
    """Add an informant to a grid, or change the one of that name; return whether it changed."""
    locks.acquire(connection, Lock.STAFF, informant.grid)
    is_same = (
        GridInformant.grid_code == informant.grid,
        GridInformant.name == informant.name,
        GridInformant.valid_to.is_(None),
    )
    values: dict[str, Any] = {
        "phone": informant.phone,
        "households": informant.households,
        "buildings": list(informant.buildings),
        "micro_grid": informant.micro_grid,
    }
    columns = (GridInformant.__table__.c[name] for name in values)
    current = connection.execute(select(*columns).where(*is_same)).mappings().first()
    if current is None:
        row = values | {"grid_code": informant.grid, "name": informant.name}
        connection.execute(insert(GridInformant).inline(), row)
        return True
    if dict(current) == values:
        return False
    connection.execute(update(GridInformant).where(*is_same).values(values))
    return True


def _read_informants(connection: Connection, prefix: str) -> dict[str, list[Informant]]:
    is_current = GridInformant.valid_to.is_(None)
    statement = (
        select(
            *(GridInformant.grid_code, GridInformant.name, GridInformant.phone),
            *(GridInformant.households, GridInformant.buildings, GridInformant.micro_grid),
        )
        .where(is_current, func.starts_with(GridInformant.grid_code, prefix))
        .order_by(GridInformant.grid_code, GridInformant.name)
    )
    informants: dict[str, list[Informant]] = {}
    for grid, name, phone, households, buildings, part in connection.execute(statement):
        informant = Informant(grid, name, phone, households, tuple(buildings), part)
        informants.setdefault(grid, []).append(informant)
    return informants


def _grid_staff(row: Row[Any], informants: dict[str, list[Informant]]) -> GridStaff:
    manager = None
    if row.name is not None:
        manager = Manager(row.code, row.name, row.phone, row.tasks, row.duties)
    return GridStaff(
        row.code,
        row.community or "",
        row.households,
        manager,
        bool(row.has_photo),
        informants.get(row.code, []),
    )
