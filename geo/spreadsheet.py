"""Cells of tables that no spreadsheet takes for formulas.

One rule for every CSV file: a text that begins like a formula gets an apostrophe before it, which
is taken off where such a file is read again (OWASP, CSV Injection).
"""

from datetime import datetime
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def is_formula(value: str) -> bool:
    """Return whether a spreadsheet may take a text for a formula."""
    return value.startswith(_FORMULA_STARTS)


def csv_cell(value: Any) -> Any:
    """Return a value as it is written to a CSV file: texts escaped, times as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and is_formula(value) else value


def unescape_cell(value: Any) -> Any:
    """Return a cell that :func:`csv_cell` wrote as it was before."""
    is_escaped = isinstance(value, str) and value[:1] == "'" and value[1:2] in _FORMULA_STARTS
    return value[1:] if is_escaped else value
