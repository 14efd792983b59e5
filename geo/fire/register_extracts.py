"""What crews read of the register: people by unit, as counts, and key units (重点单位)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, any_, bindparam, cast, func, select, text

from geo.model import Building, BuildingFireItem, BuildingPlan, Entity
from geo.model.fire import FireItem

_MAY_READ = text(
    "SELECT has_schema_privilege('published', 'USAGE') "
    "AND has_column_privilege('published.register_by_unit', 'need_help', 'SELECT')"
)
_BY_UNIT = text(
    "SELECT r.building_code, r.unit_code, u.name AS unit, r.dwellings, r.residents, r.need_help, "
    "r.uncounted FROM published.register_by_unit r LEFT JOIN building_unit u "
    "ON u.code = r.unit_code WHERE r.building_code = ANY (:codes) "
    "ORDER BY r.building_code, r.unit_code NULLS LAST"
).bindparams(bindparam("codes", type_=ARRAY(Text)))


def read_people_by_unit(
    connection: Connection, codes: Sequence[str]
) -> dict[str, list[dict[str, Any]]] | None:
    """Return counts of residents, and of people who need help to get out, by building and unit.

    Returns
    -------
    dict or None
        By code of the building; ``unit_code`` None for dwellings without a unit, ``uncounted``
        dwellings of unknown number of residents. None where the caller may not see the counts.
    """
    if not connection.execute(_MAY_READ).scalar_one():
        return None
    people: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_BY_UNIT, {"codes": list(codes)}).mappings():
        unit = dict(row)
        people.setdefault(unit.pop("building_code"), []).append(unit)
    return people


def read_key_units(connection: Connection, codes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the key units of fire safety in some buildings, by code of the building."""
    is_there = Entity.building_code == any_(cast(list(codes), ARRAY(Text)))
    statement = (
        select(Entity.building_code, Entity.code, Entity.name, Entity.floor, Entity.staff_count)
        .where(Entity.key_unit.is_(True), is_there)
        .order_by(Entity.name, Entity.code)
    )
    units: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(statement).mappings():
        unit = dict(row)
        units.setdefault(unit.pop("building_code"), []).append(unit)
    return units


def list_key_units(connection: Connection, region: str = "") -> list[dict[str, Any]]:
    """Return the key units of a region with how much of their building's sheet is collected.

    Parameters
    ----------
    region
        The digits that the codes of its communities begin with; empty for all.

    Returns
    -------
    list
        Those with fewest items collected first; ``items`` of ``items_all`` are on record,
        ``plans`` are attached.
    """
    items, plans = (
        select(func.count())
        .select_from(table)
        .where(table.building_code == Entity.building_code)
        .scalar_subquery()
        for table in (BuildingFireItem, BuildingPlan)
    )
    statement = (
        select(
            *(Entity.code, Entity.name, Entity.building_code, Entity.floor, Entity.staff_count),
            *(Building.address, Building.region_code.label("region")),
            *(items.label("items"), plans.label("plans")),
        )
        .outerjoin(Building, Building.code == Entity.building_code)
        .where(Entity.key_unit.is_(True))
        .order_by(items, Entity.name, Entity.code)
    )
    if region:
        statement = statement.where(Building.region_code.startswith(region, autoescape=True))
    rows = connection.execute(statement).mappings()
    return [dict(row) | {"items_all": len(FireItem)} for row in rows]
