"""Matching delivered addresses with the live buildings and their units."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from etl.pipeline.staging import Staged
from geo.address_index import AddressIndex, Divisions
from geo.addresses import parse_address
from geo.model import Building, BuildingUnit, Region


@dataclass(frozen=True)
class DeliveredAddress:
    """The building that a delivered address names.

    Attributes
    ----------
    code, unit_code
        None where the address names no building, or several; no unit, or one not on record.
    nearest
        The addresses and codes of the nearest buildings, as text; empty where there is a match.
    """

    address: str
    code: str | None
    unit_code: str | None
    nearest: str


def match_addresses(connection: Connection, addresses: Sequence[str]) -> list[DeliveredAddress]:
    """Return which live building and unit each address names."""
    columns = (Building.code, Building.address, Building.name, Building.region_code)
    has_text = (Building.address != "") | (Building.name != "")
    buildings = {row.code: row for row in connection.execute(select(*columns).where(has_text))}
    index = AddressIndex((row.code, row.address, row.name) for row in buildings.values())
    regions = connection.execute(select(Region.code, Region.name))
    divisions = Divisions((row.code, row.name) for row in regions)
    units = _units_by_number(connection)
    matches = []
    for delivered in addresses:
        address = parse_address(delivered)
        match = index.find(delivered)
        codes = [
            code for code in match.exact if divisions.agree(address, buildings[code].region_code)
        ]
        if len(codes) == 1:
            unit = units.get((codes[0], address.unit)) if address.unit else None
            matches.append(DeliveredAddress(delivered, codes[0], unit, ""))
        else:
            nearest = (buildings[code] for code in codes or match.exact or match.nearest)
            shown = "; ".join(f"{row.address or row.name} ({row.code})" for row in nearest)
            matches.append(DeliveredAddress(delivered, None, None, shown))
    return matches


def fill_units_by_number(connection: Connection, staged: Staged, building_column: str) -> None:
    """Fill missing ``unit_code`` of staged rows by their building and their column ``unit``.

    Parameters
    ----------
    building_column
        The column with the code of the building.
    """
    units = [(*key, code) for key, code in _units_by_number(connection).items() if code]
    if not units:
        return
    buildings, numbers, codes = map(list, zip(*units, strict=True))
    connection.execute(
        text(
            f"UPDATE {staged.table} s SET unit_code = u.code FROM unnest("
            "CAST(:buildings AS text[]), CAST(:numbers AS text[]), CAST(:codes AS text[])) "
            "AS u (building, number, code) WHERE s.unit_code IS NULL "
            f"AND u.building = s.{building_column} AND u.number = s.unit"
        ),
        {"buildings": buildings, "numbers": numbers, "codes": codes},
    )


def _units_by_number(connection: Connection) -> dict[tuple[str, str], str | None]:
    """Return the code of each unit by its building and number, None where two have the same."""
    units: dict[tuple[str, str], str | None] = {}
    columns = BuildingUnit.building_code, BuildingUnit.name, BuildingUnit.code
    for building, name, code in connection.execute(select(*columns)):
        number = parse_address(name).unit or name.strip()
        key = (building, number)
        units[key] = None if key in units else code
    return units
