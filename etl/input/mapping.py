"""Mapping files: how the columns, values, units and coordinates of a source become ours.

One TOML file a source (``docs/imports.md``); :func:`guess_mapping` makes one from the column names
of a file.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from etl.input import synonyms
from etl.input.cell_texts import (
    MADE_FLOAT_PART,
    clean_codes,
    clean_texts,
    clear_empty_signs,
    code_texts,
)
from etl.input.datum import GRID_SUFFIXES
from etl.input.encoding import decode_document
from etl.input.feature_batch import Batch, to_text_array
from etl.input.layer_columns import (
    BUILDING_PARTS,
    INFERRED_COLUMNS,
    MATCHING_COLUMNS,
    REGISTER,
    RESIDENT,
    deliverable_columns,
    is_code,
    is_text,
    required_columns,
)
from etl.input.pipe_columns import (
    fill_hydrant_types,
    find_depth_of,
    merge_kinds,
    merge_sections,
    separate_pressure_classes,
)
from etl.input.source import Source
from etl.input.tabular import CoordinateColumns
from etl.input.units import (
    LARGE_FIGURES,
    convert_figure,
    has_figures,
    header_unit,
    is_measure,
    scale,
    split_header,
    unit_factor,
    units_of_column,
)
from geo.errors import InputError
from geo.model import LAYERS

LAYER_ALIASES = {"community": "region", "hydrant": "pipe_node"}
"""Names on the command line for a part of a layer."""

LAYER_SETS = {"pipe": ("pipe_node", "pipe_segment"), "city": tuple(LAYERS)}
"""Names for all layers of a file that have the name of one of these layers."""

IMPLIED_VALUES: dict[str, dict[str, str]] = {
    "community": {"level": "community"},
    "hydrant": {"kind": "hydrant", "network": "water"},
}
"""Values of every feature that follow from such a name."""

DERIVED_COLUMNS = ("level", "parent_code")
"""Columns that follow from the code of a division."""

_BUILDING_LINKS = {"building_code", "unit_code", "address"}
"""Columns of which one says in which building a feature is."""

_CODE_SOURCES = {
    "dwelling": {"code", "room", "address"},
    "entity": {"code", "credit_code"},
}
"""Columns from one of which the code of a feature follows."""

Shift = Literal["gcj02", "bd09"]
Unit = Literal["m", "cm", "mm"]
Percent = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A limit. NaN would be none: nothing is beyond it."""

_GENERIC = ("编码", "编号", "代码", "名称", "类型", "类别", "地址", "状态", "id", "bm", "bh", "mc")
"""Names of columns that say less than another one of the same layer, such as 楼栋编码."""

_MIN_PREFIX_LENGTH = 2
"""Characters of a header from which on it may be the beginning of a known name."""

_STATE_HEADER = re.compile("(?<!完好)状态|(?:zt|status|state)$")
"""Headers of states, whose numbers are codes of their source, unlike those of a yes or no such as
完好状态."""

_NUMBERED = re.compile(r"_\d{1,2}$")
"""Number of a header that a shapefile cut to the same name as another."""


class StrictModel(BaseModel):
    """Settings in which an unknown name is an error."""

    model_config = ConfigDict(extra="forbid")


class ColumnRule(StrictModel):
    """How a column of ours is filled.

    ``source`` is the name in the file and ``unit`` the unit of its figures; ``values`` translates;
    ``otherwise`` replaces a value without translation, ``default`` a missing one.
    """

    source: str | None = Field(default=None, alias="from")
    unit: str | None = None
    values: dict[str, str | int | float | bool] = {}
    otherwise: str | int | float | bool | None = None
    default: str | int | float | bool | None = None

    def stated_unit(self, column: str) -> str | None:
        """Return the unit of figures that have none of their own; None if nothing states it."""
        return self.unit or (header_unit(column, self.source) if self.source else None)


class Coordinates(StrictModel):
    """The coordinate system, where the file does not name it or names a wrong one.

    ``transformation`` leads from its datum to CGCS2000: an operation of PROJ, or a grid file.
    """

    crs: str | None = None
    override: bool = False
    shift: Shift | None = None
    transformation: str | None = None
    swap_axes: bool = False
    unit: Unit = "m"
    lon: str | None = None
    lat: str | None = None
    lonlat: str | None = None
    wkt: str | None = None

    def columns(self) -> CoordinateColumns | None:
        """Return the columns with the coordinates, if the mapping names them."""
        is_named = self.wkt or self.lonlat or (self.lon and self.lat)
        columns = CoordinateColumns(self.lon, self.lat, self.wkt, self.lonlat)
        return columns if is_named else None


class GuardLimits(StrictModel):
    """Limits of the guard for this source, in place of those of the installation."""

    removed_percent: Percent | None = None
    changed_percent: Percent | None = None
    area_percent: Percent | None = None
    rejected_percent: Percent | None = None


class Mapping(StrictModel):
    """A mapping file."""

    layer: str
    source: str = ""
    file: str = ""
    file_layer: str | None = None
    encoding: str | None = None
    cad_layers: list[str] = []
    partial: bool = False
    code_prefix: str = ""
    key: list[str] = []
    columns: dict[str, Annotated[ColumnRule, Field()]] = {}
    constants: dict[str, str | int | float | bool] = {}
    coordinates: Coordinates = Coordinates()
    guard: GuardLimits = GuardLimits()
    also: list["Mapping"] = []

    @model_validator(mode="before")
    @classmethod
    def _expand_short_forms(cls, data: Any) -> Any:
        """Expand ``name = "MC"`` to ``name = { from = "MC" }``, and a key of one name to a list."""
        if not isinstance(data, dict):
            return data
        columns = data.get("columns", {})
        if isinstance(columns, dict):
            columns = {n: {"from": c} if isinstance(c, str) else c for n, c in columns.items()}
        key = data.get("key", [])
        return {**data, "columns": columns, "key": [key] if isinstance(key, str) else key}

    @property
    def table(self) -> str:
        """Return the table that the features go to."""
        return LAYER_ALIASES.get(self.layer, self.layer)


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises
    ------
    InputError
        If it is missing or no TOML, or has an unknown name or a wrong value.
    """
    try:
        document = decode_document(path.read_bytes())
        mapping = validate_mapping(tomllib.loads(document), str(path))
    except OSError as error:
        raise InputError("file_missing", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError("mapping_encoding", file=path) from error
    except InputError as error:
        if error.key == "encoding_unclear":
            raise InputError("mapping_encoding", file=path) from error
        raise
    except tomllib.TOMLDecodeError as error:
        raise InputError("mapping_no_toml", file=path, said=error) from error
    for part in (mapping, *mapping.also):
        transformation = part.coordinates.transformation or ""
        if transformation.lower().endswith(GRID_SUFFIXES):
            part.coordinates.transformation = str(path.parent / transformation)
    return mapping


def merge_options(
    mapping: Mapping | None,
    layer: str,
    *,
    crs: str = "",
    override_crs: bool = False,
    file_layer: str = "",
    source: str = "",
    partial: bool = False,
) -> Mapping:
    """Return a mapping with the options of the command line added.

    Raises
    ------
    InputError
        If the mapping is for another layer, or a layer of the file is named for several of ours.
    """
    if mapping is None:
        mapping = validate_mapping({"layer": layer}, layer)
    if mapping.layer != layer:
        raise InputError("mapping_of_other_layer", layer=layer, other=mapping.layer)
    if file_layer and layer in LAYER_SETS:
        raise InputError("file_layer_of_set", layer=layer, layers=", ".join(LAYER_SETS[layer]))
    coordinates = mapping.coordinates
    if crs:
        override = override_crs or coordinates.override
        coordinates = coordinates.model_copy(update={"crs": crs, "override": override})
    return mapping.model_copy(
        update={
            "coordinates": coordinates,
            "file_layer": file_layer or mapping.file_layer,
            "source": source or mapping.source,
            "partial": partial or mapping.partial,
        }
    )


def validate_mapping(data: dict[str, Any], name: str) -> Mapping:
    """Return the mapping that a parsed TOML document describes.

    Parameters
    ----------
    name
        Name of the document, for messages.

    Raises
    ------
    InputError
        If a name is unknown or a value is wrong.
    """
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError("mapping_wrong", file=name, where=where, said=first["msg"]) from error
    for part in (mapping, *mapping.also):
        _check_names(part, name)
    for part in mapping.also:
        if part.layer in LAYER_SETS:
            layers = ", ".join([*synonyms.COLUMNS, *LAYER_ALIASES])
            raise InputError("no_such_layer", layer=part.layer, layers=layers)
    return mapping


def _check_names(mapping: Mapping, name: str) -> None:
    """Refuse a mapping with a layer, column or unit that does not exist."""
    if mapping.layer in LAYER_SETS:
        if mapping.columns or mapping.constants or mapping.key:
            layers = ", ".join(LAYER_SETS[mapping.layer])
            raise InputError("mapping_of_set", file=name, layer=mapping.layer, layers=layers)
        return
    if mapping.table not in synonyms.COLUMNS:
        layers = ", ".join([*synonyms.COLUMNS, *LAYER_ALIASES, *LAYER_SETS])
        raise InputError("no_such_layer", layer=mapping.layer, layers=layers)
    known = mappable_columns(mapping.table)
    for column in (*mapping.columns, *mapping.constants):
        if column not in known:
            raise InputError("mapping_column", file=name, column=column, columns=", ".join(known))
    for column, rule in mapping.columns.items():
        if rule.unit is not None and unit_factor(column, rule.unit) is None:
            units = ", ".join(units_of_column(column)) or "-"
            raise InputError("mapping_unit", file=name, column=column, unit=rule.unit, units=units)


def mappable_columns(table: str) -> dict[str, str]:
    """Return the columns that a mapping can fill, each with its synonyms in one text."""
    named = synonyms.COLUMNS[table]
    if table in (REGISTER, RESIDENT):
        return named
    columns = (*deliverable_columns(table), *MATCHING_COLUMNS.get(table, ()))
    return {column: named.get(column, "") for column in columns if column != "geom"}


def guess_mapping(layer: str, fields: Sequence[str], source: str) -> Mapping:
    """Return the mapping that the column names of a file suggest.

    A header may have a unit of its column in brackets: ``高度（cm）``. A header without brackets
    takes precedence, and so does 楼栋编码 before 编码.
    """
    headers = [(name, *split_header(name)) for name in fields]
    plain = {
        synonyms.normalize_name(name if unit else stem): name
        for name, stem, unit in reversed(headers)
        # not where the unit is a sign, such as ‰, which the normalized name lacks
        if not unit or synonyms.normalize_name(name) != synonyms.normalize_name(stem)
    }
    columns: dict[str, ColumnRule] = {}
    taken: set[str] = set()
    for column, words in mappable_columns(LAYER_ALIASES.get(layer, layer)).items():
        names = (synonyms.normalize_name(column), *sorted(words.split(), key=_GENERIC.__contains__))
        field = next((plain[name] for name in names if name in plain), None)
        unit = None
        if field is None:
            with_unit = (
                (name, unit)
                for synonym in names
                for name, stem, unit in headers
                if synonyms.normalize_name(stem) == synonym and unit_factor(column, unit)
            )
            field, unit = next(with_unit, (None, None))
        if field is not None and field not in taken:
            columns[column] = ColumnRule.model_validate({"from": field, "unit": unit})
            taken.add(field)
    sources = {column: rule.source for column, rule in columns.items() if rule.source}
    if depth_of := find_depth_of(sources):
        columns.setdefault("depth_of", ColumnRule(default=depth_of))
    return Mapping(layer=layer, source=source, columns=columns)


def unused_columns(mapping: Mapping, fields: Sequence[str]) -> dict[str, str | None]:
    """Return the columns of a file that a mapping does not use.

    Returns
    -------
    dict
        The column of ours that each resembles, None if it resembles none that is still empty.
    """
    used = {rule.source for rule in mapping.columns.values()} | {*mapping.key}
    known = mappable_columns(mapping.table)
    empty = {column: known[column] for column in known if column not in mapping.columns}
    return {name: _similar_column(name, empty) for name in fields if name not in used}


def _similar_column(header: str, columns: dict[str, str]) -> str | None:
    """Return the first column with a name of which a header is the beginning, or nearly all.

    A header may have been cut off, numbered because it was cut to one that was there already
    (所属_1), or given a unit or another word (实有户数).
    """
    plain = _NUMBERED.sub("", split_header(header)[0])
    stem = synonyms.normalize_name(plain)
    for column, words in columns.items():
        for name in (synonyms.normalize_name(column), *words.split()):
            is_beginning = len(stem) >= _MIN_PREFIX_LENGTH and name.startswith(stem)
            is_longer = len(name) >= _MIN_PREFIX_LENGTH and (
                (stem.startswith(name) and 2 * len(name) > len(stem))
                or (stem.endswith(name) and 2 * len(name) >= len(stem))
            )
            if stem == name or is_beginning or is_longer:
                return column
    return None


def refuse_missing_columns(mapping: Mapping, fields: Sequence[str], path: Path, layer: str) -> None:
    """Refuse a file that lacks a column which its mapping names.

    Raises
    ------
    InputError
        With the first such column.
    """
    required = [rule.source for rule in mapping.columns.values() if rule.source]
    for name in (*required, *mapping.key):
        if name not in fields:
            raise InputError(
                "mapped_column_missing",
                file=path,
                layer=layer,
                column=name,
                columns=", ".join(fields) or "-",
            )


def refuse_unfilled_columns(mapping: Mapping, source: Source, path: Path) -> None:
    """Refuse a layer without a column for its codes, or for another value that every row needs.

    Raises
    ------
    InputError
        With the columns of the file, each with the column of ours that it resembles.
    """
    filled = {*mapping.columns, *mapping.constants, *IMPLIED_VALUES.get(mapping.layer, {})}
    if mapping.key:
        filled.add("code")
    if mapping.table == REGISTER:
        is_joined = source.has_place or filled & {"code", "unit_code", "address"}
        key, missing = "no_register_column", [] if is_joined else ["code"]
        _refuse_unread_count(mapping, source, path)
    elif mapping.table in _CODE_SOURCES and not filled & _CODE_SOURCES[mapping.table]:
        key, missing = "no_code_column", ["code"]
    elif mapping.table in BUILDING_PARTS and not (source.has_place or filled & _BUILDING_LINKS):
        key, missing = "no_register_column", ["code"]
    else:
        inferred = {"geom", *INFERRED_COLUMNS.get(mapping.table, ()), *DERIVED_COLUMNS}
        required = [column.name for column in required_columns(mapping.table)]
        missing = [name for name in required if name not in filled | inferred]
        key = "no_code_column" if "code" in missing else "no_required_column"
    if missing:
        raise InputError(
            key,
            file=path,
            layer=source.layer,
            missing=", ".join(missing),
            columns=", ".join(_describe_columns(mapping, source.fields)) or "-",
        )


def _refuse_unread_count(mapping: Mapping, source: Source, path: Path) -> None:
    """Refuse a register with a count of households that is not read: a row would count as one."""
    unused = unused_columns(mapping, source.fields)
    counts = [name for name, similar in unused.items() if similar == "households"]
    if counts and "households" not in mapping.constants:
        raise InputError(
            "register_count_unread", file=path, layer=source.layer, column=", ".join(counts)
        )


def _describe_columns(mapping: Mapping, fields: Sequence[str]) -> list[str]:
    """Return the columns of a file, each with the column of ours that it resembles."""
    similar = unused_columns(mapping, fields)
    return [f"{name} (≈ {similar[name]})" if similar.get(name) else name for name in fields]


def apply_mapping(mapping: Mapping, batch: Batch) -> Batch:
    """Return a batch with our columns in place of those of the file."""
    columns: dict[str, pa.Array] = {}
    for name, rule in mapping.columns.items():
        columns[name] = _fill_column(name, rule, mapping.table, batch)
    if "pressure_mpa" in columns and mapping.table == "pipe_segment":
        columns |= separate_pressure_classes(columns)
    if "section_mm" in columns:
        columns["diameter_mm"] = merge_sections(columns.get("diameter_mm"), columns["section_mm"])
    if "feature" in columns:
        feature = _fill_column("kind", mapping.columns["feature"], mapping.table, batch)
        columns["kind"] = merge_kinds(columns.get("kind"), feature)
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
        values = _convert_figures(name, values, rule.stated_unit(name))
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
    limit, large_unit = (None, "") if unit else LARGE_FIGURES.get(column, (None, ""))
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if factor == 1.0 and limit is None and is_number:
        return values
    numbers = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    unread = np.flatnonzero(np.isnan(numbers) & ~np.asarray(values.is_null(nan_is_null=True)))
    is_large = np.zeros(len(numbers), dtype=bool) if limit is None else np.abs(numbers) >= limit
    if factor == 1.0 and len(unread) == 0 and not is_large.any():
        return values
    factors = np.where(is_large, unit_factor(column, large_unit) or factor, factor)
    figures = np.array([scale(*pair) for pair in zip(numbers.tolist(), factors, strict=True)])
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
    if not prefix:
        return texts
    is_number = pc.match_substring_regex(texts, MADE_FLOAT_PART)  # for the checks to report
    return pc.if_else(is_number, texts, pc.binary_join_element_wise(pa.scalar(prefix), texts, ""))
