"""Buildings of a block: compounds, old alleys, urban villages, schools, parks, shops.

A block is filled in a local frame that faces south, with rows of houses spaced for sunlight.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample import names
from etl.sample.block_content import (
    LANE_M,
    LOW_RISE_STOREYS,
    STOREY_M,
    SUNLIGHT,
    BlockContent,
    Random,
    add_crossing_lane,
    add_guard_house,
    add_lanes,
    add_lanes_between,
    add_slab,
    add_southern_lane,
    add_unit,
    block_borders,
    connect_lanes,
    fit_rows,
    gated_compound,
    line_across,
)

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
    connect_lanes(built, turned, south_gate=south_gate)
    if built.buildings and kind in _BESIDE_STREETS:
        add_southern_lane(built, turned, south_gate=south_gate)

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


def angle_of(land: BaseGeometry) -> float:
    """Return the rotation of the southern side of a block in degrees, at most ten."""
    coords = shapely.get_coordinates(land)
    south = coords[np.argsort(coords[:, 1])[:2]]
    along = south[south[:, 0].argmax()] - south[south[:, 0].argmin()]
    return float(np.clip(np.degrees(np.arctan2(along[1], along[0])), -10, 10))


SLAB_LANE_M = 5.0
"""Width of the lanes of compounds without high-rises."""


def slabs(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a gated compound of slab blocks, five to seven storeys."""
    built = gated_compound(land, random)
    storeys = int(random.integers(5, 8))
    depth, yard = 12.0, STOREY_M * storeys * SUNLIGHT
    inner, lanes = shapely.buffer(land, -7, join_style="mitre"), []
    middle = (land.bounds[0] + land.bounds[2]) / 2
    for y, west, east in fit_rows(inner, depth, depth + yard):
        lanes.append(y + depth + yard / 2)
        for low, high in ((west, middle - 5), (middle + 5, east)):
            x = low
            while True:
                units = int(random.integers(2, 5))
                if x + units * 13.0 > high:
                    units = int((high - x) // 13.0)
                if units < 2:
                    break
                x += add_slab(built, x, y, units, storeys, depth, random) + 10.0
    add_lanes(built, land, lanes[:-1][::2], SLAB_LANE_M)
    add_guard_house(built, land)
    return built


def towers(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a gated compound of towers, 18 to 33 storeys, one to three units each."""
    built = gated_compound(land, random)
    inner = shapely.buffer(land, -14, join_style="mitre")
    lanes: list[float] = []
    middle = (land.bounds[0] + land.bounds[2]) / 2
    for y, west, east in fit_rows(inner, _TOWER_DEPTH_M, 72.0):
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
    add_lanes(built, land, list(dict.fromkeys(lanes)), LANE_M)
    add_guard_house(built, land)
    return built


_TOWER_DEPTH_M = 18.0
_LADDER_GROUND_M = 15.5
"""A ladder area of 10 m begins 5 m from the wall, and ends before the fence."""


def _has_ladder_ground(land: BaseGeometry, y: float, west: float, east: float) -> bool:
    """Return whether a row of towers has room for ladder areas to one of its sides."""
    borders = [block_borders(land, x) for x in (west, east)]
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
        add_unit(tower, x + (number + 0.5) * 26.0, y, storeys, a_floor, random)


def giant(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a compound with two long towers of over 500 households, one without units."""
    built = gated_compound(land, random)
    inner = shapely.buffer(land, -14, join_style="mitre")
    rows = list(fit_rows(inner, 20.0, 52.0))
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
            add_unit(tower, west + 8 + (unit + 0.5) * 26, y, 33, 6, random)
        if number == 1:
            tower["households"] = sum(unit["households"] for unit in tower["units"])
            tower["units"] = []
    add_lanes(built, land, [row[0] + 36 for row in rows[:-1]][::2], LANE_M)
    add_guard_house(built, land)
    return built


def alleys(land: BaseGeometry, random: Random) -> BlockContent:
    """Return an old quarter: brick houses of one or two storeys along alleys."""
    built = BlockContent()
    for number, (y, west, east) in enumerate(fit_rows(land, 20.0, 24.0)):
        if number:
            lane = line_across(land, y - 2)
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
    rows = list(fit_rows(inner, 24.0, 28.5))
    for number, (y, west, east) in enumerate(rows):
        if number:
            lane = line_across(land, y - 2)
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


def shops(land: BaseGeometry, random: Random) -> BlockContent:
    """Return shops and flats above them along the streets, offices behind."""
    built = BlockContent()
    rows = list(fit_rows(shapely.buffer(land, -3, join_style="mitre"), 16.0, 52.0))
    for number, (y, west, east) in enumerate(rows):
        x, is_beside_high_rise = west, False
        while x + 30.0 <= east:
            length = min(float(random.uniform(36, 60)), east - x)
            dwelt = number % 2 == 0 and random.random() < 0.7
            storeys = int(random.integers(4, 7) if dwelt else random.integers(3, 12))
            storeys = min(storeys, LOW_RISE_STOREYS) if is_beside_high_rise else storeys
            is_beside_high_rise = storeys > LOW_RISE_STOREYS
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
                    add_unit(shop, x + (unit + 0.5) * 18, y + 16.0, storeys - 1, 2, random)
            x += length + 9.0
    add_lanes_between(built, land, rows, 16.0)
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
    rows = list(fit_rows(inner, 14.0, 42.0))[:3]
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
    add_lanes_between(built, land, rows, 14.0)
    return built


def hospital(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a hospital: a tall ward, an outpatient house."""
    name = names.hospital(random)
    built = _grounds(land, "hospital", name)
    inner = shapely.buffer(land, -14, join_style="mitre")
    # A ward that is deeper than long would have its long sides away from the lanes.
    rows = [row for row in fit_rows(inner, 22.0, 60.0) if (row[2] - row[1]) * 0.6 > 22.0][:3]
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
    add_lanes_between(built, land, rows, 22.0)
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
    add_crossing_lane(built, land, y + 20.0, LANE_M)
    built.facilities.append(
        {"geom": shapely.Point(x + 43, y + 3), "category": "toilet", "name": "公共厕所"}
    )
    return built


def works(land: BaseGeometry, random: Random) -> BlockContent:
    """Return a works: halls and a store in a wall, and its dwellings."""
    built = gated_compound(land, random)
    built.compound_name = names.works(random)
    inner = shapely.buffer(land, -10, join_style="mitre")
    rows = list(fit_rows(inner, 28.0, 44.0))
    for number, (y, west, east) in enumerate(rows):
        if number >= 2:
            if y + 12 < inner.bounds[3]:
                add_slab(built, west, y, max(2, int((east - west) // 26)), 5, 12.0, random)
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
    add_lanes_between(built, land, rows, 28.0)
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
