"""Checks of hydrants: what they cover, their spacing along streets, and their positions."""

from itertools import pairwise

import geopandas as gpd
import numpy as np
import shapely
from scipy.sparse import coo_array, csr_array

from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData, list_missing
from geo.network import isochrones, routing
from geo.network.noding import substrings
from geo.network.roads import road_widths
from geo.types import Bools, Floats, Geometries, Ints

ROUTE_LIMIT_M = 2000.0
"""Longer hose routes are not searched for."""

ROADSIDE_M = 5.0
"""A hydrant up to this far from the kerb belongs to the road."""

STREET_CLASSES = ("arterial", "secondary", "local")
"""Classes of road along which hydrants are required."""

_QUADRANT_SEGMENTS = 16
_MAX_SINGLE_SEARCHES = 200
"""Up to this many buildings are searched from one by one; more in a single search."""


def hose_routes(snapshot: CitySnapshot) -> tuple[Floats, Ints]:
    """Return the length of the hose route from the nearest working hydrant to every building.

    Returns
    -------
    metres
        (b,) along roads to the wall; infinite where there is none.
    hydrant
        (b,) row of that hydrant, -1 for none.
    """
    access = snapshot.access
    usable = np.flatnonzero(snapshot.hydrant_works & (access.hydrant >= 0))
    count = len(snapshot.building)
    if not len(usable):
        return np.full(count, np.inf), np.full(count, -1, dtype=np.int64)
    best, source = _nearest(snapshot, usable)
    node = access.building
    metres = np.where(node >= 0, best[node] + access.building_gap, np.inf)
    hydrant = np.where(np.isfinite(metres), source[node], -1)
    return metres, hydrant


def _routes_singly(snapshot: CitySnapshot, rows: Ints) -> tuple[Floats, Ints]:
    """Return what :func:`hose_routes` returns, for a few rows, by a search from each of them."""
    access = snapshot.access
    usable = snapshot.hydrant_works & (access.hydrant >= 0)
    metres = np.full(len(snapshot.building), np.inf)
    hydrant = np.full(len(snapshot.building), -1, dtype=np.int64)
    for row in rows[access.building[rows] >= 0].tolist():
        walk, _ = routing.shortest_from_node(
            access.walking_costs, int(access.building[row]), ROUTE_LIMIT_M
        )
        total = np.where(usable, walk[access.hydrant] + access.hydrant_gap, np.inf)
        best = int(total.argmin()) if len(total) else -1
        if best >= 0 and total[best] <= ROUTE_LIMIT_M:
            metres[row], hydrant[row] = total[best] + access.building_gap[row], best
    return metres, hydrant


def _nearest(snapshot: CitySnapshot, usable: Ints) -> tuple[Floats, Ints]:
    """Return metres from every node to the nearest of some hydrants, and which one it is.

    A hydrant stands beside the road: it becomes a node with one edge of that length to the road.
    """
    access = snapshot.access
    walk, nodes = access.walking_costs, access.graph.nodes
    extra = np.arange(len(usable)) + nodes
    feeds = coo_array(
        (np.maximum(access.hydrant_gap[usable], 1e-9), (extra, access.hydrant[usable])),
        shape=(nodes + len(usable),) * 2,
    )
    best, _, source = routing.shortest_from_nearest(_add_feeds(walk, feeds), extra, ROUTE_LIMIT_M)
    rows = np.full(len(source), -1, dtype=np.int64)
    reached = source >= nodes
    rows[reached] = usable[source[reached] - nodes]
    return best[:nodes], rows[:nodes]


def _add_feeds(walk: csr_array, feeds: coo_array) -> csr_array:
    """Return a cost matrix with further edges added."""
    edges = walk.tocoo()
    data = np.concatenate([edges.data, feeds.data])
    rows = np.concatenate([edges.row, feeds.row])
    columns = np.concatenate([edges.col, feeds.col])
    return csr_array((data, (rows, columns)), shape=feeds.shape)


def check_hydrant_coverage(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of buildings that no working hydrant covers, straight or by hose route.

    In a straight line an intake point covers a building too.

    Parameters
    ----------
    only
        (k,) int64 rows of the buildings to check; all by default.
    """
    rows = np.arange(len(snapshot.building)) if only is None else only
    return [*_straight(snapshot, rules, rows), *_by_route(snapshot, rules, rows)]


def _straight(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    radius = rules.figure("hydrant_radius")
    hydrants = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    tree = shapely.STRtree(hydrants)
    points, radii = _sources_of_water(snapshot, rules)
    walls = snapshot.walls[rows]
    # A footprint wholly within one circle is covered; only the others are cut.
    near, source = shapely.STRtree(points).query(
        walls, predicate="dwithin", distance=radii.max(initial=0.0)
    )
    farthest = shapely.hausdorff_distance(points[source], walls[near])
    whole = np.zeros(len(rows), dtype=bool)
    whole[near[farthest <= radii[source]]] = True
    findings = []
    codes = snapshot.building["code"].to_numpy()
    for k in np.flatnonzero(~whole):
        around = source[near == k]
        circles = shapely.union_all(
            shapely.buffer(points[around], radii[around], quad_segs=_QUADRANT_SEGMENTS)
        )
        uncovered = shapely.difference(walls[k], circles)
        if uncovered.area < 0.5:
            continue
        measured = _farthest_distance(tree, hydrants, uncovered)
        findings.append(
            Finding(
                "hydrant_radius",
                Severity.HIGH,
                "building",
                str(codes[rows[k]]),
                uncovered,
                measured=measured,
                required=radius,
                shortfall=None if measured is None else measured - radius,
                detail={"kind": "none" if measured is None else "far"},
            )
        )
    return findings


def _sources_of_water(snapshot: CitySnapshot, rules: Rules) -> tuple[Geometries, Floats]:
    """Return the (k,) places of working hydrants and intakes, and the radius that each covers."""
    hydrants = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    intakes = snapshot.facility[snapshot.facility["category"] == "intake"]
    places = shapely.point_on_surface(intakes.geometry.to_numpy())
    radii = np.repeat(
        [rules.figure("hydrant_radius"), rules.figure("intake_radius")],
        [len(hydrants), len(places)],
    )
    return np.concatenate([hydrants, places]), radii


def _farthest_distance(
    tree: shapely.STRtree, points: Geometries, uncovered: shapely.Geometry
) -> float | None:
    """Return the metres from the farthest corner of an uncovered part to its nearest hydrant."""
    if not len(points):
        return None
    corners = shapely.points(shapely.get_coordinates(uncovered))
    return float(shapely.distance(points[tree.nearest(corners)], corners).max())


def _by_route(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    figure = rules.figure("hydrant_route")
    metres, hydrant = (
        hose_routes(snapshot)
        if len(rows) > _MAX_SINGLE_SEARCHES
        else _routes_singly(snapshot, rows)
    )
    too_far = rows[metres[rows] > figure + TOLERANCE_M]
    codes = snapshot.building["code"].to_numpy()
    names = snapshot.hydrant["code"].to_numpy()
    findings = []
    for row in too_far:
        measured = float(metres[row]) if np.isfinite(metres[row]) else None
        findings.append(
            Finding(
                "hydrant_route",
                Severity.MEDIUM,
                "building",
                str(codes[row]),
                snapshot.walls[row],
                measured=measured,
                required=figure,
                shortfall=None if measured is None else measured - figure,
                detail={
                    "kind": "none" if measured is None else "far",
                    "hydrant": str(names[hydrant[row]]) if hydrant[row] >= 0 else None,
                },
            )
        )
    return findings


def check_hydrant_spacing(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    """Return findings of stretches of street along which hydrants stand too far apart.

    A street up to 60 m wide is served by the hydrants of both its sides, a wider one needs them on
    each (GB 50974-2014, 7.2.3).
    """
    roads = snapshot.road
    road_width = road_widths(roads)
    streets = roads["road_class"].isin(STREET_CLASSES) & ~roads["tunnel"] & ~roads["bridge"]
    rows = np.flatnonzero(streets.to_numpy())
    points = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    findings = []
    for members in _streets(snapshot, rows):
        for line in _merged_lines(snapshot, members):
            findings += _gaps(
                snapshot, rules, members, line, float(road_width[members].max()), points
            )
    return findings


def _streets(snapshot: CitySnapshot, rows: Ints) -> list[Ints]:
    """Return the rows of each street: roads of one name and class, or a single nameless road."""
    names = snapshot.road["name"].to_numpy()[rows]
    classes = snapshot.road["road_class"].to_numpy()[rows]
    groups: dict[tuple[str, str], list[int]] = {}
    for row, name, kind in zip(rows, names, classes, strict=True):
        groups.setdefault((name or f"#{row}", kind), []).append(int(row))
    return [np.array(members) for members in groups.values()]


def _merged_lines(snapshot: CitySnapshot, members: Ints) -> list[shapely.LineString]:
    """Return the lines of a street, merged where its pieces join."""
    lines = snapshot.road.geometry.to_numpy()[members]
    merged = shapely.line_merge(shapely.multilinestrings([lines]))[0]
    return [line for line in shapely.get_parts(merged) if line.length > 0]


def _gaps(
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
                findings.append(_gap(snapshot, members, part, side, end - start, figure))
    return findings


def _is_left(line: shapely.LineString, points: Geometries) -> Bools:
    """Return (k,) whether each point lies to the left of a line."""
    offsets = shapely.line_locate_point(line, points)
    behind = shapely.get_coordinates(
        shapely.line_interpolate_point(line, np.maximum(offsets - 0.5, 0))
    )
    on = shapely.get_coordinates(
        shapely.line_interpolate_point(line, np.minimum(offsets + 0.5, line.length))
    )
    along, sideways = on - behind, shapely.get_coordinates(points) - behind
    return np.asarray(along[:, 0] * sideways[:, 1] - along[:, 1] * sideways[:, 0] > 0)


def _gap(
    snapshot: CitySnapshot,
    members: Ints,
    part: shapely.LineString,
    side: str,
    length: float,
    figure: float,
) -> Finding:
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
        shortfall=float(length - figure),
        detail={"kind": side, "name": road["name"]},
    )


def check_hydrant_positions(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of hydrants that don't work, or stand too near or far from kerb or wall.

    Parameters
    ----------
    only
        (k,) int64 rows of the hydrants to check; all by default.
    """
    rows = np.arange(len(snapshot.hydrant)) if only is None else only
    return [
        *_not_working(snapshot, rows),
        *_at_kerb(snapshot, rules, rows),
        *_at_wall(snapshot, rules, rows),
    ]


def _not_working(snapshot: CitySnapshot, rows: Ints) -> list[Finding]:
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


def _at_kerb(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of distances to the kerb; only roads whose width is on record count."""
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
                shortfall=float(least - kerb[k] if is_below else kerb[k] - most),
                detail={"kind": "carriageway" if kerb[k] < 0 else "kerb"},
            )
        )
    return findings


def _is_nearest(near: Ints, kerb: Floats) -> Bools:
    """Return for each pair of hydrant and street whether its kerb is the hydrant's nearest."""
    order = np.lexsort((kerb, near))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(near[order]) != 0
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[first]] = True
    return chosen


def _at_wall(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
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
            shortfall=float(figure - distance),
            other=str(buildings[w]),
            detail={"kind": "inside" if distance == 0 else "near"},
        )
        for h, w, distance in zip(hydrant, wall, distances, strict=True)
        if distance < figure - TOLERANCE_M
    ]


def compute_covered_land(snapshot: CitySnapshot, rules: Rules) -> dict[str, shapely.Geometry]:
    """Return the area that working hydrants cover, in a straight line and by hose along roads.

    In a straight line intake points cover their circles too.
    """
    points, radii = _sources_of_water(snapshot, rules)
    straight = shapely.union_all(shapely.buffer(points, radii, quad_segs=8))
    return {"straight": straight, "route": _hose_coverage(snapshot, rules.figure("hydrant_route"))}


def _hose_coverage(snapshot: CitySnapshot, metres: float) -> shapely.Geometry:
    """Return the area beside roads that a hose from a working hydrant reaches."""
    access = snapshot.access
    usable = np.flatnonzero(snapshot.hydrant_works & (access.hydrant >= 0))
    if not len(usable):
        return shapely.Polygon()
    best, _ = _nearest(snapshot, usable)
    return isochrones.reached_land(access.graph, best, metres)


def missing_hydrant_data(frame: gpd.GeoDataFrame) -> list[MissingData]:
    """Return what is missing from a frame of hydrants."""
    counts = {
        "no_hydrants": int(frame.empty),
        "hydrant_no_state": int(frame["in_service"].isna().sum()),
        "hydrant_no_flow": int(frame["flow_l_s"].isna().sum()),
    }
    return list_missing(counts)
