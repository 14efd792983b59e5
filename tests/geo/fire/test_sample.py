"""The sample city: what was planted is found, by every overlay, and nothing else there.

Faults are planted in the sample's park, where there is room; what an overlay finds more than
without them must be the right answers and no others. What the sample has by nature (its old
quarters) is held against naive searches.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely.ops import substring

from geo.fire import engine, hydrants, ladder, lanes, response, separation
from geo.fire.ground import COLUMNS, Ground
from tests.geo.fire.conftest import METRIC, ground_of

OVERLAYS = {
    "coverage": hydrants.coverage,
    "spacing": hydrants.spacing,
    "standing": hydrants.standing,
    "lanes": lanes.find,
    "reach": engine.find,
    "separation": separation.find,
    "ladder": ladder.find,
    "response": response.find,
}


def found_in(ground: Ground, rules) -> set[tuple[str, str, str, str | None]]:
    return {
        (overlay, one.rule, one.feature, one.other)
        for overlay, find in OVERLAYS.items()
        for one in find(ground, rules)
    }


@pytest.fixture(scope="module")
def before(city, in_force):
    return found_in(city, in_force)


@pytest.fixture(scope="module")
def park(sample) -> tuple[float, float]:
    """Return the middle of the eastern half of the sample's park: 40 m of open ground around."""
    facility = sample["facility"]
    parks = facility[facility["category"] == "park"].geometry
    grounds = max(parks, key=lambda land: land.area)
    west, south, east, north = grounds.bounds
    built = shapely.STRtree(sample["building"].geometry.to_numpy())
    for x in np.arange(west + 45, east - 45, 3.0):
        for y in np.arange(south + 45, north - 45, 3.0):
            spot = shapely.Point(x, y).buffer(38)
            if spot.within(grounds) and not len(built.query(spot, predicate="intersects")):
                return float(x), float(y)
    raise AssertionError("the sample's park has no room")


def planted(sample, **more: list[dict[str, object]]) -> Ground:
    """Return the sample's ground with more features, given in metres."""
    layers = {}
    for name in COLUMNS:
        frame = sample[name]
        if name == "pipe_node":
            frame = frame[(frame["kind"] == "hydrant") & (frame["network"] == "water")]
        if name == "region":
            frame = frame[frame["level"] == "community"]
        if name in more:
            rows = gpd.GeoDataFrame(more[name], geometry="geom", crs=METRIC)
            both = pd.concat([frame.astype(object), rows.astype(object)], ignore_index=True)
            frame = gpd.GeoDataFrame(both, geometry="geom", crs=METRIC)
        layers[name] = frame.sort_values("code")
    return ground_of(**layers)


def house(code: str, x: float, y: float, wide: float = 10.0, deep: float = 10.0, **more: object):
    row = {"code": code, "use": "office", "storeys_above": 3, "height_m": 10.0, "fire_class": 2}
    row |= {"high_rise": False, "households": 0, "structure": "reinforced_concrete"}
    return row | {"geom": shapely.box(x, y, x + wide, y + deep)} | more


def lane(code: str, *points: tuple[float, float], **more: object):
    row = {"code": code, "road_class": "internal", "width_m": 5.0, "name": code, "surface": None}
    row |= {"bridge": False, "tunnel": False, "oneway": "no"}
    return row | {"geom": shapely.LineString(points)} | more


def street_side(sample, place: tuple[float, float]) -> tuple[float, float]:
    """Return the nearest place on the middle of a street."""
    roads = sample["road"]
    streets = roads[roads["road_class"].isin(["arterial", "secondary", "local"])].geometry
    point = shapely.Point(place)
    nearest = min(streets, key=lambda line: line.distance(point))
    at = nearest.interpolate(nearest.project(point))
    return at.x, at.y


def test_walls_too_close_are_found_with_their_figure(sample, before, park, in_force):
    x, y = park
    ground = planted(sample, building=[house("one", x, y), house("two", x + 15, y, fire_class=4)])
    more = found_in(ground, in_force) - before
    assert {f for f in more if f[0] == "separation"} == {
        ("separation", "separation_2_4", "one", "two")
    }
    pair = next(f for f in separation.find(ground, in_force) if f.feature == "one")
    assert (pair.measured, pair.required) == (pytest.approx(5.0), 9.0)
    assert pair.detail["proof"] == "protected"


def test_walls_just_far_enough_are_not(sample, before, park, in_force):
    x, y = park
    ground = planted(sample, building=[house("one", x, y), house("two", x + 16.01, y)])
    assert {f for f in found_in(ground, in_force) - before if f[0] == "separation"} == set()


def test_adjoining_walls_have_a_rule_of_their_own(sample, before, park, in_force):
    x, y = park
    ground = planted(sample, building=[house("one", x, y), house("two", x + 10, y)])
    assert {f for f in found_in(ground, in_force) - before if f[0] == "separation"} == {
        ("separation", "separation_adjoining", "one", "two")
    }


def test_house_without_a_class_is_missing_not_passed(sample, before, park, in_force):
    x, y = park
    ground = planted(
        sample, building=[house("one", x, y, fire_class=None), house("two", x + 17, y)]
    )
    more = [f for f in separation.find(ground, in_force) if f.feature == "one"]
    assert [f.severity.value for f in more] == ["missing"]


def test_lane_too_narrow_and_arch_too_low_stop_the_engine(sample, before, park, in_force):
    x, y = park
    start = street_side(sample, park)
    rows = [
        lane("narrow", start, (x, y), width_m=3.0),
        lane("low", start, (x + 8, y), clear_height_m=3.2),
    ]
    ground = planted(sample, road=rows)
    more = found_in(ground, in_force) - before
    assert {f for f in more if f[0] == "lanes" and not f[1].startswith("lane_turning")} == {
        ("lanes", "lane_width", "narrow", None),
        ("lanes", "lane_height", "low", None),
    }
    kinds = engine.obstacles(ground.road, engine.installed(in_force))
    stopped = dict(zip(ground.road["code"], kinds, strict=True))
    assert (stopped["narrow"], stopped["low"]) == (engine.WIDTH, engine.HEIGHT)


def test_dead_end_between_walls_has_no_room_to_turn(sample, before, park, in_force):
    x, y = park
    start = street_side(sample, park)
    walls = [house("left", x - 14, y - 30, 10, 60), house("right", x + 4, y - 30, 10, 60)]
    walls.append(house("end", x - 4, y + 12, 8, 10))
    ground = planted(sample, road=[lane("blind", start, (x, y - 34), (x, y))], building=walls)
    more = {f for f in found_in(ground, in_force) - before if f[0] == "lanes"}
    assert more == {("lanes", "lane_turning", "blind", None)}
    one = next(f for f in lanes.find(ground, in_force) if f.feature == "blind")
    assert one.measured < 12


def test_dead_end_in_the_open_is_no_finding(sample, before, park, in_force):
    ground = planted(sample, road=[lane("open", street_side(sample, park), park)])
    assert {f for f in found_in(ground, in_force) - before if f[0] == "lanes"} == set()


def test_courtyard_without_an_opening_is_unreached_and_says_why(sample, before, park, in_force):
    x, y = park
    ring = shapely.difference(
        shapely.box(x, y, x + 36, y + 36), shapely.box(x + 4, y + 4, x + 32, y + 32)
    )
    rows = [house("ring", 0, 0, geom=ring), house("inner", x + 14, y + 14, 8, 8)]
    ground = planted(sample, building=rows)
    more = {f for f in found_in(ground, in_force) - before if f[2] == "inner"}
    assert ("reach", "engine_reach", "inner", None) in more
    one = next(f for f in engine.find(ground, in_force) if f.feature == "inner")
    assert one.detail["kind"] == "behind"


def test_high_rise_hemmed_in_has_no_ladder_area_and_says_what_is_in_the_way(
    sample, before, park, in_force
):
    x, y = park
    tower = house("tower", x, y, 30, 14, height_m=60.0, storeys_above=20, high_rise=True)
    around = [
        *(house("s", x - 5, y - 16, 40, 7), house("n", x - 5, y + 23, 40, 7)),
        *(house("w", x - 16, y - 6, 7, 26), house("e", x + 39, y - 6, 7, 26)),
    ]
    ground = planted(sample, building=[tower, *around])
    more = {f[:3] for f in found_in(ground, in_force) - before if f[0] == "ladder"}
    assert more == {("ladder", "ladder_area_tall", "tower")}
    free = planted(sample, building=[tower])
    assert not {f for f in found_in(free, in_force) - before if f[0] == "ladder"}


def test_planted_lanes_and_hydrants_of_the_sample_are_all_found(sample, city, before):
    kinds = sample["planted"].groupby("kind")["code"].apply(set)
    roads = sample["road"].set_index("code")
    narrow = set(roads.index[roads["width_m"] < 4.0])
    assert {f[2] for f in before if f[1] == "lane_width"} == narrow >= kinds["narrow_lane"]
    assert {f[2] for f in before if f[1] == "lane_height"} == kinds["low_arch"]
    assert {f[2] for f in before if f[1] == "hydrant_out"} == kinds["hydrant_out_of_service"]


def test_streets_planted_dry_are_gaps_and_every_gap_is_truly_dry(sample, city, in_force):
    gaps = hydrants.spacing(city, in_force)
    dry = sample["planted"].loc[sample["planted"]["kind"] == "hydrant_gap", "detail"]
    named = {one.detail["name"] for one in gaps}
    assert {said.split(" ")[0] for said in dry} <= named
    works = sample["pipe_node"].query("kind == 'hydrant' and in_service").geometry.to_numpy()
    for gap in gaps:
        assert shapely.length(gap.geometry) == pytest.approx(gap.measured)
        between = substring(gap.geometry, 1.0, gap.measured - 1.0)
        inner = shapely.buffer(between, 7.0, cap_style="flat")
        assert gap.measured > 120
        assert not shapely.intersects(works, inner).any()


def test_every_pair_of_the_sample_that_is_too_close_is_found_and_no_other(sample, city, before):
    """A naive search over the sample's own rows: neither tree nor table of ours."""
    table = {(2, 2): 6, (2, 3): 7, (2, 4): 9, (3, 3): 8, (3, 4): 10, (4, 4): 12}
    high = {2: 9, 3: 11, 4: 14}
    rows = sample["building"].sort_values("code")
    boxes = shapely.bounds(rows.geometry.to_numpy())
    shapes, codes = rows.geometry.tolist(), rows["code"].tolist()
    classes = [2 if pd.isna(c) else max(int(c), 2) for c in rows["fire_class"]]
    tall = rows["high_rise"].astype(bool).tolist()
    expected = set()
    for a in range(len(rows)):
        near = np.flatnonzero(
            (boxes[a + 1 :, 0] < boxes[a, 2] + 14)
            & (boxes[a + 1 :, 2] > boxes[a, 0] - 14)
            & (boxes[a + 1 :, 1] < boxes[a, 3] + 14)
            & (boxes[a + 1 :, 3] > boxes[a, 1] - 14)
        )
        for b in near + a + 1:
            if tall[a] and tall[b]:
                required = 13
            elif tall[a] or tall[b]:
                required = high[classes[b if tall[a] else a]]
            else:
                required = table[min(classes[a], classes[b]), max(classes[a], classes[b])]
            if shapes[a].distance(shapes[b]) < required - 1e-6:
                expected.add((codes[a], codes[b]))
    known = {
        (f.feature, f.other)
        for f in separation.find(city, _default())
        if f.severity.value != "missing"
    }
    assert known == expected


def _default():
    from geo.fire import rules

    return rules.in_force({})
