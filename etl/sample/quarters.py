"""Buildings of a block: compounds, old alleys, urban villages, schools, parks, shops.

A block is filled in a local frame that faces south, with rows of houses spaced for sunlight.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample import names

Random = np.random.Generator

STOREY_M = 3.0
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


BLOCK_KINDS: dict[str, tuple[float, Callable[[BaseGeometry, Random], BlockContent]]]


def fill_block(
    land: BaseGeometry, kind: str, random: Random, *, south_gate: bool = True
) -> BlockContent:
    """Build the content of a block of some kind on its land, which excludes the streets.

    Parameters
    ----------
    south_gate
        Whether a street runs along its southern side, else one along the northern side.
    """
    angle = angle_of(land)
    pivot = land.centroid
    turned = shapely.affinity.rotate(land, -angle, origin=pivot)
    built = BLOCK_KINDS[kind][1](turned, random)
    _connect_lanes(built, turned, south_gate=south_gate)
    if built.buildings and kind in _BESIDE_STREETS:
        _add_southern_lane(built, turned, south_gate=south_gate)

    def back(geometry: Any) -> Any:
        return shapely.affinity.rotate(geometry, angle, origin=pivot)

    for thing in (*built.buildings, *built.facilities, *built.lanes):
        thing["geom"] = back(thing["geom"])
        for unit in thing.get("units", ()):
            unit["geom"] = back(unit["geom"])
    built.compound = None if built.compound is None else back(built.compound)
    return built


_BESIDE_STREETS = ("shops", "market")
"""Kinds of block whose southern row has a lane of its own where no street runs along it."""


def _add_southern_lane(built: BlockContent, land: BaseGeometry, *, south_gate: bool) -> None:
    """Add a lane south of the southern row where it has no street, or one too far from a tower."""
    south = min(building["geom"].bounds[1] for building in built.buildings)
    row = [building for building in built.buildings if building["geom"].bounds[1] == south]
    gaps = [
        south - _border(land, x)[0]
        for building in row
        if building["storeys_above"] > _LOW_RISE_STOREYS
        for x in building["geom"].bounds[::2]
    ]
    if not south_gate:
        _add_crossing_lane(built, land, south - 9.0, _LANE_M)
    elif max(gaps, default=0.0) > _BESIDE_M - _SIDEWALK_M:
        _add_crossing_lane(built, land, south - min(9.0, min(gaps) + 1.0), _LANE_M)


def angle_of(land: BaseGeometry) -> float:
    """Return the rotation of the southern side of a block in degrees, at most ten."""
    coords = shapely.get_coordinates(land)
    south = coords[np.argsort(coords[:, 1])[:2]]
    along = south[south[:, 0].argmax()] - south[south[:, 0].argmin()]
    return float(np.clip(np.degrees(np.arctan2(along[1], along[0])), -10, 10))


def _rows(land: BaseGeometry, depth: float, pitch: float) -> Iterator[tuple[float, float, float]]:
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


def _add_slab(
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
        _add_unit(slab, x + (number + 0.5) * wide, y + depth, storeys, 2, random)
    return units * wide


def _add_unit(
    building: dict[str, Any], x: float, y: float, storeys: int, a_floor: int, random: Random
) -> None:
    """Add a stairwell unit with its households; a tenth of the dwellings are empty."""
    households = int(random.binomial(storeys * a_floor, 0.9))
    building["units"].append(
        {"geom": shapely.Point(x, y), "storeys": storeys, "households": households}
    )


def _compound(land: BaseGeometry, random: Random, *, gated: bool = True) -> BlockContent:
    return BlockContent(compound=land, compound_name=names.compound(random), gated=gated)


def _add_lanes(built: BlockContent, land: BaseGeometry, levels: list[float], width: float) -> None:
    """Add the lanes of a compound: at some levels, and one to be laid from the gate."""
    west, _, east, _ = land.bounds
    inner = shapely.buffer(land, -2.5)
    for y in levels:
        line = shapely.intersection(shapely.LineString([(west, y), (east, y)]), inner)
        for part in shapely.get_parts(line):
            if part.geom_type == "LineString" and part.length > 20:
                built.lanes.append({"geom": part, "road_class": "internal", "width_m": width})
    built.lanes.append({"geom": None, "road_class": "internal", "width_m": width})


def _add_lanes_between(
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
            width = max(_LANE_M, gap - 2 * _BESIDE_M)
            _add_crossing_lane(built, land, y + depth + gap / 2, width)
    y, west, east = rows[-1]
    to_border = [_border(land, x)[1] - y - depth for x in (west, east)]
    if max(to_border) > _BESIDE_M - _SIDEWALK_M:
        _add_crossing_lane(built, land, y + depth + min(9.0, min(to_border) + 1.0), _LANE_M)


_LANE_M, _SIDEWALK_M = 6.0, 4.0
_BESIDE_M = 14.5
"""A lane runs along a wall up to 15 m away."""


def _border(land: BaseGeometry, x: float) -> tuple[float, float]:
    """Return where the southern and the northern border of a block are."""
    upright = shapely.LineString([(x, -1e7), (x, 1e7)])
    _, south, _, north = shapely.intersection(land, upright).bounds
    return south, north


def _add_crossing_lane(built: BlockContent, land: BaseGeometry, y: float, width: float) -> None:
    """Add a lane across a block, from the street in the west to that in the east."""
    built.lanes.append({"geom": _line_across(land, y), "road_class": "internal", "width_m": width})


def _line_across(land: BaseGeometry, y: float) -> BaseGeometry:
    """Return the line across a block that ends in the carriageways of the streets beside it."""
    west, _, east, _ = land.bounds
    across = shapely.LineString([(west - 20, y), (east + 20, y)])
    return shapely.intersection(across, shapely.buffer(land, 9))


def _connect_lanes(built: BlockContent, land: BaseGeometry, *, south_gate: bool) -> None:
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


SLAB_LANE_M = 5.0
"""Width of the lanes of compounds without high-rises."""


def slabs(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a gated compound of slab blocks, five to seven storeys."""
    built = _compound(land, random)
    storeys = int(random.integers(5, 8))
    depth, yard = 12.0, STOREY_M * storeys * SUNLIGHT
    inner, lanes = shapely.buffer(land, -7, join_style="mitre"), []
    middle = (land.bounds[0] + land.bounds[2]) / 2
    for y, west, east in _rows(inner, depth, depth + yard):
        lanes.append(y + depth + yard / 2)
        for low, high in ((west, middle - 5), (middle + 5, east)):
            x = low
            while True:
                units = int(random.integers(2, 5))
                if x + units * 13.0 > high:
                    units = int((high - x) // 13.0)
                if units < 2:
                    break
                x += _add_slab(built, x, y, units, storeys, depth, random) + 10.0
    _add_lanes(built, land, lanes[:-1][::2], SLAB_LANE_M)
    _add_guard_house(built, land)
    return built


def towers(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a gated compound of towers, 18 to 33 storeys, one to three units each."""
    built = _compound(land, random)
    inner = shapely.buffer(land, -14, join_style="mitre")
    lanes: list[float] = []
    middle = (land.bounds[0] + land.bounds[2]) / 2
    for y, west, east in _rows(inner, _TOWER_DEPTH_M, 72.0):
        if not _has_ladder_ground(land, y, west, east):
            continue
        # Beside every tower, with the open ground of the yard to turn on.
        lanes.append(y + _TOWER_DEPTH_M + 9.0 if not lanes else y - 9.0)
        for low, high in ((west, middle - 7), (middle + 7, east)):
            x = low
            while x + 26.0 <= high:
                units = 1 if x + 52.0 > high else int(random.choice([1, 2], p=[0.6, 0.4]))
                _add_tower(built, x, y, units, int(random.choice([18, 24, 26, 33])), random)
                x += units * 26.0 + 22.0
    _add_lanes(built, land, list(dict.fromkeys(lanes)), _LANE_M)
    _add_guard_house(built, land)
    return built


_TOWER_DEPTH_M = 18.0
_LADDER_GROUND_M = 15.5
"""A ladder area of 10 m begins 5 m from the wall, and ends before the fence."""


def _has_ladder_ground(land: BaseGeometry, y: float, west: float, east: float) -> bool:
    """Return whether a row of towers has room for ladder areas to one of its sides."""
    borders = [_border(land, x) for x in (west, east)]
    south = y - max(border[0] for border in borders)
    north = min(border[1] for border in borders) - y - _TOWER_DEPTH_M
    return max(south, north) > _LADDER_GROUND_M


def _add_tower(
    built: BlockContent, x: float, y: float, units: int, storeys: int, random: Random
) -> None:
    a_floor = int(random.choice([2, 4, 4, 6]))
    tower = built.add(
        shapely.box(x, y, x + units * 26.0, y + _TOWER_DEPTH_M),
        use="residential",
        storeys_above=storeys,
        storeys_below=2,
        structure="reinforced_concrete",
        fire_class=1,
        year_built=int(random.integers(2006, 2024)),
    )
    for number in range(units):
        _add_unit(tower, x + (number + 0.5) * 26.0, y, storeys, a_floor, random)


def giant(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a compound with two long towers of over 500 households, one without units."""
    built = _compound(land, random)
    inner = shapely.buffer(land, -14, join_style="mitre")
    rows = list(_rows(inner, 20.0, 52.0))
    wide = [row for row in rows if row[2] - row[1] > 86.0]
    for number, (y, west, _) in enumerate(wide[:2]):
        tower = built.add(
            shapely.box(west + 8, y, west + 86, y + 20.0),
            use="residential",
            storeys_above=33,
            storeys_below=2,
            structure="reinforced_concrete",
            fire_class=1,
            year_built=2018,
        )
        for unit in range(3):
            _add_unit(tower, west + 8 + (unit + 0.5) * 26, y, 33, 6, random)
        if number == 1:
            tower["households"] = sum(unit["households"] for unit in tower["units"])
            tower["units"] = []
    _add_lanes(built, land, [row[0] + 36 for row in rows[:-1]][::2], _LANE_M)
    _add_guard_house(built, land)
    return built


def _add_guard_house(built: BlockContent, land: BaseGeometry) -> None:
    """Add the guard house at the gate, where nothing else stands."""
    west, _, east, _ = land.bounds
    x = (west + east) / 2 + 4
    line = shapely.intersection(land, shapely.LineString([(x + 2, -1e7), (x + 2, 1e7)]))
    house = shapely.box(x, line.bounds[1] + 1.5, x + 4, line.bounds[1] + 5.0)
    apart = (house.distance(building["geom"]) for building in built.buildings)
    if house.within(land) and all(metres > _FROM_GUARD_HOUSE_M for metres in apart):
        built.add(house, use="ancillary", storeys_above=1, structure="brick_concrete", fire_class=2)


_FROM_GUARD_HOUSE_M = 9.0
"""A high-rise stands this far from a low house of fire class 2."""


def alleys(land: BaseGeometry, random: Random) -> BlockContent:
    """Return an old quarter: brick houses of one or two storeys along alleys."""
    built = BlockContent()
    for number, (y, west, east) in enumerate(_rows(land, 20.0, 24.0)):
        if number:
            lane = _line_across(land, y - 2)
            built.lanes.append({"geom": lane, "road_class": "alley", "width_m": 3.5})
        for side in (0.0, 10.5):
            x = west
            while x + 8.0 < east:
                length = min(float(random.uniform(8, 15)), east - x)
                if random.random() < 0.93:
                    _add_old_house(built, x, y + side, length, random)
                x += length + float(random.choice([0.0, 1.2], p=[0.5, 0.5]))
    return built


def _add_old_house(built: BlockContent, x: float, y: float, length: float, random: Random) -> None:
    built.add(
        shapely.box(x, y, x + length, y + 9.0),
        use="residential" if random.random() < 0.85 else "mixed",
        storeys_above=int(random.integers(1, 3)),
        structure="brick_wood",
        fire_class=int(random.integers(3, 5)),
        year_built=int(random.integers(1935, 1979)),
        households=int(random.integers(1, 4)),
    )


def village(land: BaseGeometry, random: Random) -> BlockContent:
    """Return an urban village: self-built houses of three to five storeys, close together."""
    built = BlockContent(compound=land, compound_name=names.village(random), gated=False)
    inner = shapely.buffer(land, -3, join_style="mitre")
    rows = list(_rows(inner, 24.0, 28.5))
    for number, (y, west, east) in enumerate(rows):
        if number:
            lane = _line_across(land, y - 2)
            # One alley in the middle is wide enough for an engine.
            width = 4.0 if number == len(rows) // 2 else 3.0
            built.lanes.append({"geom": lane, "road_class": "alley", "width_m": width})
        for side in (0.0, 12.6):
            x = west
            while x + 10.0 < east:
                length = min(float(random.uniform(10, 13)), east - x)
                built.add(
                    shapely.box(x, y + side, x + length, y + side + 11.0),
                    use="residential",
                    storeys_above=int(random.integers(3, 6)),
                    structure="brick_concrete",
                    fire_class=3,
                    year_built=int(random.integers(1990, 2012)),
                    households=int(random.integers(2, 6)),
                )
                x += length + float(random.uniform(1.5, 2.5))
    return built


_LOW_RISE_STOREYS = 7
"""Shops of more storeys are high-rises, which would stand too near to each other."""


def shops(land: BaseGeometry, random: Random) -> BlockContent:
    """Return shops and flats above them along the streets, offices behind."""
    built = BlockContent()
    rows = list(_rows(shapely.buffer(land, -3, join_style="mitre"), 16.0, 52.0))
    for number, (y, west, east) in enumerate(rows):
        x, is_beside_high_rise = west, False
        while x + 30.0 <= east:
            length = min(float(random.uniform(36, 60)), east - x)
            dwelt = number % 2 == 0 and random.random() < 0.7
            storeys = int(random.integers(4, 7) if dwelt else random.integers(3, 12))
            storeys = min(storeys, _LOW_RISE_STOREYS) if is_beside_high_rise else storeys
            is_beside_high_rise = storeys > _LOW_RISE_STOREYS
            shop = built.add(
                shapely.box(x, y, x + length, y + 16.0),
                use="mixed" if dwelt else str(random.choice(["commercial", "office"])),
                storeys_above=storeys,
                structure="reinforced_concrete",
                fire_class=2,
                year_built=int(random.integers(1992, 2020)),
            )
            if dwelt:
                for unit in range(int(length // 18)):
                    _add_unit(shop, x + (unit + 0.5) * 18, y + 16.0, storeys - 1, 2, random)
            x += length + 9.0
    _add_lanes_between(built, land, rows, 16.0)
    return built


def _grounds(land: BaseGeometry, category: str, name: str) -> BlockContent:
    built = BlockContent()
    built.facilities.append({"geom": land, "category": category, "name": name})
    return built


def school(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a school: teaching wings and a running track, in a wall."""
    name = names.school(random)
    built = _grounds(land, "school", name)
    built.compound, built.compound_name = land, name
    inner = shapely.buffer(land, -10, join_style="mitre")
    rows = list(_rows(inner, 14.0, 42.0))[:3]
    for y, west, east in rows:
        built.add(
            shapely.box(west, y, west + min(70.0, (east - west) * 0.4), y + 14.0),
            name=name,
            use="education",
            storeys_above=4,
            structure="reinforced_concrete",
            fire_class=2,
            year_built=int(random.integers(1988, 2016)),
        )
    _add_lanes_between(built, land, rows, 14.0)
    return built


def hospital(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a hospital: a tall ward, an outpatient house."""
    name = names.hospital(random)
    built = _grounds(land, "hospital", name)
    inner = shapely.buffer(land, -14, join_style="mitre")
    # A ward that is deeper than long would have its long sides away from the lanes.
    rows = [row for row in _rows(inner, 22.0, 60.0) if (row[2] - row[1]) * 0.6 > 22.0][:3]
    for number, (y, west, east) in enumerate(rows):
        built.add(
            shapely.box(west + 5, y, west + 5 + min(85.0, (east - west) * 0.6), y + 22.0),
            name=name,
            use="medical",
            storeys_above=(5, 16, 8)[number],
            structure="reinforced_concrete",
            fire_class=1,
            year_built=2009,
        )
    _add_lanes_between(built, land, rows, 22.0)
    return built


def market(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a market hall with dwellings beside it."""
    built = shops(land, random)
    halls = [b for b in built.buildings if b["use"] in {"commercial", "office"}][:1]
    for hall in halls:
        hall |= {"use": "commercial", "storeys_above": 2, "name": names.market(random), "units": []}
        built.facilities.append(
            {"geom": hall["geom"].centroid, "category": "market", "name": hall["name"]}
        )
    return built


def park(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a park with a pavilion and a toilet."""
    built = _grounds(land, "park", names.park(random))
    x, y = land.centroid.x, land.centroid.y
    for dx, side, use in ((0.0, 12.0, "culture"), (40.0, 6.0, "public")):
        built.add(
            shapely.box(x + dx, y, x + dx + side, y + side),
            use=use,
            storeys_above=1,
            structure="brick_wood" if use == "culture" else "brick_concrete",
            fire_class=3,
        )
    _add_crossing_lane(built, land, y + 20.0, _LANE_M)
    built.facilities.append(
        {"geom": shapely.Point(x + 43, y + 3), "category": "toilet", "name": "公共厕所"}
    )
    return built


def works(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a works: halls and a store in a wall, and its dwellings."""
    built = _compound(land, random)
    built.compound_name = names.works(random)
    inner = shapely.buffer(land, -10, join_style="mitre")
    rows = list(_rows(inner, 28.0, 44.0))
    for number, (y, west, east) in enumerate(rows):
        if number >= 2:
            if y + 12 < inner.bounds[3]:
                _add_slab(built, west, y, max(2, int((east - west) // 26)), 5, 12.0, random)
            continue
        x = west
        while x + 40 <= east:
            length = min(float(random.uniform(45, 75)), east - x)
            built.add(
                shapely.box(x, y, x + length, y + 28.0),
                use=str(random.choice(["industrial", "warehouse"])),
                storeys_above=2,
                structure="steel",
                fire_class=2,
                year_built=int(random.integers(1975, 2010)),
            )
            x += length + 14.0
    _add_lanes_between(built, land, rows, 28.0)
    return built


BLOCK_KINDS = {
    "slabs": (0.40, slabs),
    "towers": (0.10, towers),
    "alleys": (0.14, alleys),
    "village": (0.07, village),
    "shops": (0.13, shops),
    "school": (0.04, school),
    "market": (0.03, market),
    "park": (0.05, park),
    "works": (0.04, works),
    "hospital": (0.0, hospital),
    "giant": (0.0, giant),
}
"""Share of each kind of block, and the function that builds it; the last two are placed by hand."""


def draw_kind(random: Random) -> str:
    """Draw a kind of block by its share."""
    kinds = list(BLOCK_KINDS)
    shares = np.array([BLOCK_KINDS[kind][0] for kind in kinds])
    return str(random.choice(kinds, p=shares / shares.sum()))
