"""The sample city: every planted fault is found with the expected figures, and nothing else there.

Faults that were not planted (old quarters, dry streets) are compared with naive searches.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import shapely
from scipy.sparse.csgraph import connected_components
from shapely.ops import substring

from geo.fire import (
    fire_lanes,
    hydrant_places,
    hydrant_supply,
    hydrants,
    ladder_areas,
    separation,
    station_areas,
    station_response,
    vehicle_access,
)
from geo.fire.finding import Finding
from geo.network import isolation, pipes
from geo.network.isolation import Sectors
from tests.geo.fire.conftest import IN_BOTH_SIZES

CHECKS = (
    *(
        hydrants.check_hydrant_coverage,
        hydrant_places.check_hydrant_spacing,
        hydrant_places.check_hydrant_positions,
        fire_lanes.check_fire_lanes,
    ),
    *(
        vehicle_access.check_vehicle_reach,
        separation.check_separation,
        ladder_areas.check_ladder_areas,
        station_response.check_response_times,
    ),
)
KINDS = {
    *("hemmed_tower", "courtyard", "close_walls", "adjoining_walls", "unknown_class"),
    *("blind_lane", "steep_lane", "narrow_lane", "low_arch", "road_gap"),
    *("hydrant_out_of_service", "hydrant_off_kerb", "hydrant_in_carriageway", "hydrant_gap"),
    "hydrant_weak",
}

PIPE_KINDS = {"gas_under_building", "gas_near_sewer", "gas_shallow", "gas_crosses_water"}
"""Faults of buried pipes, which are no fire rule's (``tests/etl/sample/test_city.py``)."""

LANES_ELSEWHERE = ("narrow_lane", "low_arch", "road_gap")


@pytest.fixture(scope="module")
def water(sample) -> Sectors:
    """Return the sectors of the sample's water network."""
    nodes, segments = (
        sample[name][(sample[name]["network"] == "water").to_numpy()].reset_index(drop=True)
        for name in ("pipe_node", "pipe_segment")
    )
    xy = shapely.get_coordinates(nodes.geometry.to_numpy())
    table = pd.DataFrame(nodes.drop(columns="geom"))
    graph = pipes.build_pipe_graph("water", segments.crs, table, xy, segments)
    return isolation.build_sectors(graph)


@pytest.fixture(scope="module")
def found(city, in_force, water) -> list[Finding]:
    supply = hydrant_supply.check_hydrant_supply(city, in_force, water)
    return [*(item for find in CHECKS for item in find(city, in_force)), *supply]


@pytest.fixture(scope="module")
def answers(sample) -> pd.DataFrame:
    """Return the expected answers, without those about dry streets and about buried pipes."""
    rows = sample["planted"].drop(columns="geom")
    assert set(rows["kind"]) == KINDS | PIPE_KINDS
    rows = rows[~rows["kind"].isin(PIPE_KINDS)]
    return rows[rows["kind"] != "hydrant_gap"].astype(object).where(lambda row: row.notna(), None)


@IN_BOTH_SIZES
def test_every_planted_fault_is_found_with_its_figures(found, answers):
    by_rule = {(item.rule, item.feature): item for item in found}
    assert len(answers) >= 17
    for right in answers.itertuples():
        item = by_rule[right.rule, right.code]
        assert item.measured == (right.measured and pytest.approx(right.measured, abs=0.001))
        if right.required is not None:
            assert item.required == pytest.approx(right.required, abs=0.001)
        if right.other:
            assert item.other == right.other


@IN_BOTH_SIZES
def test_nothing_else_is_found_where_faults_are_planted(sample, found, answers):
    buildings, roads = sample["building"], sample["road"]
    drill = buildings[buildings["name"].str.startswith("消防训练")]
    parks = [houses.total_bounds for _, houses in drill.groupby(drill["code"].str[:9])]
    offices = sample["region"].query("level == 'street'")["code"]
    assert (len(drill), len(parks)) == (15 * len(offices), len(offices))
    elsewhere = answers["kind"].str.startswith("hydrant") | answers["kind"].isin(LANES_ELSEWHERE)
    own = answers[~elsewhere]
    lanes_there = roads[roads.intersects(shapely.union_all([shapely.box(*p) for p in parks]))]
    there = {*drill["code"], *lanes_there["code"], *own["code"]}
    said = {(item.rule, item.feature) for item in found if {item.feature, item.other} & there}
    # A park may lie beside streets that were planted dry.
    far = {("hydrant_route", code) for code in there}
    assert said - far == set(zip(own["rule"], own["code"], strict=True))


@IN_BOTH_SIZES
def test_lanes_of_the_sample_are_found_where_their_records_break_the_rule(sample, found, answers):
    roads = sample["road"].set_index("code")
    kinds = answers.groupby("kind")["code"].apply(set)
    narrow = set(roads.index[roads["width_m"] < 4.0])
    assert {item.feature for item in found if item.rule == "lane_width"} == narrow
    assert narrow >= kinds["narrow_lane"]
    assert {item.feature for item in found if item.rule == "lane_height"} == kinds["low_arch"]


@IN_BOTH_SIZES
def test_lanes_along_and_between_buildings_and_to_ladder_areas_lack_only_where_planted(
    found, answers
):
    rules = {
        *("lane_along_one", "lane_along_two", "lane_spacing", "lane_radius"),
        *("lane_through_street", "lane_through_total", "lane_court"),
        *("ladder_lane", "ladder_area", "ladder_area_tall", "ladder_podium", "ladder_slope"),
    }
    planted = answers[answers["rule"].isin(rules)]
    said = {(item.rule, item.feature) for item in found if item.rule in rules}
    assert said == set(zip(planted["rule"], planted["code"], strict=True))
    assert {"lane_along_two", "ladder_area_tall"} <= set(planted["rule"])


@IN_BOTH_SIZES
def test_stations_of_the_sample_have_areas_within_their_class(city, in_force):
    assert station_areas.check_station_areas(city, in_force) == []


@IN_BOTH_SIZES
def test_planted_hydrants_are_the_only_ones_out_or_off_their_place(found, answers):
    kinds = answers.groupby("kind")["code"].apply(set)
    by_rule = {
        rule: {item.feature for item in found if item.rule == rule}
        for rule in ("hydrant_out", "hydrant_kerb_most", "hydrant_kerb_least", "hydrant_wall")
    }
    assert by_rule == {
        "hydrant_out": kinds["hydrant_out_of_service"],
        "hydrant_kerb_most": kinds["hydrant_off_kerb"],
        "hydrant_kerb_least": kinds["hydrant_in_carriageway"],
        "hydrant_wall": set(),
    }


@IN_BOTH_SIZES
def test_planted_hydrants_are_the_only_ones_with_too_little_water(found, answers):
    weak = answers[answers["kind"] == "hydrant_weak"]
    supply = {item.rule for item in found} & {
        *("hydrant_flow", "hydrant_pressure", "hydrant_pressure_running"),
        *("hydrant_ring", "hydrant_branch", "hydrant_section"),
    }
    assert supply == set(weak["rule"])
    found_there = {(item.rule, item.feature) for item in found if item.rule in supply}
    assert found_there == set(zip(weak["rule"], weak["code"], strict=True))


def test_hydrants_near_a_wall_are_those_a_plain_search_finds(city, found):
    walls = shapely.union_all(city.building.geometry.to_numpy())
    apart = shapely.distance(city.hydrant.geometry.to_numpy(), walls)
    near = set(city.hydrant["code"].to_numpy()[apart < 5.0 - 0.01])
    assert {item.feature for item in found if item.rule == "hydrant_wall"} == near


def test_planted_lanes_stop_the_engine(city, answers, in_force):
    kinds = vehicle_access.classify_obstacles(
        city.road, vehicle_access.vehicle_from_settings(in_force)
    )
    stopped = dict(zip(city.road["code"], kinds, strict=True))
    by_kind = answers.groupby("kind")["code"].apply(list)
    assert {stopped[code] for code in by_kind["narrow_lane"]} == {vehicle_access.WIDTH}
    assert {stopped[code] for code in by_kind["low_arch"]} == {vehicle_access.HEIGHT}
    assert stopped[by_kind["steep_lane"][0]] is None


@IN_BOTH_SIZES
def test_planted_gap_is_the_only_one_and_is_joined(sample, city, found, answers):
    kinds = answers.groupby("kind")["code"].apply(list)
    assert not any(join.at_gate for join in city.road_joins)
    joins = sorted(item.feature for item in found if item.rule == "road_join")
    assert joins == sorted(kinds["road_gap"])
    assert connected_components(city.graph.walking_costs())[0] == 1


@IN_BOTH_SIZES
def test_findings_name_their_reason(found, answers):
    detail = {(item.rule, item.feature): item.detail for item in found}
    for rule, name, reason in (
        ("engine_reach", "kind", "behind"),
        ("ladder_area_tall", "kind", "blocked"),
        ("separation_2_4", "proof", "protected"),
        ("separation_4_4", "kind", "no_class"),
    ):
        codes = answers.loc[answers["rule"] == rule, "code"]
        assert {detail[rule, code][name] for code in codes} == {reason}


def test_streets_planted_dry_are_gaps_and_every_gap_is_truly_dry(sample, city, in_force):
    gaps = hydrant_places.check_hydrant_spacing(city, in_force)
    planted = sample["planted"]
    streets = sample["road"].set_index("code").geometry
    for code in planted.loc[planted["kind"] == "hydrant_gap", "code"]:
        beside = [gap.geometry for gap in gaps if gap.geometry.distance(streets[code]) < 0.01]
        bare = shapely.difference(streets[code], shapely.buffer(shapely.union_all(beside), 0.01))
        assert shapely.length(bare) < 0.1
    works = sample["pipe_node"].query("kind == 'hydrant' and in_service").geometry.to_numpy()
    for gap in gaps:
        assert shapely.length(gap.geometry) == pytest.approx(gap.measured)
        between = substring(gap.geometry, 1.0, gap.measured - 1.0)
        inner = shapely.buffer(between, 7.0, cap_style="flat")
        assert gap.measured > 120
        assert not shapely.intersects(works, inner).any()


def test_every_pair_of_the_sample_that_is_too_close_is_found_and_no_other(sample, found):
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
            if shapes[a].distance(shapes[b]) < required - 0.01:
                expected.add((codes[a], codes[b]))
    known = {
        (f.feature, f.other)
        for f in found
        if f.rule.startswith("separation") and f.severity.value != "missing"
    }
    assert known == expected


def test_land_reached_within_minutes_grows_and_is_clean(city, in_force):
    # The whole sample city is reached within four minutes: none of its roads is an island.
    areas = station_response.compute_response_areas(city, in_force, [1.5, 2.0, 2.5, 3.0])
    for smaller, larger in pairwise(areas):
        assert shapely.is_valid(larger)
        assert shapely.difference(smaller, larger).area < 0.01
        assert larger.area > smaller.area
    stations = city.station.geometry.to_numpy()
    assert shapely.dwithin(stations, areas[0], 60.0).all()
