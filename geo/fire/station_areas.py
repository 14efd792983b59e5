"""The area of each fire station: the land that it reaches before any other, by driving time."""

import numpy as np
import shapely
from scipy.spatial import cKDTree

from geo.fire.finding import Finding
from geo.fire.rules import Rules
from geo.fire.snapshot import CitySnapshot
from geo.fire.station_response import driving_times
from geo.types import Floats, Ints

CELL_M = 50.0
"""Side of the squares that the communities' land is counted in."""

_SQUARE_METRES = 1e6
_RULES = {
    "first": "station_area_first",
    "second": "station_area_second",
    "small": "station_area_small",
    "special": "station_area_first",
}
"""Rule by class of station; the mildest applies where no class is on record."""


def measure_station_areas(snapshot: CitySnapshot, rules: Rules) -> Floats:
    """Return (s,) float64 the land of the communities that each station reaches first, in km².

    A square of land belongs to the station of the nearest node of the streets.
    """
    stations = len(snapshot.station)
    if not stations or snapshot.region.empty:
        return np.zeros(stations)
    station = driving_times(snapshot, rules).station
    reached = np.flatnonzero(station >= 0)
    if not len(reached):
        return np.zeros(stations)
    cells = _cells_of_land(snapshot)
    _, nearest = cKDTree(snapshot.access.graph.xy[reached]).query(cells)
    counts = np.bincount(station[reached[nearest]], minlength=stations)
    return np.asarray(counts * CELL_M**2 / _SQUARE_METRES)


def _cells_of_land(snapshot: CitySnapshot) -> Floats:
    """Return (k, 2) the middles of the squares of the communities' land."""
    middles = []
    for land in snapshot.region.geometry.to_numpy():
        west, south, east, north = shapely.bounds(land)
        columns, rows = (_cell_middles(low, high) for low, high in ((west, east), (south, north)))
        x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
        inside = shapely.contains_xy(land, x, y)
        middles.append(np.column_stack([x[inside], y[inside]]))
    return np.concatenate(middles)


def _cell_middles(low: float, high: float) -> Floats:
    """Return the middles of the cells of a common grid that begin at or after a coordinate."""
    first, last = (int(np.floor(value / CELL_M)) for value in (low, high))
    return np.asarray((np.arange(first, last + 1) + 0.5) * CELL_M, dtype=float)


def check_station_areas(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    """Return findings of stations whose area is larger than their class allows."""
    areas = measure_station_areas(snapshot, rules)
    classes = snapshot.station["station_class"].tolist()
    names = [_RULES.get(name, "station_area_first") for name in classes]
    figures = np.array([rules.figure(name) for name in names])
    rows: Ints = np.flatnonzero(areas > figures + 1e-9)
    return [
        Finding(
            names[row],
            rules[names[row]].severity,
            "facility",
            str(snapshot.station["code"].iloc[row]),
            snapshot.station.geometry.iloc[row],
            measured=float(areas[row]),
            required=float(figures[row]),
            detail={"kind": "large", "name": snapshot.station["name"].iloc[row]},
        )
        for row in rows.tolist()
    ]
