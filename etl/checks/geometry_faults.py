"""Find geometry that a layer can't hold: of another type, empty, off the earth, too detailed."""

import re
from functools import cache
from typing import Any

import numpy as np
import shapely

from etl.checks.faults import Fault
from etl.checks.geometry_repair import MAX_VERTICES
from etl.input.feature_batch import Batch
from etl.input.layer_columns import (
    INFERRED_COLUMNS,
    check_constraints,
    geometry_kind,
    table_of,
)

_TYPES = {
    "POINT": {shapely.GeometryType.POINT},
    "LINESTRING": {shapely.GeometryType.LINESTRING, shapely.GeometryType.MULTILINESTRING},
    "MULTIPOLYGON": {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON},
}

_MAX_LON_LAT = np.array([180.0, 89.0])  # degrees; Web Mercator has no poles

MIN_AREA_DEG2 = 1e-12
"""About 0.01 m2: a smaller polygon is not a building, compound or region."""

_KINDS = re.compile(r"GeometryType\(geom\) IN \((.+)\)")


@np.errstate(invalid="ignore", over="ignore")  # NaN and endless ones are a fault of their own
def geometry_faults(batch: Batch, layer: str) -> list[Fault]:
    """Find geometry that the layer can't hold."""
    values = batch.geometry
    there = ~shapely.is_missing(values)
    nullable = table_of(layer).c.geom.nullable or "geom" in INFERRED_COLUMNS.get(layer, ())
    kind = geometry_kind(layer)
    kinds = list(_TYPES.get(kind, shapely.GeometryType))
    wrong = there & ~np.isin(shapely.get_type_id(values), kinds)
    empty = there & shapely.is_empty(values)
    faults = [
        Fault("geometry_of_other_kind", wrong, lambda row: _kind_detail(values[row], kind)),
        Fault("geometry_empty", empty, lambda _: {"column": "geom"}),
        _find_off_the_earth(batch),
        _find_too_detailed(batch),
    ]
    if not nullable:
        faults.insert(0, Fault("value_missing", ~there, lambda _: {"column": "geom"}))
    if allowed := _allowed_kinds(layer):
        other = there & ~np.isin([getattr(v, "geom_type", "").upper() for v in values], allowed)
        named = ", ".join(allowed)
        faults.append(
            Fault("geometry_of_other_kind", other, lambda row: _kind_detail(values[row], named))
        )
    if kind == "MULTIPOLYGON":
        flat = there & ~wrong & ~empty & ~(np.abs(shapely.area(values)) >= MIN_AREA_DEG2)
        faults.append(Fault("no_area_left", flat, lambda _: {}))
    if kind == "LINESTRING":
        short = there & ~wrong & ~empty & (shapely.length(values) == 0)
        faults.append(Fault("no_length", short, lambda _: {}))
    return faults


@cache
def _allowed_kinds(layer: str) -> tuple[str, ...]:
    """Return the geometry types of a layer that holds several; empty for one with a single type."""
    rules = filter(None, map(_KINDS.fullmatch, check_constraints(layer)))
    kinds = [kind.strip(" '") for rule in rules for kind in rule[1].split(",")]
    return (*kinds, *(["MULTILINESTRING"] if "LINESTRING" in kinds else ()))


def _kind_detail(shape: Any, kind: str) -> dict[str, Any]:
    return {"value": shape.geom_type, "kind": kind}


def _find_off_the_earth(batch: Batch) -> Fault:
    """Find geometries with vertices outside the range of degrees."""
    values = batch.geometry
    bounds = np.abs(shapely.bounds(values))
    # Bounds ignore a NaN vertex, lengths don't.
    inside = (bounds <= np.tile(_MAX_LON_LAT, 2)).all(axis=1) & np.isfinite(shapely.length(values))
    rows = ~inside & (shapely.get_num_coordinates(values) > 0)

    def detail(row: int) -> dict[str, Any]:
        corners = shapely.get_coordinates(values[row])
        far = ~(np.isfinite(corners) & (np.abs(corners) <= _MAX_LON_LAT)).all(axis=1)
        return {"place": "{:.6g} {:.6g}".format(*corners[far][0])}

    return Fault("geometry_off_the_earth", rows, detail)


def _find_too_detailed(batch: Batch) -> Fault:
    """Find geometries with more vertices than are allowed."""
    corners = shapely.get_num_coordinates(batch.geometry)

    def detail(row: int) -> dict[str, Any]:
        return {"count": int(corners[row]), "limit": MAX_VERTICES}

    return Fault("too_many_vertices", corners > MAX_VERTICES, detail)
