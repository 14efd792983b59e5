"""Figures of the borders of a plan: spikes, narrow land, borders beside streets."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.geometry.shared_borders import Borders, find_borders, inner_points
from geo.partition.cells.barriers import Barriers, Kind, find_barrier_kinds
from geo.partition.cells.graph import (
    CUT_FACTOR,
    INSIDE_FACTOR,
    connected_parts,
    find_populated_rooms,
)
from geo.partition.cells.tessellation import Cells
from geo.partition.cells.way_links import find_way_links
from geo.partition.previous_plan import locate_points
from geo.types import Bools, Floats, Ints, Lines, Points, Polygons

ON_BORDER_M = 0.02
"""A point within this distance of a border lies on it."""

SPIKE_DEGREES, SPIKE_SIDE_M = 30.0, 1.0
"""A corner of a grid with a smaller angle than this, between sides of at least this length."""

NARROW_M = 5.0
"""Land of a grid narrower than this is a tail or a strip."""

BESIDE_STREET_M = 12.0
"""A border in open ground this near to a street could have followed the street."""


@dataclass(frozen=True)
class BorderFigures:
    """Figures of the borders of a plan, see :class:`geo.partition.scoring.score_card.ScoreCard`."""

    spikes: int
    narrow_m2: float
    beside_street_m: float
    straddled_m: float
    barriers_inside_m: float
    arterial_inside_m: float
    railway_inside_m: float
    water_inside_m: float


@dataclass(frozen=True)
class BarriersInside:
    """The pieces of arterial, railway and river inside a grid.

    Attributes
    ----------
    ends
        (s, 2, 2) ends of each piece, in metres.
    length
        (s,) float64 metres.
    kind
        (s,) int8 :class:`Kind` of the barrier.
    is_straddled
        (s,) whether there are households on both sides.
    """

    ends: Floats
    length: Floats
    kind: NDArray[np.int8]
    is_straddled: Bools


@dataclass(frozen=True)
class InnerBorders:
    """The segments between the grids of a plan, and (s,) int8 the kind of barrier on each."""

    shared: Borders
    kind: NDArray[np.int8]


def find_inner_borders(polygons: Polygons, cells: Cells) -> InnerBorders:
    """Find the borders between (g,) polygons of grids in metres, a valid coverage."""
    shared = find_borders(polygons)
    shared = shared.select(shared.left >= 0)
    return InnerBorders(shared, find_barrier_kinds(shared.midpoints(), cells.barriers))


def measure_borders(
    polygons: Polygons,
    borders: InnerBorders,
    cells: Cells,
    inside: BarriersInside,
    inhabited: Points,
) -> BorderFigures:
    """Measure the borders of a plan.

    Parameters
    ----------
    polygons, borders
        (g,) grids in metres, a valid coverage, and the borders between them.
    inside
        The barriers inside the grids.
    inhabited
        (k,) points of the atoms with households.
    """
    straddled = inside.length * inside.is_straddled
    by_kind = np.bincount(inside.kind, straddled, len(Kind))
    waters = _waters_inside(polygons, cells, inhabited)
    return BorderFigures(
        spikes=count_spikes(polygons, cells),
        narrow_m2=narrow_area(polygons),
        beside_street_m=beside_street_length(borders, cells.barriers),
        straddled_m=float(straddled.sum()),
        barriers_inside_m=float(inside.length.sum()),
        arterial_inside_m=float(by_kind[Kind.ARTERIAL]),
        railway_inside_m=float(by_kind[Kind.RAILWAY]),
        water_inside_m=float(by_kind[Kind.RIVER]) + waters,
    )


def count_spikes(polygons: Polygons, cells: Cells) -> int:
    """Count sharp corners of (g,) polygons; one between streets or on the outline is no fault."""
    parts = shapely.orient_polygons(shapely.get_parts(polygons))
    rings = shapely.get_rings(parts)
    corners, before, after = _ring_corners(rings)
    back, ahead = before - corners, after - corners
    lengths = np.hypot(*back.T), np.hypot(*ahead.T)
    cross = ahead[:, 0] * back[:, 1] - ahead[:, 1] * back[:, 0]
    angle = np.degrees(np.arctan2(cross, (ahead * back).sum(axis=1))) % 360
    sharp = (angle < SPIKE_DEGREES) & (np.minimum(*lengths) >= SPIKE_SIDE_M)
    outline = shapely.boundary(shapely.coverage_union_all(polygons))
    sharp[sharp] = ~shapely.dwithin(shapely.points(corners[sharp]), outline, ON_BORDER_M)
    sides = [(corners[sharp] + end[sharp]) / 2 for end in (before, after)]
    is_open = [find_barrier_kinds(middles, cells.barriers) == Kind.OPEN for middles in sides]
    return int((is_open[0] | is_open[1]).sum())


def _ring_corners(rings: Polygons) -> tuple[Floats, Floats, Floats]:
    """Return (c, 2) each corner of closed rings, the one before it and the one after it."""
    coords, ring = shapely.get_coordinates(rings, return_index=True)
    corner = np.flatnonzero(ring[1:] == ring[:-1])  # without the last of a ring, its first again
    first = np.append(True, ring[1:] != ring[:-1])
    last = np.flatnonzero(np.append(first[1:], True))
    before = np.where(first[corner], last[ring[corner]] - 1, corner - 1)
    return coords[corner], coords[before], coords[corner + 1]


def narrow_area(polygons: Polygons) -> float:
    """Return the m2 of (g,) polygons that an opening by half of NARROW_M removes."""
    core = shapely.buffer(polygons, -NARROW_M / 2, join_style="mitre")
    opened = shapely.buffer(core, NARROW_M / 2, join_style="mitre")
    return float(shapely.area(shapely.difference(polygons, opened)).sum())


def beside_street_length(borders: InnerBorders, barriers: Barriers) -> float:
    """Return the metres of border between grids in open ground within BESIDE_STREET_M of one."""
    lines: Lines = np.asarray(shapely.linestrings(borders.shared.ends), dtype=object).reshape(-1)
    touched = shapely.STRtree(barriers.lines).query(lines, "dwithin", ON_BORDER_M)[1]
    on_barrier = shapely.buffer(barriers.lines[np.unique(touched)], ON_BORDER_M)
    walled = shapely.STRtree(np.append(on_barrier, barriers.strips))
    lines = np.delete(lines, walled.query(lines, predicate="covered_by")[0])  # nearly all
    streets = barriers.lines[np.isin(barriers.kinds, [Kind.STREET, Kind.ARTERIAL])]
    near = shapely.STRtree(streets).query(lines, predicate="dwithin", distance=BESIDE_STREET_M)
    beside = shapely.buffer(streets[np.unique(near[1])], BESIDE_STREET_M, cap_style="flat")
    border = shapely.multilinestrings(lines[np.unique(near[0])])
    covered = shapely.union_all(walled.geometries[walled.query(border, predicate="intersects")])
    beside_border = shapely.intersection(border, shapely.union_all(beside))
    return float(shapely.length(shapely.difference(beside_border, covered)))


def find_barriers_inside(polygons: Polygons, cells: Cells, households: Ints) -> BarriersInside:
    """Return the arterials, railways and rivers that lie inside a grid.

    Parameters
    ----------
    polygons
        (g,) grids in metres, a valid coverage.
    households
        (a,) int64 households of each atom.
    """
    shared, kind = cells.borders
    wide = np.isin(kind, [int(k) for k in INSIDE_FACTOR]) & (shared.left >= 0)
    wide &= ~cells.water[shared.left] & ~cells.water[shared.right]
    outlines = shapely.multilinestrings(shapely.get_parts(shapely.boundary(polygons)))
    shapely.prepare(outlines)
    wide[wide] = ~shapely.dwithin(shapely.points(shared.midpoints()[wide]), outlines, ON_BORDER_M)
    populated = find_populated_rooms(cells, households)
    one, other = cells.room[shared.left[wide]], cells.room[shared.right[wide]]
    straddled: Bools = (one != other) & populated[one] & populated[other]
    return BarriersInside(shared.ends[wide], shared.length[wide], kind[wide], straddled)


def measure_inner_borders(
    borders: InnerBorders, cells: Cells, dedicated: Bools
) -> tuple[float, float]:
    """Return the border cost between grids, and the share of the borders on a barrier.

    Borders along or in a water cost nothing: nobody walks there. A dedicated grid counts as
    walled.

    Parameters
    ----------
    borders, dedicated
        The borders between grids, and (g,) whether each is dedicated.
    """
    shared, length = borders.shared, borders.shared.length
    walled = dedicated[shared.left] | dedicated[shared.right]
    kind = np.where(walled & (borders.kind == Kind.OPEN), Kind.WALL, borders.kind)
    share = float(length[kind > 0].sum() / length.sum()) if length.sum() else 1.0
    factor = np.array([CUT_FACTOR[k] for k in Kind])
    water = shapely.union_all(cells.polygons[cells.water])
    dry = ~shapely.dwithin(shapely.points(shared.midpoints()), water, ON_BORDER_M)
    return float((length * factor[kind])[dry].sum()), share


def linking_way_length(polygons: Polygons, cells: Cells, ways: Polygons) -> float:
    """Return the metres of way that link the pieces of a grid that no land connects.

    Parameters
    ----------
    polygons, ways
        (g,) grids and (w,) lines in metres.
    """
    land, (shared, _) = ~cells.water, cells.borders
    inner = (shared.left >= 0) & land[shared.left] & land[shared.right]
    edges = np.stack([shared.left[inner], shared.right[inner]], axis=1)
    part = connected_parts(len(land), edges)[1]
    pairs, length = find_way_links(part[land], cells.polygons[land], ways)
    grid = locate_points(polygons, inner_points(cells.polygons[land][pairs.ravel()]))
    one, other = grid.reshape(-1, 2).T
    return float(length[(one == other) & (one >= 0)].sum())


def _waters_inside(polygons: Polygons, cells: Cells, inhabited: Points) -> float:
    """Return the metres of water surface inside a grid, households on both sides.

    The inhabited pieces that a water cuts a grid into are its banks. All shores but the longest
    count: for a river with two banks that is its length.
    """
    if not cells.water.any():
        return 0.0
    waters = shapely.get_parts(shapely.union_all(cells.polygons[cells.water]))
    water = shapely.union_all(waters)
    wet = np.flatnonzero(shapely.intersects(polygons, water))
    pieces, owner = shapely.get_parts(shapely.difference(polygons[wet], water), return_index=True)
    lived_in = np.unique(shapely.STRtree(inhabited).query(pieces, predicate="intersects")[0])
    pieces, owner = pieces[lived_in], owner[lived_in]
    surface, piece = shapely.STRtree(pieces).query(waters, predicate="intersects")
    outlines, banks = shapely.boundary(waters[surface]), shapely.boundary(pieces[piece])
    shore = shapely.length(shapely.intersection(outlines, banks))
    group = np.unique(np.stack([surface, owner[piece]]), axis=1, return_inverse=True)[1].ravel()
    longest = np.zeros(group.max(initial=-1) + 1)
    np.maximum.at(longest, group, shore)
    return float(shore.sum() - longest.sum())
