"""Counts of the register, from the views of ``geo/db/register_views.sql``.

The database says who sees which rows and columns; the fire service reads :data:`FIRE_COUNTS`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from geo.codes import code_prefix
from geo.db.register_views import FIRE_COUNTS

Counts = dict[str, Any]
"""Counts by column of the views; null is unknown."""


class Area(StrEnum):
    """What counts are summed by, besides units."""

    BUILDING = "building"
    GRID = "grid"
    COMMUNITY = "community"
    STREET = "street"
    DISTRICT = "district"
    CITY = "city"


@dataclass(frozen=True)
class Selection:
    """Areas to count.

    Attributes
    ----------
    area
        What to sum by.
    region
        Code of the region in which they lie, or its first digits; empty for all.
    scope
        First digits of the codes that the caller answers for; empty for all.
    grids
        Codes of the grids that the caller answers for; None for all.
    """

    area: Area
    region: str = ""
    scope: str = ""
    grids: tuple[str, ...] | None = None

    @property
    def source(self) -> str:
        """The query for the codes of the areas, without their counts."""
        if self.area is Area.BUILDING:
            return (
                "SELECT code FROM public.building "
                "WHERE :region = '' OR region_code LIKE :region || '%'"
            )
        if self.area is Area.GRID:
            return (
                "SELECT code FROM published.grid WHERE code LIKE :region || '%' "
                "AND starts_with(code, :scope) AND (:all_grids OR code = ANY (:grids))"
            )
        return (
            "SELECT code FROM public.region WHERE level = :level AND code LIKE :region || '%' "
            "AND starts_with(code, :scope)"
        )

    def values(self) -> dict[str, Any]:
        """Return the values of the parameters of :attr:`source`."""
        return {
            "region": code_prefix(self.region),
            "level": self.area.value,
            "scope": self.scope,
            "all_grids": self.grids is None,
            "grids": list(self.grids or ()),
        }


def read_counts(
    connection: Connection, selection: Selection, role: str, limit: int, offset: int = 0
) -> tuple[list[Counts], int]:
    """Return the counts of a page of areas in the order of their codes, and how many there are."""
    view = "region" if selection.area not in ("building", "grid") else selection.area.value
    values = selection.values()
    columns = ", ".join(("code", *FIRE_COUNTS)) if role == "fire" else "*"
    matched = connection.execute(
        text(f"SELECT count(*) FROM ({selection.source}) areas"), values
    ).scalar_one()
    rows = connection.execute(
        text(
            f"WITH page AS MATERIALIZED ({selection.source} ORDER BY code LIMIT :limit "
            f"OFFSET :offset) SELECT {columns} FROM page "
            f"JOIN published.register_by_{view} counts USING (code) ORDER BY code"
        ),
        values | {"limit": limit, "offset": offset},
    ).mappings()
    return [dict(row) for row in rows], matched


def read_unit_counts(connection: Connection, building: str, role: str) -> list[Counts]:
    """Return the counts of the units of a building; those of no unit have ``unit_code`` null."""
    columns = ", ".join(("unit_code", *FIRE_COUNTS)) if role == "fire" else "*"
    rows = connection.execute(
        text(
            f"SELECT {columns} FROM published.register_by_unit "
            "WHERE building_code = :building ORDER BY unit_code"
        ),
        {"building": building},
    ).mappings()
    return [dict(row) for row in rows]


def read_public_counts(connection: Connection, region: str) -> list[Counts]:
    """Return what everybody may see of the communities of a region, with small figures left out."""
    rows = connection.execute(
        text(
            "SELECT * FROM published.register_public WHERE code LIKE :region || '%' "
            "AND dwellings + entities IS DISTINCT FROM 0 ORDER BY code"
        ),
        {"region": code_prefix(region)},
    ).mappings()
    return [dict(row) for row in rows]


def read_rows(connection: Connection, layer: str, building: str) -> list[dict[str, Any]]:
    """Return the dwellings or organisations of a building, as far as the caller may see them."""
    order = {"dwelling": "unit_code, floor, room, code", "entity": "floor, code"}[layer]
    rows = connection.execute(
        text(f"SELECT * FROM {layer} WHERE building_code = :building ORDER BY {order}"),
        {"building": building},
    ).mappings()
    return [dict(row) for row in rows]


def list_without_building(connection: Connection) -> list[dict[str, Any]]:
    """Return the codes of buildings that the register names and that are not on record.

    Returns
    -------
    list[dict]
        ``building``, and how many ``dwellings`` and ``entities`` name it.
    """
    rows = connection.exec_driver_sql(
        "SELECT building_code AS building, count(*) FILTER (WHERE is_dwelling) AS dwellings, "
        "count(*) FILTER (WHERE NOT is_dwelling) AS entities FROM ("
        "SELECT building_code, true AS is_dwelling FROM dwelling UNION ALL "
        "SELECT building_code, false FROM entity) register "
        "WHERE NOT EXISTS (SELECT FROM building b WHERE b.code = building_code) "
        "GROUP BY building_code ORDER BY building_code"
    ).mappings()
    return [dict(row) for row in rows]


def counts_of_region(connection: Connection, code: str) -> dict[str, int]:
    """Return ``dwellings``, ``residents`` and ``entities`` of a region; 0 where nothing is known.

    Parameters
    ----------
    code
        12 digits.
    """
    row = (
        connection.execute(
            text(
                "SELECT dwellings, residents, entities FROM published.register_by_region "
                "WHERE code = :code"
            ),
            {"code": code},
        )
        .mappings()
        .first()
    )
    return {name: int(count or 0) for name, count in (row or {}).items()}
