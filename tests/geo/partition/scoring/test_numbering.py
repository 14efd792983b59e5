"""Grid codes: reading order, serials kept from the previous plan, dedicated grids."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geo.partition.scoring.numbering import assign_serials, grid_codes


def numbered(places, dedicated=(), kept=None):
    xy = np.array(places, dtype=float)
    special = np.isin(np.arange(len(xy)), dedicated)
    before = None if kept is None else np.array(kept)
    return assign_serials(xy, np.full(len(xy), 10_000.0), special, before).tolist()


def test_serials_run_from_the_north_west_in_reading_order():
    assert numbered([(0, 0), (100, 200), (0, 190), (100, 10)]) == [3, 2, 1, 4]


def test_dedicated_grids_start_at_901():
    assert numbered([(0, 100), (100, 100), (200, 100)], dedicated=[1]) == [1, 901, 2]


def test_kept_serials_stay_and_new_grids_fill_the_gaps():
    assert numbered([(0, 100), (100, 100), (200, 100)], kept=[0, 1, 4]) == [2, 1, 4]


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 5000)), min_size=1, max_size=60))
def test_every_grid_has_a_serial_of_its_own(places):
    assert sorted(numbered(places)) == list(range(1, len(places) + 1))


def test_code_is_community_and_serial():
    assert grid_codes("420606007001", np.array([1, 901])) == ["420606007001001", "420606007001901"]
