"""``/fire/reach`` and ``/fire/response``: what engines and stations reach, and new stations."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated

import numpy as np
import shapely
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.core import problems
from api.core.parameters import Connection, Lang, PageParameter
from api.core.read_audit import audit_reads
from api.fire.coverage_responses import (
    ReachResponse,
    StationAreasResponse,
    StationCandidatesResponse,
)
from api.fire.fire_dependencies import (
    Region,
    fire_contexts,
    region_context,
    snapshot_response,
)
from geo.codes import code_prefix
from geo.fire import finding_text, station_response, vehicle_access
from geo.fire.cities import city_at

router = APIRouter()

MAX_MINUTES = 60.0


@dataclass(frozen=True)
class EngineMeasures:
    """Measures of a fire engine, with its load."""

    width_m: Annotated[float | None, Query(gt=0, le=5)] = None
    height_m: Annotated[float | None, Query(gt=0, le=6)] = None
    length_m: Annotated[float | None, Query(gt=0, le=30)] = None
    weight_t: Annotated[float | None, Query(gt=0, le=100)] = None


@router.get(
    "/reach", responses=problems.ok_response(ReachResponse), dependencies=[audit_reads("building")]
)
def list_unreached_buildings(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: PageParameter,
    measures: Annotated[EngineMeasures, Depends()],
    region: Region = None,
) -> Response:
    """List the buildings that an engine does not reach, and what stops it.

    Measures that are not given are those of the engine in the settings.
    """
    context = region_context(request, connection, region)
    given = {name: value for name, value in asdict(measures).items() if value is not None}
    vehicle = replace(context.vehicle, **given)
    snapshot, region_stem = context.snapshot, code_prefix((region or "")[:12])
    body = vehicle_access.reach_overview(snapshot, context.rules, vehicle, region_stem)
    findings = body.pop("findings")
    listed = findings[page.offset : page.offset + page.limit]
    body |= {
        "type": "FeatureCollection",
        "numberMatched": len(findings),
        "numberReturned": len(listed),
        "features": [
            {
                "type": "Feature",
                "geometry": finding.geometry,
                "properties": finding_text.unstored_finding_properties(finding, lang),
            }
            for finding in listed
        ],
    }
    return snapshot_response(request, connection, context, body, ("building", "road"), lang)


@router.get(
    "/response",
    responses=problems.ok_response(StationAreasResponse),
    dependencies=[audit_reads("fire_area")],
)
def get_response_areas(
    request: Request,
    connection: Connection,
    lang: Lang,
    minutes: Annotated[
        str, Query(pattern=r"^\d{1,3}(\.\d{1,3})?(,\d{1,3}(\.\d{1,3})?){0,9}$")
    ] = "3,4,5",
    station: Annotated[str | None, Query(max_length=64)] = None,
    region: Region = None,
) -> Response:
    """Return the nested areas that the stations reach within minutes of a call."""
    context = region_context(request, connection, region)
    limits = sorted({min(float(part), MAX_MINUTES) for part in minutes.split(",")})
    body = station_response.response_overview(context.snapshot, context.rules, limits, station)
    return snapshot_response(request, connection, context, body, ("road", "facility"), lang)


class CandidatePlace(BaseModel):
    """A candidate place for a station."""

    name: str = Field(max_length=100)
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)


class CandidatesRequest(BaseModel):
    """Candidate places for one more station."""

    candidates: list[CandidatePlace] = Field(min_length=1, max_length=50)


@router.post(
    "/response/candidates",
    responses=problems.ok_response(StationCandidatesResponse),
    dependencies=[audit_reads("building")],
)
def rank_candidates(
    request: Request, connection: Connection, lang: Lang, requested: CandidatesRequest
) -> Response:
    """Return what one more station at each of some places would gain, the best first."""
    first = requested.candidates[0]
    city = city_at(connection, first.lon, first.lat)
    context = fire_contexts(request).context_of(connection, city)
    snapshot = context.snapshot
    points = shapely.points([(place.lon, place.lat) for place in requested.candidates])
    candidates = station_response.rank_station_candidates(
        snapshot,
        context.rules,
        [place.name for place in requested.candidates],
        np.atleast_1d(snapshot.to_metres(points)),
    )
    body = {
        "candidates": [vars(candidate) for candidate in candidates],
        "best": candidates[0].name if candidates[0].gained_buildings else None,
        "missing": station_response.missing_response_data(snapshot),
    }
    return snapshot_response(request, connection, context, body, ("road", "facility"), lang)
