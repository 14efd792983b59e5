"""Staging: a delivery is copied beside the live tables, and every value checked there.

The database's rules are those of ``geo.model``; a delivery that breaks one is refused with the
feature, the value and the rule, before anything live is touched.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Connection,
    DefaultClause,
    SmallInteger,
    Table,
    text,
)

from geo import crs
from geo.errors import InputError
from geo.model import STORAGE_SRID, Base

_BATCH = 20_000
_KEPT_BY_DATABASE = {"valid_from", "valid_to", "revision", "source"}
_LARGEST = 2**31 - 1
_LARGEST_SMALL = 2**15 - 1
_FARTHEST = np.array([180.0, 89.0])  # degrees; Web Mercator has no poles
_LONGEST_SHOWN = 80  # characters of a value in a message

_TRUE = ("true", "1", "1.0", "yes")  # as files of many formats write it
_FALSE = ("false", "0", "0.0", "no")

_KINDS = {
    "POINT": {shapely.GeometryType.POINT},
    "LINESTRING": {shapely.GeometryType.LINESTRING},
    "MULTIPOLYGON": {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON},
}

Flags = NDArray[np.bool_]
Values = NDArray[np.object_]


def stage(connection: Connection, layer: str, frames: Iterable[gpd.GeoDataFrame]) -> Iterator[int]:
    """Copy the frames of a layer into the temporary table ``staged_<layer>``.

    Parameters
    ----------
    frames
        Parts of the layer, columns named as the table's; a column that is left out gets the
        table's default.

    Yields
    ------
    int
        Rows copied so far.

    Raises
    ------
    InputError
        If a value is of the wrong kind or outside its domain, or a code is there twice.
    """
    table = Base.metadata.tables[layer]
    listed = ", ".join(f'"{column}"' for column in columns(layer))
    connection.execute(
        text(f"CREATE TEMPORARY TABLE staged_{layer} AS SELECT {listed} FROM {layer} WITH NO DATA")
    )
    done = 0
    for frame in frames:
        for start in range(0, len(frame), _BATCH):
            batch = frame.iloc[start : start + _BATCH]
            _copy(connection, table, batch)
            done += len(batch)
            yield done
    connection.execute(text(f"ANALYZE staged_{layer}"))
    _refuse_missing(connection, table)
    _refuse_repeated(connection, layer)
    _refuse_broken_rules(connection, table)


def columns(layer: str) -> list[str]:
    """Return the columns of a layer that a delivery fills."""
    return [
        column.name
        for column in Base.metadata.tables[layer].columns
        if not isinstance(column.server_default, Computed) and column.name not in _KEPT_BY_DATABASE
    ]


def _copy(connection: Connection, table: Table, frame: gpd.GeoDataFrame) -> None:
    names = columns(table.name)
    series = [_values(frame, table.c[name]) for name in names]
    listed = ", ".join(f'"{name}"' for name in names)
    driver: Any = connection.connection.driver_connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY staged_{table.name} ({listed}) FROM STDIN") as copy,
    ):
        for row in zip(*series, strict=True):
            copy.write_row(row)


def _values(frame: gpd.GeoDataFrame, column: Column[Any]) -> list[Any]:
    """Return a column as the database takes it; what is missing gets the column's default."""
    if column.name == "geom":
        return _ewkb(frame, column)
    default = _default(column)
    if column.name not in frame.columns:
        return [default] * len(frame)
    series = frame[column.name]
    missing = series.isna().to_numpy()
    kind = column.type.python_type
    if kind in (int, float):
        values = _numbers(frame, column, missing)
    elif kind is bool:
        values = _truths(frame, column, missing)
    else:
        values = _texts(frame, column, missing)
    return [default if gone else value for value, gone in zip(values, missing, strict=True)]


def _default(column: Column[Any]) -> str | None:
    """Return a column's default as text, which COPY reads as any kind."""
    if isinstance(column.server_default, DefaultClause):
        return str(column.server_default.arg)
    return None


def _numbers(frame: gpd.GeoDataFrame, column: Column[Any], missing: Flags) -> list[Any]:
    series = frame[column.name]
    figures = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if column.type.python_type is float:
        _refuse("value_not_number", frame, column, ~missing & np.isnan(figures))
        return list(figures)
    largest = _LARGEST_SMALL if isinstance(column.type, SmallInteger) else _LARGEST
    whole = (figures == np.round(figures)) & (np.abs(figures) <= largest)
    _refuse("value_not_whole", frame, column, ~missing & ~whole)
    return list(np.where(missing, 0, figures).astype(np.int64).tolist())


def _truths(frame: gpd.GeoDataFrame, column: Column[Any], missing: Flags) -> list[Any]:
    words = frame[column.name].astype(str).str.lower()
    known = words.isin([*_TRUE, *_FALSE]).to_numpy(dtype=bool)
    _refuse("value_not_truth", frame, column, ~missing & ~known)
    return list(words.isin(_TRUE))


def _texts(frame: gpd.GeoDataFrame, column: Column[Any], missing: Flags) -> list[Any]:
    values = [
        "" if gone else str(value) for value, gone in zip(frame[column.name], missing, strict=True)
    ]
    unfit = np.array(["\0" in value for value in values])  # all that PostgreSQL can't hold
    _refuse("value_not_text", frame, column, unfit)
    return list(values)


def _ewkb(frame: gpd.GeoDataFrame, column: Column[Any]) -> list[str | None]:
    """Return geometry in the storage system, of the kind that the column holds."""
    geometry = frame.geometry
    if geometry.crs is not None and geometry.crs != crs.STORAGE:
        geometry = geometry.to_crs(crs.STORAGE)
    values = shapely.force_2d(geometry.to_numpy())
    _refuse_unfit_geometry(frame, column, values)
    if _kind(column) == "MULTIPOLYGON":
        single = shapely.get_type_id(values) == shapely.GeometryType.POLYGON
        values[single] = shapely.multipolygons(values[single], indices=np.arange(single.sum()))
    return list(shapely.to_wkb(shapely.set_srid(values, STORAGE_SRID), hex=True, include_srid=True))


def _kind(column: Column[Any]) -> str:
    return str(getattr(column.type, "geometry_type", ""))


def _refuse_unfit_geometry(frame: gpd.GeoDataFrame, column: Column[Any], values: Values) -> None:
    there = ~shapely.is_missing(values)
    kinds = list(_KINDS.get(_kind(column), shapely.GeometryType))
    wrong = there & ~np.isin(shapely.get_type_id(values), kinds)
    shown = frame.geometry.geom_type
    _refuse("geometry_of_other_kind", frame, column, wrong, shown=shown, kind=_kind(column))
    _refuse("geometry_empty", frame, column, there & shapely.is_empty(values))
    corners, owners = shapely.get_coordinates(values, return_index=True)
    far = ~(np.isfinite(corners) & (np.abs(corners) <= _FARTHEST)).all(axis=1)
    outside = np.zeros(len(values), dtype=bool)
    outside[owners[far]] = True
    if far.any():
        place = "{:.6g} {:.6g}".format(*corners[far][0])
        _refuse("geometry_off_the_earth", frame, column, outside, place=place)


def _refuse(
    key: str,
    frame: gpd.GeoDataFrame,
    column: Column[Any],
    wrong: Flags,
    *,
    shown: pd.Series | None = None,
    **more: object,
) -> None:
    """Raise if any feature is wrong, with the first one's code and value."""
    if not wrong.any():
        return
    first = int(np.flatnonzero(wrong)[0])
    values = frame[column.name] if shown is None else shown
    raise InputError(
        key,
        layer=column.table.name,
        column=column.name,
        code=frame["code"].iloc[first],
        value=_shown(values.iloc[first]),
        count=int(wrong.sum()),
        **more,
    )


def _shown(value: object) -> str:
    """Return a value as a message shows it: on one line, not too long."""
    plain = "".join(sign if sign.isprintable() else "�" for sign in str(value))
    return plain if len(plain) <= _LONGEST_SHOWN else plain[:_LONGEST_SHOWN] + "…"


def _refuse_missing(connection: Connection, table: Table) -> None:
    for name in columns(table.name):
        if table.c[name].nullable:
            continue
        where = f'"{name}" IS NULL' + (" OR code = ''" if name == "code" else "")
        count, code = _first(connection, table.name, where, "code")
        if count:
            raise InputError(
                "value_missing", layer=table.name, column=name, code=code or "?", count=count
            )


def _refuse_repeated(connection: Connection, layer: str) -> None:
    repeated = (
        connection.execute(
            text(f"SELECT code FROM staged_{layer} GROUP BY code HAVING count(*) > 1 ORDER BY code")
        )
        .scalars()
        .all()
    )
    if repeated:
        raise InputError("code_repeated", layer=layer, count=len(repeated), code=repeated[0])


def _refuse_broken_rules(connection: Connection, table: Table) -> None:
    rules = [str(c.sqltext) for c in table.constraints if isinstance(c, CheckConstraint)]
    if not rules:
        return
    counted = ", ".join(f"count(*) FILTER (WHERE NOT ({rule}))" for rule in rules)
    counts = connection.execute(text(f"SELECT {counted} FROM staged_{table.name}")).one()
    for rule, count in zip(rules, counts, strict=True):
        if count:
            raise _broken(connection, table, rule, count)


def _broken(connection: Connection, table: Table, rule: str, count: int) -> InputError:
    """Return what is said of a rule that some rows break, with the first of them."""
    named = [name for name in columns(table.name) if re.search(rf"\b{name}\b", rule)]
    values = " || ', ' || ".join(
        f"'{name} = ' || coalesce({_as_text(name)}, '∅')" for name in named
    )
    _, said = _first(connection, table.name, f"NOT ({rule})", f"code || E'\\n' || {values}")
    code, value = said.split("\n", 1)
    return InputError(
        "row_refused",
        layer=table.name,
        code=code,
        value=_shown(value),
        rule=_shown(rule),
        count=count,
    )


def _as_text(name: str) -> str:
    return "GeometryType(geom)" if name == "geom" else f'"{name}"::text'


def _first(connection: Connection, layer: str, where: str, shown: str) -> tuple[int, str]:
    """Count the staged rows of a condition; return something of the first of them too."""
    row = connection.execute(
        text(f"SELECT count(*), min({shown}) FROM staged_{layer} WHERE {where}")
    ).one()
    return row[0], row[1]
