"""Find the header of a table among titles and notes, and the rows that are no features.

Headers are recognised by the names that a layer knows, never by what the values look like.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from etl.input.synonyms import normalize_name
from etl.input.units import COLUMN_COUNTERS, UNITS, split_header
from geo.errors import InputError

PREVIEW_ROWS = 60
"""Rows at the beginning of a table among which the header must be."""

_MAX_HEADER_ROWS = 3
_MIN_NUMBERED_COLUMNS = 5
_MIN_NOTE_LENGTH = 15
_MIN_HEADER_NAMES = 3
_MAX_SUM_LENGTH = 20
_TYPICAL_SHARE = 0.6

Cells = Sequence[str | None]
Row = tuple[int, Cells]
"""Number of the line or row in the file, and its cells."""

_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?%?")
_SUM_WORDS = "[小合总總共累][计計]"
_SUM_HINT = re.compile(
    r"(?i)[小合总總共累]\s*[计計]|[汇匯]\s*[总總]|[总總]\s*[数數]|total|"
    r"(?:^| )(?:[计計]|sum|[Σ∑])(?: |$)"
)
_SUM = re.compile(
    rf"(?:本页|本表|全部|分项)?(?:{_SUM_WORDS}|[汇匯][总總]|[总總][数數])|[计計]|subtotal|sum|[Σ∑]"
)
_NAMED_SUM = re.compile(rf".{{0,15}}(?:{_SUM_WORDS}|total)(?:\d*[栋户人个条座处幢口]?)")
"""Words for a sum that may also be the name of something, in a row with empty cells."""

_REMARKS = {"备注", "说明", "注", "note", "notes", "remark", "remarks", "comment"}
_NOTE = re.compile(
    r"(注|备注|说明|附注|附|注意)\s*[:：]|[*※]|第\s*\d+\s*页|共\s*\d+\s*页|"
    r"(制表|填表|填报|审核|复核|校核|校对|审批|经办|负责|单位负责|联系|统计|报送|打印|日期|数据来源|"
    r"资料来源|盖章|截止|截至)[^:：]{0,6}[:：]"
)
_UNIT_WORDS = {
    *UNITS,
    *(word for words in COLUMN_COUNTERS.values() for word in words),
    *("个", "人", "栋", "幢", "座", "岁", "元", "平方米", "m2", "m²", "㎡", "亩", "公顷"),
}
_MULTIPLE = re.compile("[十百千万亿]+(?=.)")
"""What may stand before a unit: 百户 and 万元."""


@dataclass(frozen=True)
class Layout:
    """The header of a table.

    Attributes
    ----------
    columns
        Name of each column, by its position; columns without a name are empty.
    header
        Cells of the last row of the header, which may be repeated on later pages.
    rows
        Rows of the header, as positions among those of the preview.
    first
        Position of the first row of data.
    hits
        Number of names that are known.
    """

    columns: dict[int, str]
    header: Cells
    rows: range
    first: int
    hits: int

    @property
    def width(self) -> int:
        """The number of positions up to the last named column."""
        return max(self.columns) + 1

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the columns."""
        return frozenset(self.columns.values())

    @property
    def is_complete(self) -> bool:
        """Whether every column up to the last has a name."""
        return len(self.columns) == max(self.columns, default=-1) + 1


def clean_cell(cell: object) -> str | None:
    """Return the text of a header's cell on one line, None for an empty one."""
    text = re.sub(r"\s+", " ", str(cell or "")).strip()
    return re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", text) or None


def find_layout(path: Path, preview: Sequence[Row], known: frozenset[str]) -> Layout:
    """Return the header of a table.

    Parameters
    ----------
    preview
        The first rows.
    known
        Normalized names that a header can have.

    Raises
    ------
    InputError
        If there is no header, or a column with data has no name or that of another.
    """
    rows = [[clean_cell(cell) for cell in cells] for _, cells in preview]
    layouts = list(_layouts(rows, known))
    best = max(
        layouts,
        key=lambda layout: (layout.hits, layout.is_complete, -len(layout.rows)),
        default=None,
    )
    if best is None or best.hits == 0:
        best = _widest_row(rows)
    if best is None:
        raise InputError("header_missing", file=path)
    _refuse_unnamed(path, best, rows)
    names = Counter(best.columns.values())
    if repeated := sorted(name for name, count in names.items() if count > 1):
        raise InputError("header_twice", file=path, columns=", ".join(repeated))
    return best


def _layouts(rows: Sequence[Cells], known: frozenset[str]) -> Iterator[Layout]:
    """Yield each header that one row, or several of them together, can be."""
    for start, row in enumerate(rows):
        names: Cells = row
        yield _layout(rows, range(start, start + 1), names, known)
        for end in range(start + 1, min(start + _MAX_HEADER_ROWS, len(rows))):
            combined = _combine(names, rows[end], known)
            if combined is None:
                break
            names = combined
            yield _layout(rows, range(start, end + 1), names, known)


def _layout(rows: Sequence[Cells], header: range, names: Cells, known: frozenset[str]) -> Layout:
    if header.stop < len(rows) and _is_unit_row(rows[header.stop]):
        pairs = list(zip_longest(names, rows[header.stop]))
        names = [f"{name}({_bare(unit)})" if name and unit else name for name, unit in pairs]
        header = range(header.start, header.stop + 1)
    columns = {position: name for position, name in enumerate(names) if name}
    hits = len({name for name in columns.values() if _is_known(name, known)})
    first = header.stop
    if first < len(rows) and _is_numbering(rows[first], columns):
        first += 1
    return Layout(columns, list(rows[header.stop - 1]), header, first, hits if columns else 0)


def _is_unit_row(cells: Cells) -> bool:
    """Return whether a row below the names has only their units."""
    units = [cell for cell in cells if cell]
    return bool(units) and all(_MULTIPLE.sub("", _bare(unit)) in _UNIT_WORDS for unit in units)


def _bare(unit: str) -> str:
    return unit.strip("()（）[]【】")


def _is_known(name: str, known: frozenset[str]) -> bool:
    return normalize_name(name) in known or normalize_name(split_header(name)[0]) in known


def _is_numbering(cells: Cells, columns: dict[int, str]) -> bool:
    """Return whether a row only numbers the columns, from 1."""
    numbers = [cells[position] if position < len(cells) else None for position in columns]
    expected = [str(number) for number in range(1, len(columns) + 1)]
    return len(expected) >= _MIN_NUMBERED_COLUMNS and numbers == expected


def _combine(upper: Cells, lower: Cells, known: frozenset[str]) -> Cells | None:
    """Return the names that two rows of a header give together, None if the second is none."""
    filled = [cell for cell in lower if cell]
    if not filled or any(_NUMBER.fullmatch(cell) for cell in filled):
        return None
    names: list[str | None] = []
    groups: list[str] = []
    group = ""
    for position, (above, below) in enumerate(zip_longest(upper, lower)):
        is_group = above is not None and (position + 1 < len(upper) and not upper[position + 1])
        group = above if is_group and above else "" if above else group
        if above and below and not is_group and not _is_known(below, known):
            return None
        in_full = f"{group}{below}"
        if group and below and _is_known(in_full, known) and not _is_known(below, known):
            below = in_full
        keeps_above = not below or (above and not is_group and _is_known(above, known))
        names.append(above if keeps_above else below)
        groups.append("" if keeps_above else group)
    counts = Counter(names)
    return [
        f"{group}{name}" if group and counts[name] > 1 else name
        for group, name in zip(groups, names, strict=True)
    ]


def _widest_row(rows: Sequence[Cells]) -> Layout | None:
    """Return the first row that is about as wide as the widest, if it has no number."""
    widths = [sum(cell is not None for cell in row) for row in rows]
    for start, row in enumerate(rows):
        if widths[start] and widths[start] >= _TYPICAL_SHARE * max(widths):
            if any(_NUMBER.fullmatch(cell) for cell in row if cell):
                return None
            return _layout(rows, range(start, start + 1), row, frozenset())
    return None


def _refuse_unnamed(path: Path, layout: Layout, rows: Sequence[Cells]) -> None:
    """Refuse a header with a nameless column before its last that has data, or with most beyond."""
    data = rows[layout.first :]
    for position in range(layout.width):
        is_filled = any(position < len(row) and row[position] for row in data)
        if position not in layout.columns and is_filled:
            raise InputError("header_merged", file=path, column=position + 1)
    if data and data[0][layout.width :] and any(data[0][layout.width :]):
        beyond = [row for row in data if any(row[layout.width :])]
        if 2 * len(beyond) > len(data):
            raise InputError("header_merged", file=path, column=layout.width + 1)


def is_other_header(cells: Cells, layout: Layout, known: frozenset[str]) -> bool:
    """Return whether a row is the header of another table, with columns in other places."""
    if layout.names.isdisjoint(cells):
        return False
    names = {position: name for position, cell in enumerate(cells) if (name := clean_cell(cell))}
    if len(names) < _MIN_HEADER_NAMES or not all(_is_known(name, known) for name in names.values()):
        return False
    moved = (
        name in layout.names and layout.columns.get(position) != name
        for position, name in names.items()
    )
    return any(moved)


def row_kind(cells: Cells, layout: Layout) -> str:
    """Return what a row is that is no feature, an empty string for a feature.

    Returns
    -------
    str
        ``blank``, ``subtotal``, ``note`` or ``header``.
    """
    text = " ".join([cell for cell in cells if cell])
    if not text or text.isspace():
        return "blank"
    is_sparse = 2 * (len(cells) - cells.count("") - cells.count(None)) <= len(layout.columns)
    is_header = [clean_cell(cell) for cell in cells[:1]] == layout.header[:1]
    if not is_sparse and not is_header and not _SUM_HINT.search(text):
        return ""
    filled = {
        position: cell.strip() for position, cell in enumerate(cells) if cell and cell.strip()
    }
    if any(_is_sum(position, cell, filled, layout) for position, cell in filled.items()):
        return "subtotal"
    if _is_note(next(iter(filled.values())), len(filled), len(layout.columns)):
        return "note"
    return "header" if [clean_cell(cell) for cell in cells] == layout.header else ""


def _is_sum(position: int, cell: str, filled: dict[int, str], layout: Layout) -> bool:
    """Return whether a cell says that its row sums up others."""
    if len(cell) > _MAX_SUM_LENGTH or cell[0].isdigit():
        return False
    word = re.sub(r"[\s:：()（）]", "", cell).lower()
    if layout.columns.get(position, "").lower() in _REMARKS:
        return False
    if _SUM.fullmatch(word):
        return True
    has_gap = len(filled) < len(layout.columns)
    return has_gap and _NAMED_SUM.fullmatch(word) is not None


def _is_note(first: str, filled: int, columns: int) -> bool:
    """Return whether a row holds a remark or signatures below a table."""
    if columns <= 2 or 2 * filled > columns:
        return False
    if _NOTE.match(first):
        return True
    is_sentence = len(first) > _MIN_NOTE_LENGTH or any(sign in first for sign in ":：。；")
    return filled == 1 and is_sentence and not first.isascii()
