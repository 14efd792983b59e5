"""Isochrones where no road is reached."""

import numpy as np
import shapely

from geo.network.isochrones import land_beside


def test_unreached_network_adds_no_area():
    nothing = np.empty(0, dtype=object)
    before = shapely.box(0, 0, 100, 100)
    assert land_beside(nothing).is_empty
    assert land_beside(nothing, before).equals(before)
