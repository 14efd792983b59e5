"""What was found on site about a building: exits, cut-offs, adapters, hazards, people to help."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, any_, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from geo import clock
from geo.errors import InputError, NotFoundError
from geo.messages import Language, text
from geo.model import Building, BuildingFireItem
from geo.model.fire import SITE_SOURCE, FireItem

Item = dict[str, Any]
"""An item as people read it; value, place, day and name are None where nothing was recorded."""


def read_items(connection: Connection, codes: Sequence[str]) -> dict[str, dict[str, Item]]:
    """Return what is on record of some buildings, by code of the building and item."""
    table = BuildingFireItem
    columns = table.value, table.place, table.checked_on, table.checked_by
    statement = select(table.building_code, table.item, *columns).where(
        table.building_code == any_(cast(list(codes), ARRAY(Text)))
    )
    items: dict[str, dict[str, Item]] = {}
    for row in connection.execute(statement).mappings():
        record = {column.key: row[column.key] for column in columns}
        items.setdefault(row["building_code"], {})[row["item"]] = record
    return items


def describe_items(records: Mapping[str, Item], lang: Language) -> list[Item]:
    """Return every item in the order of the sheet, those without a record as well."""
    blank = dict.fromkeys(("value", "place", "checked_on", "checked_by"))
    return [
        {
            "item": item.value,
            "title": text(f"fire_item.{item.value}", lang=lang),
            **records.get(item.value, blank),
        }
        for item in FireItem
    ]


def list_items(connection: Connection, code: str, lang: Language) -> list[Item]:
    """Return every item of a building, those without a record as well."""
    return describe_items(read_items(connection, [code]).get(code, {}), lang)


def add_recorded_items(
    connection: Connection, buildings: list[dict[str, Any]], lang: Language
) -> list[dict[str, Any]]:
    """Return descriptions of buildings with the items on record of each, as ``items``."""
    records = read_items(connection, [building["code"] for building in buildings])
    for building in buildings:
        own = records.get(building["code"], {})
        described = describe_items(own, lang) if own else []
        building["items"] = [item for item in described if item["value"] is not None]
    return buildings


def record_items(
    connection: Connection,
    code: str,
    items: Mapping[FireItem, tuple[str, str]],
    checked_by: str,
    checked_on: date,
) -> None:
    """Store items of a building; an empty value removes the record of its item.

    Parameters
    ----------
    items
        Value and place by item; items that are not named stay as they are.

    Raises
    ------
    NotFoundError
        If there is no such building.
    InputError
        If nobody signs, the day lies in the future, or a place has no value.
    """
    place_of_building = connection.execute(
        select(func.ST_PointOnSurface(Building.geom)).where(Building.code == code)
    ).scalar()
    if place_of_building is None:
        raise NotFoundError("no_such_building", code=code)
    if not checked_by.strip():
        raise InputError("items_unsigned", code=code)
    if checked_on > clock.today():
        raise InputError("inspection_in_future", day=checked_on.isoformat())
    table = BuildingFireItem
    for item, (value, place) in items.items():
        value, place = value.strip(), place.strip()
        if not value and place:
            raise InputError("item_without_value", item=text(f"fire_item.{item.value}"))
        if not value:
            is_own = table.building_code == code, table.item == item.value
            connection.execute(delete(table).where(*is_own))
            continue
        values = {
            "source": SITE_SOURCE,
            "value": value,
            "place": place,
            "checked_on": checked_on,
            "checked_by": checked_by.strip(),
        }
        identity = {"code": f"{code}-{item.value}", "building_code": code, "item": item.value}
        statement = upsert(table).values(**identity, **values, geom=place_of_building)
        connection.execute(statement.on_conflict_do_update(index_elements=["code"], set_=values))
