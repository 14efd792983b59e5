"""Stations of a community, and the ways along streets and paths from households to them.

A grid goes with one service station, and with one fire station or micro-station: the one to which
the ways of all its households are shortest together. The grid costs what its households go further
than to the nearest station of that kind, so borders follow the catchments of the stations.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from geo.partition.community import Community
from geo.partition.scoring.walking import (
    WayNetwork,
    build_way_network,
    cap_walks,
    mean_reached,
    to_walk_units,
)
from geo.types import Bools, Floats, Ints, Points

SERVICE_CATEGORIES = ("service_station",)
FIRE_CATEGORIES = ("fire_station", "micro_station")

EQUAL_WAY_M = 1.0
"""Stations whose ways differ by no more than this are equally near."""


@dataclass(frozen=True)
class PlanStations:
    """The ways to stations in a plan.

    Attributes
    ----------
    mean_m, other_share
        Mean way of the households to the station of their grid, over the kinds with two stations
        or more; share of the households for which another station is nearer. None where no kind
        has two stations, or there are no ways.
    is_other
        (n,) in which buildings households are nearer to another station.
    units
        What the households go further than to the nearest stations, in units of the objective.
    """

    mean_m: float | None
    other_share: float | None
    is_other: Bools
    units: float

    def as_figures(self) -> dict[str, Any]:
        """Return the figures of the score card."""
        return {"station_m": self.mean_m, "station_other": self.other_share}


def find_stations(community: Community) -> list[Points]:
    """Return the (s,) places of the stations of each kind that has two or more.

    Service stations serve the community on whose land they stand. Fire stations and micro-stations
    serve everybody: those near the border count too.
    """
    category = community.facilities["category"].to_numpy()
    points: Points = shapely.centroid(community.facilities.geometry.to_numpy())
    is_service: Bools = np.isin(category, SERVICE_CATEGORIES)
    is_service &= shapely.intersects(community.polygon, points)
    kinds = points[is_service], points[np.isin(category, FIRE_CATEGORIES)]
    return [places for places in kinds if len(places) > 1]


def build_network_to_stations(
    community: Community, buildings: Points
) -> tuple[WayNetwork | None, list[Ints]]:
    """Build the network of streets and paths that buildings and stations reach.

    Parameters
    ----------
    buildings
        (n,) points in metres.

    Returns
    -------
    network
        Its first n points are the buildings; None where there are no ways.
    stations
        (s,) int64 points of the stations of each kind that has two or more.
    """
    stations = find_stations(community)
    network = build_way_network(community, np.concatenate([buildings, *stations]))
    ends = np.cumsum([len(buildings), *map(len, stations)])
    return network, [np.arange(start, end) for start, end in pairwise(ends)]


def compute_further(ways: Floats) -> Floats:
    """Return (b, s) float64 metres that (b, s) ``ways`` are longer than the shortest."""
    counted = cap_walks(ways)
    further: Floats = counted - counted.min(axis=1, keepdims=True)
    return further


def measure_stations(
    network: WayNetwork | None, stations: list[Ints], households: Ints, grid: Ints
) -> PlanStations:
    """Measure the ways from households to the stations of their grids.

    Parameters
    ----------
    network, stations
        As by :func:`build_network_to_stations`.
    households, grid
        (n,) int64 households of each building, and int64 number of its grid (-1 for none).
    """
    rows, is_other = np.flatnonzero((households > 0) & (grid >= 0)), np.zeros(len(grid), dtype=bool)
    if network is None or not stations or not len(rows):
        return PlanStations(None, None, is_other, 0.0)
    households = households[rows]
    number = np.unique(grid[rows], return_inverse=True)[1].ravel()
    place, own_m, further_m = np.arange(len(rows)), [], []
    for kind in stations:
        ways = network.measure(rows, kind)
        of_grids = np.zeros((number.max() + 1, len(kind)))
        np.add.at(of_grids, number, cap_walks(ways) * households[:, None])
        own = of_grids.argmin(axis=1)[number]
        own_m.append(ways[place, own])
        further_m.append(compute_further(ways)[place, own])
    is_other[rows] = np.max(further_m, axis=0) > EQUAL_WAY_M
    return PlanStations(
        mean_reached(np.concatenate(own_m), np.tile(households, len(stations))),
        float(households[is_other[rows]].sum() / households.sum()),
        is_other,
        sum(to_walk_units(metres, households) for metres in further_m),
    )
