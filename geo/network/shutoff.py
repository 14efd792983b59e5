"""Shutting off a broken pipe: valves, the ring beyond a stuck one, and who loses supply."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, func, select

from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.errors import InputError, NotFoundError
from geo.fire.briefing import Shown, grids_of
from geo.fire.context import FireContexts
from geo.fire.finding import Missing
from geo.fire.snapshot import changes
from geo.messages import Language, text
from geo.model import STORAGE_SRID, Building, Facility
from geo.model.pipe import Network
from geo.network import isolation
from geo.network.isolation import Cut, Sectors
from geo.network.pipes import PipeGraph
from geo.types import Bools, Ints

CRITICAL = ("hospital", "clinic", "elderly_care", "school", "kindergarten")
"""Sites that can't do without supply."""

GAS_RADIUS_M = 100.0
"""People within this of a gas leak are warned, unless another radius is asked for."""

BESIDE_M = 60.0
"""A site is supplied by the buildings on, or this near to, its place."""


def shutoff(
    connection: Connection,
    parts: Sectors,
    code: str,
    *,
    stuck: Iterable[str] = (),
    radius: float = GAS_RADIUS_M,
    lang: Language,
) -> Shown:
    """Return how to isolate a broken segment and what that costs; geometry is in metres.

    Raises
    ------
    NotFoundError
        If the network has no such segment, or no such valve.
    """
    graph = parts.graph
    row = graph.row_of.get(code)
    if row is None:
        raise NotFoundError("no_such_segment", network=graph.network, code=code)
    held = _rows_of_stuck_valves(parts, stuck)
    sector = int(parts.sector[row])
    found = isolation.cut(parts, sector, held)
    dry = isolation.find_lost_segments(parts, sector, found.valves)
    return {
        "network": graph.network,
        "segment": {"code": code, "geometry": graph.lines[row]},
        "isolable": found.possible,
        "text": _describe_cut(found, lang),
        "valves": [_valve(parts, sector, valve, held, row) for valve in found.valves.tolist()],
        "already_closed": _closed_valves_at(parts, dry),
        "bound": found.bound if found.possible else None,
        "proven": found.proven,
        "lost": _describe_lost_supply(connection, graph, dry, lang),
        "affected": _describe_affected(connection, graph, row, radius),
        "sources": _codes(graph, np.flatnonzero(graph.source)),
        **warnings(graph, np.flatnonzero(dry), lang),
        "missing": [
            *missing(graph),
            *([] if sees_buildings(connection) else [Missing("buildings_not_shown", 1)]),
        ],
    }


def sees_buildings(connection: Connection) -> bool:
    """Return whether the caller may read buildings: those who run a network may not."""
    asked = func.has_table_privilege("building", "SELECT")
    return bool(connection.execute(select(asked)).scalar_one())


def _describe_cut(found: Cut, lang: Language) -> str:
    if not found.possible:
        return text("shutoff.impossible", lang=lang)
    if not len(found.valves):
        return text("shutoff.isolated", lang=lang)
    return text("shutoff.close", lang=lang, count=len(found.valves))


def _rows_of_stuck_valves(parts: Sectors, codes: Iterable[str]) -> Ints:
    nodes = []
    for code in codes:
        node = parts.graph.node_of.get(code)
        if node is None:
            raise NotFoundError("no_such_node", network=parts.graph.network, code=code)
        nodes.append(node)
    return np.flatnonzero(np.isin(parts.valves, np.array(nodes, dtype=np.int64)))


def _valve(parts: Sectors, sector: int, valve: int, stuck: Ints, row: int) -> Shown:
    """Return a valve to close, and the ring to close if it sticks."""
    graph = parts.graph
    node = int(parts.valves[valve])
    ring = isolation.cut(parts, sector, np.append(stuck, valve))
    point = shapely.Point(graph.xy[node])
    return {
        "code": graph.nodes["code"].iloc[node],
        "kind": graph.nodes["kind"].iloc[node],
        "name": graph.nodes["name"].iloc[node],
        "point": point,
        "distance_m": round(float(shapely.distance(point, graph.lines[row])), 1),
        "instead": _codes(graph, parts.valves[ring.valves]),
        "instead_isolable": ring.possible,
    }


def _codes(graph: PipeGraph, nodes: Ints) -> list[str]:
    own = nodes[nodes < len(graph.nodes)]
    found: list[str] = graph.node_codes[own].tolist()
    return found


def _closed_valves_at(parts: Sectors, dry: Bools) -> list[str]:
    """Return closed valves at what is isolated: they must stay so."""
    graph = parts.graph
    nodes = np.unique(graph.ends[dry])
    return _codes(graph, nodes[graph.closed[nodes]])


def _describe_lost_supply(
    connection: Connection, graph: PipeGraph, dry: Bools, lang: Language
) -> Shown:
    """Return what loses supply: a node does if all its segments do."""
    rows = np.flatnonzero(dry)
    wet = np.zeros(len(graph.xy), dtype=bool)
    wet[graph.ends[~dry]] = True
    nodes = np.unique(graph.ends[rows])
    nodes = nodes[~wet[nodes] & (nodes < len(graph.nodes))]
    frame = graph.nodes.iloc[nodes]
    is_tap = (frame["kind"] == "hydrant").to_numpy(dtype=bool)
    places = [shapely.Point(place) for place in graph.xy[nodes[is_tap]]]
    codes = frame["building_code"].dropna().unique().tolist()
    codes = codes if sees_buildings(connection) else []
    served = buildings_of(connection, graph, codes)
    return {
        "segments": graph.segment_codes[rows].tolist(),
        "geometry": shapely.multilinestrings(list(graph.lines[rows])),
        "length_m": round(float(graph.length[rows].sum()), 1),
        "hydrants": [
            {"code": code, "point": point}
            for code, point in zip(frame["code"][is_tap], places, strict=True)
        ],
        "buildings": served,
        "households": sum(one["households"] for one in served),
        "population": sum(one["population"] or 0 for one in served),
        "grids": _by_grid(connection, codes) if codes else [],
        "critical": _critical(connection, graph, served, lang),
    }


def buildings_of(connection: Connection, graph: PipeGraph, codes: list[str]) -> list[Shown]:
    """Return buildings by their codes."""
    if not codes:
        return []
    statement = select(
        *(Building.code, Building.name, Building.address),
        *(Building.households, Building.population, wkb(func.ST_PointOnSurface(Building.geom))),
    ).where(Building.code.in_(codes))
    return _rows_with_points(connection, graph, statement.order_by(Building.code))


def _rows_with_points(connection: Connection, graph: PipeGraph, statement: Any) -> list[Shown]:
    """Return rows with the point that each stands at, metric."""
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    shapes = shapely.from_wkb(np.array([row.pop("geom") for row in rows], dtype=object))
    points = systems.transform(shapes, systems.STORAGE, graph.crs)
    return [row | {"point": point} for row, point in zip(rows, points, strict=True)]


def _by_grid(connection: Connection, codes: list[str]) -> list[Shown]:
    """Return the households that lose supply by grid."""
    found: dict[str, Shown] = {}
    for grids in grids_of(connection, codes).values():
        for grid in grids:
            held = found.setdefault(grid["code"], grid | {"households": 0, "buildings": 0})
            held["households"] += int(grid["households"])
            held["buildings"] += 1
    return sorted(found.values(), key=lambda grid: -int(grid["households"]))


def _critical(
    connection: Connection, graph: PipeGraph, served: list[Shown], lang: Language
) -> list[Shown]:
    """Return hospitals, schools and the like at the buildings that lose supply."""
    if not served:
        return []
    points = shapely.multipoints([one["point"] for one in served])
    statement = select(
        *(Facility.code, Facility.name, Facility.category, Facility.phone, wkb(Facility.geom))
    ).where(
        Facility.category.in_(CRITICAL),
        _touches(Facility.geom, graph, shapely.buffer(points, BESIDE_M)),
    )
    return [
        one | {"category_text": text(f"category.{one['category']}", lang=lang)}
        for one in _sites(connection, graph, statement, points)
    ]


def _sites(
    connection: Connection, graph: PipeGraph, statement: Any, points: shapely.Geometry
) -> list[Shown]:
    frame = read_frame(connection, statement.order_by(Facility.code))
    shapes = systems.transform(frame.geometry.to_numpy(), systems.STORAGE, graph.crs)
    # Grounds hold the buildings; a site that is a point stands in one of them.
    limit = np.where(shapely.get_dimensions(shapes) == 2, 0.0, BESIDE_M)
    near = shapely.distance(shapes, points) <= limit
    names = ("code", "name", "category", "phone")
    return [
        {name: frame[name].iloc[k] for name in names}
        | {"point": shapely.point_on_surface(shapes[k])}
        for k in np.flatnonzero(near)
    ]


def _touches(column: Any, graph: PipeGraph, area: shapely.Geometry) -> Any:
    shown = systems.transform(area, graph.crs, systems.STORAGE)
    return func.ST_Intersects(column, func.ST_GeomFromWKB(shapely.to_wkb(shown), STORAGE_SRID))


def _describe_affected(
    connection: Connection, graph: PipeGraph, row: int, radius: float
) -> Shown | None:
    """Return who is within a radius of a gas leak; None for other networks."""
    if graph.network != Network.GAS or not sees_buildings(connection):
        return None
    area = shapely.buffer(graph.lines[row], radius)
    statement = select(
        func.count().label("buildings"),
        func.coalesce(func.sum(Building.households), 0).label("households"),
        func.coalesce(func.sum(Building.population), 0).label("population"),
    ).where(_touches(Building.geom, graph, area))
    counted = connection.execute(statement).mappings().one()
    return {"radius_m": radius, **{k: int(v) for k, v in counted.items()}, "area": area}


def warnings(graph: PipeGraph, rows: Ints, lang: Language) -> Shown:
    """Return the faults of the network at some segments: there nothing is guaranteed."""
    faults = graph.faults
    near: set[int] = set()
    if faults and len(rows):
        found = graph.fault_tree.query(graph.lines[rows], predicate="dwithin", distance=1.0)
        near = set(found[1].tolist())
    return {
        "guaranteed": not near,
        "warnings": [
            {
                "key": faults[k].kind,
                "code": faults[k].code,
                "text": text(f"fault.{faults[k].kind}", lang=lang, code=faults[k].code),
                "point": shapely.point_on_surface(faults[k].geometry),
            }
            for k in sorted(near)[:20]
        ],
    }


def missing(graph: PipeGraph) -> list[Missing]:
    """Return what a network's data lacks."""
    return [Missing(key, count) for key, count in graph.lacking.items() if count]


def of_building(
    connection: Connection,
    desks: FireContexts,
    city: str,
    code: str,
    lang: Language,
    state: Mapping[str, int] | None = None,
) -> Shown:
    """Return the gas and water valves that shut a building off, and why there are none.

    Parameters
    ----------
    state
        How often the layers were changed, if that is known.
    """
    state = changes(connection) if state is None else state
    listed: dict[str, list[Shown]] = {}
    notes: dict[str, str | None] = {}
    for network in (Network.GAS, Network.WATER):
        notes[network.value] = None
        try:
            parts = desks.pipes(connection, city, network.value, state)
        except InputError as error:
            listed[network.value], notes[network.value] = [], error.message(lang)
            continue
        listed[network.value] = valves_of_building(parts, code)
        if not listed[network.value]:
            notes[network.value] = text("shutoff.not_served", lang=lang)
    return {"valves": listed, "valve_notes": notes}


def valves_of_building(parts: Sectors, code: str) -> list[Shown]:
    """Return the valves that shut a building off, nearest first; empty where it has no supply."""
    graph = parts.graph
    nodes = np.array(graph.nodes_of_building.get(code, []), dtype=np.int64)
    rows = np.flatnonzero(np.isin(graph.ends, nodes).any(axis=1))
    listed: dict[int, float] = {}
    for row in rows.tolist():
        found = isolation.cut(parts, int(parts.sector[row]))
        for valve in found.valves.tolist():
            node = int(parts.valves[valve])
            point = shapely.Point(graph.xy[node])
            far = float(shapely.distance(point, graph.lines[row]))
            listed[node] = min(far, listed.get(node, np.inf))
    return [_plain_valve(graph, node, far) for node, far in sorted(listed.items(), key=_distance)]


def _distance(item: tuple[int, float]) -> float:
    return item[1]


def _plain_valve(graph: PipeGraph, node: int, far: float) -> Shown:
    frame = graph.nodes.iloc[node]
    return {
        "code": frame["code"],
        "name": frame["name"],
        "is_open": True,
        "distance_m": round(far, 1),
        "point": shapely.Point(graph.xy[node]),
    }
