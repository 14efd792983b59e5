"""Mapping files: how the columns, values, units and coordinates of a source become ours.

One TOML file a source (``docs/imports.md``); :func:`guess_mapping` makes one from the column names
of a file.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from etl.input import synonyms
from etl.input.datum import GRID_SUFFIXES
from etl.input.encoding import decode_document
from etl.input.layer_columns import (
    MATCHING_COLUMNS,
    REGISTER,
    RESIDENT,
    deliverable_columns,
)
from etl.input.tabular import CoordinateColumns
from etl.input.units import (
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


Shift = Literal["gcj02", "bd09"]
Unit = Literal["m", "cm", "mm"]
Percent = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A limit. NaN would be none: nothing is beyond it."""


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
        """The table that the features go to."""
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
