"""Validation of a batch by itself: types, domains, ranges and geometry of its features.

The rules are those of ``geo.model``. Each fault names the feature, the column and the value. The
checks against other features are in :mod:`etl.checks.integrity`.
"""

import re
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Column, SmallInteger

from etl.checks.faults import GARBLED, Fault, KnownValues, format_value
from etl.checks.geometry_faults import geometry_faults
from etl.input.cell_texts import parse_dates
from etl.input.feature_batch import Batch
from etl.input.layer_columns import (
    INFERRED_COLUMNS,
    check_constraints,
    deliverable_columns,
    is_code,
    required_columns,
    table_of,
)
from etl.input.reader_findings import RowFault, faults_of_columns
from etl.input.synonyms import FALSE_WORDS, TRUE_WORDS, describe_values
from etl.input.units import storage_unit
from geo.types import Bools, Floats

_MAX_INTEGER = 2**31 - 1
_MAX_SMALLINT = 2**15 - 1
_MAX_TEXT = 2000

_SPREADSHEET_ERROR = r"^#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!|#+)$"
_SCIENTIFIC = r"^[0-9]([.,][0-9]+)?[eE]\+[0-9]+$|^[0-9][.,][0-9]+[eE][0-9]+$"
"""A code that a spreadsheet or database made a number, of which digits are lost."""

_SPREADSHEET_DATE = (
    r"^(?:(?:19[3-9]|20[0-4])\d[-/](?:0?[1-9]|1[0-2])[-/](?:0?[1-9]|[12]\d|3[01])"
    r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?|"
    r"\d{1,2}月\d{1,2}日|\d{1,2}:\d{2}:\d{2}|\d{1,2}-MONTH|MONTH-\d{2})$"
).replace("MONTH", "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)")
"""A date or time into which a spreadsheet turns 3-1 or 1:2, spelt as spreadsheets do: SEP-1 and
1203-1-2 are codes."""


_SMALLEST = {"diameter_mm": 5.0}
"""Smallest figure above zero, which is no figure: a diameter of 0.3 is one in metres."""

_NUMBERED = ("name", "address", "unit", "floor", "room")
"""Columns besides codes in which a date can only be a number that a spreadsheet converted."""

_ONE_LINE = ("code", "name")
_CONTROL = r"[\x00-\x1f\x7f\x{80}-\x{9f}]"
_CONTROL_BUT_BREAKS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{80}-\x{9f}]"
"""Control characters, in the syntax of RE2; addresses and notes may have tabs and line breaks."""


_RANGE = re.compile(r"(\w+) BETWEEN (-?[\d.]+) AND (-?[\d.]+)")
_LIST = re.compile(r"(\w+) IN \((.+)\)")


def check_batch(
    batch: Batch, layer: str, known: KnownValues, doubtful: Bools | None = None
) -> tuple[Batch, list[Fault]]:
    """Cast the columns of a batch to the types of the table, and find its faults.

    Parameters
    ----------
    doubtful
        bool array of shape (n,): features whose outline is ambiguous.
    """
    faults: list[Fault] = []
    columns: dict[str, pa.Array] = {}
    for name in deliverable_columns(layer):
        if name in batch.columns:
            columns[name] = _cast_column(batch.columns[name], table_of(layer).c[name], faults)
    cast = replace(batch, columns=columns)
    if layer == "region" and "code" in columns:
        faults += _division_code_faults(columns["code"])
    faults += _spreadsheet_date_faults(batch)
    faults += _missing_value_faults(cast, layer)
    faults += _domain_faults(cast, layer)
    faults += _reference_faults(cast, layer, known)
    faults += geometry_faults(cast, layer)
    if doubtful is not None and doubtful.any():
        faults.append(Fault("outline_doubtful", doubtful, lambda _: {}))
    return cast, [fault for fault in faults if fault.rows.any()]


def reader_faults(batch: Batch, ignored: set[str], *, hides_values: bool = False) -> list[Fault]:
    """Return the faults that the reader found in the rows of a batch, one a row.

    Parameters
    ----------
    ignored
        Columns that are not used, whose faults do not count.
    hides_values
        Leave out the values: they may name persons.
    """
    if batch.faults is None:
        return []
    first: dict[int, RowFault] = {}
    for row, found in enumerate(batch.faults):
        if relevant := faults_of_columns(found, ignored):
            first[row] = relevant[0]
    faults = []
    for key in {fault.key for fault in first.values()}:
        rows = np.array([row in first and first[row].key == key for row in range(len(batch))])
        faults.append(Fault(key, rows, lambda row: _detail_to_show(first[row], hides_values)))
    return faults


def _detail_to_show(fault: RowFault, hides_values: bool) -> dict[str, Any]:
    detail = (
        {}
        if hides_values
        else {
            name: format_value(value) if isinstance(value, str) else value
            for name, value in fault.detail.items()
        }
    )
    return {"column": fault.column or "", **detail}


def _cast_column(values: pa.Array, column: Column[Any], faults: list[Fault]) -> pa.Array:
    kind = column.type.python_type
    if kind is int:
        return _to_integers(values, column, faults)
    if kind is float:
        return _to_floats(values, column, faults)
    if kind is bool:
        return _to_booleans(values, column, faults)
    if kind is date:
        dates, unread = parse_dates(values)
        faults.append(_fault("value_not_date", unread, column.name, values))
        return dates
    return _to_texts(values, column, faults)


def _fault(key: str, rows: Bools, column: str, values: pa.Array, **more: object) -> Fault:
    def detail(row: int) -> dict[str, Any]:
        return {"column": column, "value": format_value(values[row].as_py()), **more}

    return Fault(key, rows, detail)


def _numbers(values: pa.Array) -> Floats:
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    figures = pd.to_numeric(values.to_pandas(), errors="coerce")
    return np.asarray(figures.to_numpy(dtype=np.float64, na_value=np.nan))


def _is_null(values: pa.Array) -> Bools:
    return np.asarray(pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False))


def _to_integers(values: pa.Array, column: Column[Any], faults: list[Fault]) -> pa.Array:
    largest = _MAX_SMALLINT if isinstance(column.type, SmallInteger) else _MAX_INTEGER
    numbers, missing = _numbers(values), _is_null(values)
    with np.errstate(invalid="ignore"):
        fits = (numbers == np.round(numbers)) & (np.abs(numbers) <= largest)
    faults.append(_fault("value_not_whole", ~missing & ~fits, column.name, values))
    return pa.array(np.where(fits, numbers, 0).astype(np.int64), mask=missing)


def _to_floats(values: pa.Array, column: Column[Any], faults: list[Fault]) -> pa.Array:
    numbers, missing = _numbers(values), _is_null(values)
    faults.append(_fault("value_not_number", ~missing & np.isnan(numbers), column.name, values))
    return pa.array(numbers, mask=missing)


def _to_booleans(values: pa.Array, column: Column[Any], faults: list[Fault]) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values
    missing = _is_null(values)
    words = pc.utf8_lower(values.cast(pa.string()))
    true = pc.is_in(words, pa.array(TRUE_WORDS))
    known = np.asarray(pc.or_(true, pc.is_in(words, pa.array(FALSE_WORDS))))
    allowed = describe_values(column.name, column.table.name, ("true", "false"))
    unknown = ~missing & ~known
    faults.append(_fault("value_not_truth", unknown, column.name, values, allowed=allowed))
    return pa.array(np.asarray(true), mask=missing)


def _to_texts(values: pa.Array, column: Column[Any], faults: list[Fault]) -> pa.Array:
    if pa.types.is_floating(values.type):
        # Spreadsheets deliver 301 as 301.0.
        plain = [None if v is None or v != v else f"{v:.15g}" for v in values.to_pylist()]
        values = pa.array(plain, pa.string())
    elif not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    control = _CONTROL if column.name in _ONE_LINE else _CONTROL_BUT_BREAKS
    unfit = pc.or_(
        pc.match_substring_regex(values, control), pc.match_substring(values, GARBLED)
    ).fill_null(False)
    faults.append(_fault("value_not_text", np.asarray(unfit), column.name, values))
    error = pc.match_substring_regex(values, _SPREADSHEET_ERROR).fill_null(False)
    faults.append(_fault("spreadsheet_error", np.asarray(error), column.name, values))
    if is_code(column.name):
        number = pc.match_substring_regex(values, _SCIENTIFIC).fill_null(False)
        faults.append(_fault("code_scientific", np.asarray(number), column.name, values))
    long = pc.greater(pc.utf8_length(values), _MAX_TEXT).fill_null(False)
    faults.append(_fault("text_too_long", np.asarray(long), column.name, values, limit=_MAX_TEXT))
    return values


def _division_code_faults(codes: pa.Array) -> list[Fault]:
    """Find codes that are too short for a division, and others that are none."""
    right = pc.match_substring_regex(codes, "^[0-9]{12}$").fill_null(True)
    short = pc.match_substring_regex(codes, "^[0-9]{2,11}$").fill_null(False)

    def detail(row: int) -> dict[str, Any]:
        code = codes[row].as_py()
        return {"column": "code", "value": code, "full": code.ljust(12, "0")}

    return [
        Fault("division_code_short", np.asarray(short), detail),
        _fault("division_code_wrong", ~np.asarray(pc.or_(right, short)), "code", codes),
    ]


def _spreadsheet_date_faults(batch: Batch) -> list[Fault]:
    """Find codes, names and parts of addresses that a spreadsheet has converted to dates."""
    faults = []
    for name, values in batch.columns.items():
        if (is_code(name) or name in _NUMBERED) and pa.types.is_string(values.type):
            is_date = pc.match_substring_regex(values, _SPREADSHEET_DATE).fill_null(False)
            faults.append(_fault("spreadsheet_date", np.asarray(is_date), name, values))
    return faults


def _missing_value_faults(batch: Batch, layer: str) -> list[Fault]:
    """Find features without a required value."""
    faults = []
    for column in required_columns(layer):
        if column.name == "geom" or column.name in INFERRED_COLUMNS.get(layer, ()):
            continue
        if column.name not in batch.columns:
            rows = np.ones(len(batch), dtype=bool)
        else:
            values = batch.columns[column.name]
            rows = _is_null(values)
            if column.name == "code":
                rows |= np.asarray(pc.equal(values, "").fill_null(False))
        faults.append(_absent(rows, column.name))
    return faults


def _absent(rows: Bools, column: str) -> Fault:
    return Fault("value_missing", rows, lambda _: {"column": column})


@cache
def domains(layer: str) -> list[tuple[str, str, Any]]:
    """Return column, rule, and bounds or list of values, of the one-column rules of a layer."""
    columns: list[tuple[str, str, Any]] = []
    for rule in check_constraints(layer):
        if parts := _RANGE.fullmatch(rule):
            columns.append((parts[1], rule, (float(parts[2]), float(parts[3]))))
        elif parts := _LIST.fullmatch(rule):
            columns.append((parts[1], rule, [word.strip(" '") for word in parts[2].split(",")]))
    return columns


def _domain_faults(batch: Batch, layer: str) -> list[Fault]:
    faults = []
    for column, _, domain in domains(layer):
        if column not in batch.columns:
            continue
        values = batch.columns[column]
        if isinstance(domain, list):
            inside = pc.is_in(values, pa.array(domain))
        else:
            inside = pc.and_(pc.greater_equal(values, domain[0]), pc.less_equal(values, domain[1]))
            if column in _SMALLEST:
                is_none = pc.equal(values, 0.0)
                inside = pc.and_(
                    inside, pc.or_(is_none, pc.greater_equal(values, _SMALLEST[column]))
                )
                domain = (_SMALLEST[column], domain[1])
        outside = ~np.asarray(inside.fill_null(True)) & ~_is_null(values)
        faults.append(_domain_fault(outside, column, values, layer, domain))
    return faults


def _domain_fault(
    rows: Bools, column: str, values: pa.Array, layer: str, domain: list[str] | tuple[float, float]
) -> Fault:
    """Return the fault of values that are not in a list, or out of a range."""
    if isinstance(domain, list):
        allowed = describe_values(column, layer, domain)
        return _fault("word_unknown", rows, column, values, allowed=allowed)
    low, high = (f"{bound:.15g}" for bound in domain)
    unit = f" {storage_unit(column)}".rstrip()
    return _fault("value_out_of_range", rows, column, values, low=low, high=high, unit=unit)


def _reference_faults(batch: Batch, layer: str, known: KnownValues) -> list[Fault]:
    """Find codes of another city, unknown communities, and years in the future."""
    faults = []
    if layer == "region" and known.cities and "code" in batch.columns:
        codes = batch.columns["code"]
        foreign = np.ones(len(batch), dtype=bool)
        for stem in known.cities:
            foreign &= ~np.asarray(pc.starts_with(codes, stem).fill_null(True))
        cities = ", ".join(known.cities)
        faults.append(_fault("code_of_other_city", foreign, "code", codes, cities=cities))
    if known.regions and "region_code" in batch.columns:
        codes = batch.columns["region_code"]
        unknown = ~np.asarray(pc.is_in(codes, _region_codes(known)).fill_null(True))
        faults.append(_fault("region_unknown", unknown & ~_is_null(codes), "region_code", codes))
    if "year_built" in batch.columns:
        years = batch.columns["year_built"]
        future = np.asarray(pc.greater(years, known.year).fill_null(False))
        faults.append(_fault("year_in_future", future, "year_built", years, year=known.year))
    return faults


@cache
def _region_codes(known: KnownValues) -> pa.Array:
    return pa.array(sorted(known.regions), pa.string())
