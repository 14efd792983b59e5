"""Checks of where hydrants stand: spacing along streets, distances from kerbs and walls."""

from itertools import pairwise

import numpy as np
import shapely

from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.network.noding import substrings
from geo.network.roads import road_widths
from geo.types import Bools, Floats, Geometries, Ints

ROADSIDE_M = 5.0
"""A hydrant up to this far from the kerb belongs to the road."""

STREET_CLASSES = ("arterial", "secondary", "local")
"""Classes of road along which hydrants are required."""


def check_hydrant_spacing(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    """Return findings of stretches of street along which hydrants stand too far apart.

    A street up to 60 m wide is served by the hydrants of both its sides, a wider one needs them on
    each (GB 50974-2014, 7.2.3).
    """
    roads = snapshot.road
    road_width = road_widths(roads)
    streets = roads["road_class"].isin(STREET_CLASSES) & ~roads["tunnel"] & ~roads["bridge"]
    rows = np.intersect1d(snapshot.own_roads, np.flatnonzero(streets.to_numpy()))
    points = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    findings = []
    for members in _group_by_street(snapshot, rows):
        for line in _merge_lines(snapshot, members):
            findings += _find_gaps(
                snapshot, rules, members, line, float(road_width[members].max()), points
            )
    return findings


def _group_by_street(snapshot: CitySnapshot, rows: Ints) -> list[Ints]:
    """Return the rows of each street: roads of one name and class, or a single nameless road."""
    names = snapshot.road["name"].to_numpy()[rows]
    classes = snapshot.road["road_class"].to_numpy()[rows]
    groups: dict[tuple[str, str], list[int]] = {}
    for row, name, kind in zip(rows, names, classes, strict=True):
        groups.setdefault((name or f"#{row}", kind), []).append(int(row))
    return [np.array(members) for members in groups.values()]


def _merge_lines(snapshot: CitySnapshot, members: Ints) -> list[shapely.LineString]:
    """Return the lines of a street, merged where its pieces join."""
    lines = snapshot.road.geometry.to_numpy()[members]
    merged = shapely.line_merge(shapely.multilinestrings([lines]))[0]
    return [line for line in shapely.get_parts(merged) if line.length > 0]


def _find_gaps(
    snapshot: CitySnapshot,
    rules: Rules,
    members: Ints,
    line: shapely.LineString,
    width: float,
    points: Geometries,
) -> list[Finding]:
    """Return findings of the gaps along one line of a street."""
    figure = rules.figure("hydrant_spacing")
    near = points[shapely.dwithin(points, line, width / 2 + ROADSIDE_M)]
    hydrants_by_side: dict[str, Geometries] = {"both": near}
    if width > rules.figure("hydrant_both_sides"):
        left = _is_left(line, near)
        hydrants_by_side = {"left": near[left], "right": near[~left]}
    findings = []
    for side, hydrants in hydrants_by_side.items():
        offsets = np.sort(shapely.line_locate_point(line, hydrants))
        stops = np.concatenate([[0.0], offsets, [line.length]])
        for start, end in pairwise(stops):
            if end - start > figure + TOLERANCE_M:
                lines = np.array([line], dtype=object)
                part = substrings(lines, np.array([0]), np.array([start]), np.array([end]))[0]
                findings.append(_gap_finding(snapshot, members, part, side, end - start, figure))
    return findings


def _is_left(line: shapely.LineString, points: Geometries) -> Bools:
    """Return (k,) whether each point lies to the left of a line."""
    offsets = shapely.line_locate_point(line, points)
    behind = shapely.get_coordinates(
        shapely.line_interpolate_point(line, np.maximum(offsets - 0.5, 0))
    )
    ahead = shapely.get_coordinates(
        shapely.line_interpolate_point(line, np.minimum(offsets + 0.5, line.length))
    )
    along, sideways = ahead - behind, shapely.get_coordinates(points) - behind
    return np.asarray(along[:, 0] * sideways[:, 1] - along[:, 1] * sideways[:, 0] > 0)


def _gap_finding(
    snapshot: CitySnapshot,
    members: Ints,
    part: shapely.LineString,
    side: str,
    length: float,
    figure: float,
) -> Finding:
    """Return the finding of a part of a street without a hydrant, at the road in its middle."""
    lines = snapshot.road.geometry.to_numpy()[members]
    middle = shapely.line_interpolate_point(part, 0.5, normalized=True)
    row = members[int(np.argmin(shapely.distance(lines, middle)))]
    road = snapshot.road.iloc[row]
    return Finding(
        "hydrant_spacing",
        Severity.MEDIUM,
        "road",
        str(road["code"]),
        part,
        measured=float(length),
        required=figure,
        detail={"kind": side, "name": road["name"]},
    )


def check_hydrant_positions(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of hydrants that can't be used, or are too near to or far from kerb or wall.

    Parameters
    ----------
    only
        (k,) int64 rows of the hydrants to check; all by default.
    """
    rows = np.arange(len(snapshot.hydrant)) if only is None else only
    return [
        *_find_unusable(snapshot, rows),
        *_check_kerb_distances(snapshot, rules, rows),
        *_check_wall_distances(snapshot, rules, rows),
    ]


def _find_unusable(snapshot: CitySnapshot, rows: Ints) -> list[Finding]:
    """Return findings of hydrants that are out of service or failed their last inspection."""
    points = snapshot.hydrant.geometry.to_numpy()
    codes = snapshot.hydrant["code"].to_numpy()
    return [
        Finding(
            "hydrant_out",
            Severity.HIGH,
            "pipe_node",
            str(codes[row]),
            points[row],
            detail={"kind": "failed" if codes[row] in snapshot.failed_hydrants else "out"},
        )
        for row in rows
        if not snapshot.hydrant_works[row]
    ]


def _check_kerb_distances(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of hydrants too near to or far from the kerb of a road with a known width."""
    roads = snapshot.road
    width = roads["width_m"].to_numpy(dtype=float)
    streets = np.flatnonzero(roads["road_class"].isin(STREET_CLASSES).to_numpy() & ~np.isnan(width))
    if not len(streets) or not len(rows):
        return []
    points = snapshot.hydrant.geometry.to_numpy()[rows]
    lines = roads.geometry.to_numpy()[streets]
    farthest = float(width[streets].max() / 2 + ROADSIDE_M)
    near, street = shapely.STRtree(lines).query(points, predicate="dwithin", distance=farthest)
    kerb = shapely.distance(points[near], lines[street]) - width[streets[street]] / 2
    findings = []
    codes = snapshot.hydrant["code"].to_numpy()
    for k in np.flatnonzero(_is_nearest(near, kerb)):
        least, most = rules.figure("hydrant_kerb_least"), rules.figure("hydrant_kerb_most")
        if least - TOLERANCE_M <= kerb[k] <= most + TOLERANCE_M or kerb[k] > ROADSIDE_M:
            continue
        is_below = kerb[k] < least
        findings.append(
            Finding(
                "hydrant_kerb_least" if is_below else "hydrant_kerb_most",
                Severity.LOW,
                "pipe_node",
                str(codes[rows[near[k]]]),
                points[near[k]],
                measured=float(kerb[k]),
                required=least if is_below else most,
                detail={"kind": "carriageway" if kerb[k] < 0 else "kerb"},
            )
        )
    return findings


def _is_nearest(near: Ints, kerb: Floats) -> Bools:
    """Return for each pair of hydrant and street whether the hydrant has no nearer kerb.

    Parameters
    ----------
    near, kerb
        (p,) int64 hydrant, and (p,) float64 metres to the kerb, of each pair.
    """
    order = np.lexsort((kerb, near))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(near[order]) != 0
    is_nearest = np.zeros(len(order), dtype=bool)
    is_nearest[order[first]] = True
    return is_nearest


def _check_wall_distances(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of hydrants too near to the wall of a building."""
    figure = rules.figure("hydrant_wall")
    points = snapshot.hydrant.geometry.to_numpy()[rows]
    if not len(points) or not len(snapshot.walls):
        return []
    (hydrant, wall), distances = snapshot.wall_tree.query_nearest(
        points, max_distance=figure, return_distance=True, all_matches=False
    )
    codes = snapshot.hydrant["code"].to_numpy()
    buildings = snapshot.building["code"].to_numpy()
    return [
        Finding(
            "hydrant_wall",
            Severity.LOW,
            "pipe_node",
            str(codes[rows[h]]),
            points[h] if distance == 0 else shapely.shortest_line(points[h], snapshot.walls[w]),
            measured=float(distance),
            required=figure,
            other=str(buildings[w]),
            detail={"kind": "inside" if distance == 0 else "near"},
        )
        for h, w, distance in zip(hydrant, wall, distances, strict=True)
        if distance < figure - TOLERANCE_M
    ]
