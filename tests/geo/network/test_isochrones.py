"""Land beside roads: also where no road is reached."""

import numpy as np
import shapely

from geo.network.isochrones import around


def test_nothing_reached_adds_no_land():
    nothing = np.empty(0, dtype=object)
    before = shapely.box(0, 0, 100, 100)
    assert around(nothing).is_empty
    assert around(nothing, before).equals(before)
