"""Fill our columns from those of a file by its mapping: clean, translate and convert values."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.input import synonyms
from etl.input.cell_texts import clean_codes, clean_texts, clear_empty_signs, code_texts
from etl.input.feature_batch import Batch, to_text_array
from etl.input.layer_columns import (
    is_code,
    is_text,
)
from etl.input.mapping import IMPLIED_VALUES, ColumnRule, Mapping
from etl.input.pipe_columns import (
    fill_hydrant_types,
    merge_sections,
    separate_pressure_classes,
)
from etl.input.units import (
    convert_figure,
    has_figures,
    is_measure,
    scale,
    unit_factor,
)

_STATE_HEADER = re.compile("(?<!完好)状态|(?:zt|status|state)$")
"""Headers of states, whose numbers are codes of their source, unlike those of a yes or no such as
完好状态."""


def apply_mapping(mapping: Mapping, batch: Batch) -> Batch:
    """Return a batch with our columns in place of those of the file."""
    columns: dict[str, pa.Array] = {}
    for name, rule in mapping.columns.items():
        columns[name] = _fill_column(name, rule, mapping.table, batch)
    if "pressure_mpa" in columns and mapping.table == "pipe_segment":
        columns |= separate_pressure_classes(columns)
    if "section_mm" in columns:
        columns["diameter_mm"] = merge_sections(columns.get("diameter_mm"), columns["section_mm"])
    if mapping.table == "pipe_node" and (kind := mapping.columns.get("kind")) and kind.source:
        kinds = batch.columns[kind.source]
        columns["hydrant_type"] = fill_hydrant_types(columns.get("hydrant_type"), kinds)
    constants = IMPLIED_VALUES.get(mapping.layer, {}) | mapping.constants
    for name, value in constants.items():
        columns[name] = pa.array([value] * len(batch))
    if mapping.key:
        parts = [_key_texts(batch.columns[name]) for name in mapping.key]
        columns["code"] = pc.binary_join_element_wise(*parts, "-")
    if "code" in columns:
        columns["code"] = _with_prefix(columns["code"], mapping.code_prefix)
    if "households" in columns and mapping.table == "building":
        survey = pa.array(["survey"] * len(batch), pa.string())
        known = pc.if_else(columns["households"].is_valid(), survey, pa.scalar(None, pa.string()))
        columns.setdefault("households_source", known)
    return replace(batch, columns=columns)


def _fill_column(name: str, rule: ColumnRule, layer: str, batch: Batch) -> pa.Array:
    if rule.source is None:
        return pa.array([rule.default] * len(batch))
    values = batch.columns[rule.source]
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pa.types.is_large_string(values.type):
        values = values.cast(pa.string())
    if pa.types.is_string(values.type):
        values = clean_codes(values) if is_code(name) else clean_texts(values)
    elif is_code(name) and pa.types.is_floating(values.type):
        values = code_texts(values)
    translations = synonyms.value_translations(name, layer) | rule.values
    if pa.types.is_string(values.type) and rule.otherwise is None and not is_text(layer, name):
        no_value = "无" if is_measure(name) else ""
        values = clear_empty_signs(values, tuple(rule.values), no_value)
    if "true" in translations and not rule.values:
        values = _mark_state_numbers(values, rule.source)
    if translations:
        values = _translate(values, translations, rule.otherwise)
    if has_figures(name):
        values = _convert_figures(name, values, rule.unit)
    if rule.default is not None:
        values = _fill_missing(values, rule.default)
    return values


def _fill_missing(values: pa.Array, default: str | float | bool) -> pa.Array:
    """Return values with a default for those that are missing.

    One of another type makes them texts, for the checks to report.
    """
    kind = pa.scalar(default).type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if is_number and (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        wide = pa.float64() if pa.types.is_floating(kind) else values.type
        return pc.fill_null(values.cast(wide), pa.scalar(default, wide))
    if kind == values.type:
        return pc.fill_null(values, pa.scalar(default))
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return pc.fill_null(values.cast(pa.string()), text)


def _translate(values: pa.Array, translations: dict[str, Any], otherwise: Any) -> pa.Array:
    """Return values in our terms; one without a translation stays, for the checks to report."""
    codes = values.cast(pa.string()).dictionary_encode()
    ours = []
    for word in codes.dictionary.to_pylist():
        fallback = word if otherwise is None else str(otherwise)
        ours.append(str(translations.get(word, translations.get(word.lower(), fallback))))
    return pa.array(ours, pa.string()).take(codes.indices)


def _mark_state_numbers(values: pa.Array, header: str) -> pa.Array:
    """Return values with the header before 0 and 1, for the checks to report, under one of a state.

    使用状态 is 0 for "in use" with surveyors of pipes, and 1 with others; 是否在用 is clear.
    """
    if not _STATE_HEADER.search(synonyms.normalize_name(header)):
        return values
    texts = values.cast(pa.string())
    is_number = pc.match_substring_regex(texts, r"^[01](\.0)?$")
    marked = pc.binary_join_element_wise(pa.scalar(header), texts, "=")
    return pc.if_else(is_number, marked, texts)


def _convert_figures(column: str, values: pa.Array, unit: str | None) -> pa.Array:
    """Return figures in the unit of our column; what is no figure stays, for the checks to report.

    A figure with a unit of its own is converted from that, any other from the column's.
    """
    stated_factor = unit_factor(column, unit) if unit else None
    factor = stated_factor or 1.0
    if factor == 1.0 and (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return values
    numbers = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    unread = np.flatnonzero(np.isnan(numbers) & ~np.asarray(values.is_null(nan_is_null=True)))
    if factor == 1.0 and len(unread) == 0:
        return values
    figures = np.array([scale(number, factor) for number in numbers.tolist()])
    texts: dict[int, str] = {}
    for row in unread.tolist():
        text = str(values[row].as_py())
        figure = convert_figure(column, text, stated_factor)
        if figure is None:
            texts[row] = text
        else:
            figures[row] = figure
    if not texts:
        return pa.array(figures, from_pandas=True)
    return to_text_array([texts.get(row, figure) for row, figure in enumerate(figures.tolist())])


def _key_texts(values: pa.Array) -> pa.Array:
    """Return the values of a column as parts of a code."""
    if pa.types.is_floating(values.type):
        return code_texts(values)
    texts = values.cast(pa.string())
    return clean_codes(texts) if pa.types.is_string(values.type) else texts


def _with_prefix(codes: pa.Array, prefix: str) -> pa.Array:
    texts = codes.cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), texts, "") if prefix else texts
