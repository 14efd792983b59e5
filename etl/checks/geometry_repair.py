"""Repairing geometry: valid, of the type of its layer, rings oriented, without spikes.

Geometry that can't be repaired without guessing is left for the checks to reject.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from etl.input.feature_batch import Batch
from etl.input.layer_columns import geometry_kind
from geo.types import Bools, Geometries

AREA_TOLERANCE = 0.01
"""Share of the area by which the two readings of a self-crossing outline may differ."""

SPIKE_DEGREES = 0.5
"""A corner sharper than this is the tip of a spike; it is cut off."""

MIN_PART_DEG2 = 1e-12
"""About 0.01 m2: a smaller part of a polygon is an artefact."""

SLIT_DEG = 9e-6
"""About 1 m, as for slivers between regions: parts of a region less far apart are one piece."""

SLIT_GRID_DEG = 1e-9
"""Grid on which a slit is closed, 0.1 mm: its edges are not exactly those of the parts."""

MAX_VERTICES = 500_000
"""Of one feature; China's outline at 1:250,000 has about 200,000."""

_POLYGON, _MULTIPOLYGON = shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON
_LINE, _MULTILINE = shapely.GeometryType.LINESTRING, shapely.GeometryType.MULTILINESTRING
_AREAL = {"MULTIPOLYGON"}
_MAYBE_AREAL = {"GEOMETRY"}


@dataclass
class Repairs:
    """The number of features repaired, by kind of repair."""

    counts: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, rows: Bools) -> None:
        """Count repaired features, those set in ``rows``, bool of shape (n,)."""
        if count := int(rows.sum()):
            self.counts[what] += count


def repair_batch(batch: Batch, layer: str, repairs: Repairs) -> tuple[Batch, Bools]:
    """Repair the geometry of a batch.

    Returns
    -------
    tuple
        The batch, and a bool array of shape (n,): which outlines are ambiguous.
    """
    geometry = batch.geometry.copy()
    kind = geometry_kind(layer)
    changed = np.zeros(len(batch), dtype=bool)
    doubtful = np.zeros(len(batch), dtype=bool)
    if batch.broken is not None:
        repairs.note("rebuilt", batch.broken)
        changed |= batch.broken
    if batch.linearized is not None:
        repairs.note("arc", batch.linearized)
    changed |= _unwrap(geometry, kind)
    if kind in _AREAL | _MAYBE_AREAL:
        if kind in _AREAL:
            changed |= _close(geometry, repairs)
        areal = _is_areal(geometry) & _is_usable(geometry)
        changed |= _despike(geometry, areal, repairs)
        doubtful, repaired = _validate(geometry, areal, repairs)
        changed |= doubtful | repaired
        if layer == "region":
            changed |= _close_slits(geometry, areal, repairs)
        changed |= _orient_rings(geometry, areal & _is_areal(geometry), repairs)
    return batch.with_geometry(geometry, changed), doubtful


def _unwrap(geometry: Geometries, kind: str) -> Bools:
    """Replace collections of one part by the part; merge the lines of a collection."""
    types = shapely.get_type_id(geometry)
    several = types >= shapely.GeometryType.MULTIPOINT
    if kind in _AREAL:
        several &= types != _MULTIPOLYGON
    if not several.any():
        return several
    parts = shapely.get_num_geometries(geometry)
    single = several & (parts == 1)
    geometry[single] = shapely.get_geometry(geometry[single], 0)
    lines = (types == _MULTILINE) & (parts > 1)
    geometry[lines] = shapely.line_merge(geometry[lines])
    flags: Bools = single | lines
    return flags


def _close(geometry: Geometries, repairs: Repairs) -> Bools:
    """Convert closed lines, as CAD draws outlines, to polygons."""
    lines = shapely.get_type_id(geometry) == _LINE
    rings = np.zeros(len(geometry), dtype=bool)
    rings[lines] = shapely.is_closed(geometry[lines]) & (
        shapely.get_num_coordinates(geometry[lines]) > 3
    )
    geometry[rings] = [shapely.Polygon(shapely.get_coordinates(ring)) for ring in geometry[rings]]
    repairs.note("closed_line", rings)
    return rings


def _despike(geometry: Geometries, areal: Bools, repairs: Repairs) -> Bools:
    """Remove the spikes of polygons."""
    flags = np.zeros(len(geometry), dtype=bool)
    vertices, owner = shapely.get_coordinates(geometry[areal], return_index=True)
    if len(vertices) < 3:
        return flags
    spiked = np.unique(owner[_tips(vertices, owner)])
    rows = np.flatnonzero(areal)[spiked]
    if len(rows) == 0:
        return flags
    repaired = np.array([_without_spikes(polygon) for polygon in geometry[rows]], dtype=object)
    changed = ~shapely.equals_exact(repaired, geometry[rows])
    geometry[rows] = repaired
    flags[rows[changed]] = True
    repairs.note("spike", flags)
    return flags


def _tips(vertices: Any, owner: Any) -> Bools:
    """Return which vertices of consecutive rings are the tips of spikes."""
    squeezed = vertices * [np.cos(np.radians(np.nanmedian(vertices[:, 1]))), 1.0]
    step = np.diff(squeezed, axis=0)
    length = np.hypot(*step.T)
    with np.errstate(all="ignore"):  # NaN and endless coordinates are a fault of their own
        along = (step[:-1] * step[1:]).sum(axis=1) / (length[:-1] * length[1:])
    same = (owner[:-2] == owner[1:-1]) & (owner[1:-1] == owner[2:])
    sharp = same & (along < -np.cos(np.radians(SPIKE_DEGREES)))
    return np.concatenate([[False], sharp, [False]])


def _without_spikes(shape: shapely.Geometry) -> shapely.Geometry:
    parts = [_part_without_spikes(part) for part in shapely.get_parts(shape)]
    polygons = [part for part in parts if part is not None]
    if not polygons:
        return shape
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def _part_without_spikes(polygon: shapely.Polygon) -> shapely.Polygon | None:
    rings = [_ring_without_spikes(ring) for ring in (polygon.exterior, *polygon.interiors)]
    if rings[0] is None:
        return None
    return shapely.Polygon(rings[0], [ring for ring in rings[1:] if ring is not None])


def _ring_without_spikes(ring: shapely.LinearRing) -> Any:
    """Return the vertices of a ring without its spikes, None if nothing else is left."""
    vertices = shapely.get_coordinates(ring)[:-1]
    while len(vertices) >= 3:
        closed = np.concatenate([vertices[-1:], vertices, vertices[:1]])
        tips = _tips(closed, np.zeros(len(closed)))[1:-1]
        if not tips.any():
            return np.concatenate([vertices, vertices[:1]])
        vertices = vertices[~tips]
    return None


def _validate(geometry: Geometries, areal: Bools, repairs: Repairs) -> tuple[Bools, Bools]:
    """Make polygons valid; return which are ambiguous, and which were repaired."""
    doubtful = np.zeros(len(geometry), dtype=bool)
    rows = np.flatnonzero(areal)
    invalid = rows[~shapely.is_valid(geometry[rows])]
    for row in invalid:
        shape, sure = _make_valid(geometry[row])
        geometry[row] = shape
        doubtful[row] = not sure
    flags = np.zeros(len(geometry), dtype=bool)
    flags[invalid] = ~doubtful[invalid]
    repairs.note("made_valid", flags)
    return doubtful, flags


def _make_valid(shape: shapely.Geometry) -> tuple[shapely.Geometry, bool]:
    """Return a polygon made valid, and whether its outline can be read in one way only.

    The even-odd rule and the structure of shells and holes differ where rings overlap. A hole
    outside its shell, which both take for land, is found by cutting the shells out of the result.
    Of a ring that crosses itself like an hourglass, both take the lobes, although its corners may
    as well be in the wrong order: its signed area, in which the lobes subtract, is smaller. Parts
    that overlap are joined, unless one lies within another, which may be meant as its courtyard.
    """
    parts = shapely.get_parts(shape)
    if len(parts) > 1 and not _is_nested(parts):
        valid, sure = zip(*(_make_valid(part) for part in parts), strict=True)
        return shapely.union_all([_polygons_of(part) for part in valid]), all(sure)
    odd = _polygons_of(shapely.make_valid(shape, method="linework"))
    meant = _polygons_of(shapely.make_valid(shape, method="structure", keep_collapsed=False))
    if odd.area == 0 or meant.area == 0:
        return shape, odd.area == meant.area
    differs = max(
        shapely.area(shapely.symmetric_difference(odd, meant)),
        shapely.area(shapely.difference(meant, _shells(shape))),
    )
    limit = AREA_TOLERANCE * max(odd.area, meant.area)
    return meant, max(differs, _opposed_area(shape)) <= limit


def _is_nested(parts: Geometries) -> bool:
    """Return whether the outer ring of a polygon lies within that of another."""
    shells = np.array([_shells(part) for part in parts], dtype=object)
    inner, outer = shapely.STRtree(shells).query(shells, predicate="covered_by")
    return bool((inner != outer).any())


def _opposed_area(shape: shapely.Geometry) -> float:
    """Return the area of the lobes in which rings run against their direction."""
    rings = shapely.get_rings(shape)
    signed = np.abs([_signed_area(shapely.get_coordinates(ring)) for ring in rings])
    lobes = [_polygons_of(shapely.make_valid(shapely.Polygon(ring))).area for ring in rings]
    return float(np.maximum(lobes - signed, 0.0).sum())


def _signed_area(corners: Any) -> float:
    """Return the area that a closed (n, 2) ring encloses, negative if it runs clockwise."""
    x, y = (corners - corners[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _shells(shape: shapely.Geometry) -> Any:
    """Return the area that the outer rings of polygons enclose."""
    outer = shapely.get_exterior_ring(shapely.get_parts(shape))
    filled = [shapely.make_valid(shapely.Polygon(ring)) for ring in outer]
    return shapely.union_all([_polygons_of(shape) for shape in filled])


def _polygons_of(shape: shapely.Geometry) -> Any:
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    nested = [p for part in shapely.get_parts(shape) for p in shapely.get_parts(part)]
    parts = parts or [part for part in nested if part.geom_type == "Polygon"]
    return shapely.union_all(parts)


def _close_slits(geometry: Geometries, areal: Bools, repairs: Repairs) -> Bools:
    """Join the parts of polygons that run beside each other with a slit of digitising between."""
    flags = np.zeros(len(geometry), dtype=bool)
    for row in np.flatnonzero(areal & (shapely.get_num_geometries(geometry) > 1)):
        squeeze = float(np.cos(np.radians(shapely.bounds(geometry[row])[1])))
        plain = _stretch(geometry[row], squeeze)
        if slits := _slits(plain):
            filled = _stretch(shapely.union_all([plain, *slits]), 1 / squeeze)
            geometry[row] = shapely.set_precision(filled, SLIT_GRID_DEG)
            flags[row] = True
    repairs.note("slit", flags)
    return flags


def _stretch(shape: shapely.Geometry, factor: float) -> shapely.Geometry:
    return shapely.transform(shape, lambda vertices: vertices * [factor, 1.0])


def _slits(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """Return the slits between the parts of a polygon; where parts only touch there is none."""
    parts = shapely.get_parts(shape)
    tree = shapely.STRtree(parts)
    one, other = tree.query(parts, predicate="dwithin", distance=SLIT_DEG)
    if not (one != other).any():
        return []
    near = shapely.union_all(parts[np.unique(one[one != other])])
    wide = shapely.buffer(near, SLIT_DEG / 2, join_style="mitre")
    closed = shapely.buffer(wide, -SLIT_DEG / 2, join_style="mitre")
    return [
        slit
        for slit in shapely.get_parts(shapely.difference(closed, shape))
        if slit.length > 4 * SLIT_DEG
        and len(tree.query(slit, predicate="dwithin", distance=SLIT_GRID_DEG)) > 1
    ]


def _orient_rings(geometry: Geometries, areal: Bools, repairs: Repairs) -> Bools:
    """Orient rings, shells counter-clockwise, and drop tiny parts."""
    crumbs = areal & (shapely.get_num_geometries(geometry) > 1)
    for row in np.flatnonzero(crumbs):
        parts = shapely.get_parts(geometry[row])
        large_parts = parts[shapely.area(parts) >= MIN_PART_DEG2]
        crumbs[row] = 0 < len(large_parts) < len(parts)
        if crumbs[row]:
            geometry[row] = shapely.multipolygons(large_parts)
    repairs.note("crumb", crumbs)
    rows = np.flatnonzero(_may_need_orienting(geometry, areal))
    turned = shapely.orient_polygons(geometry[rows])
    wrong = np.zeros(len(geometry), dtype=bool)
    wrong[rows] = ~shapely.equals_exact(turned, geometry[rows])
    geometry[rows] = turned
    repairs.note("ring_order", wrong)
    return crumbs | wrong


def _may_need_orienting(geometry: Geometries, areal: Bools) -> Bools:
    """Return the polygons that may have a ring in the wrong direction.

    The signed areas of correctly oriented rings sum up to the area of the polygon.
    """
    vertices, owner = shapely.get_coordinates(geometry[areal], return_index=True)
    if len(vertices) < 2:
        return areal
    x, y = (vertices - vertices[0]).T
    cross = np.append(x[:-1] * y[1:] - x[1:] * y[:-1], 0.0)
    cross[:-1][owner[1:] != owner[:-1]] = 0.0  # no edge leads from one feature to the next
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    flags = areal.copy()
    rows = np.flatnonzero(areal)[owner[starts]]
    area = shapely.area(geometry[rows])
    flags[rows] = ~(np.add.reduceat(cross, starts) / 2 >= area * (1 - 1e-6))
    return flags


def _is_areal(geometry: Geometries) -> Bools:
    types = shapely.get_type_id(geometry)
    flags: Bools = (types == _POLYGON) | (types == _MULTIPOLYGON)
    return flags


def _is_usable(geometry: Geometries) -> Bools:
    """Return which polygons have finite coordinates and not too many vertices.

    A NaN or infinite coordinate gives an area that is not finite.
    """
    usable: Bools = shapely.get_num_coordinates(geometry) <= MAX_VERTICES
    with np.errstate(invalid="ignore"):
        return usable & np.isfinite(shapely.area(geometry))


def split_multilines(batch: Batch, layer: str, repairs: Repairs) -> Batch:
    """Split multi-part lines into features, and number their codes."""
    if geometry_kind(layer) != "LINESTRING":
        return batch
    several = shapely.get_type_id(batch.geometry) == _MULTILINE
    if not several.any():
        return batch
    repairs.note("split_line", several)
    parts, owner = shapely.get_parts(batch.geometry, return_index=True)
    first = np.searchsorted(owner, owner)
    serial = np.arange(len(owner)) - first + 1
    take = pa.array(owner)
    columns = {name: column.take(take) for name, column in batch.columns.items()}
    if "code" in columns:
        suffix = [f"-{n}" if several[o] else "" for n, o in zip(serial, owner, strict=True)]
        columns["code"] = pc.binary_join_element_wise(columns["code"], pa.array(suffix), "")
    numbers = batch.numbers[owner]
    return replace(batch, columns=columns, geometry=parts, numbers=numbers, wkb=None)
