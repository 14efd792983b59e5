"""``/fire/tiles`` and ``/networks/tiles``: findings, hydrants, lanes and pipes as vector tiles."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import ColumnElement, and_, case, func, literal, select, true
from starlette.responses import Response

from api.core import problems
from api.core.caller import Caller, CurrentCaller, allow
from api.core.parameters import Connection
from api.core.responses import etag_response
from api.tiles.tile_layers import Source, layer_query
from api.tiles.tile_pyramid import Tile
from api.tiles.tiles import MEDIA_TYPE, TILE_RESPONSES, RequestedTile
from geo import clock
from geo.db.access_rules import RULES
from geo.fire import vehicle_access
from geo.fire.reviews import last_inspections
from geo.fire.rules import rules_in_force
from geo.model import (
    BuildingUnit,
    Facility,
    FireArea,
    FireFinding,
    PipeNode,
    PipeSegment,
    Road,
    Role,
)
from geo.model.pipe import Network
from geo.network.roads import Vehicle

router = APIRouter(tags=["tiles"])


@router.get(
    "/fire/tiles/{z}/{x}/{y}",
    response_class=Response,
    responses=TILE_RESPONSES | problems.DOCUMENTED,
    dependencies=[allow("fire", "admin")],
)
def fire_tile(
    request: Request, connection: Connection, caller: CurrentCaller, tile: RequestedTile
) -> Response:
    """Return a tile of the fire layers; 204 where there is nothing.

    The layers are finding, finding_point, hydrant, station, micro_station, lane, response,
    hydrant_area and entrance.
    """
    return _answer(request, connection, caller, tile, _fire_layers(tile))


@router.get(
    "/networks/tiles/{z}/{x}/{y}",
    response_class=Response,
    responses=TILE_RESPONSES | problems.DOCUMENTED,
    dependencies=[allow("fire", "utility", "admin")],
)
def network_tile(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    tile: RequestedTile,
    network: Annotated[str, Query(max_length=100, pattern="^[a-z,]*$")] = "",
) -> Response:
    """Return a tile with the layers pipe and pipe_node of some networks, all by default."""
    networks = [name for name in network.split(",") if name] or [name.value for name in Network]
    return _answer(request, connection, caller, tile, _pipe_layers(tile, networks))


def _answer(
    request: Request, connection: Any, caller: Caller, tile: Tile, sources: dict[str, Source]
) -> Response:
    parts = [
        func.coalesce(layer_query(name, source, tile), b"") for name, source in sources.items()
    ]
    body = b"".join(connection.execute(select(*parts)).one()) if parts else b""
    tables = {source.geometry.expression.table.name for source in sources.values()}
    protected = {name for name in tables if Role.PUBLIC not in RULES[name].read}
    request.app.state.read_audit.note(caller, protected, tile.degrees())
    return etag_response(request, body, MEDIA_TYPE)


def _fire_layers(tile: Tile) -> dict[str, Source]:
    """Return the layers of a tile; details only at the higher zooms."""
    sources: dict[str, Source] = {}
    finding_columns: list[Any] = [FireFinding.overlay, FireFinding.rule, FireFinding.severity]
    finding_columns += [FireFinding.feature, FireFinding.other]
    if tile.z >= 9:
        is_response = FireArea.kind == "response"
        sources["response"] = Source([FireArea.minutes], FireArea.geom_3857, is_response)
        station = Facility.category == "fire_station"
        columns: list[Any] = [Facility.code, Facility.name]
        sources["station"] = Source(columns, Facility.geom_3857, station, point=True)
        micro = Facility.category == "micro_station"
        sources["micro_station"] = Source(columns, Facility.geom_3857, micro, point=True)
    if tile.z >= 12:
        land = FireArea.kind.in_(["straight", "route"])
        how = FireArea.kind.label("how")
        sources["hydrant_area"] = Source([how], FireArea.geom_3857, land)
        sources["finding_point"] = Source(
            finding_columns, FireFinding.geom_3857, true(), point=True
        )
    if tile.z >= 13:
        sources["finding"] = Source(finding_columns, FireFinding.geom_3857, true())
        sources["hydrant"] = _hydrants()
        sources["lane"] = _lanes()
    if tile.z >= 16:
        unit: list[Any] = [BuildingUnit.code, BuildingUnit.building_code.label("building")]
        unit += [BuildingUnit.name, BuildingUnit.households]
        sources["entrance"] = Source(unit, BuildingUnit.geom_3857, true())
    return sources


def _hydrants() -> Source:
    """Return hydrants with their state: out, failed, due for inspection, or ok."""
    last = last_inspections()

    def last_inspection(column: Any) -> ColumnElement[Any]:
        return select(column).where(last.c.hydrant_code == PipeNode.code).scalar_subquery()

    state = case(
        (PipeNode.in_service.is_(False), "out"),
        (last_inspection(last.c.passed).is_(False), "failed"),
        (last_inspection(last.c.due_on) < clock.today_in_sql(), "due"),
        else_="ok",
    )
    columns = [PipeNode.code, PipeNode.in_service, PipeNode.flow_l_s, state.label("state")]
    here = (PipeNode.kind == "hydrant") & (PipeNode.network == "water")
    return Source(columns, PipeNode.geom_3857, here)


def _lanes() -> Source:
    """Return roads with whether the engine of the settings passes along them."""
    columns = [Road.code, Road.road_class, Road.width_m, Road.clear_height_m, Road.fire_lane]
    passes = _passes(vehicle_access.vehicle_from_settings(rules_in_force())).label("reached")
    return Source([*columns, passes], Road.geom_3857, true())


def _passes(vehicle: Vehicle) -> ColumnElement[bool]:
    """Return the SQL condition that nothing stops a vehicle on a road."""
    return and_(
        func.coalesce(Road.width_m >= literal(vehicle.lane_m), True),
        func.coalesce(Road.clear_height_m >= literal(vehicle.height_m), True),
        func.coalesce(Road.max_weight_t >= literal(vehicle.weight_t), True),
        (Road.road_class != "path") | func.coalesce(Road.fire_lane, False),
    )


def _pipe_layers(tile: Tile, networks: list[str]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    if tile.z >= 13:
        pipe: list[Any] = [PipeSegment.code, PipeSegment.network, PipeSegment.diameter_mm]
        pipe += [PipeSegment.material, PipeSegment.burial_depth_m]
        of_kind = PipeSegment.network.in_(networks)
        sources["pipe"] = Source(pipe, PipeSegment.geom_3857, of_kind)
    if tile.z >= 15:
        node: list[Any] = [PipeNode.code, PipeNode.network, PipeNode.kind, PipeNode.is_open]
        node += [PipeNode.in_service]
        shown = PipeNode.network.in_(networks) & (PipeNode.kind != "junction")
        sources["pipe_node"] = Source(node, PipeNode.geom_3857, shown)
    return sources
