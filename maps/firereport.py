"""The fire report of a region: findings by kind and severity, and what data is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import shapely
from jinja2 import Environment, PackageLoader, select_autoescape
from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from sqlalchemy import Connection, func, select

from geo.codes import stem
from geo.errors import InputError, NotFoundError
from geo.fire import listing, wording
from geo.fire.finding import Missing
from geo.fire.listing import Wanted
from geo.fire.rules import Overlay, Severity
from geo.messages import Language, text
from geo.model import FireFinding, Region
from maps.paper.assignment import as_cell, save

LISTED = 200
"""Findings of an overlay that the page lists, the gravest; the workbook has all."""

COLUMNS = {
    "severity": 8,
    "overlay": 14,
    "feature": 22,
    "text": 60,
    "measured": 10,
    "required": 10,
    "shortfall": 10,
    "unit": 6,
    "clause": 24,
    "proof": 40,
    "region": 14,
    "lon": 12,
    "lat": 12,
    "map": 40,
}
"""Columns of the workbook and their widths in characters."""

INKS = {"high": "#b3261e", "medium": "#d9822b", "low": "#8a8f2c", "missing": "#6b7680"}
MAP_PX = 640.0

_templates = Environment(
    loader=PackageLoader("maps"), autoescape=select_autoescape(), trim_blocks=True
)


@dataclass(frozen=True)
class Report:
    """What the report of a region holds."""

    title: str
    counts: dict[str, dict[str, int]]
    rows: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    checked: datetime | None
    land: shapely.Geometry | None


def read(connection: Connection, city: str, region: str, site: str, lang: Language) -> Report:
    """Return the report of a region.

    Raises
    ------
    NotFoundError
        If there is no such region.
    """
    code = region.ljust(12, "0")
    statement = select(Region.name, func.ST_AsBinary(Region.geom)).where(Region.code == code)
    found = connection.execute(statement).first()
    below = select(Region.code).where(Region.code.startswith(stem(region), autoescape=True))
    if found is None and connection.execute(below.limit(1)).first() is None:
        raise NotFoundError("no_such_region", region=region)
    name, land = (region, None) if found is None else found
    states = listing.states(connection, city)
    lacking = {key: count for state in states.values() for key, count in state["missing"]}
    return Report(
        text("fire_report.title", lang=lang, region=name),
        listing.counts(connection, city, region),
        list(_rows(connection, city, region, site, lang)),
        wording.missing((Missing(key, count) for key, count in lacking.items()), lang),
        max((state["computed_at"] for state in states.values()), default=None),
        None if land is None else shapely.from_wkb(bytes(land)),
    )


def _rows(
    connection: Connection, city: str, region: str, site: str, lang: Language
) -> Iterator[dict[str, Any]]:
    point = func.ST_PointOnSurface(FireFinding.geom)
    columns = [c for c in FireFinding.__table__.c if c.name not in {"geom", "geom_3857"}]
    places = func.ST_X(point).label("lon"), func.ST_Y(point).label("lat")
    statement = listing.query(city, Wanted(region=region)).with_only_columns(*columns, *places)
    order = FireFinding.overlay, listing.GRAVITY, FireFinding.shortfall.desc().nulls_last()
    for row in connection.execute(statement.order_by(*order, FireFinding.id)).mappings():
        shown = wording.properties(dict(row), lang)
        place = {"lon": round(row["lon"], 6), "lat": round(row["lat"], 6)}
        named = {"building": row["feature"]} if row["layer"] == "building" else {}
        link = f"{site}/fire?{urlencode(place | named)}"
        yield shown | place | {"map": link, "overlay_text": shown["title"]}


def html(report: Report, lang: Language) -> str:
    """Return the report as a page that needs nothing beside it."""
    by_overlay = [
        {
            "id": overlay.value,
            "title": text(f"overlay.{overlay}", lang=lang),
            "said": text(f"overlay_text.{overlay}", lang=lang),
            "counts": report.counts[overlay.value],
            "rows": [row for row in report.rows if row["overlay"] == overlay][:LISTED],
            "total": sum(row["overlay"] == overlay for row in report.rows),
        }
        for overlay in Overlay
    ]
    words = {
        name: text(f"fire_report.{name}", lang=lang)
        for name in ("kind", "total", "listed", "missing", "none", "checked", *COLUMNS)
    }
    severities = {str(one): text(f"severity.{one}", lang=lang) for one in Severity}
    return _templates.get_template("fire_report.html").render(
        lang=lang,
        report=report,
        overlays=by_overlay,
        words=words,
        severities=severities,
        inks=INKS,
        map=_map(report),
    )


def _map(report: Report) -> dict[str, Any]:
    """Return outline and dots of an overview in pixels."""
    points = shapely.points([(row["lon"], row["lat"]) for row in report.rows])
    everything = [*([] if report.land is None else [report.land]), *points]
    if not everything:
        return {"width": 0, "height": 0, "outline": "", "dots": []}
    west, south, east, north = shapely.total_bounds(everything)
    wide = max(east - west, 1e-6)
    lean = 1 / 0.848  # a degree north over a degree east at 32 N
    factor = MAP_PX / wide
    dots = [
        {
            "x": round((row["lon"] - west) * factor, 1),
            "y": round((north - row["lat"]) * factor * lean, 1),
            "ink": INKS[row["severity"]],
        }
        for row in reversed(report.rows)
    ]
    outline = ""
    if report.land is not None:
        coords = [
            shapely.get_coordinates(ring)
            for ring in shapely.get_rings(shapely.get_parts(report.land))
        ]
        outline = "".join(
            "M"
            + "L".join(
                f"{(x - west) * factor:.1f} {(north - y) * factor * lean:.1f}" for x, y in ring
            )
            + "Z"
            for ring in coords
        )
    high = (north - south) * factor * lean
    return {"width": MAP_PX, "height": round(high, 1), "outline": outline, "dots": dots}


def write(report: Report, out: Path, lang: Language) -> list[Path]:
    """Write the report as a page and as a workbook; return their files.

    Raises
    ------
    InputError
        If the folder can't be written to.
    """
    if out.exists() and not out.is_dir():
        raise InputError("report_folder_taken", folder=out)
    page, book = out / "fire.html", out / "fire.xlsx"
    try:
        out.mkdir(parents=True, exist_ok=True)
        page.write_text(html(report, lang), encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=page, said=error.strerror or error) from error
    save(_workbook(report, lang), book)
    return [page, book]


def _workbook(report: Report, lang: Language) -> Workbook:
    book = Workbook(write_only=True)
    _summary(book, report, lang)
    sheet = book.create_sheet(text("fire_report.findings", lang=lang))
    sheet.freeze_panes = "A2"
    for number, width in enumerate(COLUMNS.values(), 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    _row(sheet, (text(f"fire_report.{name}", lang=lang) for name in COLUMNS), bold=True)
    for row in report.rows:
        own = row | {
            "severity": row["severity_text"],
            "overlay": row["overlay_text"],
            "clause": f"{row['standard']} {row['clause']}".strip(),
        }
        _row(sheet, (own[name] for name in COLUMNS))
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(report.rows) + 1}"
    lacking = book.create_sheet(text("fire_report.missing", lang=lang))
    lacking.column_dimensions["A"].width = 70
    for one in report.missing:
        _row(lacking, (one["text"], one["count"]))
    return book


def _summary(book: Workbook, report: Report, lang: Language) -> None:
    sheet = book.create_sheet(text("fire_report.summary", lang=lang))
    sheet.column_dimensions["A"].width = 26
    _row(sheet, (report.title,), bold=True)
    heads = (text(f"severity.{one}", lang=lang) for one in Severity)
    _row(sheet, (text("fire_report.kind", lang=lang), *heads), bold=True)
    for overlay, counts in report.counts.items():
        name = text(f"overlay.{overlay}", lang=lang)
        _row(sheet, (name, *(counts[str(one)] for one in Severity)))


def _row(sheet: Any, values: Iterable[Any], *, bold: bool = False) -> None:
    sheet.append([as_cell(sheet, "" if value is None else value, bold=bold) for value in values])
