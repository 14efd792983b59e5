"""The rows of a sheet, as a spreadsheet shows them."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import column_index_from_string
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.cell_range import CellRange
from openpyxl.xml.functions import fromstring

from etl.input.reader_findings import FILLED_DOWN, Findings
from etl.input.synonyms import normalize_name
from etl.input.table_layout import PREVIEW_ROWS, Layout, Row, find_layout
from etl.input.zip_archive import check_entries
from geo.errors import InputError

_MIN_HITS = 2
"""Known names in the header of a sheet that fits a layer."""

_EXACT_DIGITS = 15
"""Digits of a number that a spreadsheet keeps."""

_XML = r"<(?:\w+:)?"
_HIDDEN_ROW = re.compile(rf'{_XML}row\b[^>]*?\br="(\d+)"[^>]*?\bhidden="(?:1|true)"'.encode())
_MERGED = re.compile(rf'{_XML}mergeCell\b[^>]*?\bref="([A-Z]+\d+:[A-Z]+\d+)"'.encode())
_UNCOMPUTED = re.compile(
    rf'{_XML}c\b(?![^>]*\bt="str")[^>]*?\br="([A-Z]+)(\d+)"[^>]*>'
    rf"{_XML}f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)"
    rf"(?:{_XML}v\s*/>|{_XML}v></(?:\w+:)?v>)?</(?:\w+:)?c>".encode()
)
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

_NOT_SHOWN = re.compile(r'("[^"]*"|\\.)|\[(?![<>=])[^\]]*\]|_.|\*.')
"""Colours, languages, and room for signs, in number formats; as a group the signs to keep."""

_PADDED = re.compile(r'(?:0|[-/ ]|"[^"]*"|\\.)*0(?:0|[-/ ]|"[^"]*"|\\.)*')
"""Number formats of zeros and literal signs, such as ``00000`` or ``"B"000``."""

_FIXED = re.compile(r"(?:#,##)?0\.(0+)\s*")
"""Number formats with decimals, such as ``0.00``."""

_WITH_UNIT = re.compile(r'(?:General|(?:#,##)?0(?:\.[0#]+)?)\s*(?:"([^"]*)"|\\(.))\s*')
"""Number formats with a unit, such as ``0.0"m"``."""


@dataclass
class _SheetMarks:
    """What a sheet says of rows and cells beside their values.

    Attributes
    ----------
    hidden
        Numbers of the hidden rows.
    merged
        Last row of the merged cells by row and column of their first.
    uncomputed
        Row and column of the formulas without a stored result.
    """

    hidden: set[int] = field(default_factory=set)
    merged: dict[tuple[int, int], int] = field(default_factory=dict)
    uncomputed: dict[int, list[int]] = field(default_factory=dict)


def open_workbook(path: Path) -> Any:
    """Open a workbook without its links to others, if it is one and no zip bomb.

    Raises
    ------
    InputError
        If it is neither.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_entries(path, archive)
        return openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error


def choose_sheet(
    path: Path, sheet: str | None, known: frozenset[str], words: Sequence[str]
) -> dict[str, Any]:
    """Return the sheet that fits a layer.

    Parameters
    ----------
    sheet
        Name of the sheet, if it is known.
    known
        Normalized names that a header can have.
    words
        Words for the layer in the names of sheets.

    Returns
    -------
    dict
        Name of the ``sheet``, and the names of those ``skipped`` and ``hidden``.

    Raises
    ------
    InputError
        If there is no such sheet, none with cells, or several that fit.
    """
    book = open_workbook(path)
    try:
        if sheet is not None:
            if sheet not in book.sheetnames:
                names = ", ".join(book.sheetnames)
                raise InputError("sheet_missing", file=path, sheet=sheet, sheets=names)
            return {"sheet": sheet, "skipped": [], "hidden": []}
        visible = [worksheet for worksheet in book.worksheets if worksheet.sheet_state == "visible"]
        hits = {worksheet.title: _count_hits(path, worksheet, known) for worksheet in visible}
    finally:
        book.close()
    filled = [name for name, count in hits.items() if count is not None]
    if not filled:
        raise InputError("header_missing", file=path)
    fitting = [name for name in filled if (hits[name] or 0) >= _MIN_HITS]
    named = [name for name in fitting if any(word in normalize_name(name) for word in words)]
    choice = next((names for names in (filled, fitting, named) if len(names) == 1), None)
    if choice is None:
        raise InputError("several_layers", file=path, layers=", ".join(fitting or filled))
    hidden = [
        worksheet.title for worksheet in book.worksheets if worksheet.sheet_state != "visible"
    ]
    skipped = [name for name in filled if name != choice[0]]
    return {"sheet": choice[0], "skipped": skipped, "hidden": hidden}


def _count_hits(path: Path, sheet: Any, known: frozenset[str]) -> int | None:
    """Return the number of known names in the header of a sheet, None for an empty sheet."""
    if not hasattr(sheet, "iter_rows"):  # a chart
        return None
    sheet.reset_dimensions()
    rows = islice(sheet.iter_rows(values_only=True), PREVIEW_ROWS)
    preview: list[Row] = [
        (number, [None if cell is None else str(cell) for cell in row])
        for number, row in enumerate(rows, 1)
    ]
    if not any(any(cells) for _, cells in preview):
        return None
    try:
        layout: Layout = find_layout(path, preview, known)
    except InputError:
        return 0
    return layout.hits


def read_sheet_rows(path: Path, sheet: str, findings: Findings) -> Iterator[Row]:
    """Yield the visible rows of a sheet as texts; formulas give their last computed values.

    A text in cells that are merged downwards stands in each of their rows.
    """
    marks = _read_marks(path, sheet)
    book = open_workbook(path)
    worksheet = book[sheet]
    worksheet.reset_dimensions()
    rows = worksheet.iter_rows()
    open_merges: dict[int, tuple[Any, int]] = {}
    try:
        for number, cells in enumerate(rows, 1):
            if number in marks.hidden:
                findings.count("rows_hidden", number)
                continue
            texts = [_cell_text(cell, number, findings) for cell in cells]
            _fill_merged(texts, number, cells, marks, open_merges, findings)
            for column in marks.uncomputed.get(number, ()):
                cell_name = f"{get_column_letter(column)}{number}"
                findings.add_fault(number, "formula_without_value", column - 1, cell=cell_name)
            yield number, texts
    finally:
        rows.close()  # the iterator keeps the file open
        book.close()


def _fill_merged(
    texts: list[str | None],
    number: int,
    cells: Sequence[Any],
    marks: _SheetMarks,
    open_merges: dict[int, tuple[Any, int]],
    findings: Findings,
) -> None:
    """Repeat the texts of merged cells downwards; a number may count for all rows or for each."""
    for position, cell in enumerate(cells):
        last = marks.merged.get((number, position + 1))
        if last is not None and last > number:
            open_merges[position] = (cell, last)
    for position, (cell, last) in list(open_merges.items()):
        if position >= len(texts):
            texts.extend([None] * (position + 1 - len(texts)))
        if isinstance(cell.value, int | float):
            name = f"{get_column_letter(position + 1)}{number}"
            value = str(cell.value)
            findings.add_fault(number, "cell_merged", position, cell=name, value=value)
        elif texts[position] is None and cell.value is not None:
            texts[position] = str(cell.value)
            findings.add_fault(number, FILLED_DOWN, position)
        if number >= last:
            del open_merges[position]


def _cell_text(cell: Any, row: int, findings: Findings) -> str | None:
    """Return the text of a cell, as its number format shows it."""
    value = cell.value
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if abs(value) >= 10**_EXACT_DIGITS:
        name = f"{get_column_letter(cell.column)}{row}"
        findings.add_fault(row, "number_rounded", cell.column - 1, cell=name, value=f"{value:.0f}")
    return format_number(value, cell.number_format)


def format_number(value: float, number_format: str) -> str:
    """Return a number as a number format shows it: 17 as 00017, 0.03 as 3%, 3.1 as 3.10.

    Decimals are kept, thousands are not grouped.
    """
    is_whole = isinstance(value, int) or value.is_integer()
    plain = str(int(value)) if is_whole else repr(value)
    section = _NOT_SHOWN.sub(lambda found: found[1] or "", number_format.split(";", 1)[0])
    if section in ("General", "0", "@"):
        return plain
    if is_whole and value >= 0 and _PADDED.fullmatch(section):
        return _fill_zeros(str(int(value)), section)
    if re.fullmatch(r"0(\.0+)?%", section):
        return f"{value * 100:.12g}%"
    if not is_whole and (shown := _FIXED.fullmatch(section)):
        return max(plain, f"{value:.{len(shown[1])}f}", key=len)
    if unit := _WITH_UNIT.fullmatch(section):
        return f"{plain}{unit[1] or unit[2]}"
    return plain


def _fill_zeros(digits: str, section: str) -> str:
    """Return digits in the places of the zeros of a number format, from the right."""
    signs = [sign.strip('"').lstrip("\\") for sign in re.findall(r'0|"[^"]*"|\\.|.', section)]
    places = [index for index, sign in enumerate(signs) if sign == "0"]
    padded = digits.zfill(len(places))
    extra = len(padded) - len(places)
    for index, digit in zip(places, padded[extra:], strict=True):
        signs[index] = digit
    signs[places[0]] = padded[:extra] + signs[places[0]]
    return "".join(signs)


def _read_marks(path: Path, sheet: str) -> _SheetMarks:
    """Return the hidden rows, merged cells and formulas without a result of a sheet."""
    marks = _SheetMarks()
    with zipfile.ZipFile(path) as archive:
        content = archive.read(_sheet_entry(archive, sheet))
    marks.hidden = {int(number) for number in _HIDDEN_ROW.findall(content)}
    for reference in _MERGED.findall(content):
        cells = CellRange(reference.decode())
        if cells.max_row > cells.min_row:
            marks.merged[(cells.min_row, cells.min_col)] = cells.max_row
    if b"f>" in content or b"<f" in content:
        for letters, number in _UNCOMPUTED.findall(content):
            column = column_index_from_string(letters.decode())
            marks.uncomputed.setdefault(int(number), []).append(column)
    return marks


def _sheet_entry(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of the entry of an archive that holds a sheet."""
    book = fromstring(archive.read("xl/workbook.xml"))
    relation = next(
        element.get(_RELATION, "")
        for element in book.iter()
        if element.tag.endswith("}sheet") and element.get("name") == sheet
    )
    links = fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    target = next(link.get("Target", "") for link in links if link.get("Id") == relation)
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
