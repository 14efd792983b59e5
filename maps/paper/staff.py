"""The people and places that paper names: managers, informants, service stations."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from geo.model import Facility, GridInformant, GridManager
from geo.model.facility import Category


@dataclass(frozen=True)
class Manager:
    """The manager of a grid, as the notice board and the card print them."""

    name: str
    phone: str
    duties: str
    photo: bytes | None


@dataclass(frozen=True)
class Staff:
    """Who looks after the grids of a community.

    Attributes
    ----------
    managers
        By the grid's code.
    informants
        By the grid's code: names, phones and households.
    station
        Name, phone and address of the community's service station; empty where not known.
    """

    managers: dict[str, Manager]
    informants: dict[str, list[dict[str, Any]]]
    station: dict[str, str]


def read_staff(connection: Connection, community: str) -> Staff:
    """Return the staff of a community's grids."""
    ours = GridManager.grid_code.startswith(community) & GridManager.valid_to.is_(None)
    of_manager = GridManager.__table__.c
    columns = (of_manager[name] for name in ("grid_code", "name", "phone", "duties", "photo"))
    managers = {
        row.grid_code: Manager(row.name, row.phone, row.duties, row.photo)
        for row in connection.execute(select(*columns).where(ours))
    }
    informants: dict[str, list[dict[str, Any]]] = {}
    current = GridInformant.grid_code.startswith(community) & GridInformant.valid_to.is_(None)
    for one in connection.execute(
        select(
            GridInformant.grid_code,
            GridInformant.name,
            GridInformant.phone,
            GridInformant.households,
        )
        .where(current)
        .order_by(GridInformant.grid_code, GridInformant.name)
    ).mappings():
        informants.setdefault(one["grid_code"], []).append(dict(one))
    return Staff(managers, informants, _station(connection, community))


def _station(connection: Connection, community: str) -> dict[str, str]:
    found = (
        connection.execute(
            select(Facility.name, Facility.phone, Facility.address)
            .where(Facility.category == Category.SERVICE_STATION)
            .where(func.coalesce(Facility.region_code, "") == community)
            .order_by(Facility.code)
            .limit(1)
        )
        .mappings()
        .first()
    )
    return dict(found) if found else {"name": "", "phone": "", "address": ""}
