"""The assignment list: which building and unit belongs to which grid, as a workbook."""

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

from geo.errors import InputError
from geo.messages import Language, text
from geo.model import Building, BuildingUnit, Grid, GridMember
from geo.spreadsheet import is_formula
from maps.atlas.sheet_map import grid_serial
from maps.paper.map_documents import read_entry
from maps.paper.map_sheets import edition_text

COLUMNS = {
    "grid": 8,
    "grid_code": 18,
    "building": 20,
    "building_code": 20,
    "address": 34,
    "unit": 12,
    "households": 10,
}
"""Columns of the list and their least widths in characters."""

MOST_LETTERS = 60
LAST_NARROW = 0x2E7F
"""The last letter before the Chinese ones."""

SUMMARY = {"grid": 8, "grid_code": 18, "buildings": 10, "households": 10}
"""The same of the grids' sums."""


def assignment_workbook(
    connection: Connection, community: str, *, plan: int | None = None, lang: Language = "zh"
) -> bytes:
    """Return the buildings and units of each grid of a community, a row each, as XLSX.

    A second sheet has the sums of each grid.

    Words that look like a formula are kept as words: nothing in the list is ever reckoned.

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
    _table(book, "summary", SUMMARY, _by_grid(rows), title, lang)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def _table(
    book: Workbook,
    name: str,
    columns: dict[str, int],
    rows: list[list[Any]],
    title: str,
    lang: Language,
) -> None:
    """Write a sheet with a head that stays, made to be printed upright or across on A4."""
    sheet = book.create_sheet(text(f"paper.{name}", lang=lang))
    sheet.freeze_panes = "A2"
    last = get_column_letter(len(columns))
    for place, least in enumerate(columns.values()):
        needed = max((_letters(row[place]) for row in rows), default=0)
        width = min(max(least, needed + 1), MOST_LETTERS)
        sheet.column_dimensions[get_column_letter(place + 1)].width = width
    _set_up(sheet, title, across=sum(columns.values()) > 90)
    heads = (text(f"paper.column_{key}", lang=lang) for key in columns)
    sheet.append([text_cell(sheet, head, bold=True) for head in heads])
    for row in rows:
        sheet.append([text_cell(sheet, value) for value in row])
    sheet.auto_filter.ref = f"A1:{last}{len(rows) + 1}"


def _set_up(sheet: Any, title: str, *, across: bool) -> None:
    """Let a sheet fill the width of A4 pages, each with the title, the head and its number."""
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    sheet.page_setup.orientation = "landscape" if across else "portrait"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"
    sheet.oddHeader.center.text = title.replace("&", "&&")
    sheet.oddFooter.center.text = "&P / &N"


def _letters(value: Any) -> int:
    """Return how many Latin letters are as wide as what a cell shows; a Chinese one is as two."""
    return sum(2 if ord(one) > LAST_NARROW else 1 for one in str(value))


def _by_grid(rows: list[list[Any]]) -> list[list[Any]]:
    """Return each grid with how many buildings and households it has."""
    found: dict[str, list[Any]] = {}
    buildings: dict[str, set[str]] = {}
    for number, code, _, building, _, _, households in rows:
        own = found.setdefault(code, [number, code, 0, 0])
        buildings.setdefault(code, set()).add(building)
        own[2] = len(buildings[code])
        own[3] += households
    return list(found.values())


def _rows(connection: Connection, plan: int) -> list[list[Any]]:
    found = connection.execute(
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
        for row in found
    ]


def text_cell(sheet: Any, value: str | float, *, bold: bool = False) -> Cell:
    """Return a cell whose text is text, whatever sign it begins with."""
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
    """Write a workbook, whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        book.save(part)
        part.replace(out)
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error
