"""Alternatives clearly differ, none is much worse than the best, and each has its strengths."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.alternatives import (
    MAX_COST_RATIO,
    MIN_DIFFERENCE_SHARE,
    difference_share,
    find_alternatives,
)
from geo.partition.search.strategy import Effort
from tests.geo.partition.places import community, house, rows_of_houses

QUICK = Constraints(effort=Effort(generations=1, moves_per_node=50))


def labels(drawing: Drawing) -> np.ndarray:
    housed = drawing.members.dropna(subset=["building_code"]).sort_values("building_code")
    return np.unique(housed["grid"], return_inverse=True)[1]


def test_alternatives_differ_by_a_seventh_of_the_households_and_are_nearly_as_good():
    place = community(shapely.box(0, 0, 300, 200), rows_of_houses(12, 8, 14))
    drawings = find_alternatives(place, QUICK, 3)
    assert len(drawings) == 3
    households = np.full(96, 14)
    for one, other in combinations(drawings, 2):
        assert difference_share(labels(one), labels(other), households) >= MIN_DIFFERENCE_SHARE
    objectives = [drawing.score.objective for drawing in drawings]
    assert objectives == sorted(objectives)
    assert objectives[-1] <= objectives[0] * MAX_COST_RATIO + 1e-6
    assert drawings[0].score.traits[0] == "best"
    assert all(drawing.score.contiguous for drawing in drawings)
    assert all(drawing.score.within_limits == 1.0 for drawing in drawings)


def test_one_grid_has_no_alternative():
    place = community(shapely.box(0, 0, 100, 100), rows_of_houses(4, 4, 20))
    assert len(find_alternatives(place, QUICK, 3)) == 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.permutations(range(5)))
def test_drawings_that_differ_in_their_numbers_alone_do_not_differ(label, names):
    one = np.array(label)
    households = np.arange(len(one)) + 1
    assert difference_share(one, np.array(names)[one], households) == 0.0


def test_share_of_households_in_another_grid_is_counted_at_best_match():
    one, other = np.array([0, 0, 0, 1]), np.array([1, 1, 0, 0])
    assert difference_share(one, other, np.array([10, 10, 5, 75])) == pytest.approx(0.05)


def back_to_back() -> Community:
    """Return two rows of houses between two streets that meet only at their west end."""
    rows = [(60 + 60 * i, y) for i in range(20) for y in (130, 170)]
    houses = [{"geom": house(x - 6, y - 6), "households": 10} for x, y in rows]
    streets = [[(20, 110), (1300, 110)], [(20, 190), (1300, 190)], [(20, 110), (20, 190)]]
    roads = [{"geom": shapely.LineString(ends), "road_class": "path"} for ends in streets]
    return community(shapely.box(0, 0, 1400, 300), houses, roads=roads)


def test_alternatives_lie_along_the_front_and_say_what_they_are_best_in():
    limits = Limits(target=200, lower=100, upper=300)
    # A border in the middle costs more than walks, but not more than 1.25 times.
    weights = Weights(border=0.1, compactness=0.0, walk=7.0)
    constraints = replace(QUICK, limits=limits, weights=weights)
    drawings = find_alternatives(back_to_back(), constraints, 3)
    walks = [drawing.score.walk_ways_m for drawing in drawings]
    borders = [drawing.score.border_cost for drawing in drawings]
    assert min(walks) < 0.6 * max(walks)
    assert "walk_ways_m" in drawings[int(np.argmin(walks))].score.traits
    assert "border_cost" in drawings[int(np.argmin(borders))].score.traits
