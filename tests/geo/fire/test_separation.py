"""Heights and uses that decide which rules of separation apply to a building."""

import pytest
import shapely

from geo.fire import separation
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of


@pytest.mark.parametrize(
    ("use", "storeys", "height", "is_high"),
    [
        ("residential", 9, 27.0, False),
        ("residential", 10, 30.0, True),
        ("apartment", 6, 23.4, False),
        ("apartment", 7, 27.3, True),
        ("dormitory", 7, 27.3, True),
        ("office", 7, 27.3, True),
    ],
)
def test_height_is_estimated_by_use_and_lodgings_are_high_above_24_metres(
    use, storeys, height, is_high
):
    row = {"code": "b", "use": use, "storeys_above": storeys}
    city = snapshot_of(building=[row | {"geom": shapely.box(EAST, NORTH, EAST + 20, NORTH + 10)}])
    properties = separation.fire_properties(city)
    assert properties.height[0] == pytest.approx(height)
    assert properties.is_estimated[0]
    assert bool(properties.high[0]) == is_high


def test_a_height_on_record_is_no_estimate():
    row = {"code": "b", "use": "dormitory", "storeys_above": 8, "height_m": 23.9}
    city = snapshot_of(building=[row | {"geom": shapely.box(EAST, NORTH, EAST + 20, NORTH + 10)}])
    properties = separation.fire_properties(city)
    assert (properties.height[0], properties.is_estimated[0]) == (23.9, False)
    assert not properties.high[0]


def tower_with_podium(**podium: object) -> list[dict[str, object]]:
    """Return a tower, a podium along its side, and a house 7 m from the podium."""
    tower = {"code": "t", "use": "office", "storeys_above": 20, "fire_class": 1, "name": "大厦"}
    usual = {"code": "p", "use": "commercial", "storeys_above": 3, "fire_class": 1, "name": "大厦"}
    house = {"code": "h", "use": "residential", "storeys_above": 3, "fire_class": 2, "name": ""}
    boxes = (EAST, NORTH, EAST + 30, NORTH + 20), (EAST + 30, NORTH, EAST + 60, NORTH + 20)
    boxes = (*boxes, (EAST + 67, NORTH, EAST + 80, NORTH + 20))
    rows = (tower, usual | podium, house)
    return [row | {"geom": shapely.box(*box)} for row, box in zip(rows, boxes, strict=True)]


@pytest.mark.parametrize(
    ("podium", "found"),
    [
        ({}, []),
        ({"high_rise": True}, []),
        ({"storeys_above": 6}, []),
        (
            {"storeys_above": 7},
            [("separation_adjoining", "p", "t"), ("separation_high_2", "h", "p")],
        ),
        ({"name": "商铺"}, [("separation_adjoining", "p", "t")]),
        ({"name": "", "compound_code": "c"}, [("separation_adjoining", "p", "t")]),
    ],
)
def test_podium_of_up_to_24_metres_belongs_to_its_tower_and_counts_as_low(in_force, podium, found):
    """6 storeys of 3.9 m are 23.4 m high; low buildings of class 2 or better stand 6 m apart."""
    city = snapshot_of(building=tower_with_podium(**podium))
    findings = separation.check_separation(city, in_force)
    assert sorted((f.rule, *sorted((f.feature, f.other))) for f in findings) == found


def test_podium_in_the_compound_of_its_tower_belongs_to_it(in_force):
    rows = [row | {"name": "", "compound_code": "c"} for row in tower_with_podium()]
    assert separation.check_separation(snapshot_of(building=rows), in_force) == []


@pytest.mark.parametrize(("gap", "found"), [(13.0, []), (12.9, ["separation_high_high"])])
def test_towers_on_one_podium_stand_13_metres_apart(in_force, gap, found):
    tower = {"use": "office", "storeys_above": 20, "fire_class": 1}
    rows = [
        tower | {"code": "a", "geom": shapely.box(EAST, NORTH, EAST + 20, NORTH + 20)},
        tower
        | {"code": "b", "geom": shapely.box(EAST + 20 + gap, NORTH, EAST + 40 + gap, NORTH + 20)},
        {"code": "p", "storeys_above": 3, "fire_class": 1, "use": "commercial"}
        | {"geom": shapely.box(EAST - 10, NORTH - 10, EAST + 80, NORTH + 40)},
    ]
    findings = separation.check_separation(snapshot_of(building=rows), in_force)
    assert [finding.rule for finding in findings] == found
