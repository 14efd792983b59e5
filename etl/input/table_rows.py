"""The rows of CSV files and sheets as features: one reader for both."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from etl.input.reader_findings import FILLED_DOWN, TITLE_UNITS, Findings
from etl.input.table_layout import (
    PREVIEW_ROWS,
    Layout,
    Row,
    find_layout,
    is_other_header,
    row_kind,
)
from etl.input.units import units_of_title
from geo.errors import InputError

_MAX_SHOWN_CELLS = 8


def read_table(
    path: Path,
    rows: Iterator[Row],
    known: frozenset[str],
    findings: Findings,
    size: int,
    *,
    is_short_row_whole: bool,
) -> Iterator[pa.Table]:
    """Yield the features of a table as texts, in blocks.

    Parameters
    ----------
    rows
        Rows from the top of the file.
    known
        Normalized names that a header can have.
    is_short_row_whole
        Whether a row may end before its last cells, as in a sheet.

    Raises
    ------
    InputError
        If there is no header, a second one with other columns, or a column with data has no name or
        that of another.
    """
    preview = list(islice(rows, PREVIEW_ROWS))
    layout = find_layout(path, preview, known)
    _note_header(preview, layout, findings)
    block: list[Row] = []
    for line, cells in chain(preview[layout.first :], rows):
        if is_other_header(cells, layout, known):
            header_line = preview[layout.first - 1][0]
            raise InputError("header_again", file=path, line=line, first=header_line)
        kind = row_kind(cells, layout)
        if kind == "blank":
            findings.faults.pop(line, None)
            continue
        if kind == "named_sum":
            findings.add_fault(line, "row_may_be_sum", line=line)
        elif kind:
            findings.faults.pop(line, None)
            findings.count(f"rows_{kind}", line)
            continue
        is_short = not is_short_row_whole and len(cells) < layout.width
        if is_short or any(cells[layout.width :]):
            shown = ", ".join(cell or "" for cell in cells[:_MAX_SHOWN_CELLS])
            expected = len(layout.columns)
            findings.add_fault(
                line, "row_ragged", line=line, cells=len(cells), expected=expected, value=shown
            )
        _name_columns(findings, line, layout)
        block.append((line, cells))
        if len(block) == size:
            yield _build_table(layout, block, findings)
            block = []
    yield _build_table(layout, block, findings)


def _note_header(preview: list[Row], layout: Layout, findings: Findings) -> None:
    """Record where the header is, if it is not the first row alone."""
    lines = [preview[position][0] for position in layout.rows]
    above = [cell for _, cells in preview[: layout.rows.start] for cell in cells if cell]
    skipped = bool(above)
    if units := [unit for cell in above for unit in units_of_title(cell)]:
        findings.note(TITLE_UNITS, units="、".join(dict.fromkeys(units)))
    if skipped or len(lines) > 1:
        findings.note("header_found", rows="-".join(map(str, sorted({lines[0], lines[-1]}))))


def _name_columns(findings: Findings, line: int, layout: Layout) -> None:
    """Replace the positions of columns in the faults of a line by their names."""
    for fault in findings.faults.pop(line, []):
        if not isinstance(fault.column, int):
            findings.add_fault(line, fault.key, fault.column, **fault.detail)
        elif name := layout.columns.get(fault.column):
            if fault.key == FILLED_DOWN:
                findings.count(FILLED_DOWN, name)
            else:
                findings.add_fault(line, fault.key, name, **fault.detail)


def _build_table(layout: Layout, block: list[Row], findings: Findings) -> pa.Table:
    width = layout.width
    padded = (tuple(cells[:width]) + (None,) * (width - len(cells)) for _, cells in block)
    columns = list(zip(*padded, strict=True)) if block else [()] * width
    arrays = {
        name: pa.array([cell or None for cell in columns[position]], pa.string())
        for position, name in layout.columns.items()
    }
    return findings.attach(pa.table(arrays), (line for line, _ in block))
