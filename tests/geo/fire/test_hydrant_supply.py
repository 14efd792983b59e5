"""Flow, pressure and mains of hydrants on either side of the figures."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from geo.fire import hydrant_supply, hydrants
from geo.network import isolation, pipes
from tests.geo.fire.conftest import METRIC, snapshot_of
from tests.geo.fire.test_hydrants import house, hydrant, street

SOUND = {"flow_l_s": 15.0, "pressure_mpa": 0.14}


def network(nodes: dict[str, tuple[str, float, float]], *lines: tuple[str, str, float | None]):
    """Return the sectors of a network of nodes (kind, x, y) and lines (from, to, mm)."""
    table = pd.DataFrame(
        [{"code": code, "kind": kind, "is_open": True} for code, (kind, _, _) in nodes.items()]
    )
    xy = np.array([[x, y] for _, x, y in nodes.values()], dtype=float)
    rows = [
        {"code": f"s{k}", "from_node": a, "to_node": b, "diameter_mm": mm}
        for k, (a, b, mm) in enumerate(lines)
    ]
    shapes = [shapely.LineString([nodes[a][1:], nodes[b][1:]]) for a, b, _ in lines]
    frame = gpd.GeoDataFrame(rows, geometry=shapes, crs=METRIC).rename_geometry("geom")
    return isolation.build_sectors(pipes.build_pipe_graph("water", frame.crs, table, xy, frame))


def findings(in_force, rows: list[dict[str, object]], sectors=None):
    found = hydrant_supply.check_hydrant_supply(snapshot_of(pipe_node=rows), in_force, sectors)
    return [(item.rule, item.severity.value, item.measured) for item in found]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"flow_l_s": 15.0}, []),
        ({"flow_l_s": 14.9}, [("hydrant_flow", "high", 14.9)]),
        ({"flow_l_s": None}, [("hydrant_flow", "missing", None)]),
        ({"pressure_mpa": 0.14}, []),
        ({"pressure_mpa": 0.139}, [("hydrant_pressure_running", "medium", 0.139)]),
        ({"pressure_mpa": 0.10}, [("hydrant_pressure_running", "medium", 0.10)]),
        ({"pressure_mpa": 0.099}, [("hydrant_pressure", "high", 0.099)]),
        ({"pressure_mpa": None}, [("hydrant_pressure", "missing", None)]),
        ({"flow_l_s": 1.0, "in_service": False}, []),
    ],
)
def test_hydrant_yields_15_litres_a_second_at_its_pressure(in_force, values, found):
    assert findings(in_force, [hydrant("h", 0, 5, **SOUND | values)]) == found


def ring(diameter: float, closed: bool):
    """Return a hydrant on a lateral of DN100; its main is a ring, or a branch without one side."""
    nodes = {
        "source": ("source", 0, 0),
        "a": ("junction", 100, 0),
        "tee": ("junction", 100, 50),
        "b": ("junction", 100, 100),
        "h": ("hydrant", 105, 50),
    }
    lines = [("source", "a", diameter), ("a", "tee", diameter), ("tee", "b", diameter)]
    lines.append(("tee", "h", 100.0))
    return network(nodes, *lines, *([("b", "source", diameter)] if closed else []))


@pytest.mark.parametrize(
    ("diameter", "closed", "found"),
    [
        (150.0, True, []),
        (149.0, True, [("hydrant_ring", "medium", 149.0)]),
        (None, True, [("hydrant_ring", "missing", None)]),
        (200.0, False, []),
        (199.0, False, [("hydrant_branch", "low", 199.0)]),
        (None, False, [("hydrant_branch", "missing", None)]),
    ],
)
def test_ring_mains_are_at_least_dn150_and_branches_should_be_dn200(
    in_force, diameter, closed, found
):
    rows = [hydrant("h", 105, 50, **SOUND)]
    sectors = ring(np.nan if diameter is None else diameter, closed)
    assert findings(in_force, rows, sectors) == found


@pytest.mark.parametrize(("length", "found"), [(30.0, []), (31.0, [100.0])])
def test_pipe_to_a_hydrant_is_a_branch_main_where_it_is_longer_than_a_lateral(
    in_force, length, found
):
    nodes = {
        "source": ("source", 0, 0),
        "tee": ("junction", 100, 0),
        "end": ("end", 200, 0),
        "h": ("hydrant", 100, length),
    }
    lines = ("source", "tee", 200.0), ("tee", "end", 200.0), ("tee", "h", 100.0)
    rows = [hydrant("h", 100, length, **SOUND)]
    thin = findings(in_force, rows, network(nodes, *lines))
    assert [measured for _, _, measured in thin] == found


def test_hydrant_that_is_joined_to_no_main_can_not_be_judged(in_force):
    rows = [hydrant("alone", 500, 500, **SOUND)]
    assert findings(in_force, rows, ring(200.0, True)) == [("hydrant_ring", "missing", None)]


@pytest.mark.parametrize(("count", "found"), [(5, []), (6, [("hydrant_section", "low", 6)])])
def test_at_most_5_hydrants_stand_between_two_valves(in_force, count, found):
    nodes = {"source": ("source", 0, 0), "v": ("valve", 5, 0)}
    lines, last = [("source", "v", 200.0)], "v"
    for k in range(count):
        x = 10.0 + 10 * k
        nodes |= {f"t{k}": ("junction", x, 0), f"h{k}": ("hydrant", x, 5)}
        lines += [(last, f"t{k}", 200.0), (f"t{k}", f"h{k}", 100.0)]
        last = f"t{k}"
    nodes |= {"w": ("valve", 200, 0), "t": ("junction", 210, 0), "h": ("hydrant", 210, 5)}
    nodes["end"] = ("end", 220, 0)
    lines += [(last, "w", 200.0), ("w", "t", 200.0), ("t", "h", 100.0), ("t", "end", 200.0)]
    rows = [
        hydrant(code, x, y, **SOUND) for code, (kind, x, y) in nodes.items() if kind == "hydrant"
    ]
    assert findings(in_force, rows, network(nodes, *lines)) == found


@pytest.mark.parametrize(("y", "found"), [(139.0, []), (141.0, ["hydrant_radius"])])
def test_intake_point_covers_what_lies_within_150_metres(in_force, y, found):
    intake = {"code": "i", "category": "intake", "geom": shapely.Point(0, 0)}
    snapshot = snapshot_of(
        building=[house("b", 0, y, geom=shapely.box(-1, y, 1, y + 10))],
        road=[street("r", (0, 0), (400, 0))],
        facility=[intake],
    )
    rules = {item.rule for item in hydrants.check_hydrant_coverage(snapshot, in_force)}
    assert sorted(rules - {"hydrant_route"}) == found
