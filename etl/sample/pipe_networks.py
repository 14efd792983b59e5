"""Pipe networks of the sample city along its streets.

Water mains form loops with valves and hydrants; sewage and storm drains run to the river; there are
gas, power and telecom networks too.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample import planted_faults, planted_pipes
from etl.sample.gas_services import ServiceRouter
from etl.sample.pipe_rows import DRAINS, FALL, MAIN_DIAMETER_MM, MATERIAL, OFFSET_M, Pipes
from etl.sample.street_plan import Office, corner_point
from etl.sample.streets import Edge, crossing_widths

HYDRANT_SPACING_M = 90.0
HYDRANT_FROM_CORNER_M = 18.0
HYDRANT_CLEAR_M = 8.0
"""Smallest distance of a hydrant from the edge of a crossing street."""

HYDRANT_FROM_WALL_M = 5.1
HYDRANT_SHIFT_M = 20.0
"""A hydrant that would stand too near to a wall is moved less than this along its street."""

KERB_M = 1.0
MISPLACED_KERB_M = (3.5, -1.0)
"""Distance from the kerb of two hydrants of an office: too far off, and in the carriageway."""

VALVE_FROM_CORNER_M = 8.0
MANHOLE_SPACING_M = 50.0
GAS_SERVICE_MM = 63.0

Taps = dict[tuple[tuple[int, int], tuple[int, int]], list[tuple[str, BaseGeometry]]]
"""Code and footprint of the buildings that are supplied from each street, by its corners."""


def corner_code(network: str, corner: tuple[int, int], north: bool) -> str:
    """Return the code of the node at a street corner, which neighbouring offices share."""
    return f"{network}-{'N' if north else 'S'}{corner[0]:+04d}{corner[1]:+04d}"


def lay_networks(
    office: Office,
    edges: list[Edge],
    corners: list[tuple[int, int]],
    taps: Taps,
    footprints: dict[str, BaseGeometry],
    beside: list[BaseGeometry],
    random: np.random.Generator,
) -> Pipes:
    """Lay all networks of an office.

    Parameters
    ----------
    edges, corners
        Streets and corners that belong to this office.
    footprints
        All buildings by code, under which no gas may pass.
    beside
        Buildings of other offices across its streets, of which hydrants stand clear too.
    """
    pipes = Pipes(office.code[:9], int(random.integers(1998, 2018)))
    north = office.row >= 0
    for network in MATERIAL:
        for corner in corners:
            _add_corner(pipes, network, corner, office, north)
    dry = set(random.choice(len(edges), size=3, replace=False).tolist())
    misplaced = dict(
        zip([n for n in range(len(edges)) if n not in dry], MISPLACED_KERB_M, strict=False)
    )
    walls = shapely.STRtree([*footprints.values(), *beside])
    for number, edge in enumerate(edges):
        supplied = taps.get((edge.start, edge.end), [])
        stops = (
            []
            if number in dry
            else _add_hydrants(pipes, edge, misplaced.get(number), walls, random)
        )
        _add_water(pipes, edge, supplied, stops)
        if number in dry:
            gap = planted_faults.build_answer("hydrant_gap", "hydrant_spacing", None, 120.0)
            pipes.planted.append(gap | {"code": f"{pipes.prefix}R{number:04d}"})
        _add_drain(pipes, "sewage", edge)
        _add_drain(pipes, "storm", edge)
        for network, diameter in (("power", 150.0), ("telecom", 110.0)):
            if edge.along or edge.start[0] == office.corner[0]:
                _add_main(pipes, network, edge, diameter)
    _weaken_hydrants(pipes)
    drains = [line for network in DRAINS for line in pipes.lines_of(network)]
    router = ServiceRouter(footprints, pipes.lines_of("water"), drains)
    _add_gas(pipes, edges, taps, router)
    planted_pipes.tighten_crossing(pipes)
    planted_pipes.add_abandoned_main(pipes, _course(edges[0], "water"))
    return pipes


def _weaken_hydrants(pipes: Pipes) -> None:
    """Give a hydrant in order too little flow, and another one too little pressure."""
    marked = {right["code"] for right in pipes.planted}
    sound = [
        node for node in pipes.nodes if node["kind"] == "hydrant" and node["code"] not in marked
    ]
    faults = (
        ("hydrant_flow", "flow_l_s", 12.0, 15.0),
        ("hydrant_pressure", "pressure_mpa", 0.08, 0.1),
    )
    for node, (rule, column, value, required) in zip(sound, faults, strict=False):
        node[column] = value
        weak = planted_faults.build_answer("hydrant_weak", rule, value, required)
        pipes.planted.append(weak | {"code": node["code"]})


def _add_corner(
    pipes: Pipes, network: str, corner: tuple[int, int], office: Office, north: bool
) -> None:
    """Add the node at a corner: source or outfall at the main corner, else a junction."""
    is_main = corner == (office.corner[0] + 1, office.corner[1] + 1)
    by_river = corner[1] == 0
    kind = {
        "water": "source" if is_main else "junction",
        "gas": "regulator" if is_main else "junction",
        "sewage": "outfall" if by_river else "manhole",
        "storm": "outfall" if by_river else "manhole",
        "power": "substation" if is_main else "cabinet",
        "telecom": "cabinet" if is_main else "manhole",
    }[network]
    x, y = corner_point(*corner, north)
    shift = OFFSET_M[network]
    point = shapely.Point(x + shift, y + shift)
    pipes.add_node(network, kind, point, corner_code(network, corner, north))


def _course(edge: Edge, network: str) -> shapely.LineString:
    """Return the line of a main between the nodes at its corners."""
    shift = OFFSET_M[network]
    ends = [
        corner_point(*edge.start, edge.north) + shift,
        corner_point(*edge.end, edge.north) + shift,
    ]
    return shapely.LineString(ends)


def _ends(edge: Edge, network: str) -> tuple[str, str]:
    return corner_code(network, edge.start, edge.north), corner_code(network, edge.end, edge.north)


def _add_main(pipes: Pipes, network: str, edge: Edge, diameter: float) -> None:
    course = _course(edge, network)
    pipes.add_segment(network, _ends(edge, network), list(course.coords), diameter)


def _add_chain(
    pipes: Pipes,
    network: str,
    edge: Edge,
    course: shapely.LineString,
    stops: list[tuple[float, str]],
    diameter: float,
) -> None:
    """Add a main from corner to corner through nodes at some distances along it."""
    first, last = _ends(edge, network)
    chain = [(0.0, first), *sorted(stops), (course.length, last)]
    for (a, start), (b, end) in pairwise(chain):
        points = [course.interpolate(a), course.interpolate(b)]
        pipes.add_segment(network, (start, end), points, diameter)


def _add_valves(pipes: Pipes, network: str, course: shapely.LineString) -> list[tuple[float, str]]:
    """Add a valve near each end of a main."""
    at = (VALVE_FROM_CORNER_M, course.length - VALVE_FROM_CORNER_M)
    return [(d, pipes.add_node(network, "valve", course.interpolate(d), is_open=True)) for d in at]


def _add_services(
    pipes: Pipes,
    network: str,
    course: shapely.LineString,
    supplied: list[tuple[str, BaseGeometry]],
    diameter: float,
) -> list[tuple[float, str]]:
    """Add a service pipe to each building; return the distances and codes of its tees."""
    stops: list[tuple[float, str]] = []
    low, high = VALVE_FROM_CORNER_M + 2, course.length - VALVE_FROM_CORNER_M - 2
    # Perpendicular to the main and in their order along it, so that no two cross.
    fronts = [
        course.project(shapely.get_point(shapely.shortest_line(course, footprint), 0))
        for _, footprint in supplied
    ]
    for k in np.argsort(fronts, kind="stable"):
        code, footprint = supplied[k]
        d = float(np.clip(fronts[k], low, high))
        d += 0.01 * len(stops)  # no two tees at one place
        tee_at = course.interpolate(d)
        end_at = shapely.get_point(shapely.shortest_line(footprint, tee_at), 0)
        if end_at.distance(tee_at) < 0.01:  # the wall stands on the main
            at_wall = pipes.add_node(network, "consumer", tee_at, building_code=code)
            stops.append((d, at_wall))
            continue
        tee = pipes.add_node(network, "junction", tee_at)
        end = pipes.add_node(network, "consumer", end_at, building_code=code)
        pipes.add_segment(network, (tee, end), [tee_at, end_at], diameter)
        stops.append((d, tee))
    return stops


def _add_water(
    pipes: Pipes,
    edge: Edge,
    supplied: list[tuple[str, BaseGeometry]],
    hydrants: list[tuple[float, str]],
) -> None:
    course = _course(edge, "water")
    stops = _add_valves(pipes, "water", course)
    stops += _add_services(pipes, "water", course, supplied, 100.0)
    _add_chain(
        pipes, "water", edge, course, stops + hydrants, MAIN_DIAMETER_MM["water"][edge.road_class]
    )


def _add_hydrants(
    pipes: Pipes,
    edge: Edge,
    misplaced: float | None,
    walls: shapely.STRtree,
    random: np.random.Generator,
) -> list[tuple[float, str]]:
    """Add hydrants along a street, away from crossing streets; return their tees."""
    near, far = (
        max(HYDRANT_FROM_CORNER_M, width / 2 + HYDRANT_CLEAR_M) for width in crossing_widths(edge)
    )
    count = int(np.ceil((edge.line.length - near - far) / HYDRANT_SPACING_M)) + 1
    places = np.linspace(near, edge.line.length - far, count)
    # The middle hydrant may be misplaced, since no kerb of another street is near it.
    kerbs = [KERB_M] * count
    if misplaced is not None:
        kerbs[count // 2] = misplaced
    ends = near, edge.line.length - far
    return [
        _add_hydrant(pipes, edge, _clear_of_walls(edge, float(d), ends, kerb, walls), kerb, random)
        for d, kerb in zip(places, kerbs, strict=True)
    ]


def _clear_of_walls(
    edge: Edge, d: float, ends: tuple[float, float], kerb_m: float, walls: shapely.STRtree
) -> shapely.Point:
    """Return the place of a hydrant near another along a street, clear of walls.

    The left side comes first, then the right.
    """
    shifts = np.arange(0.0, HYDRANT_SHIFT_M, 1.0)
    along = np.clip(np.column_stack([d + shifts, d - shifts]).ravel(), *ends)
    share = along / edge.line.length
    kerbs = [edge.line.offset_curve(side * (edge.width / 2 + kerb_m)) for side in (1, -1)]
    points = np.concatenate(
        [shapely.line_interpolate_point(kerb, share, normalized=True) for kerb in kerbs]
    )
    near = walls.query(points, predicate="dwithin", distance=HYDRANT_FROM_WALL_M)[0]
    clear = np.setdiff1d(np.arange(len(points)), near)
    place: shapely.Point = points[int(clear[0]) if len(clear) else 0]
    return place


def _add_hydrant(
    pipes: Pipes, edge: Edge, at: shapely.Point, kerb_m: float, random: np.random.Generator
) -> tuple[float, str]:
    """Add a hydrant behind the kerb; return its tee on the main."""
    works = bool(random.random() > 0.02)
    code = pipes.add_node(
        "water",
        "hydrant",
        at,
        in_service=works,
        flow_l_s=float(np.round(random.uniform(15, 30), 1)),
        pressure_mpa=float(np.round(random.uniform(0.14, 0.35), 2)),
    )
    if not works:
        out = planted_faults.build_answer("hydrant_out_of_service", "hydrant_out")
        pipes.planted.append(out | {"code": code})
    if kerb_m != KERB_M:
        pipes.planted.append(_misplaced_hydrant(kerb_m) | {"code": code})
    course = _course(edge, "water")
    along = (
        float(
            np.clip(
                course.project(at), VALVE_FROM_CORNER_M + 1, course.length - VALVE_FROM_CORNER_M - 1
            )
        )
        + 0.005
    )
    tee_at = course.interpolate(along)
    tee = pipes.add_node("water", "junction", tee_at)
    pipes.add_segment("water", (tee, code), [tee_at, at], 100.0)
    return along, tee


def _misplaced_hydrant(kerb_m: float) -> dict[str, Any]:
    """Return the right answer for a hydrant that is not 0.5 to 2 m from the kerb."""
    if kerb_m < 0:
        return planted_faults.build_answer(
            "hydrant_in_carriageway", "hydrant_kerb_least", kerb_m, 0.5
        )
    return planted_faults.build_answer("hydrant_off_kerb", "hydrant_kerb_most", kerb_m, 2.0)


def _add_gas(pipes: Pipes, edges: list[Edge], taps: Taps, router: ServiceRouter) -> None:
    """Add gas mains, and the services that reach their building without passing under another."""
    for edge in edges:
        course = _course(edge, "gas")
        stops = _add_valves(pipes, "gas", course)
        for code, footprint in taps.get((edge.start, edge.end), []):
            front = course.project(shapely.get_point(shapely.shortest_line(course, footprint), 0))
            line = router.find_line(course, footprint, front, [d for d, _ in stops])
            if line is not None:
                stops.append(_add_gas_service(pipes, course, line, code)[0])
            elif not planted_pipes.is_planted(pipes, "gas_under_building"):
                under = planted_pipes.find_line_under(router, course, footprint, front)
                if under is not None:
                    stop, segment = _add_gas_service(pipes, course, under.line, code)
                    stops.append(stop)
                    planted_pipes.add_answer(
                        pipes, "gas_under_building", segment, under.metres, 0.0, under.building
                    )
        if not (edge.along and edge.start[1] == 0):  # no drain runs along the river
            sewer = _course(edge, "sewage")
            stops += planted_pipes.add_branches(pipes, router, course, sewer, stops)
        _add_chain(pipes, "gas", edge, course, stops, MAIN_DIAMETER_MM["gas"][edge.road_class])


def _add_gas_service(
    pipes: Pipes, course: shapely.LineString, line: shapely.LineString, code: str
) -> tuple[tuple[float, str], str]:
    """Add a service along a line; return where its tee is, with the tee's code, and its code."""
    start, wall = (shapely.Point(place) for place in line.coords)
    tee = pipes.add_node("gas", "junction", start)
    end = pipes.add_node("gas", "consumer", wall, building_code=code)
    segment = pipes.add_segment("gas", (tee, end), [start, wall], GAS_SERVICE_MM)
    return (course.project(start), tee), segment["code"]


def _add_drain(pipes: Pipes, network: str, edge: Edge) -> None:
    """Add a drain towards the river or, along the river, to the west.

    The drains form trees; the corners at the river bank are outfalls, with no drain between them.
    """
    if edge.along and edge.start[1] == 0:
        return
    towards_river = abs(edge.start[1]) < abs(edge.end[1])
    backwards = edge.along or towards_river
    if edge.along:
        # It drains only its street and ends in a manhole before the eastern corner.
        edge_start, edge_end = edge.start, None
    else:
        edge_start, edge_end = (edge.start, edge.end) if backwards else (edge.end, edge.start)
    course = _course(edge, network)
    if not backwards:
        course = shapely.reverse(course)
    count = max(int(course.length // MANHOLE_SPACING_M), 1)
    last = corner_code(network, edge_start, edge.north)
    mouth = last_at = course.interpolate(0.0)
    for number in range(1, count + 1):
        final = number == count
        if final and edge_end is not None:
            at, code = course.interpolate(course.length), corner_code(network, edge_end, edge.north)
        else:
            at = course.interpolate(number * course.length / (count + 1))
            code = pipes.add_node(network, "manhole", at)
        rise = FALL * at.distance(mouth), FALL * last_at.distance(mouth)
        pipes.add_segment(
            network,
            (code, last),
            [at, last_at],
            MAIN_DIAMETER_MM[network][edge.road_class],
            rise=rise if edge.along else (0.0, 0.0),
        )
        last, last_at = code, at
