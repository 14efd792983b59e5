"""What is on record of a building: attributes, compound, community and units."""

from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, select
from sqlalchemy.orm import aliased

from geo.db.layer_frames import wkb
from geo.fire.context import FireContext
from geo.fire.separation import fire_properties
from geo.messages import Language, text
from geo.missing_data import MissingData
from geo.model import BuildingUnit, Compound, Region

Details = dict[str, Any]
"""Named values of a thing for an answer; geometry is in metres."""


def describe_building(context: FireContext, row: int, lang: Language) -> Details:
    """Return a building's names and attributes, with coded values in words as well."""
    columns = context.snapshot.building.iloc[row].items()
    record = {name: plain_value(value) for name, value in columns}
    names = (
        *("use", "storeys_above", "storeys_below", "height_m", "structure", "fire_class"),
        *("year_built", "households", "population", "households_source"),
    )
    attributes = {name: record[name] for name in names}
    for name in ("use", "structure", "fire_class"):
        value = record[name]
        attributes[f"{name}_text"] = None if value is None else text(f"{name}.{value}", lang=lang)
    properties = fire_properties(context.snapshot)
    is_estimated = properties.is_estimated[row]
    attributes["estimated_height_m"] = float(properties.height[row]) if is_estimated else None
    attributes["high_rise"] = bool(context.is_high_rise[row])
    attributes["footprint_m2"] = round(float(context.snapshot.walls[row].area), 1)
    return {
        "code": record["code"],
        "name": record["name"],
        "address": record["address"],
        "attributes": attributes,
    }


def plain_value(value: Any) -> Any:
    """Return a value of a frame as a Python type: whole numbers as int, missing values as None."""
    if isinstance(value, shapely.Geometry | str) or value is None:
        return value
    if isinstance(value, float | np.floating):
        number = float(value)
        return None if np.isnan(number) else int(number) if number.is_integer() else number
    return value.item() if hasattr(value, "item") else value


def missing_attributes(context: FireContext, row: int) -> list[MissingData]:
    """Return which attributes of a building are not on record."""
    record = context.snapshot.building.iloc[row]
    columns = {
        "no_fire_class": "fire_class",
        "no_use": "use",
        "no_structure": "structure",
        "no_year": "year_built",
        "no_population": "population",
        "no_height": "height_m",
        "no_storeys_below": "storeys_below",
    }
    return [
        MissingData(key, 1) for key, name in columns.items() if plain_value(record[name]) is None
    ]


def read_compound(connection: Connection, code: str | None) -> Details | None:
    """Return the compound with a code."""
    if not isinstance(code, str):  # a frame holds NaN where there is none
        return None
    columns = Compound.code, Compound.name, Compound.gated
    row = connection.execute(select(*columns).where(Compound.code == code)).mappings().first()
    return None if row is None else dict(row)


def read_community(connection: Connection, code: str | None) -> Details | None:
    """Return the community with a code, and the name of its street."""
    if not isinstance(code, str):
        return None
    community, street = aliased(Region), aliased(Region)
    statement = (
        select(community.code, community.name, street.name.label("street"))
        .outerjoin(street, street.code == community.parent_code)
        .where(community.code == code)
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else dict(row)


def read_units(connection: Connection, context: FireContext, code: str) -> list[Details]:
    """Return the units of a building with the places of their entrances."""
    columns = (
        *(BuildingUnit.code, BuildingUnit.name, BuildingUnit.storeys),
        *(BuildingUnit.households, BuildingUnit.population, wkb(BuildingUnit.geom)),
    )
    rows = connection.execute(
        select(*columns).where(BuildingUnit.building_code == code).order_by(BuildingUnit.code)
    ).mappings()
    units = [dict(row) for row in rows]
    points = context.snapshot.to_metres(shapely.from_wkb([unit.pop("geom") for unit in units]))
    for unit, point in zip(units, np.atleast_1d(points), strict=True):
        unit["point"] = point
    return units
