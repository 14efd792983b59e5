"""The score card of a plan, whoever drew it: from its polygons and its members alone."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import coverage_clean  # type: ignore[attr-defined]

from geo.geometry.shared_borders import find_borders
from geo.partition.cells.barriers import Kind, find_barrier_kinds
from geo.partition.cells.graph import CUT_FACTOR, INSIDE_FACTOR, find_populated_rooms
from geo.partition.cells.tessellation import Cells, find_cell_borders
from geo.partition.community import Community
from geo.partition.scoring.checks import (
    MIN_FAULT_M2,
    describe_gap,
    describe_land_outside,
    find_grids_in_pieces,
    find_households_without_grid,
    find_overlaps,
    is_in_one_piece,
)
from geo.partition.scoring.objective import Limits, Weights
from geo.types import Floats, Ints, Polygons

ON_BORDER_M = 0.02
"""A point this near to a border lies on it."""

GAP_HEALED_M = 1.0
"""Gaps between grids narrower than this are closed before borders are measured; they are still
reported as gaps."""


@dataclass(frozen=True)
class ScoreCard:
    """Figures of a plan; areas in m2, lengths in metres, shares from 0 to 1.

    Attributes
    ----------
    grids, households
        Counts.
    within_limits
        Share of general grids with households within the limits.
    smallest, largest, mean_deviation
        Households of the smallest and the largest grid; mean distance from the target.
    contiguous
        Whether every grid is one piece, or pieces that a bridge or path joins.
    gap_m2, overlap_m2
        Land of the community in no grid; land in more than one, or outside the community.
    border_on_barrier
        Share of the inner borders' length on a street, alley, wall, river or railway.
    compounds_split
        Compounds in more than one grid that would have fitted into one.
    straddled_m
        Metres of arterial, railway or river inside one grid.
    polsby_popper
        Median of 4 pi area / perimeter**2: 1 for a circle.
    walk_m
        Mean straight distance from a household to the middle of its grid's households.
    border_cost, objective
        Of the drawing (:mod:`geo.partition.scoring.objective`), metres of border through open
        ground.
    moved
        Households in another grid than in the plan before, None where there was none.
    bound, gap
        What no drawing can be cheaper than, and how far above it this one is, as a share.
    seconds
        What the drawing took.
    traits
        What sets the drawing apart from the others of a choice, as catalogue keys.
    reasons
        What is not met and why, as (catalogue key, fields).
    """

    grids: int
    households: int
    within_limits: float
    smallest: int
    largest: int
    mean_deviation: float
    contiguous: bool
    gap_m2: float
    overlap_m2: float
    border_on_barrier: float
    compounds_split: int
    straddled_m: float
    polsby_popper: float
    walk_m: float
    border_cost: float = 0.0
    objective: float = 0.0
    moved: int | None = None
    bound: float | None = None
    gap: float | None = None
    seconds: float | None = None
    traits: tuple[str, ...] = ()
    reasons: tuple[tuple[str, dict[str, Any]], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the card as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Members:
    """Who lives where: the atoms of a plan.

    Attributes
    ----------
    grid
        (a,) number of the grid of each atom, -1 for none.
    households
        (a,)
    xy
        (a, 2) metres.
    compound
        (a,) number of the compound, -1 for none.
    names
        (a,) what to call an atom in a reason.
    """

    grid: Ints
    households: Ints
    xy: Floats
    compound: Ints
    names: Polygons

    def placed(self) -> "Members":
        """Return the atoms that are in a grid."""
        inside = self.grid >= 0
        return Members(
            self.grid[inside],
            self.households[inside],
            self.xy[inside],
            self.compound[inside],
            self.names[inside],
        )


def score(
    polygons: Polygons,
    members: Members,
    community: Community,
    cells: Cells,
    limits: Limits,
    weights: Weights | None = None,
    dedicated: NDArray[np.bool_] | None = None,
    moved: int | None = None,
) -> ScoreCard:
    """Score a plan.

    Parameters
    ----------
    polygons
        (g,) grids in metres.
    members
        The atoms with the number of their grid, in the order in which the cells have them.
    cells
        Cells of the community: they say where a barrier has households on both sides.
    weights
        Weights of the objective.
    dedicated
        (g,) grids that need hold no households.
    moved
        Households in another grid than before.
    """
    weights = weights or Weights()
    grids = len(polygons)
    placed = members.placed()
    households = np.bincount(placed.grid, placed.households, grids).astype(np.int64)
    special = np.zeros(grids, bool) if dedicated is None else dedicated
    counted = households[~special]
    inside = (counted >= limits.lower) & (counted <= limits.upper)
    healed = _make_coverage_valid(polygons)
    union = _union(polygons, healed is polygons)
    missing = shapely.difference(community.polygon, union)
    outside = _outside(union, community.polygon, missing)
    gap_m2, beyond_m2 = (float(shapely.area(one)) for one in (missing, outside))
    overlap = float(shapely.area(polygons).sum() - shapely.area(union))
    border, on_barrier = _inner_borders(healed, cells, special)
    straddled = _straddled_length(healed, cells, members.households)
    ways = community.roads.geometry.to_numpy()
    whole = np.array(
        [is_in_one_piece(polygon, ways) for polygon in _join_touching_parts(polygons)], dtype=bool
    )
    faults = [
        *find_grids_in_pieces(polygons, whole),
        *find_households_without_grid(members.grid, members.households, members.names),
    ]
    faults += describe_gap(missing, community.buildings.crs) if gap_m2 > MIN_FAULT_M2 else []
    faults += find_overlaps(polygons) if overlap > MIN_FAULT_M2 else []
    faults += (
        describe_land_outside(outside, community.buildings.crs) if beyond_m2 > MIN_FAULT_M2 else []
    )
    return ScoreCard(
        grids=grids,
        households=int(households.sum()),
        within_limits=float(inside.mean()) if len(inside) else 1.0,
        smallest=int(counted.min(initial=np.iinfo(np.int64).max)) if len(counted) else 0,
        largest=int(counted.max(initial=0)),
        mean_deviation=float(np.abs(counted - limits.target).mean()) if len(counted) else 0.0,
        contiguous=bool(whole.all()),
        gap_m2=gap_m2,
        overlap_m2=max(0.0, overlap) + beyond_m2,
        border_on_barrier=on_barrier,
        compounds_split=_compounds_split(placed, limits),
        straddled_m=straddled,
        polsby_popper=float(np.median(polsby_popper(polygons))) if grids else 0.0,
        walk_m=_walk(placed, grids),
        border_cost=border + straddled,
        objective=_own_costs(counted, limits, weights)
        + weights.border * (border + straddled)
        + weights.compactness * float((_roundness(healed, cells) - 1).sum())
        + weights.compound * float(_grids_too_many(placed, limits).sum())
        + weights.moved * (moved or 0),
        moved=moved,
        reasons=(*_reasons(placed, households, ~special, limits), *faults),
    )


def _union(polygons: Polygons, coverage: bool) -> shapely.Geometry:
    """Return the land of all grids; where they are a coverage nothing need be noded."""
    return shapely.coverage_union_all(polygons) if coverage else shapely.union_all(polygons)


def _outside(
    union: shapely.Geometry, community: shapely.Geometry, missing: shapely.Geometry
) -> shapely.Geometry:
    """Return the land of grids beyond the border; the areas say first whether there is any."""
    if shapely.area(union) - shapely.area(community) + shapely.area(missing) < MIN_FAULT_M2 / 10:
        return shapely.Polygon()
    return shapely.difference(union, community)


def _own_costs(households: Ints, limits: Limits, weights: Weights) -> float:
    """Return what the households of general grids cost."""
    excess = np.maximum(households - limits.upper, 0) + np.maximum(limits.lower - households, 0)
    off = (households - limits.target) / 100.0
    return weights.limit * float(excess.sum()) + weights.balance * float((off**2).sum())


def polsby_popper(polygons: Polygons) -> Floats:
    """Return 4 pi area / perimeter**2 (Polsby and Popper, Yale Law & Policy Review 9, 1991)."""
    roundness: Floats = 4 * np.pi * shapely.area(polygons) / shapely.length(polygons) ** 2
    return roundness


def _join_touching_parts(polygons: Polygons) -> Polygons:
    """Return multipolygons with pieces that share a border made one."""
    joined: Polygons = polygons.copy()
    several = shapely.get_num_geometries(polygons) > 1
    joined[several] = [shapely.union_all(shapely.get_parts(p)) for p in polygons[several]]
    return joined


def _make_coverage_valid(polygons: Polygons) -> Polygons:
    """Return the grids as a valid coverage, so that neighbours share their vertices."""
    if len(polygons) == 0 or shapely.coverage_is_valid(polygons):
        return polygons
    healed: Polygons = coverage_clean(polygons, gap_width=GAP_HEALED_M)
    return healed


def _inner_borders(
    polygons: Polygons, cells: Cells, dedicated: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the border cost between grids, and the share of the borders on a barrier.

    A border along or in a water is nobody's: what lies there is not walked. Grounds that are a
    grid of their own have a wall around them.
    """
    shared = find_borders(polygons)
    inner = shared.left >= 0
    middles, length = shared.midpoints()[inner], shared.length[inner]
    kind = find_barrier_kinds(middles, cells.barriers)
    walled = dedicated[shared.left[inner]] | dedicated[shared.right[inner]]
    kind[walled & (kind == Kind.OPEN)] = Kind.WALL
    share = float(length[kind > 0].sum() / length.sum()) if length.sum() else 1.0
    factor = np.array([CUT_FACTOR[k] for k in Kind])
    water = shapely.union_all(cells.polygons[cells.water])
    dry = ~shapely.dwithin(shapely.points(middles), water, ON_BORDER_M)
    return float((length * factor[kind])[dry].sum()), share


def _straddled_length(polygons: Polygons, cells: Cells, households: Ints) -> float:
    """Return the metres of arterial, railway and river inside a grid, households on both sides."""
    shared, kind = find_cell_borders(cells)
    populated = find_populated_rooms(cells, households)
    one, other = cells.room[shared.left], cells.room[shared.right]
    wide = np.isin(kind, [int(k) for k in INSIDE_FACTOR]) & (shared.left >= 0) & (one != other)
    wide &= ~cells.water[shared.left] & ~cells.water[shared.right]
    wide &= populated[one] & populated[other]
    if not wide.any():
        return 0.0
    outlines = shapely.multilinestrings(shapely.get_parts(shapely.boundary(polygons)))
    shapely.prepare(outlines)
    on_border = shapely.dwithin(shapely.points(shared.midpoints()[wide]), outlines, ON_BORDER_M)
    return float(shared.length[wide][~on_border].sum())


def _roundness(polygons: Polygons, cells: Cells) -> Floats:
    """Return perimeter**2 / (4 pi area) of the land of each grid."""
    water = shapely.union_all(cells.polygons[cells.water])
    wet = shapely.intersects(polygons, water)
    land = polygons.copy()
    land[wet] = shapely.difference(polygons[wet], water)
    roundness: Floats = shapely.length(land) ** 2 / (
        4 * np.pi * np.maximum(shapely.area(land), 1e-9)
    )
    return roundness


def _grids_too_many(members: Members, limits: Limits) -> Ints:
    """Return for each compound in how many grids more than it needs it lies."""
    grids, households = _by_compound(members, members.compound >= 0)
    needed = np.maximum(np.ceil(households / limits.upper), 1)
    extra: Ints = np.maximum(grids - needed, 0).astype(np.int64)
    return extra


def _compounds_split(members: Members, limits: Limits) -> int:
    """Return how many compounds lie in several grids though they would fit into one."""
    grids, households = _by_compound(members, members.households > 0)
    return int(((grids > 1) & (households <= limits.upper)).sum())


def _by_compound(members: Members, counted: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return grids and households of each compound, of the atoms that are counted."""
    inside = counted & (members.compound >= 0)
    compound = members.compound[inside]
    compounds = int(members.compound.max(initial=-1)) + 1
    pairs = np.unique(np.stack([compound, members.grid[inside]], axis=1), axis=0)
    households = np.bincount(compound, members.households[inside], compounds)
    return np.bincount(pairs[:, 0], minlength=compounds), households.astype(np.int64)


def _walk(members: Members, grids: int) -> float:
    """Return the mean distance of a household to the middle of the households of its grid."""
    weight = members.households.astype(np.float64)
    total = np.maximum(np.bincount(members.grid, weight, grids), 1e-9)
    centre = [np.bincount(members.grid, weight * members.xy[:, i], grids) / total for i in (0, 1)]
    away = members.xy - np.stack(centre, axis=1)[members.grid]
    return float((np.hypot(*away.T) * weight).sum() / max(weight.sum(), 1e-9))


def _reasons(
    members: Members, households: Ints, general: NDArray[np.bool_], limits: Limits
) -> list[tuple[str, dict[str, Any]]]:
    """Return why a grid is outside the limits: what can be said from its members."""
    found: list[tuple[str, dict[str, Any]]] = []
    total = int(households[general].sum())
    fits = -(-total // limits.upper) <= total // limits.lower
    bounds = {"lower": limits.lower, "upper": limits.upper}
    outside = general & ((households < limits.lower) | (households > limits.upper))
    for grid in np.flatnonzero(outside):
        own = np.flatnonzero(members.grid == grid)
        figure = {"grid": int(grid), "households": int(households[grid]), **bounds}
        largest = own[members.households[own].argmax()] if len(own) else -1
        if largest >= 0 and members.households[largest] > limits.upper:
            tower = {"name": members.names[largest], "of_it": int(members.households[largest])}
            found.append(("atom_over_limit", figure | tower))
        elif not fits:
            found.append(("total_does_not_divide", figure | {"total": total}))
        else:
            found.append(("outside_limits", figure))
    return found
