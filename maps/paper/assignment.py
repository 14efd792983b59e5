"""The assignment list: buildings and units with their grids, as an XLSX workbook."""

import io
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet
from sqlalchemy import Connection, select

from geo.codes import grid_serial
from geo.messages import Language, text
from geo.model import Building, BuildingUnit, Grid, GridMember
from geo.plans.micro_grids import list_micro_grids
from geo.spreadsheet import is_formula
from maps.atlas.sheet import AtlasEntry
from maps.paper.label_placer import is_wide
from maps.paper.map_documents import read_entry
from maps.paper.map_sheets import edition_text
from maps.paper.pdf import write_file
from maps.paper.staff import read_staff

COLUMNS = {
    "grid": 8,
    "grid_code": 18,
    "building": 20,
    "building_code": 20,
    "address": 34,
    "unit": 12,
    "households": 10,
}
"""Columns of the list and their minimum widths in characters."""

MAX_COLUMN_WIDTH = 60
"""In characters."""

MICRO_GRIDS = {
    "grid": 8,
    "micro_grid": 10,
    "households": 10,
    "informant": 12,
    "phone": 16,
    "places": 40,
}
"""Columns of the micro-grids with their informants and their minimum widths in characters."""

SUMMARY = {"grid": 8, "grid_code": 18, "buildings": 10, "households": 10}
SUMMARY = {
    "grid": 8,
    "grid_code": 18,
    "buildings": 10,
    "households": 10,
    "service_point": 20,
    "walk": 12,
    "walk_far": 12,
}
"""Columns of the summary and their minimum widths in characters."""


def assignment_workbook(
    connection: Connection, community: str, *, plan: int | None = None, lang: Language = "zh"
) -> bytes:
    """Return a workbook with a row for each building or unit of a community, and its grid.

    A second sheet has the totals of each grid, a third one its micro-grids with their informants
    if it is divided. Text that looks like a formula is written as text.

    Raises
    ------
    NotFoundError
        If the community has no grids.
    """
    entry = read_entry(connection, community, plan)
    rows = _rows(connection, entry.plan)
    title = f"{entry.name} {edition_text(entry, lang)}"
    book = Workbook(write_only=True)
    _table(book, "assignment", COLUMNS, rows, title, lang)
    _table(book, "summary", SUMMARY, _by_grid(rows, entry.score), title, lang)
    if parts := _micro_grid_rows(connection, entry, rows):
        _table(book, "micro_grids", MICRO_GRIDS, parts, title, lang)
    return _workbook_bytes(book)


def _table(
    book: Workbook,
    name: str,
    columns: dict[str, int],
    rows: list[list[Any]],
    title: str,
    lang: Language,
) -> None:
    """Add a sheet with a frozen header row, set up for printing on A4."""
    sheet = book.create_sheet(text(f"paper.{name}", lang=lang))
    sheet.freeze_panes = "A2"
    last = get_column_letter(len(columns))
    for index, min_width in enumerate(columns.values()):
        needed = max((_display_width(row[index]) for row in rows), default=0)
        width = min(max(min_width, needed + 1), MAX_COLUMN_WIDTH)
        sheet.column_dimensions[get_column_letter(index + 1)].width = width
    _set_up_printing(sheet, title, landscape=sum(columns.values()) > 90)
    headers = (text(f"paper.column_{key}", lang=lang) for key in columns)
    sheet.append([text_cell(sheet, header, bold=True) for header in headers])
    for row in rows:
        sheet.append([text_cell(sheet, value) for value in row])
    sheet.auto_filter.ref = f"A1:{last}{len(rows) + 1}"


def _set_up_printing(sheet: Any, title: str, *, landscape: bool) -> None:
    """Fit a sheet to the width of A4 pages with title, header row and page number."""
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    sheet.page_setup.orientation = "landscape" if landscape else "portrait"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"
    sheet.oddHeader.center.text = title.replace("&", "&&")
    sheet.oddFooter.center.text = "&P / &N"


def _display_width(value: Any) -> int:
    """Return the width of a value in Latin characters; a Chinese character counts as two."""
    return sum(2 if is_wide(char) else 1 for char in str(value))


def _by_grid(rows: list[list[Any]], score: dict[str, Any]) -> list[list[Any]]:
    """Return serial number, code, buildings, households and walks of each grid.

    Parameters
    ----------
    score
        The score card, which has the service points.
    """
    totals: dict[str, list[Any]] = {}
    buildings: dict[str, set[str]] = {}
    for number, code, _, building, _, _, households in rows:
        total = totals.setdefault(code, [number, code, 0, 0])
        buildings.setdefault(code, set()).add(building)
        total[2] = len(buildings[code])
        total[3] += households
    points = {point["grid"]: point for point in score.get("service_points", ())}
    return [[*total, *_walks(points.get(code))] for code, total in totals.items()]


def _walks(point: dict[str, Any] | None) -> list[Any]:
    """Return the service point of a grid, the mean walk to it, and the households far away."""
    if point is None:
        return ["", "", ""]
    walk_m = point["walk_m"]
    return [point["building"], "" if walk_m is None else round(walk_m), point["far"]]


def _micro_grid_rows(
    connection: Connection, entry: AtlasEntry, rows: list[list[Any]]
) -> list[list[Any]]:
    """Return a row for each micro-grid: who is in touch with which buildings and units."""
    informants = read_staff(connection, entry.code).informants
    names = {row[3]: row[2] or row[4] or row[3] for row in rows}
    parts = list_micro_grids(connection, entry.plan)
    units = _unit_names(connection, [code for part in parts for code in part["units"]], names)
    lines = []
    for part in parts:
        people = [
            informant
            for informant in informants.get(part["grid"], [])
            if informant["micro_grid"] == part["serial"]
        ]
        places = [
            *(names.get(code, code) for code in part["buildings"]),
            *(units.get(code, code) for code in part["units"]),
        ]
        lines.append(
            [
                int(grid_serial(part["grid"])),
                part["serial"],
                part["households"],
                "、".join(informant["name"] for informant in people),
                "、".join(informant["phone"] for informant in people),
                "、".join(places),
            ]
        )
    return lines


def _unit_names(
    connection: Connection, codes: list[str], buildings: dict[str, str]
) -> dict[str, str]:
    """Return building and name of stairwell units by their codes."""
    unit = BuildingUnit
    columns = (unit.code, unit.building_code, unit.name)
    rows = connection.execute(select(*columns).where(unit.code.in_(codes)))
    return {
        row.code: f"{buildings.get(row.building_code, row.building_code)}{row.name or row.code}"
        for row in rows
    }


def _rows(connection: Connection, plan: int) -> list[list[Any]]:
    """Return the rows of the first sheet: the buildings and units of each grid."""
    result = connection.execute(
        select(
            Grid.code,
            Building.name,
            GridMember.building_code,
            Building.address,
            BuildingUnit.name.label("unit"),
            GridMember.unit_code,
            GridMember.households,
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .outerjoin(Building, Building.code == GridMember.building_code)
        .outerjoin(BuildingUnit, BuildingUnit.code == GridMember.unit_code)
        .where(GridMember.plan_id == plan, GridMember.building_code.is_not(None))
        .order_by(Grid.code, GridMember.building_code, GridMember.unit_code)
    )
    return [
        [
            int(grid_serial(row.code)),
            row.code,
            row.name or "",
            row.building_code,
            row.address or "",
            row.unit or row.unit_code or "",
            row.households,
        ]
        for row in result
    ]


def text_cell(sheet: Any, value: str | float, *, bold: bool = False) -> Cell:
    """Return a cell whose text is never interpreted as a formula."""
    cell = WriteOnlyCell(sheet, value)
    if isinstance(value, str):
        cell.data_type = "s"
        cell.quotePrefix = is_formula(value)
    if bold:
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="E8ECEF")
        cell.alignment = Alignment(vertical="center", wrap_text=True)
    return cell


def save_workbook(book: Workbook, out: Path) -> None:
    """Write a workbook to a file, completely or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_file(_workbook_bytes(book), out)


def _workbook_bytes(book: Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
