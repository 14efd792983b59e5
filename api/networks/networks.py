"""``/networks``: pipe networks, isolation of a broken segment, traces and faults."""

from typing import Annotated, Any

import numpy as np
import orjson
import shapely
import sqlalchemy
from fastapi import APIRouter, Query, Request
from sqlalchemy import func, select
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Connection, Lang, PageParameter
from api.core.problems import require_found
from api.core.read_audit import audit_reads
from api.core.responses import etag_response
from api.fire.fire_dependencies import (
    JSON,
    Code,
    Latitude,
    Longitude,
    Region,
    city_of_region,
)
from api.networks import digging
from api.networks.network_dependencies import PIPE_LAYERS, network_response, sectors_of_network
from api.networks.network_responses import (
    FaultsResponse,
    IsolationResponse,
    NearestResponse,
    NetworksResponse,
    TraceResponse,
)
from geo import crs as systems
from geo.errors import NotFoundError
from geo.fire.cities import city_at
from geo.fire.layer_state import read_data_age
from geo.model import PipeNode, PipeSegment
from geo.model.pipe import Network
from geo.network import shutoff, trace
from geo.network.pipe_sheet import describe_pipe
from geo.network.pipes import PipeGraph
from geo.network.trace import Direction
from geo.types import Ints

router = APIRouter(
    prefix="/networks",
    tags=["networks"],
    dependencies=[allow("fire", "utility", "admin"), audit_reads("pipe_segment")],
)
router.include_router(digging.router)

NodeCodes = Annotated[list[str], Query(max_length=50)]


def city_of_pipe(connection: sqlalchemy.Connection, network: Network, code: str) -> str:
    """Return the city in which a segment or a node lies.

    Raises
    ------
    NotFoundError
        If there is no such segment or node.
    """
    for table in (PipeSegment, PipeNode):
        middle = func.ST_PointOnSurface(table.geom)
        place = connection.execute(
            select(func.ST_X(middle), func.ST_Y(middle)).where(
                table.network == network.value, table.code == code
            )
        ).first()
        if place:
            return city_at(connection, *place)
    raise NotFoundError("no_such_segment", network=network.value, code=code)


@router.get("", responses=problems.ok_response(NetworksResponse))
def list_networks(request: Request, connection: Connection, region: Region = None) -> Response:
    """List the networks with their sizes and faults."""
    city = city_of_region(connection, region)
    counts = connection.execute(
        select(PipeSegment.network, func.count()).group_by(PipeSegment.network)
    ).all()
    networks = []
    for name, segments in sorted(counts, key=lambda row: row[0]):
        graph = sectors_of_network(request, connection, Network(name), city).graph
        kinds = [fault.kind for fault in graph.faults]
        networks.append(
            {
                "network": name,
                "segments": segments,
                "nodes": len(graph.nodes),
                "loose_ends": kinds.count("loose_end"),
                "missing_nodes": kinds.count("missing_node"),
                "islands": kinds.count("island"),
                "crossings": kinds.count("crossing"),
                "zero_length": kinds.count("zero_length"),
                "duplicates": kinds.count("duplicate"),
                "parallels": kinds.count("parallel"),
                "loose_valves": kinds.count("loose_valve") + kinds.count("lone_valve"),
            }
        )
    body = {"networks": networks, "data": read_data_age(connection, PIPE_LAYERS)}
    return etag_response(request, orjson.dumps(body), JSON)


@router.get("/{network}/nearest", responses=problems.ok_response(NearestResponse))
def get_nearest_segment(
    request: Request,
    connection: Connection,
    lang: Lang,
    network: Network,
    lon: Longitude,
    lat: Latitude,
    within: Annotated[float, Query(ge=1, le=500, allow_inf_nan=False)] = 30.0,
) -> Response:
    """Return the segment nearest to a place.

    Raises
    ------
    NotFoundError
        If no segment is within the distance.
    """
    city = city_at(connection, lon, lat)
    graph = sectors_of_network(request, connection, network, city).graph
    place = systems.transform(shapely.Point(lon, lat), systems.STORAGE, graph.crs)
    rows = graph.tree.query_nearest(place, max_distance=within, all_matches=False)
    if not len(rows):
        raise NotFoundError(
            "no_segment_here", lon=lon, lat=lat, within=f"{within:g}", network=network.value
        )
    row = int(rows[0])
    values = graph.segments.iloc[row].drop("geom").to_dict()
    segment = {name: None if value != value else value for name, value in values.items()}
    distance = round(float(shapely.distance(graph.lines[row], place)), 2)
    segment |= {"geometry": graph.lines[row], "distance_m": distance}
    body = {"segment": segment | {"sheet": describe_pipe(graph, row, lang)}}
    missing = shutoff.missing_pipe_data(graph)
    return network_response(request, connection, graph.crs, body, missing, lang)


@router.get(
    "/{network}/segments/{code}/isolation", responses=problems.ok_response(IsolationResponse)
)
def get_isolation(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    lang: Lang,
    network: Network,
    code: Code,
    stuck: NodeCodes = [],  # noqa: B006 (FastAPI copies it)
    radius: Annotated[float, Query(ge=1, le=2000, allow_inf_nan=False)] = shutoff.GAS_RADIUS_M,
) -> Response:
    """Return the fewest valves that isolate a segment, and what loses supply."""
    city = city_of_pipe(connection, network, code)
    sectors = sectors_of_network(request, connection, network, city)
    body = shutoff.plan_shutoff(connection, sectors, code, stuck=stuck, radius_m=radius, lang=lang)
    record(connection, caller, "read", "isolation", code, {"network": network.value})
    crs, missing = sectors.graph.crs, body.pop("missing")
    return network_response(request, connection, crs, body, missing, lang)


@router.get("/{network}/trace", responses=problems.ok_response(TraceResponse))
def get_trace(
    request: Request,
    connection: Connection,
    lang: Lang,
    network: Network,
    direction: Direction,
    node: Annotated[str | None, Query(max_length=64)] = None,
    segment: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Trace a network upstream, downstream, or all that is connected to a node or a segment."""
    city = city_of_pipe(connection, network, segment or node or "")
    graph = sectors_of_network(request, connection, network, city).graph
    start = _start_nodes(graph, network, node, segment, direction)
    result = trace.trace_network(graph, start, direction)
    rows = result.segments
    if segment and (row := graph.row_of[segment]) not in rows:
        rows = np.append(rows, row)
    body = {
        "segments": graph.segments["code"].to_numpy()[rows].tolist(),
        "geometry": shapely.multilinestrings(list(graph.lines[rows])),
        "nodes": _node_codes_by_kind(graph, result.nodes),
        "length_m": round(float(graph.length[rows].sum()), 1),
        **shutoff.describe_fault_warnings(graph, rows, lang),
    }
    missing = shutoff.missing_pipe_data(graph)
    return network_response(request, connection, graph.crs, body, missing, lang)


def _node_codes_by_kind(graph: PipeGraph, nodes: Ints) -> dict[str, Any]:
    """Return the codes of nodes on record by their kind, and the number of consumers."""
    on_record = nodes[nodes < len(graph.nodes)]
    frame = graph.nodes.iloc[on_record]
    codes = {
        kind: frame.loc[frame["kind"] == kind, "code"].tolist()
        for kind in ("hydrant", "valve", "regulator", "outfall")
    }
    codes["source"] = graph.nodes["code"].to_numpy()[on_record[graph.is_source[on_record]]].tolist()
    return codes | {"consumer": int((frame["kind"] == "consumer").sum())}


def _start_nodes(
    graph: PipeGraph,
    network: Network,
    node: str | None,
    segment: str | None,
    direction: Direction,
) -> Ints:
    """Return the nodes that a trace starts at: of a segment the end that lies in the direction."""
    if segment is not None:
        row = graph.row_of.get(segment)
        row = require_found("no_such_segment", row, network=network.value, code=segment)
        ends: Ints = graph.ends[row]
        if direction is Direction.CONNECTED:
            return ends
        return ends[:1] if direction is Direction.UPSTREAM else ends[1:]
    start = graph.node_of.get(node or "")
    start = require_found("no_such_node", start, network=network.value, code=node)
    return np.array([start])


@router.get("/{network}/faults", responses=problems.ok_response(FaultsResponse))
def list_faults(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: PageParameter,
    network: Network,
    region: Region = None,
) -> Response:
    """List the faults of a network: loose ends, islands, doubles, valves beside pipes."""
    city = city_of_region(connection, region)
    graph = sectors_of_network(request, connection, network, city).graph
    features = [
        {
            "type": "Feature",
            "geometry": fault.geometry,
            "properties": {
                "kind": fault.kind,
                "code": fault.code,
                "text": fault.describe(lang),
            },
        }
        for fault in graph.faults[page.offset : page.offset + page.limit]
    ]
    body = {
        "type": "FeatureCollection",
        "numberMatched": len(graph.faults),
        "numberReturned": len(features),
        "features": features,
    }
    missing = shutoff.missing_pipe_data(graph)
    return network_response(request, connection, graph.crs, body, missing, lang)
