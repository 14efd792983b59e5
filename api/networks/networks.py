"""``/networks``: pipes, isolation of a broken segment, traces, burial and crossings."""

from typing import Annotated, Any

import numpy as np
import orjson
import shapely
from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import func, select
from starlette.responses import Response

from api.core.audit import record
from api.core.caller import Asker, Caller, allow
from api.core.geojson import encode
from api.core.parameters import Connection, Lang, Paging
from api.core.read_audit import audit_reads
from api.core.responses import GeoJson, etag_response
from api.fire.fire import GEOJSON_BODY, Latitude, Longitude, Region, desks, ok_response, region_city
from api.networks.network_responses import (
    BurialResponse,
    ConflictsResponse,
    FaultsResponse,
    IsolationResponse,
    NearestResponse,
    NetworksResponse,
    TraceResponse,
)
from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.errors import InputError, NotFoundError
from geo.fire import finding_text
from geo.fire.finding import Missing
from geo.fire.snapshot import city_at, data_age
from geo.messages import Language, text
from geo.model import STORAGE_SRID, PipeNode, PipeSegment
from geo.model import Region as RegionTable
from geo.model.pipe import Network
from geo.network import clearance, shutoff, trace
from geo.network.isolation import Sectors
from geo.network.pipes import PipeGraph
from geo.network.trace import Direction
from geo.types import Ints

router = APIRouter(
    prefix="/networks",
    tags=["networks"],
    dependencies=[allow("fire", "utility", "admin"), audit_reads("pipe_segment")],
)

JSON = "application/json"
Code = Annotated[str, Path(min_length=1, max_length=64)]
Nodes = Annotated[list[str], Query(max_length=50)]
LAYERS = ("pipe_segment", "pipe_node")
FIRE_NETWORKS = ("water", "gas")
"""What the fire department sees of the networks (``geo.db.security``)."""


def answer(
    request: Request, connection: Any, graph: PipeGraph, body: dict[str, Any], lang: Language
) -> Response:
    """Return a body with its geometry in degrees, and how old the pipes' data is."""
    body["data"] = data_age(connection, LAYERS)
    body["missing"] = finding_text.missing(body.get("missing", shutoff.missing(graph)), lang)

    def to_degrees(shapes: Any) -> Any:
        return systems.transform(shapes, graph.crs, systems.STORAGE)

    return etag_response(request, encode(body, to_degrees), JSON)


def parts_at(request: Request, connection: Any, network: Network, city: str) -> Sectors:
    """Return a network of a city.

    Raises
    ------
    InputError
        If it has no segments, or none that the caller may see.
    """
    seen = select(PipeSegment.code).where(PipeSegment.network == network.value).limit(1)
    if connection.execute(seen).first() is None:
        raise InputError("no_pipes", network=network.value)
    return desks(request).pipes(connection, city, network.value)


def city_of_segment(connection: Any, network: Network, code: str) -> str:
    """Return the city in which a segment or a node lies.

    Raises
    ------
    NotFoundError
        If there is no such thing.
    """
    for table in (PipeSegment, PipeNode):
        middle = func.ST_PointOnSurface(table.geom)
        found = connection.execute(
            select(func.ST_X(middle), func.ST_Y(middle)).where(
                table.network == network.value, table.code == code
            )
        ).first()
        if found:
            return city_at(connection, *found)
    raise NotFoundError("no_such_segment", network=network.value, code=code)


@router.get("", responses=ok_response(NetworksResponse))
def networks(request: Request, connection: Connection, region: Region = None) -> Response:
    """List the networks with their sizes and faults."""
    city = region_city(connection, region)
    counted = connection.execute(
        select(PipeSegment.network, func.count()).group_by(PipeSegment.network)
    ).all()
    listed = []
    for name, segments in sorted(counted, key=lambda row: row[0]):
        graph = parts_at(request, connection, Network(name), city).graph
        kinds = [fault.kind for fault in graph.faults]
        listed.append(
            {
                "network": name,
                "segments": segments,
                "nodes": len(graph.nodes),
                "loose_ends": kinds.count("loose_end"),
                "missing_nodes": kinds.count("missing_node"),
                "islands": kinds.count("island"),
                "crossings": kinds.count("crossing"),
                "zero_length": kinds.count("zero_length"),
            }
        )
    body = {"networks": listed, "data": data_age(connection, LAYERS)}
    return etag_response(request, orjson.dumps(body), JSON)


@router.get("/burial", responses=ok_response(BurialResponse))
def burial(
    request: Request,
    connection: Connection,
    asker: Asker,
    lang: Lang,
    lon: Longitude,
    lat: Latitude,
    radius: Annotated[float, Query(ge=1, le=200, allow_inf_nan=False)] = 10.0,
) -> Response:
    """List the pipes under a place with their depth, and which are dangerous to dig near."""
    crs = systems.metric_crs(lon, lat)
    place = systems.transform(shapely.Point(lon, lat), systems.STORAGE, crs)
    area = systems.transform(shapely.buffer(place, radius), crs, systems.STORAGE)
    columns = (
        *(PipeSegment.code, PipeSegment.network, PipeSegment.diameter_mm, PipeSegment.material),
        *(PipeSegment.burial_depth_m, PipeSegment.pressure_mpa, wkb(PipeSegment.geom)),
    )
    touched = func.ST_Intersects(
        PipeSegment.geom, func.ST_GeomFromWKB(shapely.to_wkb(area), STORAGE_SRID)
    )
    frame = read_frame(connection, select(*columns).where(touched))
    lines = np.atleast_1d(systems.transform(frame.geometry.to_numpy(), systems.STORAGE, crs))
    rows = frame.drop(columns="geom").astype(object)
    rows = rows.where(rows.notna(), None).to_dict("records")
    pipes = [
        _describe_burial(row, float(shapely.distance(line, place)), line, lang)
        for row, line in zip(rows, lines, strict=True)
    ]
    pipes.sort(key=lambda pipe: float(pipe["distance_m"]))
    high = sum(pipe["danger"] == "high" for pipe in pipes)
    said = text("danger.found", lang=lang, radius=f"{radius:g}", count=len(pipes), high=high)
    if not pipes:
        said = text("danger.none", lang=lang, radius=f"{radius:g}")
    body = {
        "pipes": pipes,
        "text": said,
        "data": data_age(connection, LAYERS),
        "missing": [
            *finding_text.depths(pipes, lang),
            *finding_text.missing(_hidden_networks(asker), lang),
        ],
    }

    def to_degrees(shapes: Any) -> Any:
        return systems.transform(shapes, crs, systems.STORAGE)

    return etag_response(request, encode(body, to_degrees), JSON)


def _hidden_networks(asker: Caller) -> list[Missing]:
    """Return how many kinds of network the caller may not see: they may be there all the same."""
    shown = {"fire": FIRE_NETWORKS, "utility": asker.networks}.get(asker.role, tuple(Network))
    count = len(set(Network) - set(map(Network, shown)))
    return [Missing("networks_not_shown", count)] if count else []


def _describe_burial(row: dict[str, Any], far: float, line: Any, lang: Language) -> dict[str, Any]:
    danger = clearance.danger(row["network"], row["diameter_mm"], row["pressure_mpa"])
    depth = row["burial_depth_m"]
    name = text(f"network.{row['network']}", lang=lang)
    shown = "?" if depth is None else f"{depth:g} m"
    return row | {
        "network_text": name,
        "distance_m": round(far, 2),
        "danger": danger,
        "text": text(f"danger.{danger}", lang=lang, network=name, depth=shown),
        "geometry": line,
    }


@router.get("/crossings", response_class=GeoJson, responses=ok_response(ConflictsResponse))
def crossings(
    request: Request,
    connection: Connection,
    asker: Asker,
    lang: Lang,
    page: Paging,
    region: Region = None,
) -> Response:
    """List places where gas, heat and power come closer to each other than they may."""
    city = region_city(connection, region)
    land = _land(connection, region)
    features: list[dict[str, Any]] = []
    graphs: dict[str, PipeGraph] = {}
    known = set(connection.execute(select(PipeSegment.network).distinct()).scalars())
    for pair, rule in clearance.CLEARANCES.items():
        if not known.issuperset(pair):
            continue
        for name in pair:
            graphs[name] = parts_at(request, connection, Network(name), city).graph
        features += _conflicts(graphs[pair[0]], graphs[pair[1]], rule, land, lang)
    features.sort(key=lambda one: -(one["properties"]["shortfall"] or 0.0))
    shown = features[page.offset : page.offset + page.limit]
    body = {
        "type": "FeatureCollection",
        "numberMatched": len(features),
        "numberReturned": len(shown),
        "features": shown,
        "missing": finding_text.missing([*_hidden_networks(asker), *_absent(known)], lang),
        "data": data_age(connection, LAYERS),
    }
    crs = next(iter(graphs.values())).crs if graphs else systems.STORAGE

    def to_degrees(shapes: Any) -> Any:
        return systems.transform(shapes, crs, systems.STORAGE)

    return etag_response(request, encode(body, to_degrees), GEOJSON_BODY)


def _absent(known: set[str]) -> list[Missing]:
    """Return how many of the networks that clearances are between have no segments here."""
    asked = {network for pair in clearance.CLEARANCES for network in pair}
    count = len(asked - known)
    return [Missing("networks_absent", count)] if count else []


def _land(connection: Any, region: str | None) -> shapely.Geometry | None:
    if not region:
        return None
    code = region[:12].ljust(12, "0")
    found = connection.execute(
        select(func.ST_AsBinary(RegionTable.geom)).where(RegionTable.code == code)
    ).scalar()
    if found is None:
        raise NotFoundError("no_such_region", region=region)
    land: shapely.Geometry = shapely.from_wkb(bytes(found))
    return land


def _conflicts(
    first: PipeGraph,
    second: PipeGraph,
    rule: clearance.Clearance,
    land: shapely.Geometry | None,
    lang: Language,
) -> list[dict[str, Any]]:
    found = clearance.conflicts(first, second, rule)
    rows = np.arange(len(found.one))
    if land is not None and len(rows):
        inside = systems.transform(land, systems.STORAGE, first.crs)
        rows = rows[shapely.intersects(found.places, inside)]
    names = [text(f"network.{graph.network}", lang=lang) for graph in (first, second)]
    codes = first.segments["code"].to_numpy(), second.segments["code"].to_numpy()
    features = []
    for k in rows.tolist():
        measured = None if np.isnan(found.measured[k]) else float(found.measured[k])
        kind = "crossing" if found.crossing[k] else "parallel"
        required = float(found.required[k])
        fields = {
            "one": names[0],
            "other": names[1],
            "measured": "?" if measured is None else f"{max(measured, 0):.2f}",
            "required": f"{required:g}",
        }
        worded = "no_depth" if measured is None else kind
        features.append(
            {
                "type": "Feature",
                "geometry": found.places[k],
                "properties": {
                    "networks": [first.network, second.network],
                    "segments": [codes[0][found.one[k]], codes[1][found.other[k]]],
                    "kind": kind,
                    "measured": None if measured is None else round(max(measured, 0), 3),
                    "required": required,
                    "shortfall": None if measured is None else round(required - measured, 3),
                    "standard": rule.standard,
                    "clause": rule.clause,
                    "text": text(f"clearance.{worded}", lang=lang, **fields),
                },
            }
        )
    return features


@router.get("/{network}/nearest", responses=ok_response(NearestResponse))
def nearest(
    request: Request,
    connection: Connection,
    lang: Lang,
    network: Network,
    lon: Longitude,
    lat: Latitude,
    within: Annotated[float, Query(ge=1, le=500, allow_inf_nan=False)] = 30.0,
) -> Response:
    """Return the segment nearest to a place."""
    graph = parts_at(request, connection, network, city_at(connection, lon, lat)).graph
    place = systems.transform(shapely.Point(lon, lat), systems.STORAGE, graph.crs)
    found = graph.tree.query_nearest(place, max_distance=within, all_matches=False)
    if not len(found):
        raise NotFoundError(
            "no_segment_here", lon=lon, lat=lat, within=f"{within:g}", network=network.value
        )
    row = int(found[0])
    own = graph.segments.iloc[row].drop("geom").to_dict()
    own = {name: None if value != value else value for name, value in own.items()}
    far = round(float(shapely.distance(graph.lines[row], place)), 2)
    body = {"segment": own | {"geometry": graph.lines[row], "distance_m": far}}
    return answer(request, connection, graph, body, lang)


@router.get("/{network}/segments/{code}/isolation", responses=ok_response(IsolationResponse))
def isolation(
    request: Request,
    connection: Connection,
    asker: Asker,
    lang: Lang,
    network: Network,
    code: Code,
    stuck: Nodes = [],  # noqa: B006 (FastAPI copies it)
    radius: Annotated[float, Query(ge=1, le=2000, allow_inf_nan=False)] = shutoff.GAS_RADIUS_M,
) -> Response:
    """Return the fewest valves that cut a segment off, and what loses supply."""
    city = city_of_segment(connection, network, code)
    parts = parts_at(request, connection, network, city)
    body = shutoff.shutoff(connection, parts, code, stuck=stuck, radius=radius, lang=lang)
    record(connection, asker, "read", "isolation", code, {"network": network.value})
    return answer(request, connection, parts.graph, body, lang)


@router.get("/{network}/trace", responses=ok_response(TraceResponse))
def trace_network(
    request: Request,
    connection: Connection,
    lang: Lang,
    network: Network,
    direction: Direction,
    node: Annotated[str | None, Query(max_length=64)] = None,
    segment: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Trace a network up, down, or all that is connected to a node or a segment."""
    code = segment or node or ""
    city = city_of_segment(connection, network, code)
    graph = parts_at(request, connection, network, city).graph
    start = _start(graph, network, node, segment, direction)
    found = trace.trace(graph, start, direction)
    rows = found.segments
    if segment and (row := graph.row_of[segment]) not in rows:
        rows = np.append(rows, row)
    own = found.nodes[found.nodes < len(graph.nodes)]
    kinds = graph.nodes.iloc[own]
    by_kind = {
        kind: kinds.loc[kinds["kind"] == kind, "code"].tolist()
        for kind in ("source", "hydrant", "valve", "regulator", "outfall")
    }
    by_kind["source"] = graph.nodes["code"].to_numpy()[own[graph.source[own]]].tolist()
    consumers = int((kinds["kind"] == "consumer").sum())
    body = {
        "segments": graph.segments["code"].to_numpy()[rows].tolist(),
        "geometry": shapely.multilinestrings(list(graph.lines[rows])),
        "nodes": by_kind | {"consumer": consumers},
        "length_m": round(float(graph.length[rows].sum()), 1),
        **shutoff.warnings(graph, rows, lang),
    }
    return answer(request, connection, graph, body, lang)


def _start(
    graph: PipeGraph,
    network: Network,
    node: str | None,
    segment: str | None,
    direction: Direction,
) -> Ints:
    """Return the nodes that a trace starts at: of a segment the end that lies that way."""
    if segment is not None:
        row = graph.row_of.get(segment)
        if row is None:
            raise NotFoundError("no_such_segment", network=network.value, code=segment)
        ends: Ints = graph.ends[row]
        if direction is Direction.CONNECTED:
            return ends
        return ends[:1] if direction is Direction.UPSTREAM else ends[1:]
    found = graph.node_of.get(node or "")
    if found is None:
        raise NotFoundError("no_such_node", network=network.value, code=node)
    return np.array([found])


@router.get("/{network}/faults", responses=ok_response(FaultsResponse))
def faults(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: Paging,
    network: Network,
    region: Region = None,
) -> Response:
    """List what is wrong with a network: loose ends, islands, crossings without a node."""
    graph = parts_at(request, connection, network, region_city(connection, region)).graph
    found = graph.faults
    features = [
        {
            "type": "Feature",
            "geometry": fault.geometry,
            "properties": {
                "kind": fault.kind,
                "code": fault.code,
                "text": text(f"fault.{fault.kind}", lang=lang, code=fault.code),
            },
        }
        for fault in found[page.offset : page.offset + page.limit]
    ]
    body = {
        "type": "FeatureCollection",
        "numberMatched": len(found),
        "numberReturned": len(features),
        "features": features,
    }
    return answer(request, connection, graph, body, lang)
