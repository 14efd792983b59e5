"""``/what-if``: compare the grids before and after a change of communities; no plan is stored."""

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import shapely
from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import Field, StringConstraints
from sqlalchemy import Connection as Database
from sqlalchemy import select, update

from api.core import problems
from api.core.caller import PLANNERS, Caller, CurrentCaller
from api.core.parameters import Connection, Lang, Number, Page, WritableConnection, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import (
    Collection,
    DescribedBy,
    GeoJson,
    LineString,
    MultiLineString,
    collection,
    etag_response,
    file_response,
)
from api.plans import jobs
from api.plans.drawing import DrawingOptions, check_limits, is_in_scope
from api.plans.plans import LimitsResponse, require_community
from api.plans.what_if_responses import StreetResponse, WhatIfResponse
from etl.export import write_layers
from geo import crs, locks
from geo.errors import ConflictError, InputError, NotFoundError
from geo.locks import Lock
from geo.model import Job
from geo.model.job import JobKind, JobStatus
from geo.plans import community_layers
from geo.plans.barrier_lines import select_street_lines
from geo.plans.change_figures import BoundaryChangeKind
from geo.plans.change_summary import read_layers, summarize, summary_table
from maps.colours import TOUCHING_DEGREES, colour_areas, touching_pairs

router = APIRouter(tags=["plans"])

MAX_COMMUNITIES = 6
MAX_LINE_POINTS = 2000

MAX_RESULTS = 10
"""Results of an account that are kept; older ones are deleted."""

CommunityCode = Annotated[str, StringConstraints(pattern="^[0-9]{12}$")]

MEDIA_TYPES = {
    "gpkg": "application/geopackage+sqlite3",
    "geojson": "application/geo+json",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}


class WhatIfRequest(DrawingOptions):
    """A change of communities: merge some, divide one, or move the border between two.

    The new border runs along ``street`` (name or code of a road, railway or water) or is ``line``
    (GeoJSON, CGCS2000), from border to border.
    """

    kind: BoundaryChangeKind
    communities: list[CommunityCode] = Field(min_length=1, max_length=MAX_COMMUNITIES)
    street: str = Field("", max_length=100)
    line: Annotated[dict[str, Any], DescribedBy(LineString | MultiLineString)] | None = None

    def check_communities(self) -> None:
        """Raise an error unless the number of communities is that of the change.

        Raises
        ------
        InputError
            If it is not, or one is named twice.
        """
        count = len(set(self.communities))
        if self.kind is BoundaryChangeKind.MERGE:
            if count < max(len(self.communities), 2):
                raise InputError("boundary_needs_two", codes=", ".join(self.communities))
        elif count < len(self.communities) or count != _BORDER_COMMUNITIES[self.kind]:
            raise InputError("border_of_two", count=count)

    def border(self) -> dict[str, str]:
        """Return the new border as ``street`` or ``line`` (WKT); empty for a merger.

        Raises
        ------
        InputError
            If neither or both are given, or the line is not one.
        """
        street = self.street.strip()
        if self.kind is BoundaryChangeKind.MERGE:
            return {}
        if bool(street) == (self.line is not None):
            raise InputError("street_or_line")
        if self.line is None:
            return {"street": street}
        try:
            line = shapely.from_geojson(orjson.dumps(self.line))
        except (shapely.GEOSException, TypeError):
            raise InputError("line_unreadable") from None
        west, south, east, north = shapely.bounds(line)
        if shapely.get_dimensions(line) != 1 or not shapely.length(line) > 0:
            raise InputError("line_unreadable")
        if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
            raise InputError("line_unreadable")
        if (count := shapely.get_num_coordinates(line)) > MAX_LINE_POINTS:
            raise InputError("line_too_long", count=int(count), most=MAX_LINE_POINTS)
        return {"line": shapely.to_wkt(line, rounding_precision=9)}


_BORDER_COMMUNITIES = {BoundaryChangeKind.DIVIDE: 1, BoundaryChangeKind.MOVE: 2}


@router.post(
    "/what-if",
    status_code=202,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def compare(
    response: Response,
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    change: Annotated[WhatIfRequest, Body()],
) -> jobs.JobResponse:
    """Start a job that compares the grids before and after a change of communities.

    Plans and communities stay as they are.

    Raises
    ------
    NotFoundError
        If one of the communities is not in the caller's region.
    """
    change.check_communities()
    check_limits(change)
    border = change.border()
    for code in change.communities:
        require_community(connection, code)
        if not is_in_scope(caller.scope, caller.role, code):
            raise NotFoundError("no_such_community", code=code)
    _refuse_second_comparison(connection, caller)
    _delete_old_results(connection, caller)
    parameters = change.model_dump(exclude={"line", "street"}) | border
    job = jobs.enqueue_job(connection, caller, JobKind.WHAT_IF, change.communities[0], parameters)
    response.headers["Location"] = f"/jobs/{job['id']}"
    return jobs.describe_job(job, lang)


@router.get(
    "/what-if/streets",
    response_class=GeoJson,
    dependencies=[PLANNERS],
    responses={
        200: {"model": Collection[StreetResponse]},
        **problems.problem_responses(403, 404),
    },
)
def streets(
    request: Request,
    connection: Connection,
    communities: Annotated[
        list[CommunityCode], Query(min_length=1, max_length=MAX_COMMUNITIES, alias="community")
    ],
) -> Response:
    """List the streets, railways and waters that run through communities, as possible borders.

    Each comes with the border along it. Communities must be neighbours, if there are several.
    """
    # Loads Numba, which a server that only shows results does not need.
    from geo.partition.boundary_change import merge_communities
    from geo.partition.street_line import find_street_lines

    chosen = [community_layers.read_community(connection, code) for code in communities]
    whole = merge_communities(chosen) if len(chosen) > 1 else chosen[0]
    lines = select_street_lines(communities).c
    order = (lines.name == "", lines.name, lines.code)
    statement = select(lines.kind, lines.code, lines.name).order_by(*order)
    names = tuple(StreetResponse.model_fields)
    rows = {
        row["code"]: {name: row[name] for name in names}
        for row in connection.execute(statement).mappings()
    }
    features = []
    for code, border in find_street_lines(whole, list(rows)).items():
        line = crs.transform(border.line, whole.buildings.crs, crs.STORAGE)
        geometry = orjson.Fragment(shapely.to_geojson(line))
        features.append(
            {"type": "Feature", "id": code, "geometry": geometry, "properties": rows[code]}
        )
    return collection(request, features, Page(max(len(features), 1), 0), len(features))


@router.get(
    "/what-if/{number}",
    response_class=Response,
    dependencies=[PLANNERS, audit_reads("grid_member")],
    responses={200: {"model": WhatIfResponse}, **problems.problem_responses(403, 404, 409)},
)
def what_if(request: Request, connection: Connection, number: Number) -> Response:
    """Return the result of a comparison: figures, and grids and buildings before and after."""
    row = _read_result(connection, number)
    result, parameters = row["result"], row["parameters"]
    body = {
        "job": number,
        **result,
        "sentences": summarize(result["figures"], from_scratch=parameters["fresh"]),
        "limits": {name: parameters[name] for name in LimitsResponse.model_fields},
    }
    for state in ("before", "after"):
        _add_labels(result[state]["grid"])
    return etag_response(request, orjson.dumps(body), "application/json")


@router.get(
    "/what-if/{number}/export",
    response_class=Response,
    dependencies=[PLANNERS, audit_reads("grid_member")],
    responses={
        200: {"content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}},
        **problems.problem_responses(403, 404, 409),
    },
)
def export(
    connection: Connection,
    number: Number,
    format: Annotated[Literal["gpkg", "geojson", "json", "html"], Query()] = "gpkg",
) -> Response:
    """Return a comparison as a file: GeoPackage, GeoJSON of the grids, figures, or a web page."""
    row = _read_result(connection, number)
    result = row["result"]
    with tempfile.TemporaryDirectory(prefix="gridatlas-what-if-") as folder:
        file = Path(folder) / f"what-if-{number}.{format}"
        if format == "json":
            file.write_bytes(orjson.dumps(result["figures"], option=orjson.OPT_INDENT_2))
        elif format == "html":
            from maps.atlas.what_if_map import write_page  # loads Folium

            figures = result["figures"]
            sentences = summarize(figures, from_scratch=row["parameters"]["fresh"])
            layers = read_layers(result["before"]), read_layers(result["after"])
            write_page(*layers, summary_table(figures), sentences, file)
        else:
            write_layers(read_layers(result["after"]), file)
        return file_response(file.read_bytes(), MEDIA_TYPES[format], file.name)


def _add_labels(grids: dict[str, Any]) -> None:
    """Add colour and label position to the properties of grids."""
    shapes = shapely.from_geojson([orjson.dumps(one["geometry"]) for one in grids["features"]])
    colours = colour_areas(len(shapes), touching_pairs(shapes, TOUCHING_DEGREES))
    places = shapely.get_coordinates(shapely.point_on_surface(shapes))
    for grid, colour, (lon, lat) in zip(grids["features"], colours, places, strict=True):
        grid["properties"] |= {"colour": int(colour), "lon": float(lon), "lat": float(lat)}


def _refuse_second_comparison(connection: Database, caller: Caller) -> None:
    """Raise an error if the account has a comparison that waits or runs."""
    locks.acquire(connection, Lock.WHAT_IF, caller.account or 0)
    is_open = Job.status.in_(jobs.OPEN_STATUSES) & (Job.kind == JobKind.WHAT_IF)
    is_own = Job.caller["account"].as_integer() == caller.account
    number = connection.scalar(select(Job.id).where(is_open, is_own).limit(1))
    if number is not None:
        raise ConflictError("what_if_open", job=number)


def _delete_old_results(connection: Database, caller: Caller) -> None:
    """Delete all but the newest results of an account, which are large."""
    has_result = Job.caller["account"].as_integer() == caller.account, Job.result.is_not(None)
    newest = select(Job.id).where(*has_result).order_by(Job.id.desc()).limit(MAX_RESULTS - 1)
    old = update(Job).where(*has_result, Job.id.not_in(newest))
    connection.execute(old.values(result=None))


def _read_result(connection: Database, number: int) -> Any:
    """Return parameters and result of a comparison.

    Raises
    ------
    NotFoundError
        If there is none, the caller may not see it, or its result was deleted.
    ConflictError
        If it has no result, because it is not done.
    """
    statement = select(Job.status, Job.parameters, Job.result).where(
        Job.id == number, Job.kind == JobKind.WHAT_IF
    )
    row = connection.execute(statement).mappings().first()
    if row is not None and row["status"] != JobStatus.DONE:
        raise ConflictError("what_if_unfinished", job=number)
    if row is None or row["result"] is None:
        raise NotFoundError("no_such_what_if", job=number)
    return row
