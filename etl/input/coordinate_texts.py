"""Coordinates as texts: decimals, degrees with minutes and seconds, both in one column."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from geo.types import Floats

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("º˚度", "°"),
        **dict.fromkeys("’‘′´`分", "'"),
        **dict.fromkeys("″”“秒", '"'),
        **dict.fromkeys("−–—", "-"),
    }
)
_HEMISPHERES = {"东经": "E", "西经": "W", "北纬": "N", "南纬": "S"}

_HALF = r"(?P<{0}>[NSEW])?"
_NUMBER = re.compile(rf"{_HALF.format('a')}\s*(?P<n>[+-]?\d+(\.\d*)?)\s*°?\s*{_HALF.format('b')}")
_SEXAGESIMAL = re.compile(
    rf"{_HALF.format('a')}\s*(?P<sign>[+-]?)(?P<d>\d{{1,3}})\s*(?P<u>[°:\s-])\s*"
    r"(?P<m>\d{1,2}(\.\d+)?)\s*([':\s-]\s*((?P<s>\d{1,2}(\.\d+)?)\s*(\"|'')?)?)?\s*"
    rf"{_HALF.format('b')}"
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}")
_POINT_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,(\d{1,2}|\d{4,})")
_EITHER = re.compile(r"[+-]?\d{1,3},\d{3}")

_PAIR_SEPARATORS = (";", "|", "、", ",", " ")
_BRACKETS = "()[]{}<>"


def parse_coordinates(column: pa.Array, halves: str) -> Floats:
    """Return the coordinates of a column, shape (n,), float64; NaN for what is none.

    Of ``112,143`` it is told from the other values whether the comma divides thousands or decimals;
    if they don't show it, it is no coordinate.

    Parameters
    ----------
    halves
        Letters of the hemispheres that its values may have: ``EW`` or ``NS``.
    """
    values = column.to_pandas()
    numbers = np.array(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    rows = np.flatnonzero(np.isnan(numbers) & values.notna().to_numpy())
    texts = [_plain(str(values.iloc[row])) for row in rows]
    comma = _meaning_of_comma(texts)
    for row, text in zip(rows.tolist(), texts, strict=True):
        numbers[row] = _parse(text, halves, comma)
    return numbers


def split_pairs(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the two parts of each value of a column that holds both coordinates."""
    pairs = [_split_pair(value) for value in column.to_pylist()]
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.array(first, pa.string()), pa.array(second, pa.string())


def has_pairs(values: Sequence[object]) -> bool:
    """Return whether most of some values are pairs of coordinates."""
    texts = pa.array([None if value is None else str(value) for value in values], pa.string())
    known = texts.drop_null()
    first, second = split_pairs(known)
    numbers = parse_coordinates(first, "EWNS") + parse_coordinates(second, "EWNS")
    return len(known) > 0 and bool(np.isfinite(numbers).mean() > 0.5)


def _split_pair(value: object) -> tuple[str | None, str | None]:
    text = "" if value is None else _plain(str(value)).strip(_BRACKETS + " ")
    for separator in _PAIR_SEPARATORS:
        parts = [part.strip() for part in text.split(separator) if part.strip()]
        if len(parts) == 2:
            return parts[0], parts[1]
    return None, None


def _plain(text: str) -> str:
    """Return a text with the signs of a keyboard: full-width ones and typographic quotes folded."""
    for word, letter in _HEMISPHERES.items():
        text = text.replace(word, letter)
    return unicodedata.normalize("NFKC", text.translate(_SIGNS)).strip().upper()


def _meaning_of_comma(texts: Sequence[str]) -> str:
    """Return ``,`` if commas divide thousands, ``.`` if decimals, nothing if it is not clear."""
    is_thousands = any(_THOUSANDS.fullmatch(text) for text in texts)
    is_decimal = any(_DECIMAL_COMMA.fullmatch(text) for text in texts)
    if is_thousands == is_decimal:
        return ""
    return "," if is_thousands else "."


def _parse(text: str, halves: str, comma: str) -> float:
    if _THOUSANDS.fullmatch(text) or (comma == "," and _EITHER.fullmatch(text)):
        return float(text.replace(",", ""))
    if _POINT_THOUSANDS.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    if _DECIMAL_COMMA.fullmatch(text) or (comma == "." and _EITHER.fullmatch(text)):
        return float(text.replace(",", "."))
    if match := _NUMBER.fullmatch(text):
        return float(match["n"]) * _direction(match, halves)
    if match := _SEXAGESIMAL.fullmatch(text.replace(",", ".")):
        return _degrees(match) * _direction(match, halves)
    return np.nan


def _degrees(match: re.Match[str]) -> float:
    """Return the degrees of degrees, minutes and seconds, NaN if they are none.

    Whole minutes without seconds are a place that was cut off.
    """
    minutes, seconds = float(match["m"]), float(match["s"] or 0)
    is_cut_off = match["s"] is None and "." not in match["m"]
    if is_cut_off or minutes >= 60 or seconds >= 60:
        return np.nan
    degrees = float(match["d"]) + minutes / 60 + seconds / 3600
    return -degrees if match["sign"] == "-" else degrees


def _direction(match: re.Match[str], halves: str) -> float:
    """Return the sign of a value by its hemisphere, NaN if that is of the other axis."""
    letters = {letter for letter in (match["a"], match["b"]) if letter}
    if len(letters) > 1 or not letters <= set(halves):
        return np.nan
    return -1.0 if letters & {"S", "W"} else 1.0
