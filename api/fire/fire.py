"""``/fire``: rules, building layouts, incidents, overlays, response, reviews and inspections."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
import orjson
import shapely
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import Asker, allow
from api.core.geojson import encode
from api.core.parameters import Bbox, Connection, Lang, Paging, Writing, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import Collection, GeoJson, collection, etag_response, feature
from api.fire.fire_responses import (
    BlocksResponse,
    BuildingsFound,
    CandidatesResponse,
    FindingResponse,
    IncidentResponse,
    LayoutResponse,
    OverlaysResponse,
    ReachResponse,
    Refreshed,
    ResponseResponse,
    RulesResponse,
)
from api.public import name_search
from api.public.regions import bounds_columns, geojson_column
from geo import db
from geo.codes import code_prefix
from geo.errors import NotFoundError
from geo.fire import (
    briefing,
    finding_queries,
    finding_text,
    findings,
    fire_spread,
    incident,
    response,
    vehicle_access,
)
from geo.fire.context import FireContext, FireContexts
from geo.fire.finding import Missing
from geo.fire.finding_queries import FindingQuery
from geo.fire.rules import Overlay, Severity, in_force
from geo.fire.snapshot import CitySnapshot, changes, cities, city_at, city_of, data_age
from geo.messages import Language, text
from geo.model import Building, FireFinding
from geo.network import shutoff
from maps.paper import building_sheet as building_paper

router = APIRouter(prefix="/fire", tags=["fire"], dependencies=[allow("fire", "admin")])

JSON = "application/json"
GEOJSON_BODY = "application/geo+json"
NEAR_M = 30.0

Code = Annotated[str, Path(min_length=1, max_length=64)]
Region = Annotated[str | None, Query(pattern="^[0-9]{2,15}$")]
Longitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)]


def ok_response(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return what a read answers with, for the description of the API."""
    return {200: {"model": model}, **problems.DOCUMENTED}


def desks(request: Request) -> FireContexts:
    """Return the desks of the application."""
    held: FireContexts = request.app.state.fire_contexts
    return held


def desk_of(request: Request, connection: Any, city: str) -> FireContext:
    """Return the desk of a city, with its ground as it is now."""
    return desks(request).of(connection, city)


def answer(
    request: Request,
    body: dict[str, Any],
    ground: CitySnapshot,
    lang: Language,
    age: dict[str, Any],
) -> Response:
    """Return a body with its geometry in degrees, what it lacks in words, and its data's age."""
    body["missing"] = finding_text.missing(body.get("missing", []), lang)
    body["data"] = age
    return etag_response(request, encode(body, ground.to_degrees), JSON)


GROUND = briefing.RESTS_ON


@router.get("/rules", responses=ok_response(RulesResponse))
def rules(request: Request, lang: Lang) -> Response:
    """List the rules in force with their figures and clauses."""
    listed = [
        {
            "id": rule.id,
            "overlay": rule.overlay.value,
            "figure": rule.figure,
            "unit": rule.unit,
            "standard": rule.standard,
            "clause": rule.clause,
            "severity": rule.severity.value,
            "text": rule.text(lang),
            "overridden": rule.overridden,
        }
        for rule in in_force().by_id.values()
    ]
    return etag_response(request, orjson.dumps({"rules": listed}), JSON)


@router.get(
    "/buildings", responses=ok_response(BuildingsFound), dependencies=[audit_reads("building")]
)
def buildings(
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
        found = [_building_at(connection, lon, lat)]
    else:
        found = [
            dict(row) for row in name_search.search_names(connection, q or "", "building", limit)
        ]
    rows = [{name: row[name] for name in _FOUND} for row in found]
    body = {"buildings": rows, "data": data_age(connection, ("building",)), "missing": []}
    return etag_response(request, orjson.dumps(body), JSON)


_FOUND = ("code", "name", "address", "lon", "lat")


def _building_at(connection: Any, lon: float, lat: float) -> dict[str, Any]:
    """Return the building nearest to a place."""
    point = func.ST_PointOnSurface(Building.geom)
    place = func.ST_SetSRID(func.ST_MakePoint(lon, lat), 4490)
    near = func.ST_DWithin(func.geography(Building.geom), func.geography(place), NEAR_M)
    box = Building.geom.op("&&")(func.ST_Expand(place, NEAR_M / 80_000))
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
    if row is None:
        raise NotFoundError("no_building_here", lon=lon, lat=lat, within=NEAR_M)
    return dict(row)


@router.get("/buildings/{code}", responses=ok_response(LayoutResponse))
def building(
    request: Request, connection: Connection, asker: Asker, lang: Lang, code: Code
) -> Response:
    """Return the layout of a building: all that a crew needs before it arrives."""
    held, city, state = desks(request), city_of(connection, code), changes(connection)
    desk = held.of(connection, city, state)
    body = briefing.layout(connection, desk, code, lang)
    body |= shutoff.of_building(connection, held, city, code, lang, state)
    body["findings"] = _findings_of(connection, desk, code, lang)
    record(connection, asker, "read", "building", code)
    return answer(request, body, desk.ground, lang, data_age(connection, GROUND))


def _findings_of(
    connection: Any, desk: FireContext, code: str, lang: Language
) -> list[dict[str, Any]]:
    statement = finding_queries.query(desk.ground.city, FindingQuery(building=code))
    columns = [column for column in FireFinding.__table__.c if column.name not in _SHAPES]
    rows = connection.execute(
        statement.with_only_columns(*columns)
        .order_by(finding_queries.GRAVITY, FireFinding.id)
        .limit(50)
    ).mappings()
    return [finding_text.properties(dict(row), lang) for row in rows]


_SHAPES = {"geom", "geom_3857"}


@router.get("/buildings/{code}/sheet.pdf", response_class=Response, responses=problems.DOCUMENTED)
def building_sheet(
    request: Request, connection: Connection, asker: Asker, lang: Lang, code: Code
) -> Response:
    """Return the one-page sheet of a building, for the crew to take along."""
    desk = desk_of(request, connection, city_of(connection, code))
    shown = briefing.layout(connection, desk, code, lang)
    shown |= shutoff.of_building(connection, desks(request), desk.ground.city, code, lang)
    shown["missing"] = finding_text.missing(shown["missing"], lang)
    record(connection, asker, "print", "building", code)
    pdf = building_paper.of_layout(desk, shown, data_age(connection, GROUND), lang)
    response = etag_response(request, pdf, "application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{quote(code)}.pdf"'
    return response


@router.get("/incident", responses=ok_response(IncidentResponse))
def incident_view(
    request: Request,
    connection: Connection,
    asker: Asker,
    lang: Lang,
    lon: Longitude,
    lat: Latitude,
    radius: Annotated[float, Query(ge=10, le=2000, allow_inf_nan=False)] = 300.0,
) -> Response:
    """Return everything within a radius of a place, and the people to be moved by grid."""
    desk = desk_of(request, connection, city_at(connection, lon, lat))
    body = incident.incident(connection, desk, lon, lat, radius, lang)
    body["centre"] = [lon, lat]
    record(connection, asker, "read", "incident", f"{lon:.6f},{lat:.6f}", {"radius_m": radius})
    return answer(request, body, desk.ground, lang, data_age(connection, GROUND))


@router.get(
    "/overlays", responses=ok_response(OverlaysResponse), dependencies=[audit_reads("fire_finding")]
)
def overlays(
    request: Request, connection: Connection, lang: Lang, region: Region = None
) -> Response:
    """List the overlays with their counts of findings and their state."""
    city = region_city(connection, region)
    counted = finding_queries.counts(connection, city, region)
    held, known = finding_queries.states(connection, city), changes(connection)
    listed: list[dict[str, Any]] = []
    lacking: dict[str, int] = {}
    for overlay in Overlay:
        state = held.get(overlay.value)
        listed.append(
            {
                "id": overlay.value,
                "title": text(f"overlay.{overlay}", lang=lang),
                "text": text(f"overlay_text.{overlay}", lang=lang),
                "findings": counted[overlay.value],
                "computed_at": None if state is None else state["computed_at"],
                "stale": findings.is_stale(state, known, overlay),
            }
        )
        found = [("never_checked", 1)] if state is None else state["missing"]
        lacking |= dict(found)
    body = {
        "overlays": listed,
        "data": data_age(connection, GROUND),
        "missing": finding_text.missing((Missing(k, n) for k, n in lacking.items()), lang),
    }
    return etag_response(request, orjson.dumps(body), JSON)


def region_city(connection: Any, region: str | None) -> str:
    """Return the city of a region; without one, the first."""
    if region:
        return city_of(connection, region)
    return cities(connection)[0]


@router.get(
    "/findings",
    response_class=GeoJson,
    responses={200: {"model": Collection[FindingResponse]}, **problems.DOCUMENTED},
    dependencies=[audit_reads("fire_finding")],
)
def list_findings(
    request: Request,
    connection: Connection,
    lang: Lang,
    bbox: Bbox,
    page: Paging,
    overlay: Overlay | None = None,
    region: Region = None,
    building: Annotated[str | None, Query(max_length=64)] = None,
    rule: Annotated[str | None, Query(max_length=64)] = None,
    severity: Severity | None = None,
) -> Response:
    """List findings, the gravest first, with the geometry that shows each."""
    if building and not region:
        city = city_of(connection, building)
    elif bbox and not region:
        city = city_at(connection, (bbox.west + bbox.east) / 2, (bbox.south + bbox.north) / 2)
    else:
        city = region_city(connection, region)
    wanted = FindingQuery(overlay, region, building, rule, severity, bbox)
    statement = finding_queries.query(city, wanted)
    own = statement.subquery("own")
    matched = connection.execute(select(func.count()).select_from(own)).scalar_one()
    columns = [column for column in FireFinding.__table__.c if column.name not in _SHAPES]
    shown = [*columns, geojson_column(FireFinding.geom), *bounds_columns(FireFinding.geom)]
    rows = connection.execute(
        page.of(
            statement.with_only_columns(*shown).order_by(
                finding_queries.GRAVITY, FireFinding.shortfall.desc().nulls_last(), FireFinding.id
            )
        )
    ).mappings()
    features = [
        feature(row, finding_text.properties(dict(row), lang), id=str(row["id"])) for row in rows
    ]
    return collection(request, features, page, matched)


@router.get(
    "/separation/blocks",
    responses=ok_response(BlocksResponse),
    dependencies=[audit_reads("building")],
)
def fire_blocks(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: Paging,
    region: Region = None,
) -> Response:
    """List the blocks over which a fire spreads from wall to wall, most households first."""
    city = region_city(connection, region)
    ground = desk_of(request, connection, city).ground
    found = fire_spread.find(ground, finding_queries.close_pairs(connection, city, region))
    shown = found[page.offset : page.offset + page.limit]
    body = {
        "blocks": [fire_spread.describe_block(ground, block) for block in shown],
        "numberMatched": len(found),
        "numberReturned": len(shown),
        "missing": findings.missing(ground, Overlay.SEPARATION),
    }
    return answer(request, body, ground, lang, data_age(connection, ("building",)))


@router.post("/findings/refresh", responses=problems.DOCUMENTED)
@retry_conflicts
def refresh(
    request: Request, connection: Writing, asker: Asker, region: Region = None
) -> Refreshed:
    """Find the findings of a city anew where its data changed."""
    began = datetime.now(UTC)
    city = region_city(connection, region)
    # Findings are the system's own: they are written by the owner, whoever asks for it.
    written = findings.refresh(db.get_engine(), desks(request), city)
    seconds = (datetime.now(UTC) - began).total_seconds()
    record(connection, asker, "refresh", "fire_finding", city, dict(written))
    return Refreshed(recomputed=written, seconds=round(seconds, 3))


@router.get("/reach", responses=ok_response(ReachResponse), dependencies=[audit_reads("building")])
def reach_of_engine(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: Paging,
    region: Region = None,
    width_m: Annotated[float | None, Query(gt=0, le=5)] = None,
    height_m: Annotated[float | None, Query(gt=0, le=6)] = None,
    length_m: Annotated[float | None, Query(gt=0, le=30)] = None,
    weight_t: Annotated[float | None, Query(gt=0, le=100)] = None,
) -> Response:
    """Tell which buildings an engine of given measures does not reach, and what stops it.

    A measure that is not given is that of the installation's engine.
    """
    desk = desk_of(request, connection, region_city(connection, region))
    given = {"width_m": width_m, "height_m": height_m, "length_m": length_m, "weight_t": weight_t}
    vehicle = replace(desk.vehicle, **{k: v for k, v in given.items() if v is not None})
    body = vehicle_access.overview(
        desk.ground, desk.rules, vehicle, code_prefix((region or "")[:12])
    )
    found = body.pop("findings")
    shown = found[page.offset : page.offset + page.limit]
    body |= {
        "type": "FeatureCollection",
        "numberMatched": len(found),
        "numberReturned": len(shown),
        "features": [
            {
                "type": "Feature",
                "geometry": one.geometry,
                "properties": finding_text.fresh(one, lang),
            }
            for one in shown
        ],
    }
    return answer(request, body, desk.ground, lang, data_age(connection, ("building", "road")))


@router.get(
    "/response", responses=ok_response(ResponseResponse), dependencies=[audit_reads("fire_area")]
)
def response_areas(
    request: Request,
    connection: Connection,
    lang: Lang,
    minutes: Annotated[
        str, Query(pattern=r"^\d{1,3}(\.\d{1,3})?(,\d{1,3}(\.\d{1,3})?){0,9}$")
    ] = "3,4,5",
    station: Annotated[str | None, Query(max_length=64)] = None,
    region: Region = None,
) -> Response:
    """Return the land that the stations reach within minutes of a call, nested."""
    desk = desk_of(request, connection, region_city(connection, region))
    limits = sorted({min(float(part), 60.0) for part in minutes.split(",")})
    body = response.overview(desk.ground, desk.rules, limits, station)
    return answer(request, body, desk.ground, lang, data_age(connection, ("road", "facility")))


class Place(BaseModel):
    """A candidate place for a station."""

    name: str = Field(max_length=100)
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)


class Candidates(BaseModel):
    """Candidate places for one more station."""

    candidates: list[Place] = Field(min_length=1, max_length=50)


@router.post(
    "/response/candidates",
    responses=ok_response(CandidatesResponse),
    dependencies=[audit_reads("building")],
)
def candidates(request: Request, connection: Connection, lang: Lang, asked: Candidates) -> Response:
    """Tell what one more station at each of some places would bring, the best first."""
    first = asked.candidates[0]
    desk = desk_of(request, connection, city_at(connection, first.lon, first.lat))
    places = shapely.points([(place.lon, place.lat) for place in asked.candidates])
    names = [place.name for place in asked.candidates]
    found = response.candidates(
        desk.ground, desk.rules, names, np.atleast_1d(desk.ground.to_metres(places))
    )
    body = {
        "candidates": [vars(one) for one in found],
        "best": found[0].name if found[0].gained_buildings else None,
        "missing": response.missing(desk.ground),
    }
    return answer(request, body, desk.ground, lang, data_age(connection, ("road", "facility")))
