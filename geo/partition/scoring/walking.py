"""Walks along streets and paths from households to the service point of their grid.

The service point of a grid is its medoid: the building from which the walks to all its households
are shortest together. It stands for the place where a grid's notice board and manager are found.
"""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np
import shapely
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from geo import crs
from geo.partition.community import Community
from geo.types import Bools, Floats, Ints, Lines, Points, Strings

FAR_WALK_M = 500.0
"""A longer walk to the service point is far."""

LONGEST_WALK_M = 2000.0
"""Where no way leads, or a longer one, so many metres count in the objective."""

WALK_UNIT = 100.0 * 100.0
"""Household-metres in a unit of the objective."""

SNAP_M = 0.05
"""Ways whose ends lie this near to each other are joined."""

NOT_WALKABLE = ("expressway",)
"""Classes of road on which nobody walks."""


@dataclass(frozen=True)
class WayNetwork:
    """Ways that meet at nodes, and where buildings reach them.

    Attributes
    ----------
    costs
        (k, k) metres of the way between two nodes.
    way, ends
        (n,) int64 way that each building reaches, and (n, 2) int64 nodes at its ends.
    along_m, away_m
        (n, 2) float64 metres along it to both ends, and (n,) metres straight to it.
    """

    costs: csr_array
    way: Ints
    ends: Ints
    along_m: Floats
    away_m: Floats

    def measure(self, buildings: Ints, targets: Ints) -> Floats:
        """Return (b, t) float64 metres from (b,) int64 ``buildings`` to (t,) ``targets``.

        Infinite over LONGEST_WALK_M.
        """
        nodes, at = np.unique(self.ends[targets], return_inverse=True)
        at = at.reshape(-1, 2)
        starts, along_m, along_target_m = (
            self.ends[buildings],
            self.along_m[buildings],
            self.along_m[targets],
        )
        between = dijkstra(self.costs, False, nodes, limit=FAR_WALK_M)
        far = np.isinf(between[:, starts.ravel()]).any(axis=1)  # most are near each other
        if far.any():
            between[far] = dijkstra(self.costs, False, nodes[far], limit=LONGEST_WALK_M)
        walk_m: Floats = np.full((len(buildings), len(targets)), np.inf)
        for one in (0, 1):
            for other in (0, 1):
                via = between[np.ix_(at[:, other], starts[:, one])].T
                via = via + along_m[:, one, None] + along_target_m[None, :, other]
                np.minimum(walk_m, via, out=walk_m)
        on_one_way = self.way[buildings, None] == self.way[None, targets]
        beside = np.abs(along_m[:, None, 0] - along_target_m[None, :, 0])
        walk_m = np.where(on_one_way, np.minimum(walk_m, beside), walk_m)
        walk_m += self.away_m[buildings, None] + self.away_m[None, targets]
        walk_m[walk_m > LONGEST_WALK_M] = np.inf
        walk_m[buildings[:, None] == targets[None]] = 0.0
        return walk_m


@dataclass(frozen=True)
class ServicePoint:
    """The service point of a grid.

    Attributes
    ----------
    grid, building
        Code of the grid, and of the building (or unit) from which the walks to all households of
        the grid are shortest together.
    lon, lat
        Its place in degrees.
    walk_m, far
        Mean walk of the grid's households to it along streets and paths, None where no way leads;
        households that walk over 500 m, or that no way connects.
    """

    grid: str
    building: str
    lon: float
    lat: float
    walk_m: float | None
    far: int


@dataclass(frozen=True)
class PlanWalks:
    """The walks of a plan.

    Attributes
    ----------
    mean_m, far_share
        Mean walk of the households that a way connects with their service point; share of all
        households that have a far walk or no way. None where there are no ways.
    service_points
        The service points of grids with households; ``grid`` is the number of the grid.
    is_far
        (n,) in which buildings households have a far walk, or no way.
    units
        The walks in units of the objective.
    """

    mean_m: float | None
    far_share: float | None
    service_points: tuple[ServicePoint, ...]
    is_far: Bools
    units: float

    def as_figures(self) -> dict[str, Any]:
        """Return the figures of the score card."""
        return {
            "walk_ways_m": self.mean_m,
            "walk_far": self.far_share,
            "service_points": self.service_points,
        }


def build_way_network(community: Community, buildings: Points) -> WayNetwork | None:
    """Build the network of streets and paths of a community; None where it has none.

    Parameters
    ----------
    buildings
        (n,) points in metres.
    """
    roads = community.roads
    walkable = ~roads["road_class"].isin(NOT_WALKABLE).to_numpy(dtype=bool)
    return build_network(roads.geometry.to_numpy()[walkable], buildings)


def build_network(ways: Lines, buildings: Points) -> WayNetwork | None:
    """Build a network of (w,) ``ways``, which meet where they cross, and (b,) ``buildings``."""
    joined = shapely.line_merge(shapely.union_all(ways, grid_size=SNAP_M))
    lines = shapely.get_parts(joined)
    lines = lines[shapely.length(lines) > 0]
    if len(lines) == 0 or len(buildings) == 0:
        return None
    length = shapely.length(lines)
    coords, line = shapely.get_coordinates(lines, return_index=True)
    first = np.flatnonzero(np.diff(line, prepend=-1))
    places = coords[np.concatenate([first, np.append(first[1:], len(line)) - 1])]
    node = np.unique(places, axis=0, return_inverse=True)[1].ravel().reshape(2, -1)
    way = shapely.STRtree(lines).nearest(buildings)
    along = shapely.line_locate_point(lines[way], buildings)
    return WayNetwork(
        _cost_matrix(node, length),
        way.astype(np.int64),
        node[:, way].T,
        np.stack([along, length[way] - along], axis=1),
        shapely.distance(lines[way], buildings),
    )


def _cost_matrix(node: Ints, length: Floats) -> csr_array:
    """Return the shortest way between each two nodes that one joins."""
    size = int(node.max()) + 1
    pairs, number = np.unique(np.sort(node, axis=0), axis=1, return_inverse=True)
    shortest = np.full(pairs.shape[1], np.inf)
    np.minimum.at(shortest, number.ravel(), length)
    return coo_array((shortest, pairs), shape=(size, size)).tocsr()


def measure_walks(
    community: Community,
    network: WayNetwork | None,
    xy: Floats,
    households: Ints,
    grid: Ints,
    names: Strings,
) -> PlanWalks:
    """Find the service point of each grid of a plan and the walks to it.

    Parameters
    ----------
    network
        Its first n points are the buildings; None where there are no ways.
    xy
        (n, 2) float64 places of the buildings, metres.
    households, grid, names
        (n,) int64 households of each, int64 number of its grid (-1 for none), and its code.
    """
    inhabited = (households > 0) & (grid >= 0)
    if network is None or not inhabited.any():
        return PlanWalks(None, None, (), np.zeros(len(grid), dtype=bool), 0.0)
    walk_m, medoids = np.full(len(grid), np.inf), []
    for number in np.unique(grid[inhabited]):
        rows = np.flatnonzero(inhabited & (grid == number))
        between = network.measure(rows, rows)
        medoid = find_medoid(between, households[rows])
        walk_m[rows] = between[medoid]
        medoids.append(int(rows[medoid]))
    is_far: Bools = inhabited & (walk_m > FAR_WALK_M)
    places = crs.transform(shapely.points(xy[medoids]), community.buildings.crs, crs.STORAGE)
    service_points = tuple(
        ServicePoint(
            str(grid[row]),
            str(names[row]),
            float(place[0].round(6)),
            float(place[1].round(6)),
            mean_reached(walk_m, np.where(grid == grid[row], households, 0)),
            int(households[is_far & (grid == grid[row])].sum()),
        )
        for row, place in zip(medoids, shapely.get_coordinates(places), strict=True)
    )
    return PlanWalks(
        mean_reached(walk_m, np.where(inhabited, households, 0)),
        float(households[is_far].sum() / households[inhabited].sum()),
        service_points,
        is_far,
        to_walk_units(walk_m[inhabited], households[inhabited]),
    )


def mean_reached(walk_m: Floats, households: Ints) -> float | None:
    """Return the mean (n,) float64 ``walk_m`` of (n,) int64 households that a way connects.

    None if it connects none.
    """
    reached = np.isfinite(walk_m) & (households > 0)
    return (
        float(np.average(walk_m[reached], weights=households[reached])) if reached.any() else None
    )


def name_service_points(
    points: tuple[ServicePoint, ...], codes: list[str]
) -> tuple[ServicePoint, ...]:
    """Return service points with codes of grids instead of their numbers, ordered by grid."""
    named = [replace(point, grid=codes[int(point.grid)]) for point in points]
    return tuple(sorted(named, key=attrgetter("grid")))


def mean_straight_walk(xy: Floats, households: Ints, grid: Ints, grids: int) -> float:
    """Return the mean straight distance of a household to the centroid of its grid's households.

    Parameters
    ----------
    xy, households, grid
        (n, 2) float64 places in metres, (n,) int64 households and grid of each building.
    """
    weight = households.astype(np.float64)
    total = np.maximum(np.bincount(grid, weight, grids), 1e-9)
    centre = [np.bincount(grid, weight * xy[:, axis], grids) / total for axis in (0, 1)]
    away = xy - np.stack(centre, axis=1)[grid]
    return float((np.hypot(*away.T) * weight).sum() / max(weight.sum(), 1e-9))


def find_medoid(between: Floats, households: Ints) -> int:
    """Return the building from which the walks to all households are shortest together.

    Parameters
    ----------
    between
        (b, b) float64 metres between buildings.
    households
        (b,) int64 households of each.
    """
    return int(cap_walks(between).dot(households).argmin())


def cap_walks(walk_m: Floats) -> Floats:
    """Return ``walk_m``, (b, b) or (b,) float64, as it counts: at most LONGEST_WALK_M each."""
    capped: Floats = np.minimum(walk_m, LONGEST_WALK_M)
    return capped


def to_walk_units(walk_m: Floats, households: Ints) -> float:
    """Return (b,) float64 ``walk_m`` of (b,) int64 households in units of 100 by 100 m."""
    return float(cap_walks(walk_m).dot(households)) / WALK_UNIT
