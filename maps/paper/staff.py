"""Read managers, informants and the service station of a community for printing."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from geo.model import Facility, GridInformant, GridManager
from geo.model.facility import Category


@dataclass(frozen=True)
class Manager:
    """The manager of a grid as printed on the notice board and the contact card."""

    name: str
    phone: str
    tasks: str
    duties: str
    photo: bytes | None


@dataclass(frozen=True)
class Staff:
    """Staff of the grids of a community.

    Attributes
    ----------
    managers
        Managers by grid code.
    informants
        Informants by grid code: name, phone, households and serial of the micro-grid of each.
    station
        Name, phone and address of the community's service station; empty if there is none.
    """

    managers: dict[str, Manager]
    informants: dict[str, list[dict[str, Any]]]
    station: dict[str, str]


def read_staff(connection: Connection, community: str) -> Staff:
    """Return the staff of a community's grids."""
    is_current_manager = GridManager.grid_code.startswith(community) & GridManager.valid_to.is_(
        None
    )
    table = GridManager.__table__.c
    columns = (table[name] for name in ("grid_code", "name", "phone", "tasks", "duties", "photo"))
    managers = {
        row.grid_code: Manager(row.name, row.phone, row.tasks, row.duties, row.photo)
        for row in connection.execute(select(*columns).where(is_current_manager))
    }
    informants: dict[str, list[dict[str, Any]]] = {}
    is_current_informant = GridInformant.grid_code.startswith(
        community
    ) & GridInformant.valid_to.is_(None)
    for row in connection.execute(
        select(
            GridInformant.grid_code,
            GridInformant.name,
            GridInformant.phone,
            GridInformant.households,
            GridInformant.micro_grid,
        )
        .where(is_current_informant)
        .order_by(GridInformant.grid_code, GridInformant.name)
    ).mappings():
        informants.setdefault(row["grid_code"], []).append(dict(row))
    return Staff(managers, informants, _station(connection, community))


def _station(connection: Connection, community: str) -> dict[str, str]:
    """Return the service station of a community; empty texts if there is none."""
    statement = (
        select(Facility.name, Facility.phone, Facility.address)
        .where(Facility.category == Category.SERVICE_STATION)
        .where(func.coalesce(Facility.region_code, "") == community)
        .order_by(Facility.code)
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    return dict(row) if row else {"name": "", "phone": "", "address": ""}
