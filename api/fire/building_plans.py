"""``/fire/buildings/{code}/plans``: plans of floors and sites as PDF or picture."""

from typing import Annotated
from urllib.parse import quote

import orjson
from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller
from api.core.parameters import ONE_LINE, Connection, Number, WritableConnection, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import etag_response
from api.fire.building_responses import BuildingPlansResponse
from api.fire.fire_dependencies import JSON, Code
from geo.fire import building_plans
from geo.model.fire import PlanMedia
from maps.paper.plan_files import MAX_PLAN_BYTES, SUFFIXES, inspect_plan

router = APIRouter()

Title = Annotated[str, Form(min_length=1, max_length=100, pattern=ONE_LINE)]


@router.get(
    "/buildings/{code}/plans",
    responses=problems.ok_response(BuildingPlansResponse),
    dependencies=[audit_reads("building_plan")],
)
def list_plans(request: Request, connection: Connection, code: Code) -> Response:
    """List the plans of a building."""
    body = {"building": code, "plans": building_plans.list_plans(connection, code)}
    return etag_response(request, orjson.dumps(body), JSON)


@router.post(
    "/buildings/{code}/plans", status_code=201, responses=problems.problem_responses(404, 413)
)
@retry_conflicts
def add_plan(
    connection: WritableConnection,
    caller: CurrentCaller,
    code: Code,
    title: Title,
    plan: Annotated[UploadFile, File()],
) -> BuildingPlansResponse:
    """Attach a plan to a building: a PDF, JPEG, PNG or WebP of up to 7 MB, by its content."""
    plan.file.seek(0)
    stored = inspect_plan(plan.file.read(MAX_PLAN_BYTES + 1))
    number = building_plans.add_plan(
        connection, code, title, stored.media_type, stored.pages, stored.content, caller.name
    )
    named = {"plan": number, "title": title, "bytes": len(stored.content)}
    record(connection, caller, "attach", "building", code, named)
    body = {"building": code, "plans": building_plans.list_plans(connection, code)}
    return BuildingPlansResponse.model_validate(body)


@router.get(
    "/buildings/{code}/plans/{number}",
    response_class=Response,
    responses=problems.DOCUMENTED,
)
def get_plan(
    request: Request, connection: Connection, caller: CurrentCaller, code: Code, number: Number
) -> Response:
    """Return a plan of a building as it is stored."""
    title, media_type, content = building_plans.read_plan(connection, code, number)
    record(connection, caller, "read", "building_plan", f"{code}/{number}")
    response = etag_response(request, content, media_type)
    name = quote(f"{title}.{SUFFIXES[PlanMedia(media_type)]}")
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
    return response


@router.delete("/buildings/{code}/plans/{number}", status_code=204, responses=problems.DOCUMENTED)
@retry_conflicts
def remove_plan(
    connection: WritableConnection, caller: CurrentCaller, code: Code, number: Number
) -> None:
    """Remove a plan of a building."""
    building_plans.remove_plan(connection, code, number)
    record(connection, caller, "remove", "building_plan", f"{code}/{number}")
