"""Every rule on either side of its figure, in layouts whose answer is known by hand.

Each layout has one value: what the rule measures. It is made once with a value that complies and
once with one that does not; a city's own figure beyond the latter then makes it comply, which shows
that the layout measures that figure and no other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import shapely

from geo.errors import InputError
from geo.fire import separation
from geo.fire.context import FireContext
from geo.fire.overlay_checks import check_overlay
from geo.fire.rules import DEFAULT_RULES, Overlay, rules_in_force
from geo.fire.vehicle_access import vehicle_from_settings
from geo.network.isolation import Sectors
from geo.settings import settings
from tests.geo.fire.conftest import snapshot_of
from tests.geo.fire.test_fire_lanes import dead_end
from tests.geo.fire.test_hydrant_supply import SOUND, network, ring
from tests.geo.fire.test_hydrants import house, hydrant, street
from tests.geo.fire.test_lane_bends import corner

Layers = dict[str, Any]

LOCAL_M_S = 30 / 3.6
"""Speed of an engine on a local street."""

MICRO_M_S = 9 / 3.6
"""Speed of a micro-station's crew."""


@dataclass(frozen=True)
class Case:
    """A layout on either side of a figure.

    Attributes
    ----------
    rule
        The rule whose figure it is.
    complies, breaks
        Values on either side of the figure.
    layout
        Returns the layers of a value; ``sectors`` are those of the water network.
    found
        What a breaking value shows: a rule, or the proof that would be needed; the rule itself by
        default.
    own
        A figure of the city that turns the answer around: beyond ``breaks`` by default. None for a
        rule that is no figure.
    turns
        Which of the values that figure turns around.
    """

    rule: str
    complies: float
    breaks: float
    layout: Callable[[float], Layers]
    found: str = ""
    own: float | None = float("nan")
    turns: str = "breaks"

    @property
    def own_figure(self) -> float | None:
        """The city's figure that turns an answer around."""
        beyond = self.breaks + (self.breaks - self.complies)
        return beyond if self.own is not None and np.isnan(self.own) else self.own


STREET = street("street", (-300, 0), (300, 0))


def lane(code: str, *points: tuple[float, float], **values: object) -> dict[str, object]:
    return street(code, *points, **{"road_class": "internal", "width_m": 5.0} | values)


def box(code: str, *bounds: float, **values: object) -> dict[str, object]:
    """Return a building by its western, southern, eastern and northern wall."""
    return {"code": code, "geom": shapely.box(*bounds), "households": 0} | values


# Hydrants


def sliver_far_from(metres: float) -> dict[str, object]:
    """Return a building whose farthest corners are some metres from the origin."""
    return box("b", -1, metres - 10, 1, np.sqrt(metres**2 - 1))


def radius(metres: float) -> Layers:
    return {
        "building": [sliver_far_from(metres)],
        "road": [STREET],
        "pipe_node": [hydrant("h", 0, 0)],
    }


def intake(metres: float) -> Layers:
    place = {"code": "i", "category": "intake", "geom": shapely.Point(0, 0)}
    return {"building": [sliver_far_from(metres)], "road": [STREET], "facility": [place]}


def hose_route(metres: float) -> Layers:
    """From 6 m beside the street, up a lane, and a metre on to the wall."""
    end = metres - 7
    return {
        "building": [box("b", -5, end + 1, 5, end + 2)],
        "road": [STREET, street("l", (0, 0), (0, end))],
        "pipe_node": [hydrant("h", 0, -6)],
    }


def spacing(metres: float) -> Layers:
    nodes = [hydrant("a", 100, 6), hydrant("b", 100 + metres, 6)]
    return {"road": [street("r", (0, 0), (200 + metres, 0))], "pipe_node": nodes}


def one_side(width: float) -> Layers:
    nodes = [hydrant(f"h{x}", x, width / 2 + 1.5) for x in range(0, 301, 100)]
    return {"road": [street("r", (0, 0), (300, 0), width_m=width)], "pipe_node": nodes}


def kerb(metres: float) -> Layers:
    return {"road": [STREET], "pipe_node": [hydrant("h", 50, 5 + metres)]}


def beside_wall(metres: float) -> Layers:
    return kerb(1.0) | {"building": [house("b", 45, 6 + metres)]}


def out_of_service(is_out: float) -> Layers:
    return {"road": [STREET], "pipe_node": [hydrant("h", 50, 6, in_service=not is_out)]}


def yields(column: str) -> Callable[[float], Layers]:
    return lambda value: {"pipe_node": [hydrant("h", 0, 5, **SOUND | {column: value})]}


def main(closed: bool) -> Callable[[float], Layers]:
    rows = [hydrant("h", 105, 50, **SOUND)]
    return lambda mm: {"pipe_node": rows, "sectors": ring(mm, closed)}


def section(count: float) -> Layers:
    """Return some hydrants on a main between two valves."""
    nodes = {"source": ("source", 0, 0), "v": ("valve", 5, 0)}
    lines, last = [("source", "v", 200.0)], "v"
    for k in range(int(count)):
        x = 10.0 + 10 * k
        nodes |= {f"t{k}": ("junction", x, 0), f"h{k}": ("hydrant", x, 5)}
        lines += [(last, f"t{k}", 200.0), (f"t{k}", f"h{k}", 100.0)]
        last = f"t{k}"
    nodes |= {"w": ("valve", 200, 0), "end": ("end", 220, 0)}
    lines += [(last, "w", 200.0), ("w", "end", 200.0)]
    rows = [hydrant(c, x, y, **SOUND) for c, (kind, x, y) in nodes.items() if kind == "hydrant"]
    return {"pipe_node": rows, "sectors": network(nodes, *lines)}


# Lanes and what an engine reaches


def lane_with(column: str) -> Callable[[float], Layers]:
    return lambda value: {"road": [STREET, lane("l", (0, 0), (0, 30), **{column: value})]}


def fire_lane_beside(metres: float) -> Layers:
    road = lane("l", (0, 0), (0, 30), fire_lane=True)
    return {"road": [STREET, road], "building": [house("b", 2.5 + metres, 10)]}


def turning(**values: object) -> Callable[[float], Layers]:
    return lambda room: dead_end(100.0, room, **values)


def bend(radius_m: float) -> Layers:
    """Return a bend between walls in which an engine of 3.5 m with its margins just turns."""
    cosine = np.cos(np.radians(45))
    return corner(radius_m * (1 - cosine) + 3.5 * cosine)


def along_street(metres: float) -> Layers:
    return {"road": [STREET], "building": [box("b", -metres / 2, 7, metres / 2, 22)]}


def in_total(metres: float) -> Layers:
    return {"road": [STREET], "building": [box("b", -metres / 2, 40, metres / 2, 55)]}


def court(metres: float) -> Layers:
    outline = shapely.box(-40, 20, 40, metres + 44) - shapely.box(-28, 32, 28, metres + 32)
    return {"road": [STREET], "building": [box("b", 0, 0, 1, 1, geom=outline)]}


def lanes_beside(use: str, wide: float = 100.0, deep: float = 15.0, storeys: int = 11):
    """Return a layout of a building with lanes along one long side or along both."""
    building = box("b", 0, 0, wide, deep, use=use, storeys_above=storeys)
    sides = {
        0: [street("far", (-20, -90), (120, -90))],
        1: [street("r", (-20, -10), (120, -10))],
        2: [street("r", (-20, -10), (120, -10), (120, deep + 10), (-20, deep + 10))],
    }
    return lambda count: {"building": [building], "road": sides[int(count)]}


def large(square_metres: float) -> Layers:
    return lanes_beside("commercial", deep=square_metres / 100, storeys=2)(1)


def along_share(percent: float) -> Layers:
    spur = street("spur", (0, -80), (0, -10), (percent, -10), width_m=6.0)
    return lanes_beside("residential")(0) | {
        "road": [street("street", (-50, -80), (150, -80)), spur]
    }


def along_within(metres: float) -> Layers:
    road = street("r", (-20, -metres - 3), (120, -metres - 3), width_m=6.0)
    return lanes_beside("residential")(0) | {"road": [road]}


def road_gap(metres: float) -> Layers:
    """Return a lane that ends some metres before the carriageway of a street."""
    return {"road": [STREET, lane("l", (0, 5 + metres), (0, 100))]}


def gate(metres: float) -> Layers:
    """Return a compound whose lane ends at its boundary, some metres before a street."""
    south = 5 + metres
    compound = {"code": "c", "gated": True, "geom": shapely.box(-50, south, 50, south + 100)}
    return {"road": [STREET, lane("l", (0, south), (0, south + 90))], "compound": [compound]}


def block(wide: float) -> Layers:
    road = street("r", (0, 0), (wide, 0), (wide, 400), (0, 400), (0, 0), width_m=6.0)
    return {"road": [road], "building": [house("b", 20, 195)]}


def hose(metres: float) -> Layers:
    """Return a house at the end of a lane that is too narrow for the engine."""
    road = lane("l", (0, 0), (0, metres - 1), road_class="alley", width_m=2.0)
    return {"road": [STREET, road], "building": [house("b", -5, metres)]}


def margin(metres: float) -> Layers:
    """Return a house at the end of a lane that leaves some metres on each side of the engine."""
    road = lane("l", (0, 0), (0, 200), width_m=2.5 + 2 * metres)
    return {"road": [STREET, road], "building": [house("b", -5, 201)]}


def off_road(metres: float) -> Layers:
    return {"road": [STREET], "building": [house("b", -5, metres)]}


# Separation

HIGH = {"height_m": 60.0, "high_rise": True, "use": "office", "fire_class": 1}
LOW = {"height_m": 12.0, "high_rise": False, "use": "office"}


def pair(one: dict[str, object], other: dict[str, object], wide: float = 60.0):
    return lambda gap: {
        "building": [house("a", 0, 0, wide, **one), house("b", wide + gap, 0, wide, **other)]
    }


def low(fire_class: int, **values: object) -> dict[str, object]:
    return LOW | {"fire_class": fire_class} | values


def tall(height: float) -> Layers:
    return pair(HIGH | {"height_m": height}, low(2))(8.0)


def group_of(square_metres: float) -> Layers:
    side = np.sqrt(square_metres / 2)
    return pair(low(2), low(2), side)(4.4)


# Ladder areas


def tower(south: list[dict[str, object]], height: float = 54.0, wide: float = 60.0, **layers: Any):
    """Return a tower of 60 x 15 m with walls on three sides, and a street to the south."""
    building = box("t", 0, 0, wide, 15, height_m=height, use="office", storeys_above=18)
    walls = [(-200, 20, 200, 30), (-60, 1, -5, 20), (wide + 5, 1, wide + 60, 20)]
    others = [box(f"w{k}", *bounds, storeys_above=2) for k, bounds in enumerate(walls)]
    road = street("s", (-200, -26), (200, -26), width_m=10.0)
    return {"building": [building, *others, *south], "road": [road]} | layers


def open_between(*spans: tuple[float, float], height: float, wide: float = 60.0) -> Layers:
    """Return a tower with houses where the ground to its south is not free."""
    ends = [-150.0, *(x for span in spans for x in span), 150.0]
    south = [
        box(f"s{k}", west, -19, east, -6, storeys_above=2)
        for k, (west, east) in enumerate(zip(ends[::2], ends[1::2], strict=True))
        if west < east
    ]
    return tower(south, height, wide)


def piece(metres: float) -> Layers:
    """Return ground in pieces of 25 m, some metres, and 25 m, each 12 m apart."""
    middle = 30 - metres / 2, 30 + metres / 2
    west, east = middle[0] - 12, middle[1] + 12
    return open_between((west - 25.5, west), middle, (east, east + 25.5), height=40.0)


def tall_piece(metres: float) -> Layers:
    return open_between((19 - metres, 19.0), height=54.0, wide=18.0)


def in_pieces(height: float) -> Layers:
    return open_between((-20, 25), (35, 80), height=height)


def pieces_apart(metres: float) -> Layers:
    return open_between((-20, 30 - metres / 2), (30 + metres / 2, 80), height=40.0)


def strip(metres: float) -> Layers:
    return tower([box("s", -150, -60, 210, -metres, storeys_above=2)]) | {
        "road": [street("s", (-200, -10), (200, -10), width_m=6.0)]
    }


def ditch(metres: float) -> Layers:
    """Return a tower with open water beside its wall, some metres wide."""
    line = shapely.LineString([(-100, -metres / 2), (160, -metres / 2)])
    return tower([], water=[{"code": "w", "covered": False, "width_m": metres, "geom": line}])


def podium(metres: float) -> Layers:
    return tower([box("p", 0, -metres, 60, 0, storeys_above=3, use="commercial")])


def ladder_street(y: float, **values: object) -> Layers:
    return tower([]) | {"road": [street("s", (-200, y), (200, y), **{"width_m": 4.5} | values)]}


# Response


def station(code: str, category: str, x: float, y: float, **values: object) -> dict[str, object]:
    place = shapely.Point(x, y)
    return {"code": code, "category": category, "name": code, "geom": place} | values


def home(x: float) -> dict[str, object]:
    """Return a home whose corner is 10 m from a road along y = 0."""
    corners = shapely.Polygon([(x, 10), (x + 20, 30), (x - 20, 30)])
    return {"code": "b", "geom": corners, "households": 2}


def drive(seconds: float) -> Layers:
    """Return a home at some seconds of drive, of which a crew walks the last ten."""
    metres = (seconds - 10) * LOCAL_M_S
    return {
        "road": [street("r", (0, 0), (5000, 0))],
        "building": [home(metres)],
        "facility": [station("s", "fire_station", 0, 0)],
    }


def walk(seconds: float) -> Layers:
    """Return a home that a micro-station's crew reaches in some seconds."""
    metres = seconds * MICRO_M_S - 10
    return {
        "road": [street("r", (0, 0), (5000, 0))],
        "building": [home(metres)],
        "facility": [station("m", "micro_station", 0, 0, staff_count=6)],
    }


def area_of(station_class: str) -> Callable[[float], Layers]:
    """Return a layout of a square of land, in square kilometres, with one station."""

    def layout(square_km: float) -> Layers:
        side = 1000 * np.sqrt(square_km)
        land = {"code": "420602001001", "level": "community", "geom": shapely.box(0, 0, side, side)}
        return {
            "road": [street("r", (0, 50), (side, 50))],
            "region": [land],
            "facility": [station("s", "fire_station", 100, 60, station_class=station_class)],
        }

    return layout


def crew(people: float) -> Layers:
    return {"road": [STREET], "facility": [station("m", "micro_station", 0, 0, staff_count=people)]}


TABLE = (
    ("separation_high_high", HIGH, HIGH | {"fire_class": 2}, 13.0),
    *((f"separation_high_{k}", HIGH, low(k), m) for k, m in ((2, 9.0), (3, 11.0), (4, 14.0))),
    *(
        (f"separation_{a}_{b}", low(a), low(b), metres)
        for a, b, metres in (
            *((2, 2, 6.0), (2, 3, 7.0), (2, 4, 9.0)),
            *((3, 3, 8.0), (3, 4, 10.0), (4, 4, 12.0)),
        )
    ),
)

CASES = (
    Case("hydrant_radius", 149.9, 151.0, radius),
    Case("intake_radius", 149.9, 151.0, intake, found="hydrant_radius"),
    Case("hydrant_route", 149.9, 150.1, hose_route),
    Case("hydrant_spacing", 120.0, 120.1, spacing),
    Case("hydrant_both_sides", 60.0, 60.1, one_side, found="hydrant_spacing"),
    Case("hydrant_kerb_least", 0.5, 0.4, kerb),
    Case("hydrant_kerb_most", 2.0, 2.1, kerb),
    Case("hydrant_wall", 5.0, 4.9, beside_wall),
    Case("hydrant_out", 0, 1, out_of_service, own=None),
    Case("hydrant_flow", 15.0, 14.9, yields("flow_l_s")),
    Case("hydrant_pressure", 0.10, 0.09, yields("pressure_mpa")),
    Case("hydrant_pressure_running", 0.14, 0.13, yields("pressure_mpa")),
    Case("hydrant_ring", 150.0, 149.0, main(closed=True)),
    Case("hydrant_branch", 200.0, 199.0, main(closed=False)),
    Case("hydrant_section", 5, 6, section),
    Case("lane_width", 4.0, 3.9, lane_with("width_m")),
    Case("lane_height", 4.0, 3.9, lane_with("clear_height_m")),
    Case("lane_slope", 8.0, 8.1, lane_with("slope_percent")),
    Case("lane_slope_most", 10.0, 10.1, lane_with("slope_percent")),
    Case("lane_wall", 5.0, 4.9, fire_lane_beside),
    # No place smaller than the engine of 12 m serves, whatever the figure.
    Case("lane_turning", 12.0, 11.9, turning(), own=12.1, turns="complies"),
    Case("lane_turning_high", 15.0, 14.9, turning(height_m=60.0, use="office")),
    Case("lane_turning_heavy", 18.0, 17.9, turning()),
    Case("lane_dead_end", 39.9, 40.1, lambda metres: dead_end(metres, 8.0), found="lane_turning"),
    Case("lane_radius", 12.2, 11.2, bend, own=10.0),
    Case("lane_through_street", 150.0, 150.1, along_street),
    Case("lane_through_total", 220.0, 220.1, in_total),
    Case("lane_court", 24.0, 24.1, court),
    Case("lane_along_one", 1, 0, lanes_beside("residential"), own=2.0, turns="complies"),
    Case("lane_along_two", 2, 1, lanes_beside("office"), own=1.0),
    Case("lane_along_area", 3000.0, 3001.0, large, found="lane_along_two"),
    Case("lane_along_share", 90.0, 89.0, along_share, found="lane_along_one"),
    Case("lane_along_within", 15.0, 15.1, along_within, found="lane_along_one"),
    # Gaps up to these figures are taken for faults of the data, wider ones for what is there.
    Case("road_join", 3.1, 2.9, road_gap),
    Case("road_gate", 10.1, 9.9, gate),
    Case("lane_spacing", 159.9, 160.2, block),
    Case("engine_reach", 79.9, 80.1, hose),
    Case("engine_margin", 0.5, 0.49, margin, found="engine_reach"),
    # Farther away no road is looked for.
    Case("road_within", 499.0, 501.0, off_road, own=498.0, turns="complies"),
    *(Case(rule, m, m - 0.1, pair(one, other)) for rule, one, other, m in TABLE),
    Case("separation_adjoining", 0.11, 0.09, pair(low(4), low(4))),
    Case(
        *("separation_openings_share", 4.6, 4.4, pair(low(2), low(2, use="hotel"))),
        found="proof protected",
        own=27.0,
    ),
    Case(
        *("separation_protected", 3.5, 3.4, pair(low(2, height_m=20.0), low(2))),
        found="proof fire_wall",
    ),
    Case("separation_protected_high", 4.0, 3.9, pair(HIGH, low(2)), found="proof fire_wall"),
    Case("separation_group", 4.0, 3.9, pair(low(2), low(2), 30.0), found="proof protected"),
    Case("separation_group_area", 2499.0, 2501.0, group_of, found="proof protected"),
    Case("separation_no_reduction", 100.0, 100.1, tall, found="proof none"),
    Case("ladder_area", 15.0, 14.9, piece),
    Case("ladder_area_tall", 20.0, 19.8, tall_piece),
    Case("ladder_tall", 50.0, 50.1, in_pieces, found="ladder_area_tall"),
    Case("ladder_gap", 29.9, 30.2, pieces_apart, found="ladder_area"),
    Case("ladder_width", 10.01, 9.9, lambda m: strip(m + 5), found="ladder_area_tall"),
    Case("ladder_near", 5.01, 4.9, lambda m: strip(m + 10), found="ladder_area_tall"),
    Case("ladder_far", 9.9, 10.1, ditch, found="ladder_area_tall", own=11.0),
    Case("ladder_podium", 4.0, 4.1, podium),
    Case("ladder_lane", 3.5, 3.4, lambda width: ladder_street(-15, width_m=width), own=None),
    Case(
        *("ladder_lane_within", 14.9, 15.1, lambda m: ladder_street(-20 - m - 2.25)),
        found="ladder_lane",
    ),
    Case("ladder_slope", 3.0, 3.1, lambda slope: ladder_street(-15, slope_percent=slope)),
    Case("response_time", 299.9, 300.1, lambda seconds: drive(seconds - 60)),
    Case("response_turnout", 60.1, 59.9, lambda left: drive(300 - left), found="response_time"),
    Case("station_area_first", 6.76, 7.29, area_of("first")),
    Case("station_area_second", 4.0, 4.2025, area_of("second")),
    Case("station_area_small", 1.96, 2.1025, area_of("small")),
    Case("micro_time", 179.9, 180.1, lambda seconds: walk(seconds - 60)),
    Case("micro_people", 6, 5, crew),
    Case("micro_turnout", 60.1, 59.9, lambda left: walk(180 - left), found="micro_time"),
)


def find(layers: Layers) -> set[str]:
    """Return the rules that a layout breaks by the figures of the settings, and needed proofs."""
    layers = dict(layers)
    sectors: Sectors | None = layers.pop("sectors", None)

    def read_sectors() -> Sectors:
        if sectors is None:
            raise InputError("no_pipes", network="water")
        return sectors

    rules = rules_in_force()
    context = FireContext(snapshot_of(**layers), rules, vehicle_from_settings(rules))
    found = [item for overlay in Overlay for item in check_overlay(context, overlay, read_sectors)]
    proofs = {f"proof {item.detail['proof'] or 'none'}" for item in found if "proof" in item.detail}
    return {item.rule for item in found} | proofs


@pytest.fixture
def set_figure(monkeypatch):
    def set_figure(rule: str, figure: float) -> None:
        monkeypatch.setenv("GRIDATLAS_FIRE_FIGURES", f'{{"{rule}": {figure!r}}}')
        settings.cache_clear()

    yield set_figure
    monkeypatch.undo()
    settings.cache_clear()


def test_every_rule_has_a_layout_on_either_side_of_its_figure():
    assert [rule.id for rule in DEFAULT_RULES if rule.id not in {case.rule for case in CASES}] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_rule_is_broken_beyond_its_figure_alone(case, set_figure):
    found = case.found or case.rule
    assert found not in find(case.layout(case.complies))
    assert found in find(case.layout(case.breaks))
    if case.own_figure is not None:
        set_figure(case.rule, case.own_figure)
        turned = case.breaks if case.turns == "breaks" else case.complies
        assert (found in find(case.layout(turned))) == (case.turns == "complies")


def test_pieces_of_a_ladder_area_beyond_a_side_alone_do_not_serve_it():
    beyond = open_between((-20, 0), (25, 45), height=40.0, wide=25.0)
    assert "ladder_area" in find(beyond)
    half = open_between((-20, 12.6), (25, 45), height=40.0, wide=25.0)
    assert "ladder_area" not in find(half)


@pytest.mark.parametrize(
    ("height", "gap", "proof"),
    [
        (20.0, 3.5, "protected"),
        (20.0, 3.4, "fire_wall"),
        (60.0, 4.0, "protected"),
        (60.0, 3.9, "fire_wall"),
        (100.0, 8.0, "protected"),
        (100.1, 8.0, None),
    ],
)
def test_proof_that_a_smaller_distance_needs_follows_its_figure(in_force, height, gap, proof):
    high = HIGH | {"height_m": height, "high_rise": height > 24}
    snapshot = snapshot_of(**pair(high, low(2))(gap))
    (finding,) = separation.check_separation(snapshot, in_force)
    assert finding.detail["proof"] == proof
