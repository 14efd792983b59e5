"""The fire report of a region as a workbook: summary, findings, fire blocks, missing data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from geo import clock
from geo.fire import station_response
from geo.fire.rules import Overlay, Severity, rules_in_force
from geo.messages import Language, text
from maps.fire_report.content import FireReport
from maps.fire_report.html import INKS
from maps.paper import assignment

COLUMNS = {
    "severity": 9,
    "overlay": 14,
    "feature": 22,
    "name": 26,
    "text": 60,
    "measured": 9,
    "required": 9,
    "shortfall": 9,
    "unit": 6,
    "clause": 24,
    "proof": 50,
    "other": 22,
    "block": 7,
    "region": 14,
    "lon": 12,
    "lat": 11,
    "map": 12,
}
"""Columns of the findings and their widths in characters."""

BLOCK_COLUMNS = {
    "block": 7,
    "community": 16,
    "buildings": 9,
    "households": 9,
    "people": 9,
    "pairs": 9,
    "adjoining": 9,
    "class_count": 34,
    "footprint": 12,
    "map": 12,
    "codes": 60,
}

_LINK = Font(color="1C5D8C", underline="single")


def write_workbook(report: FireReport, out: Path, lang: Language) -> Path:
    """Write the workbook atomically; return its path.

    Raises
    ------
    InputError
        If it can't be written.
    """
    book = Workbook(write_only=True)
    _write_summary(book, report, lang)
    _write_findings(book, report, lang)
    _write_blocks(book, report, lang)
    _write_missing(book, report, lang)
    assignment.save_workbook(book, out)
    return out


def _write_summary(book: Workbook, report: FireReport, lang: Language) -> None:
    sheet = _add_sheet(book, "summary", (24, *(11,) * 7), lang)
    _append_row(sheet, (report.title,), bold=True)
    checked = "" if report.checked is None else clock.format_time(report.checked)
    _append_row(sheet, (_label("checked", lang), checked))
    _append_row(sheet, ())
    heads = [text(f"severity.{severity}", lang=lang) for severity in Severity]
    totals = [_label(name, lang) for name in ("total", "buildings", "households")]
    _append_row(sheet, (_label("kind", lang), *heads, *totals), bold=True)
    for overlay in Overlay:
        counts = report.counts[overlay.value]
        figures = [counts[str(severity)] for severity in Severity]
        affected = report.affected.get(overlay.value, (0, 0))
        name = text(f"overlay.{overlay}", lang=lang)
        _append_row(sheet, (name, *figures, sum(figures), *affected))
    _append_row(sheet, ())
    _append_row(sheet, (_label(name, lang) for name in ("layer", "published", "days")), bold=True)
    for age in report.ages:
        _append_row(sheet, (age["layer"], age["date"] or _label("never", lang), age["days"]))
    _append_row(sheet, ())
    _append_row(sheet, (_label("standards", lang),))
    _append_row(sheet, (station_response.describe_travel_times(rules_in_force(), lang),))


def _write_findings(book: Workbook, report: FireReport, lang: Language) -> None:
    sheet = _add_sheet(book, "findings", tuple(COLUMNS.values()), lang)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(report.rows) + 1}"
    _append_row(sheet, (_label(name, lang) for name in COLUMNS), bold=True)
    fills = {name: PatternFill("solid", fgColor=ink[1:]) for name, ink in INKS.items()}
    for row in report.rows:
        is_pair = row["overlay"] == Overlay.SEPARATION
        values = row | {
            "severity": row["severity_text"],
            "overlay": row["overlay_text"],
            "clause": f"{row['standard']} {row['clause']}".strip(),
            "block": report.block_of.get(row["feature"]) if is_pair else None,
        }
        cells = _cells(sheet, (values[name] for name in COLUMNS))
        cells[0].fill, cells[0].font = fills[row["severity"]], Font(color="FFFFFF")
        _link(cells[-1], values["map"], lang)
        sheet.append(cells)


def _write_blocks(book: Workbook, report: FireReport, lang: Language) -> None:
    sheet = _add_sheet(book, "block", tuple(BLOCK_COLUMNS.values()), lang)
    sheet.freeze_panes = "A2"
    _append_row(sheet, (_label(name, lang) for name in BLOCK_COLUMNS), bold=True)
    for block in report.blocks:
        values = block | {
            "block": block["number"],
            "people": block["population"],
            "class_count": block["class_text"],
            "footprint": block["footprint_m2"],
            "codes": " ".join(block["codes"]),
        }
        cells = _cells(sheet, (values[name] for name in BLOCK_COLUMNS))
        _link(cells[-2], values["map"], lang)
        sheet.append(cells)


def _write_missing(book: Workbook, report: FireReport, lang: Language) -> None:
    sheet = _add_sheet(book, "missing", (70, 10), lang)
    for item in report.missing:
        _append_row(sheet, (item["text"], item["count"]))
    if not report.missing:
        _append_row(sheet, (_label("none", lang),))


def _add_sheet(book: Workbook, name: str, widths: tuple[int, ...], lang: Language) -> Any:
    sheet: Any = book.create_sheet(_label(name, lang))
    for number, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = "1:1"
    return sheet


def _label(name: str, lang: Language) -> str:
    return text(f"fire_report.{name}", lang=lang)


def _cells(sheet: Any, values: Iterable[Any], *, bold: bool = False) -> list[Any]:
    empty = ("" if value is None else value for value in values)
    return [assignment.text_cell(sheet, value, bold=bold) for value in empty]


def _append_row(sheet: Any, values: Iterable[Any], *, bold: bool = False) -> None:
    sheet.append(_cells(sheet, values, bold=bold))


def _link(cell: Any, address: str, lang: Language) -> None:
    """Turn a cell into a link to the map."""
    cell.value, cell.hyperlink, cell.font = _label("map", lang), address, _LINK
