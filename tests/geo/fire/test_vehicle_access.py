"""What an engine of some measures reaches, and what stops it."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from geo.fire import fire_lanes, vehicle_access
from tests.geo.fire.conftest import snapshot_of
from tests.geo.fire.test_hydrants import house, street

RAILS = shapely.LineString([(240, 25), (400, 25)])


def town(**lane: object):
    defaults = {"road_class": "internal", "width_m": 5.0, "name": "巷"}
    return snapshot_of(
        building=[house("b", 195, 300, households=3)],
        road=[
            street("r", (0, 0), (400, 0)),
            street("lane", (200, 0), (200, 295), **defaults | lane),
        ],
    )


@pytest.mark.parametrize(
    ("lane", "small", "large", "kind"),
    [
        ({"width_m": 3.2}, {"width_m": 2.2}, {"width_m": 2.3}, vehicle_access.WIDTH),
        ({"clear_height_m": 3.4}, {"height_m": 3.4}, {"height_m": 3.5}, vehicle_access.HEIGHT),
        ({"max_weight_t": 20.0}, {"weight_t": 20.0}, {"weight_t": 21.0}, vehicle_access.WEIGHT),
    ],
)
def test_engine_passes_up_to_its_measures_and_the_obstacle_is_named(
    in_force, lane, small, large, kind
):
    snapshot, defaults = (
        town(**lane),
        replace(vehicle_access.vehicle_from_settings(in_force), width_m=2.0),
    )
    passed = vehicle_access.reach_overview(snapshot, in_force, replace(defaults, **small), "")
    assert passed["unreached"] == {"buildings": 0, "households": 0}
    stopped = vehicle_access.reach_overview(snapshot, in_force, replace(defaults, **large), "")
    assert stopped["unreached"] == {"buildings": 1, "households": 3}
    assert stopped["stopped_by"] == {kind: 1}
    item = stopped["findings"][0]
    assert item.detail["obstacle"]["road"] == "lane"
    assert item.measured == pytest.approx(295 + 5, abs=0.1)


def test_longer_engine_needs_a_larger_place_to_turn(in_force):
    sides = {"w": (170, 20, 192.4, 340), "e": (207.6, 20, 230, 340), "n": (190, 310, 210, 330)}
    walls = [house(code, 0, 0, geom=shapely.box(*side)) for code, side in sides.items()]
    snapshot = snapshot_of(
        building=walls,
        road=[
            street("r", (0, 0), (400, 0)),
            street("lane", (200, 0), (200, 290), road_class="internal", width_m=5.0),
        ],
    )
    defaults = replace(vehicle_access.vehicle_from_settings(in_force), weight_t=10.0)
    rows = np.arange(2)
    assert fire_lanes.check_dead_ends(snapshot, in_force, rows, defaults) == []
    findings = fire_lanes.check_dead_ends(
        snapshot, in_force, rows, replace(defaults, length_m=16.0)
    )
    assert [(item.feature, item.required) for item in findings] == [("lane", 16.0)]


def test_overview_is_limited_to_a_region(in_force):
    snapshot = town(width_m=2.0)
    assert (
        vehicle_access.reach_overview(
            snapshot, in_force, vehicle_access.vehicle_from_settings(in_force), "4206"
        )["buildings"]
        == 0
    )


@pytest.mark.parametrize(
    ("north", "more", "reached"),
    [
        (39.9, {}, True),
        (40.1, {}, False),
        (
            39.9,
            {"compound": [{"code": "c", "gated": True, "geom": shapely.box(250, 30, 350, 90)}]},
            False,
        ),
        (
            39.9,
            {
                "water": [
                    {
                        "code": "w",
                        "covered": False,
                        "width_m": 4.0,
                        "geom": shapely.LineString([(240, 25), (400, 25)]),
                    }
                ]
            },
            False,
        ),
        (39.9, {"railway": [{"code": "t", "geom": RAILS}]}, False),
        (39.9, {"railway": [{"code": "t", "bridge": True, "geom": RAILS}]}, True),
    ],
)
def test_house_with_a_narrow_alley_behind_it_is_reached_from_the_street_it_faces(
    in_force, north, more, reached
):
    """The nearest road is an alley that no engine enters; the street passes in front."""
    snapshot = snapshot_of(
        building=[house("b", 295, 0, geom=shapely.box(295, north, 305, north + 10))],
        road=[
            street("r", (0, 0), (400, 0)),
            street("alley", (100, 0), (100, north + 12), (400, north + 12), width_m=3.0),
        ],
        **more,
    )
    findings = vehicle_access.check_vehicle_reach(snapshot, in_force)
    assert [f.rule for f in findings] == ([] if reached else ["engine_reach"])


@pytest.mark.parametrize("level", ["bridge", "tunnel"])
def test_house_does_not_face_a_street_on_another_level(in_force, level):
    snapshot = snapshot_of(
        building=[house("b", 295, 30)],
        road=[
            street("r", (0, 0), (100, 0)),
            street("other level", (100, 0), (400, 0), **{level: True}),
            street("alley", (100, 0), (100, 50), (400, 50), width_m=3.0),
        ],
    )
    [finding] = vehicle_access.check_vehicle_reach(snapshot, in_force)
    assert finding.rule == "engine_reach"


def test_wall_behind_another_house_is_not_reached_across_it(in_force):
    houses = {"front": (260, 5, 340, 20), "back": (295, 25, 305, 35)}
    snapshot = snapshot_of(
        building=[house(c, 0, 0, geom=shapely.box(*box)) for c, box in houses.items()],
        road=[
            street("r", (0, 0), (400, 0)),
            street("alley", (100, 0), (100, 40), (400, 40), width_m=3.0),
        ],
    )
    findings = vehicle_access.check_vehicle_reach(snapshot, in_force)
    assert [(f.rule, f.feature) for f in findings] == [("engine_reach", "back")]
