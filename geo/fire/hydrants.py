"""Hydrants: what they cover, how far apart they stand along roads, and how they stand."""

from itertools import pairwise

import geopandas as gpd
import numpy as np
import shapely
from scipy.sparse import coo_array, csr_array

from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData
from geo.network import isochrones, routing
from geo.network.noding import Bools, Floats, Geometries, Ints, substrings
from geo.network.roads import road_widths

ROUTE_LIMIT_M = 2000.0
"""Beyond this a hose route is not looked for."""

ROADSIDE_M = 5.0
"""A hydrant this far from the kerb still belongs to the road."""

STREET_CLASSES = ("arterial", "secondary", "local")
"""Classes along which a town's hydrants are to stand."""

_QUADRANT = 16
_SINGLY = 200
"""Up to so many buildings are searched from one by one."""


def hose_routes(snapshot: CitySnapshot) -> tuple[Floats, Ints]:
    """Return the hose route from every building to the nearest working hydrant.

    Returns
    -------
    metres
        (b,) from the hydrant along roads to the wall; infinite where there is none.
    hydrant
        (b,) row of that hydrant, -1 for none.
    """
    access = snapshot.access
    use = np.flatnonzero(snapshot.hydrant_works & (access.hydrant >= 0))
    count = len(snapshot.building)
    if not len(use):
        return np.full(count, np.inf), np.full(count, -1, dtype=np.int64)
    best, source = _nearest(snapshot, use)
    node = access.building
    metres = np.where(node >= 0, best[node] + access.building_gap, np.inf)
    hydrant = np.where(np.isfinite(metres), source[node], -1)
    return metres, hydrant


def _routes_singly(snapshot: CitySnapshot, rows: Ints) -> tuple[Floats, Ints]:
    """Return what :func:`routes` does for a few buildings, searching from each of them."""
    access = snapshot.access
    usable = snapshot.hydrant_works & (access.hydrant >= 0)
    metres = np.full(len(snapshot.building), np.inf)
    hydrant = np.full(len(snapshot.building), -1, dtype=np.int64)
    for row in rows[access.building[rows] >= 0].tolist():
        found, _ = routing.shortest_from_node(
            access.walking_costs, int(access.building[row]), ROUTE_LIMIT_M
        )
        total = np.where(usable, found[access.hydrant] + access.hydrant_gap, np.inf)
        best = int(total.argmin()) if len(total) else -1
        if best >= 0 and total[best] <= ROUTE_LIMIT_M:
            metres[row], hydrant[row] = total[best] + access.building_gap[row], best
    return metres, hydrant


def _nearest(snapshot: CitySnapshot, use: Ints) -> tuple[Floats, Ints]:
    """Return metres from every node to the nearest of some hydrants, and which one it is.

    A hydrant stands off the road: a node of its own, one way in, carries that distance.
    """
    access = snapshot.access
    walk, nodes = access.walking_costs, access.graph.nodes
    extra = np.arange(len(use)) + nodes
    feeds = coo_array(
        (np.maximum(access.hydrant_gap[use], 1e-9), (extra, access.hydrant[use])),
        shape=(nodes + len(use),) * 2,
    )
    best, _, source = routing.shortest_from_nearest(_add_feeds(walk, feeds), extra, ROUTE_LIMIT_M)
    rows = np.full(len(source), -1, dtype=np.int64)
    reached = source >= nodes
    rows[reached] = use[source[reached] - nodes]
    return best[:nodes], rows[:nodes]


def _add_feeds(walk: csr_array, feeds: coo_array) -> csr_array:
    """Return a matrix with the feeds of places off the road put in."""
    own = walk.tocoo()
    data = np.concatenate([own.data, feeds.data])
    rows = np.concatenate([own.row, feeds.row])
    columns = np.concatenate([own.col, feeds.col])
    return csr_array((data, (rows, columns)), shape=feeds.shape)


def check_hydrant_coverage(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return the buildings that no working hydrant covers, straight and by hose route."""
    rows = np.arange(len(snapshot.building)) if only is None else only
    return [*_straight(snapshot, rules, rows), *_by_route(snapshot, rules, rows)]


def _straight(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    radius = rules.figure("hydrant_radius")
    points = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    walls = snapshot.walls[rows]
    tree = shapely.STRtree(points)
    # A footprint wholly within one circle is covered; only the others are cut.
    near, hydrant = tree.query(walls, predicate="dwithin", distance=radius)
    farthest = shapely.hausdorff_distance(points[hydrant], walls[near])
    whole = np.zeros(len(rows), dtype=bool)
    whole[near[farthest <= radius]] = True
    found = []
    codes = snapshot.building["code"].to_numpy()
    for k in np.flatnonzero(~whole):
        around = points[hydrant[near == k]]
        circles = shapely.union_all(shapely.buffer(around, radius, quad_segs=_QUADRANT))
        bare = shapely.difference(walls[k], circles)
        if bare.area < 0.5:
            continue
        measured = _apart(tree, points, bare)
        found.append(
            Finding(
                "hydrant_radius",
                Severity.HIGH,
                "building",
                str(codes[rows[k]]),
                bare,
                measured=measured,
                required=radius,
                shortfall=None if measured is None else measured - radius,
                detail={"kind": "none" if measured is None else "far"},
            )
        )
    return found


def _apart(tree: shapely.STRtree, points: Geometries, bare: shapely.Geometry) -> float | None:
    """Return how far the farthest corner of what is bare is from its nearest hydrant."""
    if not len(points):
        return None
    corners = shapely.points(shapely.get_coordinates(bare))
    return float(shapely.distance(points[tree.nearest(corners)], corners).max())


def _by_route(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    figure = rules.figure("hydrant_route")
    metres, hydrant = (
        hose_routes(snapshot) if len(rows) > _SINGLY else _routes_singly(snapshot, rows)
    )
    far = rows[metres[rows] > figure + TOLERANCE_M]
    codes = snapshot.building["code"].to_numpy()
    names = snapshot.hydrant["code"].to_numpy()
    found = []
    for row in far:
        measured = float(metres[row]) if np.isfinite(metres[row]) else None
        found.append(
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
    return found


def check_hydrant_spacing(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    """Return stretches of streets along which hydrants stand too far apart.

    A street up to 60 m wide is served by the hydrants of both its sides, a wider one needs them on
    each (GB 50974-2014, 7.2.3).
    """
    roads = snapshot.road
    wide = road_widths(roads)
    streets = roads["road_class"].isin(STREET_CLASSES) & ~roads["tunnel"] & ~roads["bridge"]
    rows = np.flatnonzero(streets.to_numpy())
    points = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    found = []
    for members in _streets(snapshot, rows):
        for chain in _chains(snapshot, members):
            found += _gaps(snapshot, rules, members, chain, float(wide[members].max()), points)
    return found


def _streets(snapshot: CitySnapshot, rows: Ints) -> list[Ints]:
    """Return the rows of each street: those of one name and class, nameless ones each alone."""
    names = snapshot.road["name"].to_numpy()[rows]
    classes = snapshot.road["road_class"].to_numpy()[rows]
    groups: dict[tuple[str, str], list[int]] = {}
    for row, name, kind in zip(rows, names, classes, strict=True):
        groups.setdefault((name or f"#{row}", kind), []).append(int(row))
    return [np.array(members) for members in groups.values()]


def _chains(snapshot: CitySnapshot, members: Ints) -> list[shapely.LineString]:
    """Return the lines of a street, its pieces joined end to end."""
    lines = snapshot.road.geometry.to_numpy()[members]
    merged = shapely.line_merge(shapely.multilinestrings([lines]))[0]
    return [line for line in shapely.get_parts(merged) if line.length > 0]


def _gaps(
    snapshot: CitySnapshot,
    rules: Rules,
    members: Ints,
    chain: shapely.LineString,
    width: float,
    points: Geometries,
) -> list[Finding]:
    """Return the gaps along one line of a street."""
    figure = rules.figure("hydrant_spacing")
    near = points[shapely.dwithin(points, chain, width / 2 + ROADSIDE_M)]
    sides: dict[str, Geometries] = {"both": near}
    if width > rules.figure("hydrant_both_sides"):
        left = _is_left(chain, near)
        sides = {"left": near[left], "right": near[~left]}
    found = []
    for side, hydrants in sides.items():
        at = np.sort(shapely.line_locate_point(chain, hydrants))
        stops = np.concatenate([[0.0], at, [chain.length]])
        for start, end in pairwise(stops):
            if end - start > figure + TOLERANCE_M:
                line = np.array([chain], dtype=object)
                part = substrings(line, np.array([0]), np.array([start]), np.array([end]))[0]
                found.append(_gap(snapshot, members, part, side, end - start, figure))
    return found


def _is_left(chain: shapely.LineString, points: Geometries) -> Bools:
    """Return which points stand to the left of a line."""
    at = shapely.line_locate_point(chain, points)
    here = shapely.get_coordinates(shapely.line_interpolate_point(chain, np.maximum(at - 0.5, 0)))
    on = shapely.get_coordinates(
        shapely.line_interpolate_point(chain, np.minimum(at + 0.5, chain.length))
    )
    along, off = on - here, shapely.get_coordinates(points) - here
    return np.asarray(along[:, 0] * off[:, 1] - along[:, 1] * off[:, 0] > 0)


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
    """Return hydrants that don't work, or stand too near or far from kerb and wall."""
    rows = np.arange(len(snapshot.hydrant)) if only is None else only
    return [
        *_out(snapshot, rows),
        *_at_kerb(snapshot, rules, rows),
        *_at_wall(snapshot, rules, rows),
    ]


def _out(snapshot: CitySnapshot, rows: Ints) -> list[Finding]:
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
    """Return hydrants off their place by the kerb; only roads whose width is on record count."""
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
    found = []
    codes = snapshot.hydrant["code"].to_numpy()
    for k in np.flatnonzero(_is_nearest(near, kerb)):
        least, most = rules.figure("hydrant_kerb_least"), rules.figure("hydrant_kerb_most")
        if least - TOLERANCE_M <= kerb[k] <= most + TOLERANCE_M or kerb[k] > ROADSIDE_M:
            continue
        low = kerb[k] < least
        found.append(
            Finding(
                "hydrant_kerb_least" if low else "hydrant_kerb_most",
                Severity.LOW,
                "pipe_node",
                str(codes[rows[near[k]]]),
                points[near[k]],
                measured=float(kerb[k]),
                required=least if low else most,
                shortfall=float(least - kerb[k] if low else kerb[k] - most),
                detail={"kind": "carriageway" if kerb[k] < 0 else "kerb"},
            )
        )
    return found


def _is_nearest(near: Ints, kerb: Floats) -> Bools:
    """Return for pairs of hydrant and street whether the street's kerb is the hydrant's nearest."""
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
    (hydrant, wall), apart = snapshot.wall_tree.query_nearest(
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
            points[h] if far == 0 else shapely.shortest_line(points[h], snapshot.walls[w]),
            measured=float(far),
            required=figure,
            shortfall=float(figure - far),
            other=str(buildings[w]),
            detail={"kind": "inside" if far == 0 else "near"},
        )
        for h, w, far in zip(hydrant, wall, apart, strict=True)
        if far < figure - TOLERANCE_M
    ]


def compute_covered_land(snapshot: CitySnapshot, rules: Rules) -> dict[str, shapely.Geometry]:
    """Return the land that working hydrants cover: straight, and along roads by hose."""
    points = snapshot.hydrant.geometry.to_numpy()[snapshot.hydrant_works]
    radius = rules.figure("hydrant_radius")
    straight = shapely.union_all(shapely.buffer(points, radius, quad_segs=8))
    return {"straight": straight, "route": _hose_coverage(snapshot, rules.figure("hydrant_route"))}


def _hose_coverage(snapshot: CitySnapshot, metres: float) -> shapely.Geometry:
    """Return the land beside roads that a hose from a working hydrant gets to."""
    access = snapshot.access
    use = np.flatnonzero(snapshot.hydrant_works & (access.hydrant >= 0))
    if not len(use):
        return shapely.Polygon()
    best, _ = _nearest(snapshot, use)
    return isochrones.reached_land(access.graph, best, metres)


def missing_hydrant_data(frame: gpd.GeoDataFrame) -> list[MissingData]:
    """Return what a frame of hydrants lacks."""
    counts = {
        "no_hydrants": int(frame.empty),
        "hydrant_no_state": int(frame["in_service"].isna().sum()),
        "hydrant_no_flow": int(frame["flow_l_s"].isna().sum()),
    }
    return [MissingData(key, count) for key, count in counts.items() if count]
