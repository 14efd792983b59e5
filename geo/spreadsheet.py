"""Cells of CSV files, escaped against formula injection (OWASP, CSV Injection).

A text that begins like a formula gets a leading apostrophe, which is removed when such a file is
read again.
"""

from datetime import datetime
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def is_formula(value: str) -> bool:
    """Return whether a spreadsheet may interpret a text as a formula."""
    return value.startswith(_FORMULA_STARTS)


def csv_cell(value: Any) -> Any:
    """Return a value as it is written to a CSV file: texts escaped, times as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and is_formula(value) else value


def unescape_cell(value: Any) -> Any:
    """Return the value of a cell that :func:`csv_cell` wrote."""
    is_escaped = isinstance(value, str) and value[:1] == "'" and value[1:2] in _FORMULA_STARTS
    return value[1:] if is_escaped else value
