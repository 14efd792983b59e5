"""Incomplete and odd data: nothing fails, nothing passes silently, missing data is reported."""

import pytest
import shapely

from etl.osm import read_osm
from etl.sample.street_plan import SAMPLES
from geo.fire import (
    finding_refresh,
    fire_lanes,
    hydrant_places,
    hydrants,
    ladder_areas,
    separation,
    station_response,
    vehicle_access,
)
from geo.fire.rules import Overlay, rules_in_force
from geo.fire.snapshot import LAYER_COLUMNS
from geo.settings import Settings
from tests.geo.fire.conftest import snapshot_of
from tests.geo.fire.test_hydrants import house, hydrant, street

UTM = "EPSG:32632"


def station(code: str, x: float, y: float) -> dict[str, object]:
    return {"code": code, "category": "fire_station", "name": code, "geom": shapely.Point(x, y)}


def test_building_without_a_road_within_500_m(in_force):
    snapshot = snapshot_of(building=[house("b", 0, 600)], road=[street("r", (0, 0), (50, 0))])
    found = vehicle_access.check_vehicle_reach(snapshot, in_force)
    assert [(f.rule, f.required) for f in found] == [("road_within", 500)]
    assert {f.rule for f in hydrants.check_hydrant_coverage(snapshot, in_force)} == {
        *("hydrant_radius", "hydrant_route")
    }


def test_station_on_an_island_reaches_nobody_over_the_water(in_force):
    snapshot = snapshot_of(
        building=[house("shore", 20, 10), house("island", 20, 2010)],
        road=[street("a", (0, 0), (400, 0)), street("b", (0, 2000), (100, 2000))],
        facility=[station("fs", 10, 2005)],
    )
    found = station_response.check_response_times(snapshot, in_force)
    assert [(f.feature, f.detail["kind"]) for f in found] == [("shore", "unreached")]
    areas = station_response.compute_response_areas(snapshot, in_force, [2.0, 5.0])
    assert not shapely.intersects(areas[1], shapely.box(0, -50, 400, 50))
    assert shapely.covers(areas[1], areas[0])


def test_station_far_from_any_road_is_reported(in_force):
    snapshot = snapshot_of(
        building=[house("b", 20, 10)],
        road=[street("a", (0, 0), (400, 0))],
        facility=[station("fs", 10, 3000)],
    )
    assert [item.key for item in station_response.missing_response_data(snapshot)] == [
        "station_off_roads"
    ]
    assert [
        f.detail["kind"] for f in station_response.check_response_times(snapshot, in_force)
    ] == ["unreached"]


def test_building_in_two_communities_belongs_to_one(in_force):
    halves = [
        {"code": "420606007001", "name": "西", "geom": shapely.box(0, 0, 30, 100)},
        {"code": "420606007002", "name": "东", "geom": shapely.box(30, 0, 60, 100)},
    ]
    snapshot = snapshot_of(building=[house("b", 25, 10, region_code="420606007001")], region=halves)
    shapes = snapshot.walls
    assert snapshot.community_of(shapes)[0] in {"420606007001", "420606007002"}
    found = hydrants.check_hydrant_coverage(snapshot, in_force)
    regions = finding_refresh.communities_of_findings(snapshot, found)
    assert regions == ["420606007001"] * len(found)


def test_empty_city_has_no_findings(in_force):
    snapshot = snapshot_of()
    for find in (
        separation.check_separation,
        hydrants.check_hydrant_coverage,
        fire_lanes.check_fire_lanes,
        vehicle_access.check_vehicle_reach,
        ladder_areas.check_ladder_areas,
    ):
        assert find(snapshot, in_force) == []
    assert station_response.check_response_times(snapshot, in_force) == []
    assert hydrant_places.check_hydrant_spacing(snapshot, in_force) == []
    assert hydrant_places.check_hydrant_positions(snapshot, in_force) == []


def test_tower_over_100_m_gets_no_reduction(in_force):
    tall = {"height_m": 120.0, "high_rise": True, "fire_class": 1}
    snapshot = snapshot_of(
        building=[house("a", 0, 0, **tall), house("b", 18, 0, fire_class=2, height_m=20.0)]
    )
    item = separation.check_separation(snapshot, in_force)[0]
    assert (item.rule, item.detail["proof"], item.severity.value) == (
        *("separation_high_2", None, "high"),
    )


def test_city_s_own_figures_are_checked_and_named():
    own = rules_in_force({"separation_2_2": 20.0})
    snapshot = snapshot_of(
        building=[house("a", 0, 0, fire_class=2), house("b", 25, 0, fire_class=2)]
    )
    assert [f.required for f in separation.check_separation(snapshot, own)] == [20.0]
    assert own["separation_2_2"].overridden
    assert own.stamp.endswith(",separation_2_2=20")


def test_height_of_storeys_makes_a_high_rise_where_none_is_on_record(in_force):
    snapshot = snapshot_of(building=[house("a", 0, 0, use="residential", storeys_above=11)])
    assert separation.fire_properties(snapshot).high.tolist() == [True]


def test_hydrant_of_unknown_state_counts_and_is_reported(in_force):
    snapshot = snapshot_of(
        building=[house("b", 20, 12)],
        road=[street("r", (0, 0), (100, 0))],
        pipe_node=[hydrant("h", 30, 6, in_service=None)],
    )
    assert hydrants.check_hydrant_coverage(snapshot, in_force) == []
    assert "hydrant_no_state" in {
        item.key for item in hydrants.missing_hydrant_data(snapshot.hydrant)
    }


@pytest.fixture(scope="module")
def monaco():
    layers = read_osm(SAMPLES / "monaco.osm.pbf", Settings()).layers
    metric = {name: frame.to_crs(UTM) for name, frame in layers.items() if name in LAYER_COLUMNS}
    nodes = metric["pipe_node"]
    metric["pipe_node"] = nodes[nodes["kind"] == "hydrant"]
    metric["region"] = metric["region"][metric["region"]["level"] == "community"]
    return snapshot_of(**{name: frame.sort_values("code") for name, frame in metric.items()})


def test_monaco_passes_every_check_and_its_missing_data_is_reported(monaco, in_force):
    assert len(monaco.building) == 1205
    for find in (
        separation.check_separation,
        hydrants.check_hydrant_coverage,
        fire_lanes.check_fire_lanes,
        vehicle_access.check_vehicle_reach,
        ladder_areas.check_ladder_areas,
    ):
        for item in find(monaco, in_force):
            assert not shapely.is_empty(item.geometry)
    station_response.check_response_times(monaco, in_force)
    hydrant_places.check_hydrant_spacing(monaco, in_force)
    hydrant_places.check_hydrant_positions(monaco, in_force)
    lacking = {
        m.key for overlay in Overlay for m in finding_refresh.missing_overlay_data(monaco, overlay)
    }
    assert {"no_fire_class", "no_height", "road_no_width"} <= lacking
