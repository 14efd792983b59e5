"""The assignment list: which building and unit belongs to which grid, as a workbook."""

import io
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from sqlalchemy import Connection, select

from geo.errors import InputError
from geo.messages import Language, text
from geo.model import Building, BuildingUnit, Grid, GridMember
from maps.page import serial
from maps.paper.book import one_entry

COLUMNS = {
    "grid": 8,
    "grid_code": 18,
    "building": 20,
    "building_code": 20,
    "address": 34,
    "unit": 12,
    "households": 10,
}
"""Columns of the list and their widths in characters."""


def assignment_list(
    connection: Connection, community: str, *, plan: int | None = None, lang: Language = "zh"
) -> bytes:
    """Return the buildings and units of each grid of a community, a row each, as XLSX.

    Words that look like a formula are kept as words: nothing in the list is ever reckoned.

    Raises
    ------
    NotFoundError
        If the community has no grids.
    """
    rows = _rows(connection, one_entry(connection, community, plan).plan)
    book = Workbook(write_only=True)
    sheet = book.create_sheet(text("paper.assignment", lang=lang))
    sheet.freeze_panes = "A2"
    for number, width in enumerate(COLUMNS.values(), 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    heads = (text(f"paper.column_{key}", lang=lang) for key in COLUMNS)
    sheet.append([as_cell(sheet, head, bold=True) for head in heads])
    for row in rows:
        sheet.append([as_cell(sheet, value) for value in row])
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


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
            int(serial(row.code)),
            row.code,
            row.name or "",
            row.building_code,
            row.address or "",
            row.unit or row.unit_code or "",
            row.households,
        ]
        for row in found
    ]


def as_cell(sheet: Any, value: str | float, *, bold: bool = False) -> Cell:
    """Return a cell whose text is text, whatever sign it begins with."""
    cell = WriteOnlyCell(sheet, value)
    if isinstance(value, str):
        cell.data_type = "s"
        cell.quotePrefix = value[:1] in ("=", "+", "-", "@", "\t", "\r")
    if bold:
        cell.font = Font(bold=True)
    return cell


def save(book: Workbook, out: Path) -> None:
    """Write a workbook, whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        book.save(part)
        part.replace(out)
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error
