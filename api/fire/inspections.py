"""``/fire/reviews`` and ``/fire/inspections``: reviews of building sheets, hydrant inspections."""

from datetime import date
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Connection, Page, PageParameter, WritableConnection, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import etag_response
from api.fire.fire_dependencies import JSON, Code
from api.fire.inspection_responses import (
    InspectionResponse,
    InspectionsResponse,
    ReviewResponse,
    ReviewsResponse,
)
from geo.fire import reviews

router = APIRouter(prefix="/fire", tags=["fire"], dependencies=[allow("fire", "admin")])


class ReviewRequest(BaseModel):
    """A review of a building's sheet."""

    state: Literal["draft", "checked"]
    checker: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=4000)


class InspectionRequest(BaseModel):
    """An inspection of a hydrant."""

    hydrant: str = Field(max_length=64)
    passed: bool
    reason: str = Field(default="", max_length=1000)
    flow_l_s: float | None = Field(default=None, ge=0, le=10_000, allow_inf_nan=False)
    inspector: str = Field(min_length=1, max_length=100)
    inspected_on: date


@router.get(
    "/reviews",
    responses=problems.ok_response(ReviewsResponse),
    dependencies=[audit_reads("building_review")],
)
def list_reviews(
    request: Request,
    connection: Connection,
    page: PageParameter,
    state: Literal["draft", "checked", "due"] | None = None,
    region: Annotated[str, Query(pattern="^[0-9]{0,12}$")] = "",
) -> Response:
    """List reviews of building sheets, the most overdue first."""
    total, rows = reviews.list_reviews(connection, state, region, page.limit, page.offset)
    return _page(request, "reviews", total, rows, page)


def _page(
    request: Request, name: str, total: int, rows: list[dict[str, Any]], page: Page
) -> Response:
    body = {name: rows, "numberMatched": total, "numberReturned": len(rows), "offset": page.offset}
    return etag_response(request, orjson.dumps(body), JSON)


@router.get(
    "/reviews/{code}",
    responses=problems.ok_response(ReviewResponse),
    dependencies=[audit_reads("building_review")],
)
def review(request: Request, connection: Connection, code: Code) -> Response:
    """Return the review of a building's sheet."""
    return etag_response(request, orjson.dumps(reviews.read_review(connection, code)), JSON)


@router.get(
    "/inspections",
    responses=problems.ok_response(InspectionsResponse),
    dependencies=[audit_reads("hydrant_inspection")],
)
def list_inspections(
    request: Request,
    connection: Connection,
    page: PageParameter,
    hydrant: Annotated[str | None, Query(max_length=64)] = None,
    due: bool = False,
) -> Response:
    """List inspections of hydrants, the latest first, or the last ones that are overdue."""
    total, rows = reviews.list_inspections(
        connection, hydrant, due=due, limit=page.limit, offset=page.offset
    )
    return _page(request, "inspections", total, rows, page)


@router.put("/reviews/{code}", responses=problems.DOCUMENTED)
@retry_conflicts
def record_review(
    connection: WritableConnection, caller: CurrentCaller, code: Code, requested: ReviewRequest
) -> ReviewResponse:
    """Store the review of a building's sheet."""
    reviews.record_review(connection, code, requested.state, requested.checker, requested.note)
    record(connection, caller, "review", "building", code, {"state": requested.state})
    return ReviewResponse.model_validate(reviews.read_review(connection, code))


@router.post("/inspections", status_code=201, responses=problems.DOCUMENTED)
@retry_conflicts
def record_inspection(
    connection: WritableConnection, caller: CurrentCaller, requested: InspectionRequest
) -> InspectionResponse:
    """Store an inspection of a hydrant; a hydrant that failed no longer counts as working."""
    inspection = reviews.record_inspection(
        connection,
        requested.hydrant,
        passed=requested.passed,
        reason=requested.reason,
        flow_l_s=requested.flow_l_s,
        inspector=requested.inspector,
        inspected_on=requested.inspected_on,
    )
    record(
        connection, caller, "inspect", "pipe_node", requested.hydrant, {"passed": requested.passed}
    )
    return InspectionResponse.model_validate(inspection)
