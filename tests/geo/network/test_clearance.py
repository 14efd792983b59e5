"""Clearances of pipes on either side of each figure: beside, crossing, at buildings, in cover."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from geo.errors import InputError
from geo.model.pipe import Network
from geo.network import building_clearance, clearance, cover, pipes
from geo.network.pipe_rules import (
    CLEARANCES,
    COVERS,
    STANDARD_RULES,
    describe_rules,
    pipe_rules_in_force,
)
from geo.network.pipes import PipeGraph

METRIC = "EPSG:4546"
PRESSURES = {None: 0, 0.009: 0, 0.2: 1, 0.4: 2, 0.41: 3, 0.8: 3, 1.6: 4}


def network(kind: str, *points: tuple[float, float], nodes=(), **more: object) -> PipeGraph:
    """Return a network of one pipe, 0.2 m wide and 1 m deep, and nodes (code, kind, x, y)."""
    defaults = {"diameter_mm": 200.0, "burial_depth_m": 1.0, "pressure_mpa": None}
    row = {"code": kind, "from_node": None, "to_node": None} | defaults | more
    segments = gpd.GeoDataFrame([row], geometry=[shapely.LineString(points)], crs=METRIC)
    rows = [{"code": c, "kind": k, "is_open": None} for c, k, _, _ in nodes]
    table = pd.DataFrame(rows, columns=["code", "kind", "is_open"])
    xy = np.array([[x, y] for _, _, x, y in nodes], dtype=float).reshape(-1, 2)
    frame = segments.rename_geometry("geom")
    return pipes.build_pipe_graph(kind, segments.crs, table, xy, frame)


def found(first: PipeGraph, other: PipeGraph) -> list[tuple[str, str, str]]:
    return [(f.kind, f.severity, f.reason) for f in clearance.find_conflicts(first, other)]


def beside(pressure: object, other: str, distance: float, **more: object):
    """Return the findings of gas beside another pipe, with so many metres between outsides."""
    first = "heat" if other == "power" and pressure == "heat" else "gas"
    value = None if first == "heat" else pressure
    y = distance + 0.2
    return found(
        network(first, (0, 0), (50, 0), pressure_mpa=value, laying="direct"),
        network(other, (0, y), (50, y), **more),
    )


GAS_BESIDE = [
    ("water", "direct", (0.5, 0.5, 0.5, 1.0, 1.5)),
    ("sewage", "direct", (1.0, 1.2, 1.2, 1.5, 2.0)),
    ("storm", "direct", (1.0, 1.2, 1.2, 1.5, 2.0)),
    ("combined", "trench", (1.0, 1.2, 1.2, 1.5, 2.0)),
    ("power", "direct", (0.5, 0.5, 0.5, 1.0, 1.5)),
    ("power", "duct", (1.0, 1.0, 1.0, 1.0, 1.5)),
    ("telecom", "direct", (0.5, 0.5, 0.5, 1.0, 1.5)),
    ("telecom", "duct_bank", (1.0, 1.0, 1.0, 1.0, 1.5)),
    ("heat", "direct", (1.0, 1.0, 1.0, 1.5, 2.0)),
    ("heat", "trench", (1.0, 1.5, 1.5, 2.0, 4.0)),
]


@pytest.mark.parametrize(("pressure", "step"), PRESSURES.items())
@pytest.mark.parametrize(("other", "laying", "figures"), GAS_BESIDE)
def test_gas_keeps_more_from_a_pipe_beside_it_the_higher_its_pressure(
    pressure, step, other, laying, figures
):
    required = figures[step]
    assert beside(pressure, other, required, laying=laying) == []
    near = beside(pressure, other, required - 0.01, laying=laying)
    assert near == [("parallel", "medium", "")]


@pytest.mark.parametrize(
    ("distance", "expected"), [(2.0, []), (1.99, [("parallel", "medium", "")])]
)
def test_heat_keeps_two_metres_from_power(distance, expected):
    assert beside("heat", "power", distance) == expected


@pytest.mark.parametrize(
    ("pressure_class", "required"),
    [("low", 1.0), ("medium", 1.2), ("medium_a", 1.2), ("sub_high_b", 1.5), ("sub_high_a", 2.0)],
)
def test_class_of_pressure_counts_where_no_pressure_is_on_record(pressure_class, required):
    def at(distance: float):
        y = distance + 0.2
        gas = network("gas", (0, 0), (50, 0), pressure_class=pressure_class)
        return found(gas, network("sewage", (0, y), (50, y)))

    assert at(required) == []
    assert at(required - 0.01) == [("parallel", "medium", "")]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (1.0, []),
        (0.99, [("parallel", "missing", "no_laying")]),
        (0.5, [("parallel", "missing", "no_laying")]),
        (0.49, [("parallel", "medium", "")]),
    ],
)
def test_unknown_laying_of_a_cable_is_missing_data_where_it_matters(distance, expected):
    assert beside(0.1, "power", distance) == expected


def crossing(other: str, gap: float, laying: str | None, **more: object):
    """Return the findings of a gas pipe that passes under another one with a gap between."""
    depth = {"burial_depth_m": 1.0, "depth_of": "top"}
    above = network(other, (20, -5), (20, 5), laying=laying, **depth)
    gas = network("gas", (0, 0), (50, 0), burial_depth_m=1.2 + gap, pressure_mpa=0.1, **more)
    return found(gas, above)


@pytest.mark.parametrize(
    ("other", "laying", "required"),
    [
        *[(name, "direct", 0.15) for name in ("water", "sewage", "storm", "combined", "heat")],
        *[(name, "direct", 0.5) for name in ("power", "telecom")],
        *[(name, "duct", 0.15) for name in ("power", "telecom")],
        ("heat", "trench", 0.15),
    ],
)
def test_gas_that_crosses_a_pipe_keeps_a_vertical_distance(other, laying, required):
    assert crossing(other, required, laying) == []
    assert crossing(other, required - 0.01, laying) == [("crossing", "medium", "")]


def test_crossing_is_measured_from_the_bottom_of_the_upper_pipe():
    gas = network("gas", (0, 0), (50, 0), burial_depth_m=1.5)
    cable = network("power", (20, -5), (20, 5), burial_depth_m=0.8, diameter_mm=300.0)
    (finding,) = clearance.find_conflicts(gas, cable)
    assert finding.measured == pytest.approx(0.4)
    assert finding.place.equals(shapely.Point(20, 0))


@pytest.mark.parametrize(
    ("depth_of", "network_name", "top"),
    [
        ("top", "sewage", 2.0),
        ("invert", "sewage", 1.5),
        (None, "sewage", 1.5),
        (None, "water", 2.0),
        ("invert", "water", 1.5),
    ],
)
def test_depth_is_that_of_the_top_or_of_the_invert(depth_of, network_name, top):
    drain = network(
        network_name, (20, -5), (20, 5), diameter_mm=500.0, burial_depth_m=2.0, depth_of=depth_of
    )

    def at(gap: float):
        return found(network("gas", (0, 0), (50, 0), burial_depth_m=top - 0.2 - gap), drain)

    assert at(0.15) == []
    assert at(0.14) == [("crossing", "medium", "")]


def test_depth_changes_evenly_between_the_ends():
    sloping = {"burial_depth_m": None, "depth_from_m": 1.0, "depth_to_m": 2.0}
    water = network("water", (0, 0), (100, 0), **sloping)

    def at(x: float):
        return found(network("gas", (x, -5), (x, 5), burial_depth_m=1.0), water)

    assert at(34) == [("crossing", "medium", "")]  # 1.34 m, less 1.0 and 0.2 m
    assert at(35) == []


def test_crossing_without_a_depth_on_record_is_missing_data():
    gas = network("gas", (0, 0), (50, 0), burial_depth_m=None)
    assert found(gas, network("power", (20, -5), (20, 5))) == [("crossing", "missing", "no_depth")]
    half = network("gas", (0, 0), (50, 0), burial_depth_m=None, depth_from_m=1.0)
    assert found(half, network("power", (20, -5), (20, 5))) == [("crossing", "missing", "no_depth")]


@pytest.mark.parametrize("laying", ["overhead", "surface", "riser", "tunnel"])
def test_pipes_that_are_not_in_the_ground_keep_no_clearance(laying):
    assert beside(0.1, "power", 0.1, laying=laying) == []


@pytest.mark.parametrize("status", ["abandoned", "empty"])
def test_pipes_that_carry_nothing_keep_no_clearance(status):
    assert beside(0.1, "sewage", 0.1, status=status) == []


def test_piece_of_a_pipe_next_to_a_crossing_is_not_beside_the_other():
    lines = [[(0, 0), (19.6, 0)], [(19.6, 0), (50, 0)]]
    rows = [
        {"code": f"g{k}", "from_node": None, "to_node": None, "diameter_mm": 200.0}
        | {"burial_depth_m": 2.0, "pressure_mpa": 0.1}
        for k in range(2)
    ]
    frame = gpd.GeoDataFrame(rows, geometry=[shapely.LineString(p) for p in lines], crs=METRIC)
    nodes = pd.DataFrame({"code": [], "kind": []})
    gas = pipes.build_pipe_graph(
        "gas", frame.crs, nodes, np.empty((0, 2)), frame.rename_geometry("geom")
    )
    assert found(gas, network("water", (20, -5), (20, 5))) == []
    turning = network("water", (20, -5), (20, 0.4), (40, 0.4))
    assert found(gas, turning) == [("parallel", "medium", "")]


BUILDING = np.array([shapely.box(0, 10, 30, 20)], dtype=object)


def at_building(*points: tuple[float, float], nodes=(), **more: object):
    gas = network("gas", *points, nodes=nodes, **more)
    findings = building_clearance.find_pipes_at_buildings(gas, ["b"], BUILDING)
    return [(f.kind, f.severity, round(f.measured, 2)) for f in findings]


@pytest.mark.parametrize(
    ("pressure", "required"),
    [(0.009, 0.7), (0.2, 1.0), (0.4, 1.5), (0.8, 5.0), (1.6, 13.5)],
)
def test_gas_keeps_a_distance_from_buildings_by_its_pressure(pressure, required):
    def at(distance: float):
        y = 20 + distance + 0.1
        return at_building((-50, y), (80, y), pressure_mpa=pressure)

    assert at(required) == []
    assert at(required - 0.01) == [("building", "medium", round(required - 0.01, 2))]


@pytest.mark.parametrize(
    ("reach", "expected"),
    [(0.5, ("building", "medium", 0.0)), (0.6, ("under_building", "high", 0.6))],
)
def test_gas_pipe_under_a_building_is_of_high_severity(reach, expected):
    assert at_building((15, 0), (15, 10 + reach), laying="direct") == [expected]


def test_service_pipe_may_reach_the_building_that_it_supplies():
    nodes = [("c", "consumer", 15.0, 11.0)]
    assert at_building((15, 0), (15, 11), nodes=nodes, to_node="c") == []
    beyond = [("c", "consumer", 15.0, 25.0)]
    passing = at_building((15, 0), (15, 25), nodes=beyond, to_node="c")
    assert passing == [("under_building", "high", 10.0)]


STREET = np.array([shapely.LineString([(0, 0), (100, 0)])], dtype=object)


def cover_of(kind: str, y: float, depth: float | None, road: str = "local", **more: object):
    graph = network(kind, (20, y), (80, y), burial_depth_m=depth, depth_of="top", **more)
    findings = cover.find_shallow_pipes(graph, STREET, np.array([10.0]), [road])
    return [(f.zone, f.severity, f.required) for f in findings]


COVER = [
    ("gas", "direct", 0.9, 0.6),
    ("water", "direct", 0.7, 0.6),
    ("sewage", "direct", 0.7, 0.6),
    ("storm", "direct", 0.7, 0.6),
    ("combined", "direct", 0.7, 0.6),
    ("power", "direct", 1.0, 0.7),
    ("power", "duct", 0.5, 0.5),
    ("telecom", "duct", 0.9, 0.6),
    ("heat", "direct", 1.0, 0.7),
]


@pytest.mark.parametrize(("kind", "laying", "carriageway", "roadside"), COVER)
def test_cover_under_and_beside_a_carriageway(kind, laying, carriageway, roadside):
    assert cover_of(kind, 2, carriageway, laying=laying) == []
    shallow = cover_of(kind, 2, carriageway - 0.01, laying=laying)
    assert shallow == [("carriageway", "medium", carriageway)]
    assert cover_of(kind, 7, roadside, laying=laying) == []
    shallow = cover_of(kind, 7, roadside - 0.01, laying=laying)
    assert shallow == [("roadside", "medium", roadside)]


def test_cover_of_gas_away_from_streets():
    assert cover_of("gas", 30, 0.3) == []
    assert cover_of("gas", 30, 0.29) == [("elsewhere", "medium", 0.3)]
    assert cover_of("water", 30, 0.1) == []


def test_cover_under_an_alley_is_that_beside_carriageways():
    assert cover_of("gas", 2, 0.6, "alley") == []
    assert cover_of("gas", 2, 0.59, "alley") == [("roadside", "medium", 0.6)]


def test_unknown_laying_is_missing_data_between_the_figures_of_cover():
    assert cover_of("power", 2, 1.0) == []
    assert cover_of("power", 2, 0.8) == [("carriageway", "missing", 1.0)]
    assert cover_of("power", 2, 0.4) == [("carriageway", "medium", 0.5)]


def test_cover_is_least_where_a_sloping_pipe_is_under_the_carriageway():
    sloping = {"burial_depth_m": None, "depth_from_m": 0.5, "depth_to_m": 1.5}
    graph = network("water", (50, 40), (50, -60), **sloping)  # 0.85 m at the northern kerb
    assert cover.find_shallow_pipes(graph, STREET, np.array([10.0]), ["local"]) == []
    steeper = network("water", (50, 15), (50, -85), **sloping)  # 0.6 m there, 0.57 m beside it
    found_there = cover.find_shallow_pipes(steeper, STREET, np.array([10.0]), ["local"])
    assert [(f.zone, round(f.measured, 2)) for f in found_there] == [("carriageway", 0.6)]


def test_pipe_without_a_depth_is_counted_and_in_no_finding_of_cover():
    assert cover_of("gas", 2, None) == []
    assert network("gas", (0, 0), (1, 0), burial_depth_m=None).missing_counts["pipe_no_depth"] == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_figure_is_listed_with_its_clause_and_force(lang):
    rules = describe_rules(lang)
    assert len(rules) == 2 * len(CLEARANCES) + 2 + len(COVERS)
    for rule in rules:
        assert rule["standard"].startswith("GB ")
        assert rule["clause"]
        assert rule["force"] == "shall"
    assert {row.network for row in COVERS} == set(Network)


@pytest.mark.parametrize(("metres", "is_found"), [(1.49, True), (1.51, False)])
def test_distance_between_pipes_that_a_city_sets_is_kept_in_place_of_the_standards(
    metres, is_found
):
    gas = network("gas", (0, 0), (50, 0), laying="direct")
    sewer = network("sewage", (0, metres + 0.2), (50, metres + 0.2), laying="direct")
    rules = pipe_rules_in_force({"gas_sewage_beside_low": "1.5 m"})
    findings = clearance.find_conflicts(gas, sewer, rules)
    assert [finding.required for finding in findings] == ([1.5] if is_found else [])
    assert clearance.find_conflicts(gas, sewer) == []


@pytest.mark.parametrize(("metres", "is_found"), [(1.99, True), (2.01, False)])
def test_distance_from_buildings_that_a_city_sets_is_kept(metres, is_found):
    wall = BUILDING[0].bounds[1]
    gas = network("gas", (2, wall - metres - 0.1), (8, wall - metres - 0.1))
    rules = pipe_rules_in_force({"gas_building_low": 2})
    findings = building_clearance.find_pipes_at_buildings(gas, ["b"], BUILDING, rules)
    assert bool(findings) == is_found


@pytest.mark.parametrize(("depth", "is_found"), [(1.19, True), (1.21, False)])
def test_cover_that_a_city_sets_is_kept(depth, is_found):
    graph = network("gas", (0, 0), (50, 0), depth_of="top", burial_depth_m=depth)
    rules = pipe_rules_in_force({"cover_gas_carriageway": 1.2})
    findings = cover.find_shallow_pipes(graph, STREET, np.array([10.0]), ["local"], rules)
    assert [finding.required for finding in findings] == ([1.2] if is_found else [])


def test_every_figure_for_pipes_has_a_name_under_which_a_city_sets_it():
    figures = STANDARD_RULES.figures()
    own = pipe_rules_in_force({name: figure + 1 for name, figure in figures.items()})
    assert own.figures() == {name: figure + 1 for name, figure in figures.items()}
    listed = {name for rule in describe_rules("en") for name in rule["figures"]}
    assert listed == set(figures)
    assert not any(rule["overridden"] for rule in describe_rules("en"))


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("gas_sewer", 1, "no_such_rule"),
        ("gas_water_crossing", "15 cm", "rule_figure_unit"),
        ("gas_water_crossing", "half", "rule_figure_no_number"),
        ("gas_water_crossing", True, "rule_figure_no_number"),
        ("gas_water_crossing", -0.1, "rule_figure_negative"),
    ],
)
def test_wrong_figure_of_a_city_is_refused_by_name(name, value, key):
    with pytest.raises(InputError) as refusal:
        pipe_rules_in_force({name: value})
    assert refusal.value.key == key
    assert name in str(refusal.value)
    assert "GRIDATLAS_PIPE_FIGURES" in str(refusal.value)
