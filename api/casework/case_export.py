"""Cases as files: CSV, a workbook, and points for a map."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from openpyxl import Workbook
from sqlalchemy import Connection, func, select

from api.casework.case_queries import CASE, CaseFilter, select_cases
from api.casework.case_responses import handler_name, is_overdue, kind_group
from geo.casework.kinds import case_kinds
from geo.casework.workflow import state_name
from geo.clock import format_time
from geo.errors import TooLargeError
from geo.messages import text
from geo.model.casework import CaseState
from geo.spreadsheet import csv_cell

MAX_EXPORT_CASES = 50_000
MAX_MAP_CASES = 20_000

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
    count = select(func.count()).select_from(CASE).where(*filters.conditions)
    matched = connection.execute(count).scalar_one()
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
        "overdue": text("user.yes" if is_overdue(row) else "user.no"),
        "lon": round(row["lon"], 6),
        "lat": round(row["lat"], 6),
    }
    for name in ("filed_at", "due_at", "reported_at", "closed_at"):
        values[name] = format_time(row[name]) if row[name] else ""
    return [values[name] for name in COLUMNS]


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
    count = select(func.count()).select_from(CASE).where(*filters.conditions)
    matched = connection.execute(count).scalar_one()
    newest = select(*_POINT_COLUMNS).where(*filters.conditions).order_by(CASE.c.id.desc())
    groups = {kind.key: kind.group for kind in case_kinds().kinds}
    rows = connection.execute(newest.limit(most)).mappings()
    features = [_point(row, groups.get(row["kind"], "")) for row in rows]
    return {
        "type": "FeatureCollection",
        "numberMatched": matched,
        "numberReturned": len(features),
        "links": [],
        "features": features,
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
