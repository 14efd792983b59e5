"""Cases as files: CSV, a workbook, and points for a map."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from openpyxl import Workbook
from sqlalchemy import ColumnElement, Connection, func, select

from api.casework.case_queries import CASE, CaseFilter, select_cases
from api.casework.case_responses import handler_name, is_overdue, kind_group
from api.core.responses import feature_collection
from geo.casework.kinds import case_kinds
from geo.casework.workflow import state_name
from geo.clock import format_time
from geo.errors import TooLargeError
from geo.messages import text
from geo.model.casework import CaseState
from geo.spreadsheet import csv_cell

MAX_EXPORT_CASES = 50_000
MAX_MAP_CASES = 20_000
MAX_POINTS = 2_000
"""Cases of a view that are returned one by one; more are returned as clusters."""

CLUSTER_SIDE_PIXELS = 48
TILE_SIDE_PIXELS = 512
"""Width of the world at zoom 0 in web maps."""

WORLD_ZOOM = 12
"""Greatest zoom for clusters of a view without a box, which limits their number."""

COLUMNS = (
    *("number", "kind", "group", "state", "channel", "description", "address", "region", "grid"),
    *("handler", "level", "department", "filed_at", "due_at", "overdue", "reported_at"),
    *("closed_at", "escalations", "reworks", "rating", "lon", "lat"),
)
"""Columns of an export; their names are ``case_column.<name>``."""


def write_csv(connection: Connection, filters: CaseFilter) -> bytes:
    """Return cases as CSV with a byte order mark, so that spreadsheets read it as UTF-8.

    Raises
    ------
    TooLargeError
        If there are more than :data:`MAX_EXPORT_CASES`.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    for line in _lines(connection, filters):
        writer.writerow([csv_cell(value) for value in line])
    return out.getvalue().encode("utf-8-sig")


def write_workbook(connection: Connection, filters: CaseFilter) -> bytes:
    """Return cases as a workbook.

    Raises
    ------
    TooLargeError
        If there are more than :data:`MAX_EXPORT_CASES`.
    """
    book = Workbook(write_only=True)
    sheet = book.create_sheet(text("case.sheet"))
    for line in _lines(connection, filters):
        sheet.append([csv_cell(value) for value in line])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _lines(connection: Connection, filters: CaseFilter) -> Iterator[list[Any]]:
    """Yield the header and a line for each case, the newest first."""
    matched = _count(connection, filters.conditions)
    if matched > MAX_EXPORT_CASES:
        raise TooLargeError("export_too_large", rows=matched, most=MAX_EXPORT_CASES)
    yield [text(f"case_column.{name}") for name in COLUMNS]
    for row in connection.execute(select_cases(filters).order_by(CASE.c.id.desc())).mappings():
        yield _line(row)


def _line(row: Any) -> list[Any]:
    kinds = case_kinds()
    group = kind_group(row["kind"])
    values = {
        **row,
        "kind": kinds.kind_name(row["kind"]),
        "group": text(f"case_group.{group}") if group else "",
        "state": state_name(CaseState(row["state"])),
        "channel": text(f"case_channel.{row['channel']}"),
        "region": row["region_name"] or row["region_code"],
        "grid": row["grid_code"] or "",
        "handler": handler_name(row),
        "level": text(f"case_level.{row['level']}"),
        "department": kinds.department_name(row["department"]),
        "overdue": text("page.yes" if is_overdue(row) else "page.no"),
        "lon": round(row["lon"], 6),
        "lat": round(row["lat"], 6),
    }
    for name in ("filed_at", "due_at", "reported_at", "closed_at"):
        values[name] = format_time(row[name]) if row[name] else ""
    return [values[name] for name in COLUMNS]


Conditions = tuple[ColumnElement[bool], ...]

_POINT_COLUMNS = (
    *(CASE.c.number, CASE.c.kind, CASE.c.state, CASE.c.grid_code, CASE.c.handler_code),
    *(CASE.c.due_at, CASE.c.filed_at),
    func.ST_X(CASE.c.geom).label("lon"),
    func.ST_Y(CASE.c.geom).label("lat"),
)


def case_points(connection: Connection, filters: CaseFilter, most: int) -> dict[str, Any]:
    """Return the newest cases as a GeoJSON collection of points.

    Parameters
    ----------
    most
        Greatest number of points.
    """
    matched = _count(connection, filters.conditions)
    return feature_collection(_points(connection, filters.conditions, most), matched)


def case_view(connection: Connection, filters: CaseFilter, zoom: float) -> dict[str, Any]:
    """Return what a map shows of cases at a zoom: points, or clusters where they are many.

    All cases if there are at most :data:`MAX_POINTS`, else those in the box, else clusters of those
    with ``point_count``, the largest :data:`MAX_MAP_CASES` at most. ``grids`` holds the number of
    cases by grid, whatever the box.
    """
    by_grid = (
        select(CASE.c.grid_code, func.count().label("cases"))
        .where(*filters.others)
        .group_by(CASE.c.grid_code)
    )
    counts = {row.grid_code: row.cases for row in connection.execute(by_grid)}
    matched = sum(counts.values())
    conditions = filters.others if matched <= MAX_POINTS else filters.conditions
    features = _points(connection, conditions, MAX_POINTS + 1)
    if len(features) > MAX_POINTS:
        zoom = zoom if filters.box is not None else min(zoom, WORLD_ZOOM)
        features = _clusters(connection, conditions, zoom)
    grids = {code: cases for code, cases in counts.items() if code is not None}
    return feature_collection(features, matched) | {"grids": grids}


def _count(connection: Connection, conditions: Conditions) -> int:
    count = select(func.count()).select_from(CASE).where(*conditions)
    return int(connection.execute(count).scalar_one())


def _points(connection: Connection, conditions: Conditions, most: int) -> list[dict[str, Any]]:
    """Return the newest cases as features."""
    newest = select(*_POINT_COLUMNS).where(*conditions).order_by(CASE.c.id.desc())
    groups = {kind.key: kind.group for kind in case_kinds().kinds}
    rows = connection.execute(newest.limit(most)).mappings()
    return [_point(row, groups.get(row["kind"], "")) for row in rows]


def _clusters(connection: Connection, conditions: Conditions, zoom: float) -> list[dict[str, Any]]:
    """Return one cluster per square of the map, at the mean place of its cases.

    A case that is alone in its square is returned as a point.
    """
    side = 360 / TILE_SIDE_PIXELS / 2**zoom * CLUSTER_SIDE_PIXELS
    *values, lon, lat = _POINT_COLUMNS
    squares = (func.floor(place.element / side) for place in (lon, lat))
    statement = (
        select(
            *(func.min(value).label(value.name) for value in values),
            *(func.avg(place.element).label(place.name) for place in (lon, lat)),
            func.count().label("cases"),
        )
        .where(*conditions)
        .group_by(*squares)
        .order_by(func.count().desc())
        .limit(MAX_MAP_CASES)
    )
    groups = {kind.key: kind.group for kind in case_kinds().kinds}
    rows = connection.execute(statement).mappings()
    return [
        _point(row, groups.get(row["kind"], "")) if row["cases"] == 1 else _cluster(row)
        for row in rows
    ]


def _cluster(row: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {
            "type": "Point",
            "coordinates": [round(row["lon"], 6), round(row["lat"], 6)],
        },
        "properties": {"point_count": row["cases"]},
    }


def _point(row: Any, group: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": row["number"],
        "geometry": {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
        "properties": {
            "kind": row["kind"],
            "group": group,
            "state": row["state"],
            "grid": row["grid_code"],
            "handler": row["handler_code"],
            "is_overdue": is_overdue(row),
            "filed_at": row["filed_at"].isoformat(),
        },
    }
