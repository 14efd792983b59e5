"""Layers that lie aside of the live ones as GCJ-02 or BD-09 shifts them.

Features with the same code or name are compared by their distance. A first delivery has none, so
its places are compared with the live layers of any source: moved back, it matches them (buildings
lie on buildings, pipes along roads) or contradicts them less (no road leads through a building).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from sqlalchemy import Connection, text

from etl.pipeline.delivery import Concern
from etl.pipeline.staging import ROW, Staged
from geo import crs
from geo.model import STORAGE_SRID
from geo.types import Floats, Geometries

_MIN_PAIRS = 5
_SHIFT_RANGE_M = (50.0, 1500.0)
_SHIFT_TOLERANCE_M = 25.0
_MAX_PAIRS = 2000
_MAX_SHAPES = 400
_NAMED_LAYERS = ("region", "compound", "facility")
"""Layers whose names are mostly of one feature."""

_SHIFTS = {
    "gcj02": (crs.wgs84_to_gcj02, crs.gcj02_to_wgs84),
    "bd09": (crs.wgs84_to_bd09, crs.bd09_to_wgs84),
}
_METRE_DEGREES = 1 / 111_000
_CELL_DEGREES = _SHIFT_TOLERANCE_M * _METRE_DEGREES
_NEARBY_DEGREES = 100 * _METRE_DEGREES

_SAME_OUTLINE = (
    "ST_Area(ST_Intersection(live.geom, shape.geom)) "
    "> 0.5 * greatest(ST_Area(live.geom), ST_Area(shape.geom))"
)
_INTERSECTS = "ST_Intersects(live.geom, shape.geom)"
_WITHIN_5_M = f"ST_DWithin(live.geom, shape.geom, {5 * _METRE_DEGREES})"
_WITHIN_15_M = f"ST_DWithin(live.geom, shape.geom, {15 * _METRE_DEGREES})"


@dataclass(frozen=True)
class Comparison:
    """A comparison of a layer with a live one.

    Attributes
    ----------
    live
        The live layer.
    condition
        SQL condition on ``live`` and ``shape`` that many features in their right place meet
        (``match``) or few (``conflict``).
    shapes
        What is compared of a feature: its shape, a point on it, or its border.
    kind
        ``same`` if the features themselves may be live, else ``match`` or ``conflict``.
    """

    live: str
    condition: str
    shapes: Literal["shape", "point", "border"]
    kind: Literal["same", "match", "conflict"]


_COMPARISONS: dict[str, tuple[Comparison, ...]] = {
    "region": (
        Comparison("region", _SAME_OUTLINE, "shape", "same"),
        Comparison("building", _INTERSECTS, "border", "conflict"),
    ),
    "compound": (
        Comparison("compound", _SAME_OUTLINE, "shape", "same"),
        Comparison("road", _INTERSECTS, "shape", "conflict"),
        Comparison("building", _INTERSECTS, "border", "conflict"),
    ),
    "building": (
        Comparison("building", _SAME_OUTLINE, "shape", "same"),
        Comparison("road", _INTERSECTS, "shape", "conflict"),
    ),
    "facility": (
        Comparison("facility", _WITHIN_5_M, "point", "same"),
        Comparison("building", _INTERSECTS, "point", "match"),
        Comparison("road", _WITHIN_5_M, "point", "conflict"),
    ),
    "road": (
        Comparison("road", _WITHIN_5_M, "point", "same"),
        Comparison("building", _INTERSECTS, "shape", "conflict"),
    ),
    "railway": (
        Comparison("railway", _WITHIN_5_M, "point", "same"),
        Comparison("building", _INTERSECTS, "shape", "conflict"),
    ),
    "water": (
        Comparison("water", _WITHIN_5_M, "point", "same"),
        Comparison("building", _INTERSECTS, "shape", "conflict"),
    ),
    "pipe_node": (
        Comparison("pipe_node", _WITHIN_5_M, "point", "same"),
        Comparison("road", _WITHIN_15_M, "point", "match"),
        Comparison("building", _INTERSECTS, "point", "conflict"),
    ),
    "pipe_segment": (
        Comparison("pipe_segment", _WITHIN_5_M, "point", "same"),
        Comparison("road", _WITHIN_15_M, "point", "match"),
        Comparison("building", _INTERSECTS, "shape", "conflict"),
    ),
}
"""Comparisons by layer, the surest first."""


def find_shifted_layers(
    connection: Connection, staged: dict[str, Staged], source: str, *, are_live: bool = False
) -> list[Concern]:
    """Return a concern for each layer that is shifted against live ones by GCJ-02 or BD-09.

    Parameters
    ----------
    staged
        Staging tables by layer.
    source
        Source of the delivery.
    are_live
        Whether the staged features are in the live tables already.
    """
    concerns = []
    for name, table in staged.items():
        if "geom" not in table.columns:
            continue
        if shift := _shift_of_layer(connection, table, source, are_live):
            concerns.append(Concern("shift_suspected", {"layer": name, **shift}))
    return concerns


def _shift_of_layer(
    connection: Connection, staged: Staged, source: str, are_live: bool
) -> dict[str, Any] | None:
    pairs = np.empty((0, 4)) if are_live else _pairs_by_code(connection, staged)
    if len(pairs) >= _MIN_PAIRS:
        return suspect_shift(pairs[:, :2], pairs[:, 2:])
    if staged.layer in _NAMED_LAYERS and "name" in staged.columns:
        pairs = _pairs_by_name(connection, staged, source)
        if len(pairs) >= _MIN_PAIRS and (shift := suspect_shift(pairs[:, :2], pairs[:, 2:])):
            return shift
    return _shift_by_places(connection, staged, source)


def _pairs_by_code(connection: Connection, staged: Staged) -> Floats:
    """Return the live and the delivered places of features with the same code, (n, 4)."""
    return _places(
        connection,
        "SELECT ST_X(old), ST_Y(old), ST_X(new), ST_Y(new) FROM ("
        "SELECT ST_Centroid(live.geom) AS old, ST_Centroid(staged.geom) AS new "
        f"FROM {staged.table} staged JOIN {staged.layer} live USING (code) "
        f"WHERE staged.geom IS NOT NULL AND live.geom IS NOT NULL LIMIT {_MAX_PAIRS}) pair",
    )


def _pairs_by_name(connection: Connection, staged: Staged, source: str) -> Floats:
    """Return the live and the delivered places of features with a name of their own, (n, 4)."""

    def select_named(table: str, condition: str) -> str:
        return (
            f"SELECT name, ST_Centroid(ST_Collect(geom)) AS place FROM {table} "
            f"WHERE name <> '' AND geom IS NOT NULL {condition} GROUP BY name HAVING count(*) = 1"
        )

    return _places(
        connection,
        "SELECT ST_X(live.place), ST_Y(live.place), ST_X(fresh.place), ST_Y(fresh.place) FROM "
        f"({select_named(staged.table, '')}) fresh JOIN "
        f"({select_named(staged.layer, 'AND source <> :source')}) live USING (name) "
        f"LIMIT {_MAX_PAIRS}",
        source=source,
    )


def _places(connection: Connection, statement: str, **values: Any) -> Floats:
    rows = connection.execute(text(statement), values).all()
    return np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 4)


def suspect_shift(live: Any, new: Any) -> dict[str, Any] | None:
    """Return the known shift between live and delivered places, None if there is none.

    Parameters
    ----------
    live, new
        float64 arrays of shape (n, 2): longitude and latitude in degrees.

    Returns
    -------
    dict or None
        ``shift`` (``gcj02`` or ``bd09``) and ``metres``, the median distance.
    """
    moved = _distances_m(live, new)
    if not _SHIFT_RANGE_M[0] <= np.median(moved) <= _SHIFT_RANGE_M[1]:
        return None
    for name, (shift, _) in _SHIFTS.items():
        if np.median(_distances_m(shift(live), new)) <= _SHIFT_TOLERANCE_M:
            return {"shift": name, "metres": round(float(np.median(moved)))}
    return None


def _distances_m(first: Floats, second: Floats) -> Floats:
    per_degree = np.array([111_320.0 * np.cos(np.radians(first[0, 1])), 110_950.0])
    distances: Floats = np.hypot(*((second - first) * per_degree).T)
    return distances


def _shift_by_places(connection: Connection, staged: Staged, source: str) -> dict[str, Any] | None:
    """Return the shift without which a layer fits the live ones much better."""
    shapes = _sample_shapes(connection, staged)
    if len(shapes) < _MIN_PAIRS:
        return None
    for comparison in _COMPARISONS.get(staged.layer, ()):
        delivered = _select_shapes(shapes, comparison)
        as_delivered = _count(connection, comparison, delivered, source)
        for name, moved in _moved_back(delivered):
            fitting = _count(connection, comparison, moved, source)
            if _fits_better(comparison, as_delivered, fitting, len(shapes)):
                places = [shapely.get_coordinates(shapely.centroid(s)) for s in (delivered, moved)]
                metres = round(float(np.median(_distances_m(*places))))
                return {"shift": name, "metres": metres}
    return None


def _sample_shapes(connection: Connection, staged: Staged) -> Geometries:
    """Return some of the shapes, one of those side by side: they all fit a place by one chance."""
    step = max(1, staged.rows // _MAX_SHAPES)
    wkb = connection.scalars(
        text(
            f"SELECT ST_AsBinary(geom) FROM {staged.table} WHERE geom IS NOT NULL "
            f"AND {ROW} % {step} = 0 LIMIT {_MAX_SHAPES}"
        )
    ).all()
    shapes = np.asarray(shapely.from_wkb([bytes(shape) for shape in wkb]), dtype=object)
    shapes = shapes[~shapely.is_empty(shapes)]
    cells = np.floor(shapely.get_coordinates(shapely.centroid(shapes)) / _CELL_DEGREES)
    _, first = np.unique(cells, axis=0, return_index=True)
    return shapes[np.sort(first)]


def _select_shapes(shapes: Geometries, comparison: Comparison) -> Geometries:
    if comparison.shapes == "border":
        return np.asarray(shapely.boundary(shapes), dtype=object)
    if comparison.shapes == "shape":
        return shapes
    points = np.asarray(shapely.point_on_surface(shapes), dtype=object)
    lines = shapely.get_type_id(shapes) == shapely.GeometryType.LINESTRING
    points[lines] = shapely.line_interpolate_point(shapes[lines], 0.5, normalized=True)
    return points


def _moved_back(shapes: Geometries) -> Iterator[tuple[str, Geometries]]:
    for name, (_, unshift) in _SHIFTS.items():
        moved = crs.shift(shapes, unshift)
        if not shapely.equals_exact(moved, shapes).any():
            yield name, moved


def _count(
    connection: Connection, comparison: Comparison, shapes: Geometries, source: str
) -> tuple[int, int]:
    """Return how many shapes meet the condition of a comparison, and how many are near anything."""
    others = "AND live.source <> :source" if comparison.kind == "same" else ""
    near = f"live.geom && ST_Expand(shape.geom, {_NEARBY_DEGREES}) {others}"
    counted = ", ".join(
        f"count(*) FILTER (WHERE EXISTS (SELECT FROM {comparison.live} live WHERE {condition}))"
        for condition in (f"{near} AND {comparison.condition}", near)
    )
    met_count, near_count = connection.execute(
        text(
            f"SELECT {counted} FROM (SELECT ST_GeomFromWKB(decode(wkb, 'hex'), {STORAGE_SRID}) "
            "AS geom FROM unnest(CAST(:shapes AS text[])) AS wkb) shape"
        ),
        {"shapes": shapely.to_wkb(shapes, hex=True).tolist(), "source": source},
    ).one()
    return met_count, near_count


def _fits_better(
    comparison: Comparison, before: tuple[int, int], after: tuple[int, int], total: int
) -> bool:
    """Return whether the counts after moving the shapes are better than by any chance."""
    (met, near), (met_moved, near_moved) = before, after
    spread = 2.5 * np.sqrt(met + met_moved)
    if comparison.kind == "same":
        return met_moved >= max(_MIN_PAIRS, 0.3 * total) and met <= met_moved / 4
    if comparison.kind == "match":
        return bool(met_moved - met > spread and met_moved >= 2 * met)
    is_covered = near_moved >= 0.7 * near
    return bool(is_covered and met - met_moved > spread and met_moved <= met / 4)
