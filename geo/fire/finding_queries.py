"""Queries of stored findings: by overlay, region, building, rule, severity and place."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from geo.codes import code_prefix
from geo.fire.finding_text import finding_properties
from geo.fire.rules import Overlay, Severity
from geo.messages import Language
from geo.model import STORAGE_SRID, Building, FireFinding, FireOverlay, Grid, GridMember, GridPlan

_ADDRESS = (
    select(func.coalesce(func.nullif(Building.address, ""), Building.name))
    .where(Building.code == FireFinding.feature, FireFinding.layer == "building")
    .limit(1)
    .scalar_subquery()
    .label("address")
)

COLUMNS = (
    *(c for c in FireFinding.__table__.c if c.name not in {"geom", "geom_3857"}),
    _ADDRESS,
)
"""Columns of a finding without its geometry, and the address of its building."""

SEVERITY_ORDER = case(
    (FireFinding.severity == "high", 0),
    (FireFinding.severity == "medium", 1),
    (FireFinding.severity == "low", 2),
    else_=3,
)
"""Sort key of findings, the most severe first."""

_GRID_CODE_DIGITS = 15
_MAX_BUILDING_FINDINGS = 50


@dataclass(frozen=True)
class FindingFilter:
    """Which findings are selected; None and empty mean all."""

    overlay: str | None = None
    region: str | None = None
    building: str | None = None
    rule: str | None = None
    severity: str | None = None
    box: tuple[float, float, float, float] | None = None


def select_findings(city: str, filters: FindingFilter) -> Select[*tuple[Any, ...]]:
    """Return the statement that selects the findings of a city that pass the filters."""
    statement = select(FireFinding).where(FireFinding.city == city)
    exact = {
        FireFinding.overlay: filters.overlay,
        FireFinding.rule: filters.rule,
        FireFinding.severity: filters.severity,
    }
    for column, value in exact.items():
        if value is not None:
            statement = statement.where(column == value)
    if filters.building is not None:
        code = filters.building
        statement = statement.where(or_(FireFinding.feature == code, FireFinding.other == code))
    if filters.region:
        statement = statement.where(_is_in_region(filters.region))
    if filters.box is not None:
        box = func.ST_MakeEnvelope(*filters.box, STORAGE_SRID)
        statement = statement.where(FireFinding.geom.op("&&")(box))
    return statement


def _is_in_region(region: str) -> ColumnElement[bool]:
    """Return the condition that a finding lies in a region, or in a grid (15 digits)."""
    if len(region) != _GRID_CODE_DIGITS:
        return FireFinding.region_code.startswith(code_prefix(region), autoescape=True)
    grid = select(Grid.id).join(GridPlan, GridPlan.id == Grid.plan_id)
    grid = grid.where(Grid.code == region, GridPlan.status == "published")
    members = select(GridMember.building_code).where(GridMember.grid_id.in_(grid))
    land = select(func.ST_Union(Grid.geom)).where(Grid.id.in_(grid)).scalar_subquery()
    of_building = (FireFinding.layer == "building") & FireFinding.feature.in_(members)
    elsewhere = (FireFinding.layer != "building") & func.ST_Intersects(FireFinding.geom, land)
    return or_(of_building, elsewhere)


def list_building_findings(
    connection: Connection, city: str, code: str, lang: Language
) -> list[dict[str, Any]]:
    """Return the properties of a building's findings, the 50 most severe."""
    statement = select_findings(city, FindingFilter(building=code)).with_only_columns(*COLUMNS)
    statement = statement.order_by(SEVERITY_ORDER, FireFinding.id).limit(_MAX_BUILDING_FINDINGS)
    rows = connection.execute(statement).mappings()
    return [finding_properties(dict(row), lang) for row in rows]


def count_findings(
    connection: Connection, city: str, region: str | None
) -> dict[str, dict[str, int]]:
    """Return the number of findings by overlay and severity."""
    findings = select_findings(city, FindingFilter(region=region)).subquery("finding")
    statement = select(findings.c.overlay, findings.c.severity, func.count().label("number"))
    counts = {overlay.value: dict.fromkeys(map(str, Severity), 0) for overlay in Overlay}
    for row in connection.execute(statement.group_by(findings.c.overlay, findings.c.severity)):
        counts[row.overlay][row.severity] = row.number
    return counts


def read_overlay_states(connection: Connection, city: str) -> dict[str, Any]:
    """Return the stored state of each overlay of a city that was ever checked, by its name."""
    rows = connection.execute(select(FireOverlay).where(FireOverlay.city == city)).mappings()
    return {row["overlay"]: row for row in rows}


def read_close_pairs(
    connection: Connection, city: str, region: str | None
) -> list[tuple[str, str, float]]:
    """Return the pairs of buildings that stand too close, and the metres between them."""
    filters = FindingFilter(overlay=Overlay.SEPARATION.value, region=region)
    columns = FireFinding.feature, FireFinding.other, FireFinding.measured
    statement = select_findings(city, filters).where(FireFinding.severity != Severity.MISSING.value)
    rows = connection.execute(statement.with_only_columns(*columns))
    return [(row.feature, row.other, row.measured) for row in rows]
