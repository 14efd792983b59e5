"""``/fire/buildings`` and ``/fire/incident``: find and brief on buildings and incidents."""

from typing import Annotated, Any
from urllib.parse import quote

import orjson
import sqlalchemy
from fastapi import APIRouter, Query, Request
from sqlalchemy import func, select
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller
from api.core.geojson import encode
from api.core.parameters import Connection, Lang
from api.core.problems import require_found
from api.core.read_audit import audit_reads
from api.core.responses import etag_response
from api.fire.building_responses import BuildingBriefingResponse, BuildingsResponse
from api.fire.fire_dependencies import (
    JSON,
    Code,
    Latitude,
    Longitude,
    fire_contexts,
    snapshot_response,
)
from api.fire.incident_responses import IncidentResponse
from api.public import place_search
from geo.fire.briefing import BRIEFING_LAYERS, building_briefing
from geo.fire.cities import city_at
from geo.fire.incident import incident_briefing
from geo.fire.layer_state import read_data_age
from geo.model import STORAGE_SRID, Building
from maps.paper import building_sheet

router = APIRouter()

SEARCH_RADIUS_M = 30.0
_METRES_PER_DEGREE = 80_000
"""Fewer than a degree of longitude has in China, so that the search box is large enough."""


@router.get(
    "/buildings",
    responses=problems.ok_response(BuildingsResponse),
    dependencies=[audit_reads("building")],
)
def find_buildings(
    request: Request,
    connection: Connection,
    lang: Lang,
    q: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    lon: Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)] = None,
    lat: Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Find buildings by name, address or code, or the one at a place."""
    if lon is not None and lat is not None:
        rows, asks_number = [_building_at(connection, lon, lat) | {"exact": True}], False
    else:
        hits = place_search.search_places(connection, q or "", "building", limit)
        rows, asks_number = [dict(row) for row in hits.rows], hits.asks_number
    names = ("code", "name", "address", "lon", "lat", "exact")
    body = {
        "asks_number": asks_number,
        "buildings": [{name: row[name] for name in names} for row in rows],
        "data": read_data_age(connection, ("building",)),
        "missing": [],
    }
    return etag_response(request, orjson.dumps(body), JSON)


def _building_at(connection: sqlalchemy.Connection, lon: float, lat: float) -> dict[str, Any]:
    """Return the building nearest to a place."""
    point = func.ST_PointOnSurface(Building.geom)
    place = func.ST_SetSRID(func.ST_MakePoint(lon, lat), STORAGE_SRID)
    near = func.ST_DWithin(func.geography(Building.geom), func.geography(place), SEARCH_RADIUS_M)
    box = Building.geom.op("&&")(func.ST_Expand(place, SEARCH_RADIUS_M / _METRES_PER_DEGREE))
    statement = (
        select(
            *(Building.code, Building.name, Building.address),
            *(func.ST_X(point).label("lon"), func.ST_Y(point).label("lat")),
        )
        .where(box, near)
        .order_by(func.ST_Distance(Building.geom, place))
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    row = require_found("no_building_here", row, lon=lon, lat=lat, within=SEARCH_RADIUS_M)
    return dict(row)


@router.get("/buildings/{code}", responses=problems.ok_response(BuildingBriefingResponse))
def get_building(
    request: Request, connection: Connection, caller: CurrentCaller, lang: Lang, code: Code
) -> Response:
    """Return the briefing of a building: all that a crew needs to know before it arrives."""
    briefing = building_briefing(connection, fire_contexts(request), code, lang)
    record(connection, caller, "read", "building", code)
    body = encode(briefing.content, briefing.context.snapshot.to_degrees)
    return etag_response(request, body, JSON)


@router.get("/buildings/{code}/sheet.pdf", response_class=Response, responses=problems.DOCUMENTED)
def get_building_sheet(
    request: Request, connection: Connection, caller: CurrentCaller, lang: Lang, code: Code
) -> Response:
    """Return the briefing of a building as a sheet of two pages, for the crew to take along.

    The attached plans follow.
    """
    briefing = building_briefing(connection, fire_contexts(request), code, lang)
    record(connection, caller, "print", "building", code)
    plans = building_sheet.read_plan_pages(connection, briefing)
    pdf = building_sheet.sheet_of_briefing(briefing, lang, plans)
    response = etag_response(request, pdf, "application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{quote(code)}.pdf"'
    return response


@router.get("/incident", responses=problems.ok_response(IncidentResponse))
def get_incident(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    lang: Lang,
    lon: Longitude,
    lat: Latitude,
    radius: Annotated[float, Query(ge=10, le=2000, allow_inf_nan=False)] = 300.0,
) -> Response:
    """Return everything within a radius of a place, and the people to be moved by grid."""
    contexts, city = fire_contexts(request), city_at(connection, lon, lat)
    context, mains = contexts.context_of(connection, city), contexts.hydrant_mains(connection, city)
    body = incident_briefing(connection, context, lon, lat, radius, mains, lang)
    body["centre"] = [lon, lat]
    record(connection, caller, "read", "incident", f"{lon:.6f},{lat:.6f}", {"radius_m": radius})
    return snapshot_response(request, connection, context, body, BRIEFING_LAYERS, lang)
