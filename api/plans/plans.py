"""``/plans``: the drawings of a community; publishing, archiving, copying, discarding."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database
from sqlalchemy import delete, func, select, update

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, Asker
from api.core.parameters import (
    Code12,
    Connection,
    IfMatch,
    Number,
    Paging,
    Rows,
    Writing,
    retry_conflicts,
)
from api.core.responses import DescribedBy, Listing, listing, revision_etag_response
from geo.errors import ConflictError, NotFoundError
from geo.model import Grid, GridPlan, Region
from geo.model.grid import PlanStatus
from geo.plans import edits, store
from geo.plans.validation import limits_of

router = APIRouter(tags=["plans"])


class LimitsResponse(BaseModel):
    """Households of a grid: aimed at, at least, at most."""

    target: int
    lower: int
    upper: int


class ScoreResponse(BaseModel):
    """Figures of a plan (:class:`geo.partition.scoring.score_card.ScoreCard`); none before it is
    scored."""

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
    straddled_m: float | None = None
    polsby_popper: float | None = None
    walk_m: float | None = None
    border_cost: float | None = None
    objective: float | None = None
    moved: int | None = None
    bound: float | None = None
    gap: float | None = None
    seconds: float | None = None
    traits: list[str] = []
    reasons: list[tuple[str, dict[str, str | float]]] = []


class PlanResponse(BaseModel):
    """A plan. ``revision`` counts its edits; ``undo`` and ``redo`` say how many there are."""

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


class NoteRequest(BaseModel):
    """What is said of a step, for those who come after."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=2000)


@router.get(
    "/communities/{code}/plans",
    response_class=Response,
    responses={200: {"model": Listing[PlanResponse]}, **problems.DOCUMENTED},
)
def plans_of(
    request: Request,
    connection: Connection,
    code: Code12,
    page: Paging,
    status: PlanStatus | None = None,
) -> Response:
    """List the plans of a community that the caller may see, the newest first."""
    wanted = [GridPlan.community_code == code]
    if status is not None:
        wanted.append(GridPlan.status == status)
    count = select(func.count()).select_from(GridPlan).where(*wanted)
    matched = connection.execute(count).scalar_one()
    if matched == 0:
        require_community(connection, code)
    statement = page.of(select_plans().where(*wanted).order_by(GridPlan.version.desc()))
    found = [describe_plan(connection, row) for row in connection.execute(statement).mappings()]
    return listing(request, found, page, matched)


@router.get(
    "/plans/{number}",
    response_class=Response,
    responses={200: {"model": PlanResponse}, **problems.DOCUMENTED},
)
def plan(request: Request, connection: Connection, number: Number) -> Response:
    """Return a plan; its ETag is what edits name in ``If-Match``."""
    found = read_plan(connection, number)
    return revision_etag_response(request, found.model_dump_json().encode(), found.revision)


@router.post(
    "/plans/{number}/copy",
    status_code=201,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def copy(response: Response, connection: Writing, asker: Asker, number: Number) -> PlanResponse:
    """Make a draft that begins as another plan is."""
    made = edits.copy_as_draft(connection, number, asker.name)
    record(connection, asker, "copy", "grid_plan", str(made), {"from": number})
    response.headers["Location"] = f"/plans/{made}"
    return set_etag(response, read_plan(connection, made))


@router.post("/plans/{number}/publish", dependencies=[PLANNERS], responses=problems.CHANGING)
@retry_conflicts
def publish(
    response: Response,
    connection: Writing,
    asker: Asker,
    number: Number,
    seen: IfMatch,
    said: Annotated[NoteRequest | None, Body()] = None,
) -> PlanResponse:
    """Put a draft in force; the plan in force before is archived in the same transaction."""
    found = edits.lock_plan(connection, number, seen)
    if found["status"] != PlanStatus.DRAFT:
        raise ConflictError("plan_not_draft", plan=number, status=found["status"])
    superseded = store.publish(connection, number)
    detail = {"supersedes": superseded, **_save_note(connection, number, said)}
    record(connection, asker, "publish", "grid_plan", str(number), detail)
    return set_etag(response, read_plan(connection, number))


@router.post("/plans/{number}/archive", dependencies=[PLANNERS], responses=problems.CHANGING)
@retry_conflicts
def archive(
    response: Response,
    connection: Writing,
    asker: Asker,
    number: Number,
    seen: IfMatch,
    said: Annotated[NoteRequest | None, Body()] = None,
) -> PlanResponse:
    """Archive a plan: a draft that is not wanted, or the one in force with nothing in its place."""
    found = edits.lock_plan(connection, number, seen)
    if found["status"] == PlanStatus.ARCHIVED:
        raise ConflictError("plan_archived", plan=number)
    # Not the time at which the transaction began: it may have waited for the plan's publication.
    moment = connection.execute(select(func.clock_timestamp())).scalar_one()
    archived = {"status": PlanStatus.ARCHIVED, "archived_at": moment}
    connection.execute(update(GridPlan).where(GridPlan.id == number).values(archived))
    ended = update(Grid).where(Grid.plan_id == number, Grid.valid_from.is_not(None))
    connection.execute(ended.values(valid_to=moment))
    detail = _save_note(connection, number, said)
    record(connection, asker, "archive", "grid_plan", str(number), detail)
    return set_etag(response, read_plan(connection, number))


def _save_note(connection: Database, number: int, said: NoteRequest | None) -> dict[str, str]:
    """Keep what was said of a plan, if anything was; return it for the trail."""
    if said is None or not said.note.strip():
        return {}
    note = said.note.strip()
    connection.execute(update(GridPlan).where(GridPlan.id == number).values(note=note))
    return {"note": note}


@router.delete(
    "/plans/{number}", status_code=204, dependencies=[PLANNERS], responses=problems.CHANGING
)
@retry_conflicts
def discard(connection: Writing, asker: Asker, number: Number, seen: IfMatch) -> None:
    """Delete a draft for good."""
    found = edits.lock_plan(connection, number, seen)
    if found["status"] != PlanStatus.DRAFT:
        raise ConflictError("plan_not_draft", plan=number, status=found["status"])
    connection.execute(delete(GridPlan).where(GridPlan.id == number))
    record(connection, asker, "delete", "grid_plan", str(number))


def select_plans() -> Rows:
    columns = [column for column in GridPlan.__table__.c if column.name not in {"parent_id"}]
    return select(
        *columns,
        GridPlan.parent_id.label("parent"),
        func.coalesce(Region.name, "").label("community"),
    ).outerjoin(Region, Region.code == GridPlan.community_code)


def read_plan(connection: Database, number: int) -> PlanResponse:
    row = connection.execute(select_plans().where(GridPlan.id == number)).mappings().first()
    if row is None:
        raise NotFoundError("no_plan_here", plan=number)
    return describe_plan(connection, row)


def describe_plan(connection: Database, row: Any) -> PlanResponse:
    limits = limits_of(row["parameters"])
    undo, redo = (0, 0)
    if row["status"] == PlanStatus.DRAFT:
        undo, redo = edits.steps(connection, row["id"])
    figures = {"limits": vars(limits), "undo": undo, "redo": redo}
    return PlanResponse.model_validate({**row, **figures})


def set_etag(response: Response, found: PlanResponse) -> PlanResponse:
    response.headers["ETag"] = f'"{found.revision}"'
    return found


def require_community(connection: Database, code: str) -> None:
    known = select(Region.code).where(Region.code == code, Region.level == "community")
    if connection.execute(known).first() is None:
        raise NotFoundError("no_such_community", code=code)


def check_community(connection: Database, number: int, code: str) -> None:
    if read_plan(connection, number).community_code != code:
        raise NotFoundError("no_such_plan", plan=number, community=code)
