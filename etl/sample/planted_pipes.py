"""Faults of buried pipes that are planted in each office, with their right answers.

A gas service under a building, a gas branch too near to a sewer, a shallow one, and a water service
too near under a gas main; and an abandoned water main, which is no fault.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample.gas_services import FROM_BUILDING_M, ServiceRouter
from etl.sample.pipe_rows import COVER_M, Pipes
from etl.sample.planted_faults import build_answer

LEAST_UNDER_M = 2.0
"""The planted gas service passes at least so far under a building."""

SHIFTS_M = (0.0, 3.0, -3.0, 6.0, -6.0)
"""Where along the main from the building's front that service is tried."""

NEAR_SEWER_M, BESIDE_SEWER_M = 1.0, 8.0
"""Distance of the planted branch from the middle of a sewer, and its length there."""

SHALLOW_M = 0.6
CLEAR_OF_SEWER_M = 2.0
"""The shallow branch ends this far from the middle of the sewer."""

TIGHT_M = 0.05
"""Earth between the planted water service and the gas main above it."""

ABANDONED_AT_M = 1.5
"""Distance of the abandoned main from the one in use."""

BRANCH_MM = 63.0
BRANCH_SPACING_M = 12.0


@dataclass(frozen=True)
class LineUnder:
    """A gas service that passes some metres under another building."""

    line: shapely.LineString
    building: str
    metres: float


def find_line_under(
    router: ServiceRouter, course: shapely.LineString, footprint: BaseGeometry, front: float
) -> LineUnder | None:
    """Return a straight service to a building that passes under exactly one other."""
    for start in (front + shift for shift in SHIFTS_M):
        line = shapely.shortest_line(course.interpolate(start), footprint)
        near = router.others_near(line, footprint, FROM_BUILDING_M)
        if not 10.0 < start < course.length - 10.0 or len(near) != 1:
            continue
        under = float(shapely.length(shapely.intersection(line, router.footprints[near[0]])))
        if under >= LEAST_UNDER_M and router.is_clear_of_pipes(line):
            router.laid.append(line)
            return LineUnder(line, router.codes[near[0]], under)
    return None


def add_branches(
    pipes: Pipes,
    router: ServiceRouter,
    course: shapely.LineString,
    sewer: shapely.LineString,
    stops: list[tuple[float, str]],
) -> list[tuple[float, str]]:
    """Add the planted branches that are still to add; return where they begin, with their tees."""
    kinds = [k for k in ("gas_near_sewer", "gas_shallow") if not is_planted(pipes, k)]
    added: list[tuple[float, str]] = []
    for d in np.arange(30.0, course.length - 30.0, 4.0).tolist():
        taken = [at for at, _ in (*stops, *added)]
        if not kinds or min(abs(d - at) for at in taken) < 2.0:
            continue
        line = _branch(course.interpolate(d), sewer, beside=kinds[0] == "gas_near_sewer")
        if any(abs(d - at) < BRANCH_SPACING_M for at, _ in added):
            continue
        if router.is_clear_of_pipes(line, drains=False):
            router.laid.append(line)
            added.append((d, _add_branch(pipes, line, sewer, kinds.pop(0))))
    return added


def _branch(start: shapely.Point, sewer: shapely.LineString, *, beside: bool) -> shapely.LineString:
    """Return a branch from a main towards a sewer, which may go on beside it."""
    along = sewer.project(start)
    foot, begin = (np.array(point.coords[0]) for point in (sewer.interpolate(along), start))
    distance = NEAR_SEWER_M if beside else CLEAR_OF_SEWER_M
    turn = foot + (begin - foot) * distance / np.hypot(*(begin - foot))
    points = [begin, turn]
    if beside:
        points.append(turn + np.array(sewer.interpolate(along + BESIDE_SEWER_M).coords[0]) - foot)
    return shapely.LineString(points)


def _add_branch(
    pipes: Pipes, line: shapely.LineString, sewer: shapely.LineString, kind: str
) -> str:
    """Add a planted branch of the gas network; return the code of its tee."""
    tee = pipes.add_node("gas", "junction", shapely.get_point(line, 0))
    end = pipes.add_node("gas", "end", shapely.get_point(line, -1))
    rise = COVER_M["gas"] - SHALLOW_M if kind == "gas_shallow" else 0.0
    segment = pipes.add_segment("gas", (tee, end), list(line.coords), BRANCH_MM, rise=(rise, rise))
    if kind == "gas_shallow":
        add_answer(pipes, kind, segment["code"], SHALLOW_M, 0.9)
        return tee
    beside = [
        row
        for row in pipes.segments
        if row["network"] == "sewage" and row["geom"].distance(line) < NEAR_SEWER_M + 0.01
    ]
    for row in beside:
        gap = row["geom"].distance(line) - (row["diameter_mm"] + BRANCH_MM) / 2000
        add_answer(pipes, kind, segment["code"], gap, 1.2, row["code"])
    return tee


def tighten_crossing(pipes: Pipes) -> None:
    """Raise a water service until it nearly touches the gas main that it passes under."""
    gas = [row for row in pipes.segments if row["network"] == "gas"]
    lines = np.array([row["geom"] for row in gas], dtype=object)
    for row in pipes.segments:
        if row["network"] != "water" or row["diameter_mm"] > 100.0:
            continue
        crossed = np.flatnonzero(shapely.intersects(row["geom"], lines)).tolist()
        if len(crossed) == 1 and gas[crossed[0]]["diameter_mm"] > BRANCH_MM:
            main = gas[crossed[0]]
            depth = COVER_M["gas"] + main["diameter_mm"] / 1000 + TIGHT_M
            row |= {name: round(depth, 3) for name in ("burial_depth_m", "depth_from_m")}
            row["depth_to_m"] = row["depth_from_m"]
            add_answer(pipes, "gas_crosses_water", main["code"], TIGHT_M, 0.15, row["code"])
            return


def is_planted(pipes: Pipes, kind: str) -> bool:
    """Return whether a fault of a kind is planted."""
    return any(right["kind"] == kind for right in pipes.planted)


RULES = {
    "gas_under_building": "under_building",
    "gas_near_sewer": "parallel",
    "gas_shallow": "cover",
    "gas_crosses_water": "crossing",
}
"""Kind of finding that each planted fault breaks."""


def add_answer(
    pipes: Pipes, kind: str, code: str, measured: float, required: float, other: str = ""
) -> None:
    """Note the right answer about a pipe."""
    right = build_answer(kind, RULES[kind], measured, required)
    pipes.planted.append(right | {"code": code, "other": other})


def add_abandoned_main(pipes: Pipes, course: shapely.LineString) -> None:
    """Add a piece of an old water main that was left in the ground beside its successor."""
    beside = shapely.offset_curve(course, ABANDONED_AT_M)
    laid = np.array(pipes.lines_of("water"), dtype=object)
    for start in np.arange(20.0, course.length - 40.0, 2.0).tolist():
        points = [shapely.line_interpolate_point(beside, d) for d in (start, start + 10.0)]
        if not shapely.dwithin(shapely.LineString(points), laid, 0.5).any():
            break
    ends = [pipes.add_node("water", "end", point, in_service=False) for point in points]
    pipes.add_segment(
        "water",
        (ends[0], ends[1]),
        points,
        150.0,
        status="abandoned",
        material="cast_iron",
        pressure_mpa=None,
        year_built=1978,
    )
