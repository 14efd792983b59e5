"""The content of a block of the sample city: rows of houses, stairwell units and lanes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample import names

Random = np.random.Generator

STOREY_M = 3.0
LOW_RISE_STOREYS = 7
"""Shops of more storeys are high-rises, which would stand too near to each other."""
_FROM_GUARD_HOUSE_M = 9.0
"""A high-rise stands this far from a low house of fire class 2."""

SUNLIGHT = 1.15
"""Distance between rows, in heights of the southern one."""


@dataclass
class BlockContent:
    """Content of a block, in metres."""

    compound: BaseGeometry | None = None
    compound_name: str = ""
    gated: bool = True
    buildings: list[dict[str, Any]] = field(default_factory=list)
    facilities: list[dict[str, Any]] = field(default_factory=list)
    lanes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, footprint: BaseGeometry, **attributes: Any) -> dict[str, Any]:
        """Add a building and return it."""
        building = {"geom": footprint, "units": [], **attributes}
        self.buildings.append(building)
        return building


def fit_rows(
    land: BaseGeometry, depth: float, pitch: float
) -> Iterator[tuple[float, float, float]]:
    """Yield south edge, west and east end of each row of some depth that fits on the land."""
    _, south, _, north = land.bounds
    y = south + 1.0
    while y + depth <= north - 1.0:
        strip = shapely.intersection(land, shapely.box(-1e7, y, 1e7, y + depth))
        for west, east in _clear(strip, y, depth):
            yield y, west, east
        y += pitch


def _clear(strip: BaseGeometry, y: float, depth: float) -> Iterator[tuple[float, float]]:
    """Yield the spans in which a strip has its full depth."""
    for part in shapely.get_parts(strip):
        ends = []
        for level in (y + 0.01, y + depth / 2, y + depth - 0.01):
            line = shapely.intersection(part, shapely.LineString([(-1e7, level), (1e7, level)]))
            if line.is_empty:
                break
            ends.append((line.bounds[0], line.bounds[2]))
        if len(ends) == 3:
            west, east = max(e[0] for e in ends), min(e[1] for e in ends)
            if east - west > 10:
                yield west, east


def add_slab(
    built: BlockContent, x: float, y: float, units: int, storeys: int, depth: float, random: Random
) -> float:
    """Add a slab of stairwell units with two households a floor; return its length in metres."""
    wide = 13.0 if storeys <= 7 else 16.0
    year = int(random.integers(1985, 2004) if storeys <= 7 else random.integers(2004, 2021))
    slab = built.add(
        shapely.box(x, y, x + units * wide, y + depth),
        use="residential",
        storeys_above=storeys,
        storeys_below=0 if storeys <= 7 else 1,
        structure="brick_concrete" if storeys <= 7 else "reinforced_concrete",
        fire_class=2,
        year_built=year,
    )
    for number in range(units):
        add_unit(slab, x + (number + 0.5) * wide, y + depth, storeys, 2, random)
    return units * wide


def add_unit(
    building: dict[str, Any], x: float, y: float, storeys: int, a_floor: int, random: Random
) -> None:
    """Add a stairwell unit with its households; a tenth of the dwellings are empty."""
    households = int(random.binomial(storeys * a_floor, 0.9))
    building["units"].append(
        {"geom": shapely.Point(x, y), "storeys": storeys, "households": households}
    )


def gated_compound(land: BaseGeometry, random: Random, *, gated: bool = True) -> BlockContent:
    """Return the empty content of a compound, with an invented name."""
    return BlockContent(compound=land, compound_name=names.compound(random), gated=gated)


def add_lanes(built: BlockContent, land: BaseGeometry, levels: list[float], width: float) -> None:
    """Add the lanes of a compound: at some levels, and one to be laid from the gate."""
    west, _, east, _ = land.bounds
    inner = shapely.buffer(land, -2.5)
    for y in levels:
        line = shapely.intersection(shapely.LineString([(west, y), (east, y)]), inner)
        for part in shapely.get_parts(line):
            if part.geom_type == "LineString" and part.length > 20:
                built.lanes.append({"geom": part, "road_class": "internal", "width_m": width})
    built.lanes.append({"geom": None, "road_class": "internal", "width_m": width})


def add_lanes_between(
    built: BlockContent, land: BaseGeometry, rows: list[tuple[float, float, float]], depth: float
) -> None:
    """Add lanes from street to street between rows of houses, within 15 m of both.

    North of the last row there is one where the street is farther away.
    """
    if not rows:
        return
    for (y, _, _), (following, _, _) in pairwise(rows):
        gap = following - y - depth
        if gap > 0:  # else both stand in one row, on two parts of the land
            width = max(LANE_M, gap - 2 * BESIDE_M)
            add_crossing_lane(built, land, y + depth + gap / 2, width)
    y, west, east = rows[-1]
    to_border = [block_borders(land, x)[1] - y - depth for x in (west, east)]
    if max(to_border) > BESIDE_M - SIDEWALK_M:
        add_crossing_lane(built, land, y + depth + min(9.0, min(to_border) + 1.0), LANE_M)


LANE_M, SIDEWALK_M = 6.0, 4.0

BESIDE_M = 14.5
"""A lane runs along a wall up to 15 m away."""


def block_borders(land: BaseGeometry, x: float) -> tuple[float, float]:
    """Return where the southern and the northern border of a block are."""
    upright = shapely.LineString([(x, -1e7), (x, 1e7)])
    _, south, _, north = shapely.intersection(land, upright).bounds
    return south, north


def add_crossing_lane(built: BlockContent, land: BaseGeometry, y: float, width: float) -> None:
    """Add a lane across a block, from the street in the west to that in the east."""
    built.lanes.append({"geom": line_across(land, y), "road_class": "internal", "width_m": width})


def line_across(land: BaseGeometry, y: float) -> BaseGeometry:
    """Return the line across a block that ends in the carriageways of the streets beside it."""
    west, _, east, _ = land.bounds
    across = shapely.LineString([(west - 20, y), (east + 20, y)])
    return shapely.intersection(across, shapely.buffer(land, 9))


def connect_lanes(built: BlockContent, land: BaseGeometry, *, south_gate: bool) -> None:
    """Lay the lane from the gate through all lanes of a compound, clear of its buildings."""
    spines = [lane for lane in built.lanes if lane["geom"] is None]
    for spine in spines:
        lanes = [lane["geom"] for lane in built.lanes if lane is not spine]
        walls = shapely.union_all([building["geom"] for building in built.buildings])
        clear_m = spine["width_m"] / 2 + _CLEAR_M
        lines = _spines(land, lanes, south_gate=south_gate)
        usable = [line for line in lines if line.distance(walls) > clear_m]
        spine["geom"] = max(usable, key=lambda line: _lanes_met(line, lanes), default=None)
    built.lanes = [lane for lane in built.lanes if lane["geom"] is not None]


_CLEAR_M = 0.5


def _lanes_met(line: shapely.LineString, lanes: list[BaseGeometry]) -> int:
    return sum(line.intersects(lane) for lane in lanes)


def _spines(
    land: BaseGeometry, lanes: list[BaseGeometry], *, south_gate: bool
) -> Iterator[shapely.LineString]:
    """Yield lines from the street into a compound: from its middle outwards, the longest first."""
    west, south, east, north = land.bounds
    middle, levels = (west + east) / 2, [lane.bounds[1] for lane in lanes]
    inner = shapely.buffer(land, -2.5)
    for step in range(int((east - west) / 2 / _SPINE_STEP_M)):
        for x in dict.fromkeys((middle + step * _SPINE_STEP_M, middle - step * _SPINE_STEP_M)):
            upright = shapely.LineString([(x, south - 30), (x, north + 30)])
            inside = shapely.intersection(upright, inner)
            if inside.is_empty:
                continue
            _, low, _, high = inside.bounds
            outside, ends = (south - 30, [high - 4, *levels[::-1]])
            if not south_gate:
                outside, ends = (north + 30, [low + 4, *levels])
            for end in ends:
                if low <= end <= high:
                    yield shapely.LineString([(x, outside), (x, end)])


_SPINE_STEP_M = 3.0


def add_southern_lane(built: BlockContent, land: BaseGeometry, *, south_gate: bool) -> None:
    """Add a lane south of the southern row where it has no street, or one too far from a tower."""
    south = min(building["geom"].bounds[1] for building in built.buildings)
    row = [building for building in built.buildings if building["geom"].bounds[1] == south]
    gaps = [
        south - block_borders(land, x)[0]
        for building in row
        if building["storeys_above"] > LOW_RISE_STOREYS
        for x in building["geom"].bounds[::2]
    ]
    if not south_gate:
        add_crossing_lane(built, land, south - 9.0, LANE_M)
    elif max(gaps, default=0.0) > BESIDE_M - SIDEWALK_M:
        add_crossing_lane(built, land, south - min(9.0, min(gaps) + 1.0), LANE_M)


def add_guard_house(built: BlockContent, land: BaseGeometry) -> None:
    """Add the guard house at the gate, where nothing else stands."""
    west, _, east, _ = land.bounds
    x = (west + east) / 2 + 4
    line = shapely.intersection(land, shapely.LineString([(x + 2, -1e7), (x + 2, 1e7)]))
    house = shapely.box(x, line.bounds[1] + 1.5, x + 4, line.bounds[1] + 5.0)
    apart = (house.distance(building["geom"]) for building in built.buildings)
    if house.within(land) and all(metres > _FROM_GUARD_HOUSE_M for metres in apart):
        built.add(house, use="ancillary", storeys_above=1, structure="brick_concrete", fire_class=2)
