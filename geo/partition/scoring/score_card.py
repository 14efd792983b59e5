"""The score card of a plan, computed from its polygons and members alone, whoever drew it."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyproj
import shapely
from shapely import coverage_clean  # type: ignore[attr-defined]

from geo.partition.cells.tessellation import Cells
from geo.partition.community import Community
from geo.partition.scoring.border_figures import (
    BarriersInside,
    BorderFigures,
    find_barriers_inside,
    find_inner_borders,
    linking_way_length,
    measure_borders,
    measure_inner_borders,
)
from geo.partition.scoring.checks import (
    compare_with_land,
    drop_islets,
    find_grids_in_pieces,
    find_households_without_grid,
    find_land_faults,
    is_in_one_piece,
)
from geo.partition.scoring.objective import (
    Limits,
    PlanFigures,
    Weights,
    count_compound_grids,
    count_extra_grids,
    count_needed_grids,
    weighted_cost,
)
from geo.partition.scoring.places import Extent, find_places_of_buildings, find_places_of_lines
from geo.partition.scoring.stations import (
    PlanStations,
    build_network_to_stations,
    measure_stations,
)
from geo.partition.scoring.walking import (
    PlanWalks,
    ServicePoint,
    mean_straight_walk,
    measure_walks,
)
from geo.types import Bools, Floats, Ints, Points, Polygons, Strings

GAP_HEALED_M = 1.0
"""Gaps between grids narrower than this are closed before borders are measured; they are still
reported as gaps."""


@dataclass(frozen=True)
class ScoreCard(BorderFigures):
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
        Whether every grid is one piece, or pieces that a bridge or path connects.
    gap_m2, overlap_m2
        Land of the community in no grid; land in more than one, or outside the community.
    border_on_barrier
        Share of the inner borders' length on a street, alley, wall, river or railway.
    compounds_split, compounds_split_all
        Compounds in more than one grid that would have fitted into one, and all in more than one.
    spikes
        Corners of grids under 30 degrees; one between two barriers or on the outline of the
        community does not count.
    narrow_m2
        Land of grids narrower than 5 m.
    beside_street_m
        Metres of border between grids that run through open ground within 12 m of a street.
    straddled_m, barriers_inside_m
        Metres of arterial, railway or river inside one grid: with households on both sides, as in
        the border cost, and all.
    arterial_inside_m, railway_inside_m, water_inside_m
        Metres of each inside one grid with households on both sides, water surfaces included.
    polsby_popper
        Median of 4 pi area / perimeter**2: 1 for a circle.
    walk_m
        Mean straight distance from a household to the centroid of its grid's households.
    walk_ways_m, walk_far
        Mean walk of a household to the service point of its grid along streets and paths
        (:mod:`geo.partition.scoring.walking`), without those that no way connects; share of the
        households that walk over 500 m, or that no way connects. None where there are no ways.
    station_m, station_other
        Mean way of a household to the station of its grid, and share of the households for which
        another station is nearer (:mod:`geo.partition.scoring.stations`). None where no kind has
        two stations, or there are no ways.
    service_points
        The service point of each grid with households.
    border_cost, walk_cost, station_cost, objective
        Of the drawing (:mod:`geo.partition.scoring.objective`), metres of border through open
        ground.
    moved
        Households in another grid than in the previous plan, None where there was none.
    workload, smallest_households, largest_households
        Of a plan that balances workload: its sum, and households of the grids with fewest and most.
        ``smallest``, ``largest`` and ``mean_deviation`` are then units of workload. Else None.
    bound, gap
        Lower bound on the objective of every drawing, and the gap to it, as a share.
    places
        West, south, east and north, in degrees, of the barriers that ``straddled_m`` and
        ``barriers_inside_m`` count, the longest first, and of the buildings with the most
        households that ``walk_far`` and ``station_other`` count.
    seconds
        Duration of the drawing.
    traits
        Strengths of the drawing among the alternatives, as catalogue keys.
    reasons
        Constraints that are not met, and faults, as (catalogue key, fields).
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
    compounds_split_all: int
    polsby_popper: float
    walk_m: float
    walk_ways_m: float | None = None
    walk_far: float | None = None
    station_m: float | None = None
    station_other: float | None = None
    service_points: tuple[ServicePoint, ...] = ()
    places: dict[str, list[Extent]] = field(default_factory=dict)
    border_cost: float = 0.0
    walk_cost: float = 0.0
    station_cost: float = 0.0
    objective: float = 0.0
    moved: int | None = None
    workload: int | None = None
    smallest_households: int | None = None
    largest_households: int | None = None
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
    """The atoms of a plan with their grids.

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
        (a,) name of the atom in reasons.
    """

    grid: Ints
    households: Ints
    xy: Floats
    compound: Ints
    names: Strings

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
    dedicated: Bools | None = None,
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
        Cells of the community: they show where a barrier has households on both sides.
    weights
        Weights of the objective.
    dedicated
        (g,) bool grids that need no households; none by default.
    moved
        Households in another grid than in the previous plan.
    """
    grids = len(polygons)
    placed = members.placed()
    households = np.bincount(placed.grid, placed.households, grids).astype(np.int64)
    general = np.ones(grids, bool) if dedicated is None else ~dedicated
    counted = households[general]
    healed = _make_coverage_valid(polygons)
    fit = compare_with_land(polygons, community.polygon, is_coverage=healed is polygons)
    borders = find_inner_borders(healed, cells)
    border, on_barrier = measure_inner_borders(borders, cells, ~general)
    inhabited: Points = np.asarray(shapely.points(members.xy[members.households > 0]), dtype=object)
    inside = find_barriers_inside(healed, cells, members.households)
    figures = measure_borders(healed, borders, cells, inside, inhabited)
    ways = community.roads.geometry.to_numpy()
    border_total = border + figures.straddled_m + linking_way_length(polygons, cells, ways)
    land = _without_water(healed, cells)
    walks, stations = _measure_ways(members, community)
    extra = count_extra_grids(placed.compound, placed.households, placed.grid, limits)
    weighed = PlanFigures(
        households=counted,
        border=border_total,
        area=shapely.area(land),
        perimeter=shapely.length(land),
        extra_grids=int(extra.sum()),
        moved=moved or 0,
        walk=walks.units,
        station=stations.units,
    )
    objective = weighted_cost(weighed, limits, weights or Weights())
    connected = drop_islets(_join_touching_parts(polygons), inhabited)
    whole = np.array([is_in_one_piece(polygon, ways) for polygon in connected], dtype=bool)
    faults = [
        *find_grids_in_pieces(connected, whole),
        *find_households_without_grid(members.grid, members.households, members.names),
        *find_land_faults(polygons, fit, community.buildings.crs),
    ]
    return ScoreCard(
        grids=grids,
        households=int(households.sum()),
        **_describe_sizes(counted, limits),
        contiguous=bool(whole.all()),
        gap_m2=float(shapely.area(fit.missing)),
        overlap_m2=max(0.0, fit.overlap_m2) + float(shapely.area(fit.outside)),
        border_on_barrier=on_barrier,
        **_count_split_compounds(placed, limits),
        **asdict(figures),
        polsby_popper=float(np.median(polsby_popper(polygons))) if grids else 0.0,
        walk_m=mean_straight_walk(placed.xy, placed.households, placed.grid, grids),
        **walks.as_figures(),
        **stations.as_figures(),
        places=_find_places(inside, members, walks, stations, community.buildings.crs),
        border_cost=border_total,
        walk_cost=objective.walk,
        station_cost=objective.station,
        objective=objective.total,
        moved=moved,
        reasons=(*_find_grids_outside_limits(placed, households, general, limits), *faults),
    )


def _find_places(
    inside: BarriersInside,
    members: Members,
    walks: PlanWalks,
    stations: PlanStations,
    system: pyproj.CRS,
) -> dict[str, list[Extent]]:
    """Return the places of the figures that have any, by the name of the figure."""
    buildings = {"walk_far": walks.is_far, "station_other": stations.is_other}
    return {
        "straddled_m": find_places_of_lines(inside.ends[inside.is_straddled], system),
        "barriers_inside_m": find_places_of_lines(inside.ends, system),
    } | {
        name: find_places_of_buildings(members.xy[rows], members.households[rows], system)
        for name, rows in buildings.items()
    }


def _measure_ways(members: Members, community: Community) -> tuple[PlanWalks, PlanStations]:
    """Measure the walks to the service points of the grids, and the ways to their stations."""
    households, grid = members.households, members.grid
    points: Points = np.asarray(shapely.points(members.xy), dtype=object)
    network, stations = build_network_to_stations(community, points)
    walks = measure_walks(community, network, members.xy, households, grid, members.names)
    return walks, measure_stations(network, stations, households, grid)


def _count_split_compounds(members: Members, limits: Limits) -> dict[str, Any]:
    """Return how many compounds lie in several grids: those that fit into one, and all."""
    populated = np.where(members.households > 0, members.compound, -1)
    is_split = count_compound_grids(populated, members.grid) > 1
    fits = count_needed_grids(populated, members.households, limits) == 1
    return {
        "compounds_split": int((is_split & fits).sum()),
        "compounds_split_all": int(is_split.sum()),
    }


def _describe_sizes(households: Ints, limits: Limits) -> dict[str, Any]:
    """Return the figures of the households of the general grids."""
    if not len(households):
        return {"within_limits": 1.0, "smallest": 0, "largest": 0, "mean_deviation": 0.0}
    return {
        "within_limits": float(
            ((households >= limits.lower) & (households <= limits.upper)).mean()
        ),
        "smallest": int(households.min()),
        "largest": int(households.max()),
        "mean_deviation": float(np.abs(households - limits.target).mean()),
    }


def polsby_popper(polygons: Polygons) -> Floats:
    """Return (g,) float64 4 pi area / perimeter**2 of (g,) polygons.

    Source: Polsby, Popper, Yale Law & Policy Review 9, 1991.
    """
    roundness: Floats = 4 * np.pi * shapely.area(polygons) / shapely.length(polygons) ** 2
    return roundness


def _join_touching_parts(polygons: Polygons) -> Polygons:
    """Return the polygons with adjacent parts of multipolygons merged."""
    merged: Polygons = polygons.copy()
    several = shapely.get_num_geometries(polygons) > 1
    merged[several] = [shapely.union_all(shapely.get_parts(p)) for p in polygons[several]]
    return merged


def _make_coverage_valid(polygons: Polygons) -> Polygons:
    """Return the grids as a valid coverage, so that neighbours share their vertices."""
    if len(polygons) == 0 or shapely.coverage_is_valid(polygons):
        return polygons
    healed: Polygons = coverage_clean(polygons, gap_width=GAP_HEALED_M)
    return healed


def _without_water(polygons: Polygons, cells: Cells) -> Polygons:
    """Return the land of each grid."""
    water = shapely.union_all(cells.polygons[cells.water])
    wet = shapely.intersects(polygons, water)
    land = polygons.copy()
    land[wet] = shapely.difference(polygons[wet], water)
    return land


def _find_grids_outside_limits(
    members: Members, households: Ints, general: Bools, limits: Limits
) -> list[tuple[str, dict[str, Any]]]:
    """Return the reasons, as far as members show them, why grids are outside the limits."""
    reasons: list[tuple[str, dict[str, Any]]] = []
    total = int(households[general].sum())
    fits = -(-total // limits.upper) <= total // limits.lower
    bounds = {"lower": limits.lower, "upper": limits.upper}
    outside = general & ((households < limits.lower) | (households > limits.upper))
    for grid in np.flatnonzero(outside):
        atoms = np.flatnonzero(members.grid == grid)
        figure = {"grid": int(grid), "households": int(households[grid]), **bounds}
        largest = atoms[members.households[atoms].argmax()] if len(atoms) else -1
        if largest >= 0 and members.households[largest] > limits.upper:
            tower = {"name": members.names[largest], "of_it": int(members.households[largest])}
            reasons.append(("atom_over_limit", figure | tower))
        elif 0 < total < limits.lower:
            reasons.append(("community_below_limit", figure))
        elif not fits:
            reasons.append(("total_does_not_divide", figure | {"total": total}))
        else:
            reasons.append(("outside_limits", figure))
    return reasons
