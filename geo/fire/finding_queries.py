"""Kept findings as they are asked for: by overlay, region, building, rule, severity, place."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from geo.codes import code_prefix
from geo.fire.rules import Overlay, Severity
from geo.model import STORAGE_SRID, FireFinding, FireOverlay, Grid, GridMember, GridPlan


@dataclass(frozen=True)
class FindingQuery:
    """Which findings are asked for; None and empty mean all."""

    overlay: str | None = None
    region: str | None = None
    building: str | None = None
    rule: str | None = None
    severity: str | None = None
    box: tuple[float, float, float, float] | None = None


def query(city: str, wanted: FindingQuery) -> Select[*tuple[Any, ...]]:
    """Return the query for findings, the gravest first."""
    statement = select(FireFinding).where(FireFinding.city == city)
    equal = {
        FireFinding.overlay: wanted.overlay,
        FireFinding.rule: wanted.rule,
        FireFinding.severity: wanted.severity,
    }
    for column, value in equal.items():
        if value is not None:
            statement = statement.where(column == value)
    if wanted.building is not None:
        either = FireFinding.feature == wanted.building, FireFinding.other == wanted.building
        statement = statement.where(or_(*either))
    if wanted.region:
        statement = statement.where(_in_region(wanted.region))
    if wanted.box is not None:
        box = func.ST_MakeEnvelope(*wanted.box, STORAGE_SRID)
        statement = statement.where(FireFinding.geom.op("&&")(box))
    return statement


def _in_region(region: str) -> ColumnElement[bool]:
    """Return the condition that a finding lies in a region, or in a grid (15 digits)."""
    if len(region) != _GRID_DIGITS:
        return FireFinding.region_code.startswith(code_prefix(region), autoescape=True)
    shown = select(Grid.id).join(GridPlan, GridPlan.id == Grid.plan_id)
    shown = shown.where(Grid.code == region, GridPlan.status == "published")
    members = select(GridMember.building_code).where(GridMember.grid_id.in_(shown))
    land = select(func.ST_Union(Grid.geom)).where(Grid.id.in_(shown)).scalar_subquery()
    of_building = (FireFinding.layer == "building") & FireFinding.feature.in_(members)
    elsewhere = (FireFinding.layer != "building") & func.ST_Intersects(FireFinding.geom, land)
    return or_(of_building, elsewhere)


_GRID_DIGITS = 15

GRAVITY = case(
    (FireFinding.severity == "high", 0),
    (FireFinding.severity == "medium", 1),
    (FireFinding.severity == "low", 2),
    else_=3,
)
"""Order of findings: the gravest first."""


def counts(connection: Connection, city: str, region: str | None) -> dict[str, dict[str, int]]:
    """Return how many findings of each severity each overlay has."""
    own = query(city, FindingQuery(region=region)).subquery("own")
    statement = select(own.c.overlay, own.c.severity, func.count().label("count"))
    found = {overlay.value: dict.fromkeys(map(str, Severity), 0) for overlay in Overlay}
    for row in connection.execute(statement.group_by(own.c.overlay, own.c.severity)):
        found[row.overlay][row.severity] = row[2]
    return found


def states(connection: Connection, city: str) -> dict[str, Any]:
    """Return the kept state of each overlay of a city that was ever checked."""
    rows = connection.execute(select(FireOverlay).where(FireOverlay.city == city)).mappings()
    return {row["overlay"]: row for row in rows}


def close_pairs(
    connection: Connection, city: str, region: str | None
) -> list[tuple[str, str, float]]:
    """Return the pairs of buildings that stand too close, and the metres between them."""
    wanted = FindingQuery(overlay=Overlay.SEPARATION.value, region=region)
    columns = FireFinding.feature, FireFinding.other, FireFinding.measured
    statement = query(city, wanted).where(FireFinding.severity != Severity.MISSING.value)
    rows = connection.execute(statement.with_only_columns(*columns))
    return [(row.feature, row.other, row.measured) for row in rows]
