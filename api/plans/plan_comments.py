"""``/plans/{id}/comments``: remarks on places of a plan."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection as Database
from sqlalchemy import delete, func, insert, or_, select, update

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, Caller, CurrentCaller
from api.core.parameters import (
    LATITUDE,
    LONGITUDE,
    Connection,
    Number,
    PageParameter,
    Rows,
    WritableConnection,
    retry_conflicts,
)
from api.core.problems import require_found
from api.core.responses import Listing, StrictModel, listing
from api.plans.plans import read_plan
from geo.errors import InputError
from geo.model import Grid, GridPlan, PlanComment, Region
from geo.model.base import STORAGE_SRID

router = APIRouter(prefix="/plans/{number}/comments", tags=["plans"], dependencies=[PLANNERS])

Comment = Annotated[int, Path(ge=1, le=2**53)]

MAX_DISTANCE_M = 500
"""From a plan's community or grids to a place that is commented on."""


class CommentRequest(StrictModel):
    """A remark and its place in degrees (CGCS2000)."""

    words: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    lon: Annotated[float, Field(ge=-LONGITUDE, le=LONGITUDE, allow_inf_nan=False)]
    lat: Annotated[float, Field(ge=-LATITUDE, le=LATITUDE, allow_inf_nan=False)]


class ResolveRequest(StrictModel):
    """Whether the remark is resolved."""

    resolved: bool


class CommentResponse(BaseModel):
    """A remark on a place; ``resolved_by`` is empty as long as it is open."""

    id: int
    words: str
    author: str
    at: datetime
    lon: float
    lat: float
    resolved_at: datetime | None
    resolved_by: str


@router.get("", responses=problems.protected_response(Listing[CommentResponse]))
def comments_of_plan(
    request: Request, connection: Connection, number: Number, page: PageParameter
) -> Response:
    """List the comments of a plan, open ones first, then the newest first."""
    read_plan(connection, number)
    count = select(func.count()).select_from(PlanComment).where(PlanComment.plan_id == number)
    matched = connection.execute(count).scalar_one()
    statement = _select_comments(number).order_by(
        PlanComment.resolved_at.is_not(None), PlanComment.id.desc()
    )
    rows = connection.execute(page.of(statement)).mappings()
    return listing(request, [CommentResponse.model_validate(row) for row in rows], page, matched)


@router.post("", status_code=201, responses=problems.problem_responses(403, 404))
@retry_conflicts
def comment(
    response: Response,
    connection: WritableConnection,
    caller: CurrentCaller,
    number: Number,
    requested: CommentRequest,
) -> CommentResponse:
    """Comment on a place of a plan, whatever its status.

    Raises
    ------
    InputError
        If the place is too far from the plan.
    """
    read_plan(connection, number)
    place = f"SRID={STORAGE_SRID};POINT({requested.lon} {requested.lat})"
    if not _is_near_plan(connection, number, place):
        raise InputError("comment_elsewhere", plan=number, metres=MAX_DISTANCE_M)
    row = {"plan_id": number, "words": requested.words, "author": caller.name, "geom": place}
    added = connection.execute(insert(PlanComment).returning(PlanComment.id), row).scalar_one()
    _record(connection, caller, "comment", number, added)
    response.headers["Location"] = f"/plans/{number}/comments/{added}"
    return _read_comment(connection, number, added)


@router.patch("/{comment}", responses=problems.problem_responses(403, 404))
@retry_conflicts
def resolve(
    connection: WritableConnection,
    caller: CurrentCaller,
    number: Number,
    comment: Comment,
    requested: ResolveRequest,
) -> CommentResponse:
    """Mark a comment as resolved, or open it again."""
    _read_comment(connection, number, comment)
    values = (
        {"resolved_at": func.now(), "resolved_by": caller.name}
        if requested.resolved
        else {"resolved_at": None, "resolved_by": ""}
    )
    connection.execute(update(PlanComment).where(PlanComment.id == comment).values(values))
    _record(connection, caller, "resolve" if requested.resolved else "reopen", number, comment)
    return _read_comment(connection, number, comment)


@router.delete("/{comment}", status_code=204, responses=problems.problem_responses(403, 404))
@retry_conflicts
def withdraw(
    connection: WritableConnection, caller: CurrentCaller, number: Number, comment: Comment
) -> None:
    """Delete a comment permanently."""
    _read_comment(connection, number, comment)
    connection.execute(delete(PlanComment).where(PlanComment.id == comment))
    _record(connection, caller, "delete", number, comment)


def _is_near_plan(connection: Database, number: int, place: str) -> bool:
    """Return whether a place (EWKT) is near a plan's community, or one of its grids."""
    geography = func.ST_GeogFromText(place)
    community = select(GridPlan.community_code).where(GridPlan.id == number).scalar_subquery()
    areas = (
        select(layer).where(
            condition,
            func.ST_DWithin(func.geography(layer.geom), geography, MAX_DISTANCE_M),
        )
        for layer, condition in (
            (Region, Region.code == community),
            (Grid, Grid.plan_id == number),
        )
    )
    return bool(connection.execute(select(or_(*(area.exists() for area in areas)))).scalar())


def _record(connection: Database, caller: Caller, action: str, number: int, comment: int) -> None:
    record(connection, caller, action, "plan_comment", str(comment), {"plan": number})


def _select_comments(number: int) -> Rows:
    columns = [column for column in PlanComment.__table__.c if column.name not in {"geom"}]
    return select(
        *columns,
        func.ST_X(PlanComment.geom).label("lon"),
        func.ST_Y(PlanComment.geom).label("lat"),
    ).where(PlanComment.plan_id == number)


def _read_comment(connection: Database, number: int, comment: int) -> CommentResponse:
    statement = _select_comments(number).where(PlanComment.id == comment)
    row = connection.execute(statement).mappings().first()
    row = require_found("no_comment_here", row, plan=number, comment=comment)
    return CommentResponse.model_validate(row)
