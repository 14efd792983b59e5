"""Checks of what hydrants cover, in a straight line and by hose along roads."""

import geopandas as gpd
import numpy as np
import shapely

from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData, list_missing
from geo.network import isochrones, routing
from geo.types import Floats, Geometries, Ints

ROUTE_LIMIT_M = 2000.0
"""Longer hose routes are not searched for."""

_QUADRANT_SEGMENTS = 16
_MAX_SINGLE_SEARCHES = 200
"""Up to this many buildings are searched from one by one; more in a single search."""


def hose_routes(snapshot: CitySnapshot) -> tuple[Floats, Ints]:
    """Return the length of the hose route from the nearest working hydrant to every building.

    Returns
    -------
    metres
        (b,) float64 along roads to the wall; infinite where there is none.
    hydrant
        (b,) int64 row of that hydrant, -1 for none.
    """
    access = snapshot.access
    usable = np.flatnonzero(snapshot.hydrant_works & (access.hydrant >= 0))
    count = len(snapshot.building)
    if not len(usable):
        return np.full(count, np.inf), np.full(count, -1, dtype=np.int64)
    best, source = _find_nearest_hydrants(snapshot, usable)
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


def _find_nearest_hydrants(snapshot: CitySnapshot, usable: Ints) -> tuple[Floats, Ints]:
    """Return metres from every node to the nearest of some hydrants, and which one it is."""
    access = snapshot.access
    metres, place = routing.shortest_from_places(
        access.walking_costs, access.hydrant[usable], access.hydrant_gap[usable], ROUTE_LIMIT_M
    )
    return metres, np.where(place >= 0, usable[place], -1)


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
    return [*_check_by_radius(snapshot, rules, rows), *_check_by_route(snapshot, rules, rows)]


def _check_by_radius(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of buildings with ground outside the radius of every water source."""
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


def _check_by_route(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
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
                detail={
                    "kind": "none" if measured is None else "far",
                    "hydrant": str(names[hydrant[row]]) if hydrant[row] >= 0 else None,
                },
            )
        )
    return findings


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
    best, _ = _find_nearest_hydrants(snapshot, usable)
    return isochrones.reached_land(access.graph, best, metres)


def missing_hydrant_data(frame: gpd.GeoDataFrame) -> list[MissingData]:
    """Return what is missing from a frame of hydrants."""
    counts = {
        "no_hydrants": int(frame.empty),
        "hydrant_no_state": int(frame["in_service"].isna().sum()),
        "hydrant_no_flow": int(frame["flow_l_s"].isna().sum()),
    }
    return list_missing(counts)
