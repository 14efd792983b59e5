"""Clearances between pipes: side by side by the gas's pressure, crossing by depth."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from geo.network import clearance, pipes
from geo.network.pipes import PipeGraph

GAS_POWER = clearance.CLEARANCES["gas", "power"]


def network(kind: str, *points: tuple[float, float], **more: float | None) -> PipeGraph:
    defaults = {"diameter_mm": 200.0, "burial_depth_m": 1.0, "pressure_mpa": None}
    row = {"code": kind, "from_node": None, "to_node": None} | defaults | more
    segments = gpd.GeoDataFrame([row], geometry=[shapely.LineString(points)], crs="EPSG:4546")
    segments = segments.rename_geometry("geom")
    nodes = pd.DataFrame({"code": [], "kind": []})
    return pipes.build_pipe_graph(kind, segments.crs, nodes, np.empty((0, 2)), segments)


@pytest.mark.parametrize(
    ("pressure", "required"), [(None, 0.5), (0.4, 0.5), (0.5, 1.0), (0.8, 1.0), (1.6, 1.5)]
)
def test_gas_beside_a_cable_keeps_more_the_higher_its_pressure(pressure, required):
    gas = network("gas", (0, 0), (50, 0), pressure_mpa=pressure)
    near = network("power", (0, required + 0.15), (50, required + 0.15), diameter_mm=100.0)
    assert len(clearance.find_conflicts(gas, near, GAS_POWER).one) == 0
    nearer = network("power", (0, required + 0.1), (50, required + 0.1), diameter_mm=100.0)
    found = clearance.find_conflicts(gas, nearer, GAS_POWER)
    assert found.required.tolist() == [required]
    assert found.measured[0] == pytest.approx(required - 0.05)
    assert not found.crossing[0]


def test_crossing_is_measured_from_the_bottom_of_the_upper_pipe():
    gas = network("gas", (0, 0), (50, 0), burial_depth_m=1.5)
    cable = network("power", (20, -5), (20, 5), burial_depth_m=0.8, diameter_mm=300.0)
    found = clearance.find_conflicts(gas, cable, GAS_POWER)
    assert found.crossing.tolist() == [True]
    assert found.measured[0] == pytest.approx(0.4)
    assert found.places[0].equals(shapely.Point(20, 0))


def test_crossing_without_a_depth_on_record_is_no_silent_pass():
    gas = network("gas", (0, 0), (50, 0), burial_depth_m=None)
    cable = network("power", (20, -5), (20, 5))
    assert np.isnan(clearance.find_conflicts(gas, cable, GAS_POWER).measured).all()
    assert len(clearance.find_conflicts(gas, cable, GAS_POWER).one) == 1
