"""Shutting off a broken pipe: the valves to close, and who loses supply.

Also, for each valve, which to close instead if it is stuck.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, func, select

from geo import crs as systems
from geo.db.layer_frames import intersects_area, read_frame, wkb
from geo.errors import NotFoundError
from geo.messages import Language, text
from geo.missing_data import MissingData, list_missing, sum_known
from geo.model import Building, Facility
from geo.model.pipe import Network
from geo.network import isolation
from geo.network.isolation import Sectors, ValveCut
from geo.network.pipe_faults import HARMLESS_KINDS, VALVE_KINDS
from geo.network.pipe_sheet import describe_pipe
from geo.network.pipes import PipeGraph
from geo.plans.building_grids import grids_of_buildings
from geo.types import Bools, Ints

Details = dict[str, Any]
"""Named values of a thing for an answer; geometry is in metres."""

CRITICAL_CATEGORIES = ("hospital", "clinic", "elderly_care", "school", "kindergarten")
"""Facilities that need supply at all times."""

GAS_RADIUS_M = 100.0
"""People within this distance of a gas leak are counted, unless the caller gives another."""

SITE_DISTANCE_M = 60.0
"""A facility mapped as a point is supplied by a building up to this far away."""

MAX_WARNINGS = 20


def plan_shutoff(
    connection: Connection,
    sectors: Sectors,
    code: str,
    *,
    stuck: Iterable[str] = (),
    radius_m: float = GAS_RADIUS_M,
    lang: Language,
) -> Details:
    """Return how to isolate a broken segment and what that costs; geometry is in metres.

    Parameters
    ----------
    code
        Code of the segment.
    stuck
        Codes of valves that can't be closed.
    radius_m
        Within which people near a gas leak are counted.

    Raises
    ------
    NotFoundError
        If the network has no such segment, or no such valve.
    """
    graph = sectors.graph
    row = graph.row_of.get(code)
    if row is None:
        raise NotFoundError("no_such_segment", network=graph.network, code=code)
    stuck_rows = _rows_of_valves(sectors, stuck)
    sector = int(sectors.sector[row])
    cut = isolation.find_valve_cut(sectors, sector, stuck_rows)
    is_lost = isolation.find_lost_segments(sectors, sector, cut)
    valves = cut.valves.tolist()
    missing = missing_pipe_data(graph)
    if not can_see_buildings(connection):
        missing.append(MissingData("buildings_not_shown", 1))
    return {
        "network": graph.network,
        "segment": {
            "code": code,
            "geometry": graph.lines[row],
            "sheet": describe_pipe(graph, row, lang),
        },
        "isolable": cut.is_possible,
        "text": _describe_cut(cut, lang),
        "sources_to_shut": _sources_in(sectors, cut.sources),
        "valves": [_describe_valve(sectors, sector, valve, stuck_rows, row) for valve in valves],
        "already_closed": _closed_valves_at(graph, is_lost),
        "bound": cut.bound if cut.is_possible else None,
        "proven": cut.is_proven,
        "lost": _describe_lost_supply(connection, graph, is_lost, lang),
        "affected": _count_people_near(connection, graph, row, radius_m),
        "sources": _codes_of_nodes(graph, np.flatnonzero(graph.is_source)),
        **describe_fault_warnings(graph, np.flatnonzero(is_lost), lang),
        "missing": missing,
    }


def can_see_buildings(connection: Connection) -> bool:
    """Return whether the caller may read buildings: the operators of a network may not."""
    may_read = func.has_table_privilege("building", "SELECT")
    return bool(connection.execute(select(may_read)).scalar_one())


def _describe_cut(cut: ValveCut, lang: Language) -> str:
    if not cut.is_possible:
        key = "shutoff.source_and_valves" if len(cut.valves) else "shutoff.impossible"
        return text(key, lang=lang, count=len(cut.valves))
    if not len(cut.valves):
        return text("shutoff.isolated", lang=lang)
    return text("shutoff.close", lang=lang, count=len(cut.valves))


def _rows_of_valves(sectors: Sectors, codes: Iterable[str]) -> Ints:
    graph = sectors.graph
    nodes = []
    for code in codes:
        node = graph.node_of.get(code)
        if node is None:
            raise NotFoundError("no_such_node", network=graph.network, code=code)
        nodes.append(node)
    return np.flatnonzero(np.isin(sectors.valves, np.array(nodes, dtype=np.int64)))


def _describe_valve(sectors: Sectors, sector: int, valve: int, stuck: Ints, row: int) -> Details:
    """Return a valve to close, and those to close instead if it is stuck."""
    graph = sectors.graph
    node = int(sectors.valves[valve])
    record = graph.nodes.iloc[node]
    alternative = isolation.find_valve_cut(sectors, sector, np.append(stuck, valve))
    point = shapely.Point(graph.xy[node])
    return {
        "code": record["code"],
        "kind": record["kind"],
        "name": record["name"],
        "point": point,
        "distance_m": round(float(shapely.distance(point, graph.lines[row])), 1),
        "instead": (
            _codes_of_nodes(graph, sectors.valves[alternative.valves])
            if alternative.is_possible
            else []
        ),
        "instead_isolable": alternative.is_possible,
    }


def _codes_of_nodes(graph: PipeGraph, nodes: Ints) -> list[str]:
    """Return the codes of the nodes that are on record."""
    codes: list[str] = graph.node_codes[nodes[nodes < len(graph.nodes)]].tolist()
    return codes


def _sources_in(sectors: Sectors, chosen: Ints) -> list[str]:
    """Return the codes of the sources in some sectors."""
    graph = sectors.graph
    ends = graph.ends[np.isin(sectors.sector, chosen)]
    return _codes_of_nodes(graph, np.unique(ends[graph.is_source[ends]]))


def _closed_valves_at(graph: PipeGraph, is_lost: Bools) -> list[str]:
    """Return closed valves at the isolated segments: they must stay closed."""
    nodes = np.unique(graph.ends[is_lost])
    return _codes_of_nodes(graph, nodes[graph.is_closed[nodes]])


def _describe_lost_supply(
    connection: Connection, graph: PipeGraph, is_lost: Bools, lang: Language
) -> Details:
    """Return what loses supply; a node does if all its segments do."""
    rows = np.flatnonzero(is_lost)
    is_supplied = np.zeros(len(graph.xy), dtype=bool)
    is_supplied[graph.ends[~is_lost]] = True
    nodes = np.unique(graph.ends[rows])
    nodes = nodes[~is_supplied[nodes] & (nodes < len(graph.nodes))]
    frame = graph.nodes.iloc[nodes]
    is_hydrant = (frame["kind"] == "hydrant").to_numpy(dtype=bool)
    places = [shapely.Point(place) for place in graph.xy[nodes[is_hydrant]]]
    codes = frame["building_code"].dropna().unique().tolist()
    codes = codes if can_see_buildings(connection) else []
    buildings = _read_buildings(connection, graph, codes)
    return {
        "segments": graph.segment_codes[rows].tolist(),
        "geometry": shapely.multilinestrings(list(graph.lines[rows])),
        "length_m": round(float(graph.length[rows].sum()), 1),
        "hydrants": [
            {"code": code, "point": point}
            for code, point in zip(frame["code"][is_hydrant], places, strict=True)
        ],
        "buildings": buildings,
        "households": sum(building["households"] for building in buildings),
        "population": sum_known([building["population"] for building in buildings]),
        "grids": _count_households_by_grid(connection, codes) if codes else [],
        "critical": _critical_facilities(connection, graph, buildings, lang),
    }


def _read_buildings(connection: Connection, graph: PipeGraph, codes: list[str]) -> list[Details]:
    """Return buildings by their codes, with a point in metres."""
    if not codes:
        return []
    statement = select(
        *(Building.code, Building.name, Building.address),
        *(Building.households, Building.population, wkb(func.ST_PointOnSurface(Building.geom))),
    ).where(Building.code.in_(codes))
    rows = [dict(r) for r in connection.execute(statement.order_by(Building.code)).mappings()]
    shapes = shapely.from_wkb(np.array([row.pop("geom") for row in rows], dtype=object))
    points = systems.transform(shapes, systems.STORAGE, graph.crs)
    return [row | {"point": point} for row, point in zip(rows, points, strict=True)]


def _count_households_by_grid(connection: Connection, codes: list[str]) -> list[Details]:
    """Return the households that lose supply by grid."""
    totals: dict[str, Details] = {}
    for grids in grids_of_buildings(connection, codes).values():
        for grid in grids:
            total = totals.setdefault(grid["code"], grid | {"households": 0, "buildings": 0})
            total["households"] += int(grid["households"])
            total["buildings"] += 1
    return sorted(totals.values(), key=lambda grid: -int(grid["households"]))


def _critical_facilities(
    connection: Connection, graph: PipeGraph, buildings: list[Details], lang: Language
) -> list[Details]:
    """Return hospitals, schools and the like at the buildings that lose supply."""
    if not buildings:
        return []
    points = shapely.multipoints([building["point"] for building in buildings])
    names = ("code", "name", "category", "phone")
    columns = [getattr(Facility, name) for name in names]
    statement = select(*columns, wkb(Facility.geom)).where(
        Facility.category.in_(CRITICAL_CATEGORIES),
        intersects_area(Facility.geom, shapely.buffer(points, SITE_DISTANCE_M), graph.crs),
    )
    frame = read_frame(connection, statement.order_by(Facility.code))
    shapes = systems.transform(frame.geometry.to_numpy(), systems.STORAGE, graph.crs)
    # An area contains its buildings; a facility mapped as a point stands in one of them.
    limit = np.where(shapely.get_dimensions(shapes) == 2, 0.0, SITE_DISTANCE_M)
    near = np.flatnonzero(shapely.distance(shapes, points) <= limit)
    return [
        {
            **{name: frame[name].iloc[k] for name in names},
            "category_text": text(f"category.{frame['category'].iloc[k]}", lang=lang),
            "point": shapely.point_on_surface(shapes[k]),
        }
        for k in near.tolist()
    ]


def _count_people_near(
    connection: Connection, graph: PipeGraph, row: int, radius_m: float
) -> Details | None:
    """Return who is within a radius of a gas leak; None for other networks."""
    if graph.network != Network.GAS or not can_see_buildings(connection):
        return None
    area = shapely.buffer(graph.lines[row], radius_m)
    statement = select(
        func.count().label("buildings"),
        func.coalesce(func.sum(Building.households), 0).label("households"),
        func.sum(Building.population).label("population"),
    ).where(intersects_area(Building.geom, area, graph.crs))
    counts = connection.execute(statement).mappings().one()
    population = counts["population"] if counts["buildings"] else 0
    return {"radius_m": radius_m, **counts, "population": population, "area": area}


def describe_fault_warnings(graph: PipeGraph, rows: Ints, lang: Language) -> Details:
    """Return the faults of the network at some segments; results there are not guaranteed.

    Valves that isolation does not use come first: no list is too long for them.

    Parameters
    ----------
    rows
        (k,) int64 rows of the segments.
    """
    faults = graph.faults
    near: set[int] = set()
    if faults and len(rows):
        pairs = graph.fault_tree.query(graph.lines[rows], predicate="dwithin", distance=1.0)
        near = set(pairs[1].tolist())
    return {
        "guaranteed": all(faults[k].kind in HARMLESS_KINDS for k in near),
        "warnings": [
            {
                "key": faults[k].kind,
                "code": faults[k].code,
                "text": faults[k].describe(lang),
                "point": shapely.point_on_surface(faults[k].geometry),
            }
            for k in sorted(near, key=lambda k: (faults[k].kind not in VALVE_KINDS, k))[
                :MAX_WARNINGS
            ]
        ],
    }


def missing_pipe_data(graph: PipeGraph) -> list[MissingData]:
    """Return what a network's data lacks."""
    return list_missing(graph.missing_counts)


def find_building_valves(sectors: Sectors, code: str) -> list[Details]:
    """Return the valves that shut a building off, nearest first; empty where it has no supply."""
    graph = sectors.graph
    nodes = np.array(graph.nodes_of_building.get(code, []), dtype=np.int64)
    rows = np.flatnonzero(np.isin(graph.ends, nodes).any(axis=1))
    distances: dict[int, float] = {}
    for row in rows.tolist():
        cut = isolation.find_valve_cut(sectors, int(sectors.sector[row]))
        for node in sectors.valves[cut.valves].tolist() if cut.is_possible else []:
            distance = float(shapely.distance(shapely.Point(graph.xy[node]), graph.lines[row]))
            distances[node] = min(distance, distances.get(node, np.inf))
    return [
        {
            "code": graph.nodes["code"].iloc[node],
            "name": graph.nodes["name"].iloc[node],
            "is_open": True,
            "distance_m": round(distance, 1),
            "point": shapely.Point(graph.xy[node]),
        }
        for node, distance in sorted(distances.items(), key=lambda item: item[1])
    ]
