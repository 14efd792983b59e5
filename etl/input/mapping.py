"""Mapping files: how a source's columns, values, units and coordinates become ours.

One TOML file a source (``docs/imports.md``); :func:`guessed` makes one from the names that a file's
columns have.
"""

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
from etl.input.feature_batch import Batch, to_text_array
from etl.input.layer_columns import MATCHING_COLUMNS, REGISTER, deliverable_columns
from etl.input.tabular import CoordinateColumns
from geo.errors import InputError
from geo.model import LAYERS

LAYER_ALIASES = {"community": "region", "hydrant": "pipe_node"}
"""Names on the command line for a part of a layer."""

LAYER_SETS = {"pipe": ("pipe_node", "pipe_segment"), "city": tuple(LAYERS)}
"""Names for every layer of one file that is called like one of ours."""

IMPLIED_VALUES: dict[str, dict[str, str]] = {
    "community": {"level": "community"},
    "hydrant": {"kind": "hydrant", "network": "water"},
}
"""What such a name says of every feature."""

_UNIT_M = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "km": 1000.0, "ft": 0.3048}
_UNIT_MPA = {"mpa": 1.0, "kpa": 0.001, "bar": 0.1, "pa": 1e-6}
_UNIT_L_S = {"l/s": 1.0, "m3/h": 1 / 3.6, "l/min": 1 / 60, "m3/s": 1000.0}
_UNIT_T = {"t": 1.0, "kg": 0.001}
UNITS = {"_mm": {unit: factor * 1000 for unit, factor in _UNIT_M.items()}, "_m": _UNIT_M}
UNITS |= {"_mpa": _UNIT_MPA, "_l_s": _UNIT_L_S, "_t": _UNIT_T}
"""Factors from a unit to ours, by the ending of our column."""

Shift = Literal["gcj02", "bd09"]


class StrictModel(BaseModel):
    """Settings in which a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid")


class ColumnRule(StrictModel):
    """Where a column of ours comes from.

    ``source`` is the name in the file; ``unit`` what its figures are in; ``values`` translates;
    ``otherwise`` stands for a value that has no translation, ``default`` for none at all.
    """

    source: str | None = Field(default=None, alias="from")
    unit: str | None = None
    values: dict[str, str | int | float | bool] = {}
    otherwise: str | int | float | bool | None = None
    default: str | int | float | bool | None = None


class Coordinates(StrictModel):
    """The system of the coordinates, where the file does not say it or says it wrongly."""

    crs: str | None = None
    override: bool = False
    shift: Shift | None = None
    swap_axes: bool = False
    unit: Literal["m", "cm", "mm"] = "m"
    lon: str | None = None
    lat: str | None = None
    wkt: str | None = None

    def columns(self) -> CoordinateColumns | None:
        """Return the columns that say where, if they are named."""
        named = self.wkt or (self.lon and self.lat)
        return CoordinateColumns(self.lon, self.lat, self.wkt) if named else None


class GuardLimits(StrictModel):
    """The guard's limits for this source, in place of the installation's."""

    removed_percent: float | None = None
    changed_percent: float | None = None
    area_percent: float | None = None
    rejected_percent: float | None = None


class Mapping(StrictModel):
    """A mapping file."""

    layer: str
    source: str = ""
    file: str = ""
    file_layer: str | None = None
    encoding: str | None = None
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
    def _short_forms(cls, data: Any) -> Any:
        """Let ``name = "MC"`` stand for ``name = { from = "MC" }``, and a key be one name."""
        if not isinstance(data, dict):
            return data
        columns = data.get("columns", {})
        if isinstance(columns, dict):
            columns = {n: {"from": c} if isinstance(c, str) else c for n, c in columns.items()}
        key = data.get("key", [])
        return {**data, "columns": columns, "key": [key] if isinstance(key, str) else key}

    @property
    def table(self) -> str:
        """Return the table that the layer's features go to."""
        return LAYER_ALIASES.get(self.layer, self.layer)


def read_mapping(path: Path) -> Mapping:
    """Return a mapping file.

    Raises
    ------
    InputError
        If it is no TOML, or a name or value in it is none that is known.
    """
    try:
        with path.open("rb") as file:
            return validate_mapping(tomllib.load(file), str(path))
    except OSError as error:
        raise InputError("file_missing", file=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("mapping_no_toml", file=path, said=error) from error


def merge_options(
    mapping: Mapping | None, layer: str, crs: str, source: str, partial: bool
) -> Mapping:
    """Return a mapping with what the command line says besides.

    Raises
    ------
    InputError
        If the mapping is of another layer.
    """
    if mapping is None:
        mapping = validate_mapping({"layer": layer}, layer)
    if mapping.layer != layer:
        raise InputError("mapping_of_other_layer", layer=layer, other=mapping.layer)
    coordinates = mapping.coordinates
    if crs:
        coordinates = coordinates.model_copy(update={"crs": crs})
    return mapping.model_copy(
        update={
            "coordinates": coordinates,
            "source": source or mapping.source,
            "partial": partial or mapping.partial,
        }
    )


def validate_mapping(data: dict[str, Any], name: str) -> Mapping:
    """Return a mapping from its values, if they are ones."""
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError("mapping_wrong", file=name, where=where, said=first["msg"]) from error
    _check(mapping, name)
    for other in mapping.also:
        _check(other, name)
    return mapping


def _check(mapping: Mapping, name: str) -> None:
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
    _check_units(mapping, name)


def mappable_columns(table: str) -> dict[str, str]:
    """Return the columns that a mapping can fill, with the names that they go by."""
    named = synonyms.COLUMNS[table]
    if table == REGISTER:
        return named
    columns = (*deliverable_columns(table), *MATCHING_COLUMNS.get(table, ()))
    return {column: named.get(column, "") for column in columns if column != "geom"}


def _check_units(mapping: Mapping, name: str) -> None:
    for column, rule in mapping.columns.items():
        if rule.unit is not None and rule.unit.lower() not in units_of(column):
            units = ", ".join(units_of(column)) or "-"
            raise InputError("mapping_unit", file=name, column=column, unit=rule.unit, units=units)


def units_of(column: str) -> dict[str, float]:
    """Return the units that a column's figures can be given in, with their factors."""
    return next((table for ending, table in UNITS.items() if column.endswith(ending)), {})


def guess_mapping(layer: str, fields: Sequence[str], source: str) -> Mapping:
    """Return the mapping that a file's column names suggest."""
    table = LAYER_ALIASES.get(layer, layer)
    plain = {synonyms.normalize_name(name): name for name in reversed(fields)}
    columns: dict[str, ColumnRule] = {}
    taken: set[str] = set()
    for column, words in mappable_columns(table).items():
        names = (synonyms.normalize_name(column), *words.split())
        found = next((plain[name] for name in names if name in plain), None)
        if found is not None and found not in taken:
            columns[column] = ColumnRule.model_validate({"from": found})
            taken.add(found)
    return Mapping(layer=layer, source=source, columns=columns)


def refuse_missing_columns(mapping: Mapping, fields: Sequence[str], path: Path, layer: str) -> None:
    """Refuse a file without a column that its mapping names."""
    wanted = [rule.source for rule in mapping.columns.values() if rule.source]
    for name in (*wanted, *mapping.key):
        if name not in fields:
            raise InputError(
                "mapped_column_missing",
                file=path,
                layer=layer,
                column=name,
                columns=", ".join(fields) or "-",
            )


def apply_mapping(mapping: Mapping, batch: Batch) -> Batch:
    """Return a batch with our columns in place of the file's."""
    columns: dict[str, pa.Array] = {}
    for name, rule in mapping.columns.items():
        columns[name] = _column(name, rule, mapping.table, batch)
    said = IMPLIED_VALUES.get(mapping.layer, {}) | mapping.constants
    for name, value in said.items():
        columns[name] = pa.array([value] * len(batch))
    if mapping.key:
        columns["code"] = _key(batch, mapping.key)
    if "code" in columns:
        columns["code"] = _code(columns["code"], mapping.code_prefix)
    if "households" in columns and mapping.table == "building":
        survey = pa.array(["survey"] * len(batch), pa.string())
        known = pc.if_else(columns["households"].is_valid(), survey, pa.scalar(None, pa.string()))
        columns.setdefault("households_source", known)
    return replace(batch, columns=columns)


def _column(name: str, rule: ColumnRule, layer: str, batch: Batch) -> pa.Array:
    if rule.source is None:
        return pa.array([rule.default] * len(batch))
    values = batch.columns[rule.source]
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pa.types.is_large_string(values.type):
        values = values.cast(pa.string())
    if pa.types.is_string(values.type):
        values = _trim(values)
    known = synonyms.value_translations(name, layer) | rule.values
    if known:
        values = _translate(values, known, rule.otherwise)
    if rule.unit:
        values = _convert_units(values, units_of(name)[rule.unit.lower()])
    if rule.default is not None:
        values = pc.fill_null(values, pa.scalar(rule.default, _kind(values, rule.default)))
    return values


def _kind(values: pa.Array, default: object) -> pa.DataType:
    return pa.string() if pa.types.is_string(values.type) else pa.scalar(default).type


def _trim(values: pa.Array) -> pa.Array:
    """Return texts without blanks around them; an empty one is none."""
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _translate(values: pa.Array, known: dict[str, Any], otherwise: Any) -> pa.Array:
    """Return values in our terms; one without a translation stays, for the checks to name."""
    codes = values.cast(pa.string()).dictionary_encode()
    ours = []
    for word in codes.dictionary.to_pylist():
        fallback = word if otherwise is None else str(otherwise)
        ours.append(str(known.get(word, known.get(word.lower(), fallback))))
    return pa.array(ours, pa.string()).take(codes.indices)


def _convert_units(values: pa.Array, factor: float) -> pa.Array:
    """Return figures in our unit; what is no figure stays, for the checks to name."""
    figures = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    ours = figures * factor
    bad = np.isnan(figures) & ~np.asarray(values.is_null())
    if not bad.any():
        return pa.array(ours, from_pandas=True)
    raw = values.to_pylist()
    return to_text_array([raw[i] if bad[i] else ours[i] for i in range(len(raw))])


def _key(batch: Batch, names: list[str]) -> pa.Array:
    """Return a code of several columns, joined by hyphens."""
    parts = [batch.columns[name].cast(pa.string()) for name in names]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "-")


def _code(codes: pa.Array, prefix: str) -> pa.Array:
    """Return codes as texts; a code that a spreadsheet made a figure of is one again."""
    if pa.types.is_floating(codes.type):
        whole = codes.to_pandas()
        known = whole.notna()
        codes = pa.array([f"{v:.0f}" if k else None for v, k in zip(whole, known, strict=True)])
    said = codes.cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), said, "") if prefix else said
