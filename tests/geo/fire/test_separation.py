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
