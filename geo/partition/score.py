"""The score card of a plan, whoever drew it: from its polygons and its members alone."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely

from geo.partition.barriers import Barriers, Kind, kinds_of
from geo.partition.coverage import Floats, Ints, Polygons, borders
from geo.partition.objective import Limits


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
        Whether every grid is one piece.
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
        Of the drawing (:mod:`geo.partition.objective`), metres of border through open ground.
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
    objective: float | None = None
    seconds: float | None = None
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
        (a,) number of the grid of each atom.
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


def score(
    polygons: Polygons,
    members: Members,
    community: shapely.Geometry,
    barriers: Barriers,
    limits: Limits,
    dedicated: Ints | None = None,
) -> ScoreCard:
    """Score a plan.

    Parameters
    ----------
    polygons
        (g,) grids in metres.
    members
        The atoms with the number of their grid.
    community
        The community in metres.
    barriers
        What cuts it.
    dedicated
        (g,) 1 for grids that hold no households on purpose.
    """
    grids = len(polygons)
    households = np.bincount(members.grid, members.households, grids).astype(np.int64)
    general = np.ones(grids, bool) if dedicated is None else dedicated == 0
    counted = households[general]
    inside = (counted >= limits.lower) & (counted <= limits.upper)
    union = shapely.union_all(polygons)
    total = float(shapely.area(polygons).sum())
    on_barrier, straddled = _border_figures(polygons, barriers)
    return ScoreCard(
        grids=grids,
        households=int(households.sum()),
        within_limits=float(inside.mean()) if len(inside) else 1.0,
        smallest=int(counted.min(initial=np.iinfo(np.int64).max)) if len(counted) else 0,
        largest=int(counted.max(initial=0)),
        mean_deviation=float(np.abs(counted - limits.target).mean()) if len(counted) else 0.0,
        contiguous=bool((shapely.get_num_geometries(_joined(polygons)) == 1).all()),
        gap_m2=float(shapely.area(shapely.difference(community, union))),
        overlap_m2=max(0.0, total - float(shapely.area(shapely.intersection(community, union)))),
        border_on_barrier=on_barrier,
        compounds_split=_compounds_split(members, limits),
        straddled_m=straddled,
        polsby_popper=float(np.median(polsby_popper(polygons))),
        walk_m=_walk(members, grids),
        reasons=tuple(_reasons(members, households, general, limits)),
    )


def polsby_popper(polygons: Polygons) -> Floats:
    """Return 4 pi area / perimeter**2 (Polsby and Popper, Yale Law & Policy Review 9, 1991)."""
    roundness: Floats = 4 * np.pi * shapely.area(polygons) / shapely.length(polygons) ** 2
    return roundness


def _joined(polygons: Polygons) -> Polygons:
    """Return multipolygons with pieces that share a border made one."""
    joined: Polygons = polygons.copy()
    several = shapely.get_num_geometries(polygons) > 1
    joined[several] = [shapely.union_all(shapely.get_parts(p)) for p in polygons[several]]
    return joined


def _border_figures(polygons: Polygons, barriers: Barriers) -> tuple[float, float]:
    """Return the share of inner borders on a barrier, and the barriers left inside grids."""
    shared = borders(polygons)
    inner = shared.left >= 0
    length = shared.length[inner]
    kind = kinds_of(shared.midpoints()[inner], barriers)
    share = float(length[kind > 0].sum() / length.sum()) if length.sum() else 1.0
    wide = barriers.lines[barriers.kinds >= Kind.ARTERIAL]
    if len(wide) == 0:
        return share, 0.0
    outlines = shapely.union_all(shapely.boundary(polygons))
    off_border = shapely.difference(shapely.union_all(wide), shapely.buffer(outlines, 0.05))
    return share, float(shapely.length(off_border))


def _compounds_split(members: Members, limits: Limits) -> int:
    """Return how many compounds lie in several grids though they would fit into one."""
    known = members.compound >= 0
    frame = pd.DataFrame(
        {"c": members.compound[known], "g": members.grid[known], "h": members.households[known]}
    )
    by_compound = (
        frame[frame.h > 0].groupby("c").agg(grids=("g", "nunique"), households=("h", "sum"))
    )
    split = (by_compound.grids > 1) & (by_compound.households <= limits.upper)
    return int(split.sum())


def _walk(members: Members, grids: int) -> float:
    """Return the mean distance of a household to the middle of the households of its grid."""
    weight = members.households.astype(np.float64)
    total = np.maximum(np.bincount(members.grid, weight, grids), 1e-9)
    centre = [np.bincount(members.grid, weight * members.xy[:, i], grids) / total for i in (0, 1)]
    away = members.xy - np.stack(centre, axis=1)[members.grid]
    return float((np.hypot(*away.T) * weight).sum() / max(weight.sum(), 1e-9))


def _reasons(
    members: Members, households: Ints, general: Ints, limits: Limits
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
