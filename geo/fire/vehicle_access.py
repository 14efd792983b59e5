"""Where a fire engine gets to from the main streets, and what stops it on the way."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from geo.fire.finding import Finding
from geo.fire.road_access import MAX_ROAD_DISTANCE_M, find_open_ways
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData, list_missing
from geo.network import routing
from geo.network.roads import WIDE_CLASSES, RoadGraph, Vehicle
from geo.settings import settings
from geo.types import Bools, Floats, Geometries, Ints

HOSE_LIMIT_M = 2000.0

FRONTAGE_M = 40.0
"""A wall up to this far from the middle of a street faces it."""

_PLACES_APART_M = 1.0

MAX_HALF_WIDTH_M = 40.0
"""No road is wider than twice this."""

WIDTH, HEIGHT, WEIGHT, FOOTPATH = "too_narrow", "too_low", "too_weak", "footpath"


@dataclass(frozen=True)
class VehicleReach:
    """Where an engine gets to from the city's streets.

    Attributes
    ----------
    obstacle
        (r,) what stops it on each road: one of the kinds above, or None.
    node
        (n,) whether it gets to a node of the access graph.
    metres, stop
        (n,) metres of hose from the nearest node it gets to, and that node; -1 for none.
    before
        (n,) node before each one on that hose route, -9999 where it starts.
    """

    vehicle: Vehicle
    obstacle: NDArray[np.object_]
    node: Bools
    metres: Floats
    stop: Ints
    before: Ints


def vehicle_from_settings(rules: Rules) -> Vehicle:
    """Return the fire engine of the settings."""
    current = settings()
    return Vehicle(
        current.engine_width_m,
        current.engine_height_m,
        current.engine_length_m,
        current.engine_weight_t,
        rules.figure("engine_margin"),
        current.engine_turning_radius_m,
    )


def classify_obstacles(roads: Any, vehicle: Vehicle) -> NDArray[np.object_]:
    """Return what stops an engine on each road of a frame, None where it passes.

    A width or height that is not on record stops nothing: a finding of its own reports it.

    Returns
    -------
    ndarray of object
        (r,) one of the kinds above, or None.
    """
    kind = np.full(len(roads), None, dtype=object)
    width = roads["width_m"].to_numpy(dtype=float)
    height = roads["clear_height_m"].to_numpy(dtype=float)
    weight = roads["max_weight_t"].to_numpy(dtype=float)
    lane = roads["fire_lane"].eq(True).to_numpy(dtype=bool)
    kind[weight < vehicle.weight_t] = WEIGHT
    kind[height < vehicle.height_m] = HEIGHT
    kind[width < vehicle.lane_m - 1e-9] = WIDTH
    kind[(roads["road_class"] == "path").to_numpy() & ~lane] = FOOTPATH
    return kind


def is_free(obstacle: NDArray[np.object_]) -> Bools:
    """Return (r,) whether nothing stops an engine, by (r,) kinds of ``obstacle``."""
    return np.array([kind is None for kind in obstacle], dtype=bool)


def find_vehicle_reach(snapshot: CitySnapshot, vehicle: Vehicle) -> VehicleReach:
    """Return where an engine gets to from the largest strongly connected part of the streets."""
    access = snapshot.access
    graph = access.graph
    obstacle = classify_obstacles(snapshot.road, vehicle)
    passable = is_free(obstacle)[graph.road]
    node = _from_main_streets(graph, passable)
    metres, before, stop = routing.shortest_from_nearest(
        access.walking_costs, np.flatnonzero(node), HOSE_LIMIT_M
    )
    return VehicleReach(vehicle, obstacle, node, metres, np.maximum(stop, -1), before)


def reached_pieces(
    snapshot: CitySnapshot, reach: VehicleReach, place: shapely.Geometry, distance: float
) -> Ints:
    """Return (k,) int64 the pieces of the graph within a distance that the engine drives along."""
    graph = snapshot.graph
    near: Ints = graph.tree.query(place, predicate="dwithin", distance=distance)
    return _select_driven(graph, reach, near)


def _select_driven(graph: RoadGraph, reach: VehicleReach, pieces: Ints) -> Ints:
    """Return those of some pieces of the graph that the engine drives along."""
    # The access graph keeps the numbers of the nodes that it is made from.
    is_reached = reach.node[graph.ends[pieces]].all(axis=1)
    return pieces[is_reached & is_free(reach.obstacle[graph.road[pieces]])]


def _from_main_streets(graph: RoadGraph, passable: Bools) -> Bools:
    """Return (n,) whether an engine gets to each node from the largest part it can circulate in."""
    drive = graph.driving_costs(passable)
    _, label = connected_components(drive, directed=True, connection="strong")
    inside = passable & (label[graph.ends[:, 0]] == label[graph.ends[:, 1]])
    if not inside.any():
        return np.zeros(graph.nodes, dtype=bool)
    by_part = np.bincount(label[graph.ends[inside, 0]], weights=graph.length[inside])
    start = int(np.flatnonzero(label == by_part.argmax())[0])
    return np.isfinite(routing.shortest_from_node(drive, start)[0])


def hose_gaps(
    snapshot: CitySnapshot, reach: VehicleReach, figure: float, rows: Ints | None = None
) -> Floats:
    """Return metres of hose from where the engine stops to the wall of each building.

    A wall is reached from the nearest road. Where the way along roads is longer than a figure, a
    straight one of up to ``FRONTAGE_M`` counts too, from a road on the ground that the engine
    drives along and across no building, fence, railway or open water: a house with an alley behind
    it may face a street.

    Parameters
    ----------
    figure
        Longest hose that the rules permit, metres.
    rows
        (k,) int64 rows of buildings; all by default.

    Returns
    -------
    ndarray of float64
        (k,) metres, infinite where a hose reaches no wall.
    """
    rows = np.arange(len(snapshot.building)) if rows is None else rows
    gap = hose_gaps_along_roads(snapshot, reach)[rows]
    far = np.flatnonzero(gap > figure)
    walls, places = snapshot.walls, _places_driven(snapshot, reach, rows[far])
    near = shapely.STRtree(places).query(walls[rows[far]], predicate="dwithin", distance=FRONTAGE_M)
    _, straight = find_open_ways(
        places, (near[0], near[1]), rows[far], walls, snapshot.wall_tree, snapshot.barrier_tree
    )
    gap[far] = np.minimum(gap[far], straight)
    return gap


def _places_driven(snapshot: CitySnapshot, reach: VehicleReach, rows: Ints) -> Geometries:
    """Return (k,) places on roads near buildings that the engine drives along, on the ground."""
    graph = snapshot.graph
    _, near = graph.tree.query(snapshot.walls[rows], predicate="dwithin", distance=FRONTAGE_M)
    pieces = _select_driven(graph, reach, np.unique(near))
    off_ground = (snapshot.road["bridge"] | snapshot.road["tunnel"]).to_numpy(dtype=bool)
    on_ground = pieces[~off_ground[graph.road[pieces]]]
    lines = shapely.segmentize(graph.lines[on_ground], _PLACES_APART_M)
    return np.asarray(shapely.points(shapely.get_coordinates(lines)), dtype=object)


def hose_gaps_along_roads(snapshot: CitySnapshot, reach: VehicleReach) -> Floats:
    """Return (b,) float64 metres of hose along roads to the wall of each building."""
    access = snapshot.access
    node = access.building
    if not len(reach.metres):  # there are no roads
        return np.full(len(node), np.inf)
    there = np.where(node >= 0, reach.metres[node], np.inf)
    return np.where(access.behind, np.inf, there) + access.building_gap


def hose_path(snapshot: CitySnapshot, reach: VehicleReach, row: int) -> tuple[list[int], list[int]]:
    """Return the pieces and the nodes, in order, from where the engine stops to a building."""
    node = int(snapshot.access.building[row])
    nodes = routing.path_to_start(reach.before, node)[::-1]
    return snapshot.access.graph.pieces_along(nodes), nodes


def find_obstacles(snapshot: CitySnapshot, reach: VehicleReach, row: int) -> list[dict[str, Any]]:
    """Return what stops the engine on the way to a building, in the order of the way."""
    if snapshot.access.building[row] < 0:
        return []
    pieces, _ = hose_path(snapshot, reach, row)
    graph, obstacles, seen = snapshot.access.graph, [], set()
    for piece in pieces:
        road = int(graph.road[piece])
        kind = reach.obstacle[road]
        if kind is not None and road not in seen:
            seen.add(road)
            obstacles.append(
                _describe_obstacle(snapshot, reach.vehicle, road, str(kind), graph.lines[piece])
            )
    return obstacles


def _describe_obstacle(
    snapshot: CitySnapshot, vehicle: Vehicle, road: int, kind: str, line: shapely.LineString
) -> dict[str, Any]:
    """Describe an obstacle on a road: what is measured, what the engine needs, and where."""
    row = snapshot.road.iloc[road]
    column, needed = {
        WIDTH: ("width_m", vehicle.lane_m),
        HEIGHT: ("clear_height_m", vehicle.height_m),
        WEIGHT: ("max_weight_t", vehicle.weight_t),
        FOOTPATH: ("width_m", vehicle.lane_m),
    }[kind]
    measured = row[column]
    return {
        "road": str(row["code"]),
        "name": row["name"],
        "kind": kind,
        "measured": None if measured is None or np.isnan(measured) else float(measured),
        "required": needed,
        "point": shapely.line_interpolate_point(line, 0.5, normalized=True),
    }


def check_vehicle_reach(
    snapshot: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    reach: VehicleReach | None = None,
) -> list[Finding]:
    """Return findings of buildings that the engine does not get near enough to.

    Parameters
    ----------
    only
        (k,) int64 rows of buildings; all by default.
    reach
        Where the engine gets to; that of the settings' engine by default.
    """
    reach = reach or find_vehicle_reach(snapshot, vehicle_from_settings(rules))
    figure = rules.figure("engine_reach")
    rows = np.arange(len(snapshot.building)) if only is None else only
    gap = hose_gaps(snapshot, reach, figure, rows)
    return [
        _finding(snapshot, rules, reach, int(rows[k]), float(gap[k]))
        for k in np.flatnonzero(gap > figure + TOLERANCE_M)
    ]


def reach_overview(
    snapshot: CitySnapshot, rules: Rules, vehicle: Vehicle, region: str
) -> dict[str, Any]:
    """Return which buildings of a region an engine does not get near enough to, and why.

    Parameters
    ----------
    region
        The digits that the codes of its communities begin with; empty for the whole city.
    """
    is_in_region = snapshot.building["region_code"].fillna("").str.startswith(region).to_numpy()
    rows = np.flatnonzero(is_in_region)
    unreached = check_vehicle_reach(snapshot, rules, rows, find_vehicle_reach(snapshot, vehicle))
    households = snapshot.building["households"].to_numpy(dtype=int)
    there = np.array([snapshot.row_of[finding.feature] for finding in unreached], dtype=int)
    return {
        "engine": vars(vehicle) | {"lane_m": vehicle.lane_m},
        "buildings": len(rows),
        "households": int(households[rows].sum()),
        "unreached": {"buildings": len(unreached), "households": int(households[there].sum())},
        "stopped_by": dict(Counter(finding.detail["kind"] for finding in unreached).most_common()),
        "findings": unreached,
        "missing": missing_own_road_data(snapshot),
    }


def _finding(
    snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, row: int, gap: float
) -> Finding:
    """Return the finding of a building that the hose of an engine does not reach."""
    code = str(snapshot.building["code"].iloc[row])
    wall = snapshot.walls[row]
    if snapshot.access.building[row] < 0 or (
        snapshot.access.building_gap[row] > rules.figure("road_within")
    ):
        return Finding(
            "road_within",
            Severity.HIGH,
            "building",
            code,
            wall,
            required=min(rules.figure("road_within"), MAX_ROAD_DISTANCE_M),
            detail={"kind": "no_road"},
        )
    obstacles = find_obstacles(snapshot, reach, row)
    measured = gap if np.isfinite(gap) else None
    kind = "behind" if snapshot.access.behind[row] else "island" if measured is None else "far"
    if kind == "far" and obstacles:
        kind = str(obstacles[0]["kind"])
    first = {k: v for k, v in obstacles[0].items() if k != "point"} if obstacles else {}
    return Finding(
        "engine_reach",
        Severity.HIGH,
        "building",
        code,
        _path_to_wall(snapshot, reach, row),
        measured=measured,
        required=rules.figure("engine_reach"),
        detail={"kind": kind, "obstacle": first},
    )


def _path_to_wall(snapshot: CitySnapshot, reach: VehicleReach, row: int) -> shapely.Geometry:
    """Return the line from where the engine stops to the wall, or the building if unreachable."""
    access = snapshot.access
    wall: shapely.Geometry = snapshot.walls[row]
    if access.behind[row] or not np.isfinite(reach.metres[access.building[row]]):
        return wall
    pieces, nodes = hose_path(snapshot, reach, row)
    place = shapely.Point(access.graph.xy[nodes[-1]])
    lines = [*access.graph.lines[pieces], shapely.shortest_line(place, wall)]
    path: shapely.Geometry = shapely.union_all(lines)
    return path


def missing_own_road_data(snapshot: CitySnapshot) -> list[MissingData]:
    """Return what is missing in and around a city to judge where an engine passes."""
    rows = snapshot.own_roads
    return missing_road_data(snapshot.road.iloc[rows], snapshot.roads_through_buildings[rows])


def missing_road_data(roads: gpd.GeoDataFrame, through_building: Bools) -> list[MissingData]:
    """Return what is missing from a frame of roads to judge where an engine passes.

    Parameters
    ----------
    through_building
        (r,) whether each of them passes through a building.
    """
    narrow = ~roads["road_class"].isin([*WIDE_CLASSES, "path"])
    counts = {
        "no_roads": int(roads.empty),
        "road_no_width": int((roads["width_m"].isna() & narrow).sum()),
        "road_no_height": int(
            (roads["clear_height_m"].isna() & (roads["tunnel"] | through_building)).sum()
        ),
    }
    return list_missing(counts)
