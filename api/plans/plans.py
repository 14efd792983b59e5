"""``/plans``: list, publish, archive, copy and delete the plans of a community."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection as Database
from sqlalchemy import delete, func, select, update

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, CurrentCaller
from api.core.parameters import (
    Code12,
    Connection,
    IfMatch,
    Lang,
    Number,
    PageParameter,
    Rows,
    WritableConnection,
    retry_conflicts,
)
from api.core.problems import require_found
from api.core.responses import DescribedBy, Listing, StrictModel, listing, revision_etag_response
from api.plans import jobs
from geo.errors import ConflictError, NotFoundError
from geo.messages import text
from geo.model import Grid, GridPlan, Region
from geo.model.grid import PlanStatus
from geo.partition.scoring.objective import Balance
from geo.plans import edits, plan_draft, store
from geo.plans.validation import limits_from_parameters

router = APIRouter(tags=["plans"])


class LimitsResponse(BaseModel):
    """Households of a grid, or units of its workload: target, lower limit, upper limit."""

    target: int
    lower: int
    upper: int
    balance: Balance


class ServicePointResponse(BaseModel):
    """The building from which the walks to all households of a grid are shortest together."""

    grid: str
    building: str = Field(description="code of the building or unit")
    lon: float
    lat: float
    walk_m: float | None = Field(
        description="mean walk to it along streets and paths; null where no way leads"
    )
    far: int = Field(description="households that walk over 500 m, or that no way connects")


class ScoreResponse(BaseModel):
    """Score card of a plan; null before it is scored."""

    grids: int | None = None
    households: int | None = None
    within_limits: float | None = None
    smallest: int | None = None
    largest: int | None = None
    mean_deviation: float | None = None
    contiguous: bool | None = None
    gap_m2: float | None = None
    overlap_m2: float | None = None
    border_on_barrier: float | None = None
    compounds_split: int | None = None
    compounds_split_all: int | None = None
    spikes: int | None = None
    narrow_m2: float | None = None
    beside_street_m: float | None = None
    straddled_m: float | None = None
    arterial_inside_m: float | None = None
    railway_inside_m: float | None = None
    water_inside_m: float | None = None
    polsby_popper: float | None = None
    walk_m: float | None = None
    walk_ways_m: float | None = None
    walk_far: float | None = None
    station_m: float | None = None
    station_other: float | None = None
    service_points: list[ServicePointResponse] = []
    barriers_inside_m: float | None = None
    places: dict[str, list[tuple[float, float, float, float]]] = {}
    border_cost: float | None = None
    walk_cost: float | None = None
    station_cost: float | None = None
    objective: float | None = None
    moved: int | None = None
    workload: int | None = Field(None, description="sum, if the plan balances workload")
    smallest_households: int | None = None
    largest_households: int | None = None
    bound: float | None = None
    gap: float | None = None
    seconds: float | None = None
    traits: list[str] = []
    reasons: list[tuple[str, dict[str, str | float]]] = []
    revision: int | None = Field(None, description="the revision of the plan that was scored")


class PlanResponse(BaseModel):
    """A plan. ``revision`` counts its edits; ``undo`` and ``redo`` are the available steps."""

    id: int
    community_code: str
    community: str
    version: int
    status: PlanStatus
    revision: int
    author: str
    note: str
    parent: int | None
    stale: dict[str, Any] | None
    created_at: datetime
    published_at: datetime | None
    archived_at: datetime | None
    limits: LimitsResponse
    score: Annotated[dict[str, Any], DescribedBy(ScoreResponse)]
    undo: int
    redo: int


class NoteRequest(StrictModel):
    """A note on a step in the life of a plan, kept for later readers."""

    note: str = Field("", max_length=2000)


@router.get("/communities/{code}/plans", responses=problems.ok_response(Listing[PlanResponse]))
def plans_of(
    request: Request,
    connection: Connection,
    code: Code12,
    page: PageParameter,
    status: PlanStatus | None = None,
) -> Response:
    """List the plans of a community that the caller may see, the newest first."""
    conditions = [GridPlan.community_code == code]
    if status is not None:
        conditions.append(GridPlan.status == status)
    count = select(func.count()).select_from(GridPlan).where(*conditions)
    matched = connection.execute(count).scalar_one()
    if matched == 0:
        require_community(connection, code)
    statement = page.of(select_plans().where(*conditions).order_by(GridPlan.version.desc()))
    items = [describe_plan(connection, row) for row in connection.execute(statement).mappings()]
    return listing(request, items, page, matched)


@router.get("/plans/{number}", responses=problems.ok_response(PlanResponse))
def plan(request: Request, connection: Connection, number: Number) -> Response:
    """Return a plan; edits send its ETag in ``If-Match``."""
    body = read_plan(connection, number)
    return revision_etag_response(request, body.model_dump_json().encode(), body.revision)


@router.post(
    "/plans/{number}/copy",
    status_code=201,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def copy(
    response: Response, connection: WritableConnection, caller: CurrentCaller, number: Number
) -> PlanResponse:
    """Create a draft as a copy of a plan."""
    original = read_plan(connection, number)
    draft = edits.copy_as_draft(connection, number, caller.name)
    if original.score.get("revision", original.revision) != original.revision:
        jobs.enqueue_rescoring(connection, caller, original.community_code, draft)
    record(connection, caller, "copy", "grid_plan", str(draft), {"from": number})
    response.headers["Location"] = f"/plans/{draft}"
    return set_etag(response, read_plan(connection, draft))


@router.post("/plans/{number}/publish", dependencies=[PLANNERS], responses=problems.CHANGING)
@retry_conflicts
def publish(
    response: Response,
    connection: WritableConnection,
    caller: CurrentCaller,
    number: Number,
    seen: IfMatch,
    note: Annotated[NoteRequest | None, Body()] = None,
) -> PlanResponse:
    """Put a draft in force; the plan in force before is archived in the same transaction.

    Raises
    ------
    ConflictError
        If the plan is not a draft.
    """
    locked = plan_draft.lock_plan(connection, number, seen)
    if locked["status"] != PlanStatus.DRAFT:
        raise ConflictError("plan_not_draft", plan=number, status=locked["status"])
    superseded = store.publish(connection, number)
    detail = {"supersedes": superseded, **_save_note(connection, number, note)}
    record(connection, caller, "publish", "grid_plan", str(number), detail)
    return set_etag(response, read_plan(connection, number))


@router.post(
    "/plans/{number}/restore",
    status_code=201,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def restore(
    response: Response,
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
) -> PlanResponse:
    """Put an archived plan in force again, as a new version; the plan in force is archived.

    Raises
    ------
    ConflictError
        If the plan is not archived.
    """
    archived = read_plan(connection, number)
    if archived.status != PlanStatus.ARCHIVED:
        raise ConflictError("plan_not_archived", plan=number, status=archived.status)
    note = text("plan.restored_note", lang=lang, version=archived.version)
    restored = edits.copy_as_draft(connection, number, caller.name, note)
    superseded = store.publish(connection, restored)
    detail = {"supersedes": superseded, "restores": number}
    record(connection, caller, "publish", "grid_plan", str(restored), detail)
    response.headers["Location"] = f"/plans/{restored}"
    return set_etag(response, read_plan(connection, restored))


@router.post("/plans/{number}/archive", dependencies=[PLANNERS], responses=problems.CHANGING)
@retry_conflicts
def archive(
    response: Response,
    connection: WritableConnection,
    caller: CurrentCaller,
    number: Number,
    seen: IfMatch,
    note: Annotated[NoteRequest | None, Body()] = None,
) -> PlanResponse:
    """Archive a draft, or the plan in force without a successor.

    Raises
    ------
    ConflictError
        If the plan is archived already.
    """
    locked = plan_draft.lock_plan(connection, number, seen)
    if locked["status"] == PlanStatus.ARCHIVED:
        raise ConflictError("plan_archived", plan=number)
    # Not the start of the transaction, which may have waited for the plan's publication.
    moment = connection.execute(select(func.clock_timestamp())).scalar_one()
    archived = {"status": PlanStatus.ARCHIVED, "archived_at": moment}
    connection.execute(update(GridPlan).where(GridPlan.id == number).values(archived))
    ended = update(Grid).where(Grid.plan_id == number, Grid.valid_from.is_not(None))
    connection.execute(ended.values(valid_to=moment))
    detail = _save_note(connection, number, note)
    record(connection, caller, "archive", "grid_plan", str(number), detail)
    return set_etag(response, read_plan(connection, number))


def _save_note(connection: Database, number: int, note: NoteRequest | None) -> dict[str, str]:
    """Store a note with a plan unless it is blank; return it for the audit log."""
    content = {"note": note.note.strip()} if note else {}
    if not any(content.values()):
        return {}
    connection.execute(update(GridPlan).where(GridPlan.id == number).values(content))
    return content


@router.delete(
    "/plans/{number}", status_code=204, dependencies=[PLANNERS], responses=problems.CHANGING
)
@retry_conflicts
def discard(
    connection: WritableConnection, caller: CurrentCaller, number: Number, seen: IfMatch
) -> None:
    """Delete a draft permanently.

    Raises
    ------
    ConflictError
        If the plan is not a draft.
    """
    locked = plan_draft.lock_plan(connection, number, seen)
    if locked["status"] != PlanStatus.DRAFT:
        raise ConflictError("plan_not_draft", plan=number, status=locked["status"])
    connection.execute(delete(GridPlan).where(GridPlan.id == number))
    record(connection, caller, "delete", "grid_plan", str(number))


def select_plans() -> Rows:
    """Return the query for the plans that a caller may see, with the community's name."""
    columns = [column for column in GridPlan.__table__.c if column.name not in {"parent_id"}]
    return select(
        *columns,
        GridPlan.parent_id.label("parent"),
        func.coalesce(Region.name, "").label("community"),
    ).outerjoin(Region, Region.code == GridPlan.community_code)


def read_plan(connection: Database, number: int) -> PlanResponse:
    """Return a plan.

    Raises
    ------
    NotFoundError
        If there is none, or the caller may not see it.
    """
    row = connection.execute(select_plans().where(GridPlan.id == number)).mappings().first()
    row = require_found("no_plan_here", row, plan=number)
    return describe_plan(connection, row)


def describe_plan(connection: Database, row: Any) -> PlanResponse:
    """Return the response for a row of :func:`select_plans`."""
    limits = limits_from_parameters(row["parameters"])
    undo, redo = (0, 0)
    if row["status"] == PlanStatus.DRAFT:
        undo, redo = edits.count_undo_redo(connection, row["id"])
    figures = {"limits": vars(limits), "undo": undo, "redo": redo}
    return PlanResponse.model_validate({**row, **figures})


def set_etag(response: Response, plan: PlanResponse) -> PlanResponse:
    """Set the ETag of a response to the revision of its plan; return the plan."""
    response.headers["ETag"] = f'"{plan.revision}"'
    return plan


def require_community(connection: Database, code: str) -> None:
    """Raise NotFoundError unless a community has this code."""
    communities = select(Region.code).where(Region.code == code, Region.level == "community")
    require_found("no_such_community", connection.execute(communities).first(), code=code)


def check_community(connection: Database, number: int, code: str) -> None:
    """Raise NotFoundError unless a plan is of this community.

    Raises
    ------
    NotFoundError
        If there is no such plan of the community.
    """
    if read_plan(connection, number).community_code != code:
        raise NotFoundError("no_such_plan", plan=number, community=code)
