"""The texts of cells without the marks that spreadsheets and web pages leave in them."""

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.types import Bools

_BLANK = r"[\s\x{00a0}\x{1680}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{2064}\x{3000}\x{feff}]"
_INVISIBLE = r"[\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{feff}]"
_WIDE_BLANK = r"[\x{00a0}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"
_AS_TEXT = r'^="(.*)"$'
"""A text that a spreadsheet shall not take for a number: ``="00017"``."""

_FULL_WIDTH = {
    code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0).isalnum()
} | {ord("－"): "-", ord("＿"): "_", ord("．"): ".", ord("／"): "/", ord("＃"): "#"}
"""Full-width letters, digits and joining signs, which an input method leaves in codes."""

_EMPTY_SIGNS = (
    *("—", "–", "-", "——", "--", "―", "－", "/", "\\", "／", "*", "n/a", "na", "null", "nil"),
    *("不详", "未知", "不明", "暂无", "未填", "未测", "待查", "待定", "无数据", "无资料", "缺"),
)
"""What is written where a value is not known. 无 is not among them: it may also be a zero."""

_EMPTY_CODES = (*_EMPTY_SIGNS, "无", "none", "nan", "nat", "<null>", "(null)", "空")
"""What people and programs write where there is no code."""

_MADE_FLOAT = r"^(\d{6,})\.0+$"
_EXACT_FLOAT, _EXACT_SINGLE = 2.0**53, 2.0**24


def clean_texts(values: pa.Array) -> pa.Array:
    """Return texts without blanks around them and without ``="..."``, null where nothing is left.

    Parameters
    ----------
    values
        Arrow array of strings.
    """
    plain = pc.replace_substring_regex(values, f"^{_BLANK}+|{_BLANK}+$", "")
    plain = pc.replace_substring_regex(plain, _AS_TEXT, r"\1")
    return pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)


def clear_empty_signs(values: pa.Array, kept: Sequence[str] = (), more: str = "") -> pa.Array:
    """Return texts with null for the signs of an empty cell, such as a dash.

    Parameters
    ----------
    values
        Arrow array of strings.
    kept
        Signs that have a meaning of their own.
    more
        Another sign, of which the column knows that it stands for no value.
    """
    signs = [sign for sign in (*_EMPTY_SIGNS, more) if sign and sign not in kept]
    is_sign = pc.is_in(pc.utf8_lower(values), pa.array(signs, pa.string()))
    return pc.if_else(is_sign, pa.scalar(None, pa.string()), values)


def clean_codes(values: pa.Array) -> pa.Array:
    """Return codes in one spelling: without marks, full-width letters and digits as ASCII.

    Signs for no code, such as a dash or NULL, become null.

    Parameters
    ----------
    values
        Arrow array of strings.
    """
    plain = _fold_full_width(clean_texts(values))
    plain = pc.replace_substring_regex(plain, rf"^'(.*)'$|^'|{_INVISIBLE}", r"\1")
    if not pc.all(pc.string_is_ascii(plain)).as_py():
        plain = pc.replace_substring_regex(plain, _WIDE_BLANK, " ")
    plain = clean_texts(pc.replace_substring_regex(plain, _MADE_FLOAT, r"\1"))
    is_sign = pc.is_in(pc.utf8_lower(plain), pa.array(_EMPTY_CODES, pa.string()))
    return pc.if_else(is_sign, pa.scalar(None, pa.string()), plain)


def _fold_full_width(values: pa.Array) -> pa.Array:
    has_wide = pc.match_substring_regex(values, r"[\x{ff01}-\x{ff5e}]").fill_null(False)
    if not pc.any(has_wide).as_py():
        return values
    texts = (text and text.translate(_FULL_WIDTH) for text in values.to_pylist())
    return pa.array(texts, pa.string())


def code_texts(values: pa.Array) -> pa.Array:
    """Return codes that are floats as texts: 17.0 as 17.

    A number from 2^53 on (2^24 in a column of single precision), whose last digits are lost, is
    written as 4.2e+17 for the checks to refuse.

    Parameters
    ----------
    values
        Arrow array of floats.
    """
    exact = _EXACT_FLOAT if pa.types.is_float64(values.type) else _EXACT_SINGLE
    return pa.array([_code_text(value, exact) for value in values.to_pylist()], pa.string())


def _code_text(value: float | None, exact: float) -> str | None:
    if value is None or value != value:
        return None
    if abs(value) >= exact:
        return f"{value:.16e}"
    return str(int(value)) if value.is_integer() else repr(value)


_DATE = re.compile(
    r"(\d{4})(?:([-/.年])(\d{1,2})(?:[-/.月](\d{1,2})日?|月?)|(\d{2})(\d{2})?)(?:[ T].*)?"
)
"""Year, month and day in this order; a month without a day is its first day."""


def parse_dates(values: pa.Array) -> tuple[pa.Array, Bools]:
    """Return values as dates, and bool of shape (n,) of those that are no date.

    Only texts that begin with the year are read: 03/04/2025 can be two days.
    """
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return values.cast(pa.date32(), safe=False), np.zeros(len(values), dtype=bool)
    plain = values.cast(pa.string()).to_pylist()
    dates = [None if text is None else _date(text.strip()) for text in plain]
    unread = [text is not None and day is None for text, day in zip(plain, dates, strict=True)]
    return pa.array(dates, pa.date32()), np.array(unread, dtype=bool)


def _date(text: str) -> date | None:
    parts = _DATE.fullmatch(text.removesuffix(".0"))
    if parts is None:
        return None
    month, day = parts[3] or parts[5], parts[4] or parts[6] or "1"
    try:
        return date(int(parts[1]), int(month), int(day))
    except ValueError:
        return None
