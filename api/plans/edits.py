"""``/plans/{id}/edits``: moving buildings between grids, undo and redo, and what is wrong now."""

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database
from sqlalchemy import func, select

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, Asker, Caller
from api.core.parameters import (
    ONE_LINE,
    Connection,
    IfMatch,
    Lang,
    Number,
    Paging,
    Writing,
    retry_conflicts,
)
from api.core.responses import AreaFeature, Listing, listing, revision_etag_response
from api.plans import jobs
from api.plans.plan_grids import GridCode, PlanGridResponse, grid_features
from geo.errors import InputError, NotFoundError
from geo.messages import Language, text
from geo.model import Grid, GridPlan, PlanEdit
from geo.model.grid import GridKind
from geo.plans import edits
from geo.plans.validation import breaches, limits_of

router = APIRouter(prefix="/plans/{number}", tags=["edits"])

MAX_ATOMS = 20_000

Atoms = Annotated[list[int], Field(max_length=MAX_ATOMS)]


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Assign(_Edit):
    """Move atoms to a grid, or with null to a new one."""

    kind: Literal["assign"]
    atoms: Annotated[list[int], Field(min_length=1, max_length=MAX_ATOMS)]
    grid: GridCode | None


class Split(_Edit):
    """Make some atoms of a grid a new one; without atoms the grid is halved."""

    kind: Literal["split"]
    grid: GridCode
    atoms: Atoms = Field(default_factory=list)


class Merge(_Edit):
    """Make several grids the first of them."""

    kind: Literal["merge"]
    grids: Annotated[list[GridCode], Field(min_length=2, max_length=1000)]


class Lock(_Edit):
    """Lock grids, or unlock them: a locked one neither gains nor loses atoms."""

    kind: Literal["lock"]
    grids: Annotated[list[GridCode], Field(max_length=1000)] | Literal["all"]
    locked: bool


class Rename(_Edit):
    """Give a grid a name."""

    kind: Literal["rename"]
    grid: GridCode
    name: Annotated[str, Field(max_length=100, pattern=ONE_LINE)]


class ChangeKind(_Edit):
    """Make a grid general or dedicated; it gets another code."""

    kind: Literal["kind"]
    grid: GridCode
    to: GridKind


Edit = Annotated[Assign | Split | Merge | Lock | Rename | ChangeKind, Body(discriminator="kind")]


class BreachResponse(BaseModel):
    """A grid that is not as it should be, in words too."""

    kind: Literal["below", "above", "empty", "not_contiguous"]
    grid: str
    households: int | None
    limit: int | None
    detail: str


class ValidationResponse(BaseModel):
    """What is wrong with a plan; ``within`` of its ``grids`` are within the limits."""

    plan: int
    revision: int
    valid: bool
    grids: int
    within: int
    problems: list[BreachResponse]


class MovesResponse(BaseModel):
    """How many households changed their grid."""

    moved: int


class EditResultResponse(BaseModel):
    """What an edit did: the changed grids, those that are no more, and what is wrong now."""

    plan: int
    revision: int
    undo: int
    redo: int
    changed: list[AreaFeature[PlanGridResponse]]
    removed: list[str]
    atoms: dict[int, str]
    problems: list[BreachResponse]
    households: MovesResponse


class EditResponse(BaseModel):
    """An edit that was made."""

    revision: int
    kind: str
    author: str
    at: datetime
    undone: bool


EDIT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": EditResultResponse},
    **problems.CHANGING,
}


@router.post("/edits", dependencies=[PLANNERS], response_class=Response, responses=EDIT_RESPONSES)
@retry_conflicts
def edit(
    connection: Writing,
    asker: Asker,
    lang: Lang,
    number: Number,
    seen: IfMatch,
    asked: Edit,
) -> Response:
    """Edit a draft from the revision named in ``If-Match``; tell the changed grids' figures."""
    draft = edits.lock_draft(connection, number, seen)
    change = _change(connection, draft, asked)
    edits.apply_edit(connection, draft, asked.kind, change, asker.name)
    return _answer_edit(connection, asker, lang, draft, change, asked.kind)


@router.post("/undo", dependencies=[PLANNERS], response_class=Response, responses=EDIT_RESPONSES)
@retry_conflicts
def undo(
    connection: Writing,
    asker: Asker,
    lang: Lang,
    number: Number,
    seen: IfMatch,
) -> Response:
    """Take the last edit back."""
    return _step_history(connection, asker, lang, number, seen, "undo")


@router.post("/redo", dependencies=[PLANNERS], response_class=Response, responses=EDIT_RESPONSES)
@retry_conflicts
def redo(
    connection: Writing,
    asker: Asker,
    lang: Lang,
    number: Number,
    seen: IfMatch,
) -> Response:
    """Make the edit again that was taken back last."""
    return _step_history(connection, asker, lang, number, seen, "redo")


@router.get(
    "/edits",
    dependencies=[PLANNERS],
    response_class=Response,
    responses={200: {"model": Listing[EditResponse]}, **problems.PROTECTED},
)
def history(request: Request, connection: Connection, number: Number, page: Paging) -> Response:
    """List the edits of a plan, the newest first."""
    _revision(connection, number)
    count = select(func.count()).select_from(PlanEdit).where(PlanEdit.plan_id == number)
    matched = connection.execute(count).scalar_one()
    columns = PlanEdit.revision, PlanEdit.kind, PlanEdit.author, PlanEdit.at, PlanEdit.undone
    statement = select(*columns).where(PlanEdit.plan_id == number).order_by(PlanEdit.id.desc())
    rows = connection.execute(page.of(statement)).mappings()
    return listing(request, [EditResponse.model_validate(row) for row in rows], page, matched)


@router.get(
    "/validation",
    response_class=Response,
    responses={200: {"model": ValidationResponse}, **problems.DOCUMENTED},
)
def validation(request: Request, connection: Connection, lang: Lang, number: Number) -> Response:
    """Tell what is wrong with a plan."""
    revision = _revision(connection, number)
    problems_now = _problems(connection, number, lang)
    grids = select(func.count()).select_from(Grid).where(Grid.plan_id == number)
    total = connection.execute(grids).scalar_one()
    outside = {one.grid for one in problems_now if one.kind != "not_contiguous"}
    shown = ValidationResponse(
        plan=number,
        revision=revision,
        valid=not problems_now,
        grids=total,
        within=total - len(outside),
        problems=problems_now,
    )
    return revision_etag_response(request, shown.model_dump_json().encode(), revision)


def _step_history(
    connection: Database,
    asker: Caller,
    lang: Language,
    number: int,
    seen: int | None,
    way: Literal["undo", "redo"],
) -> Response:
    draft = edits.lock_draft(connection, number, seen)
    turn = edits.undo if way == "undo" else edits.redo
    return _answer_edit(connection, asker, lang, draft, turn(connection, draft), way)


def _change(connection: Database, draft: edits.Draft, asked: Any) -> edits.Change:
    match asked:
        case Assign():
            return edits.move_atoms(draft, asked.atoms, asked.grid)
        case Split():
            return edits.split(connection, draft, asked.grid, asked.atoms)
        case Merge():
            return edits.merge_grids(draft, asked.grids)
        case Lock():
            codes = sorted(draft.grids) if asked.grids == "all" else asked.grids
            return edits.with_attributes(draft, codes, locked=asked.locked)
        case Rename():
            return edits.with_attributes(draft, [asked.grid], name=asked.name.strip())
        case ChangeKind():
            return edits.of_kind(draft, asked.grid, asked.to.value)
    raise InputError("edit_unknown")


def _answer_edit(
    connection: Database,
    asker: Caller,
    lang: Language,
    draft: edits.Draft,
    change: edits.Change,
    kind: str,
) -> Response:
    """Return what an edit did, and record it."""
    number = draft.number
    touched = change.touched() | set(change.grids)
    stay = sorted(code for code in touched if code in draft.grids)
    revision = _revision(connection, number)
    undo_count, redo_count = edits.steps(connection, number)
    shown = {
        "plan": number,
        "revision": revision,
        "undo": undo_count,
        "redo": redo_count,
        "changed": grid_features(connection, number, stay),
        "removed": sorted(touched - set(stay)),
        "atoms": {str(atom): after for atom, (_, after) in change.members.items()},
        "problems": [one.model_dump() for one in _problems(connection, number, lang)],
        "households": {"moved": sum(draft.households[atom] for atom in change.members)},
    }
    jobs.enqueue_rescoring(connection, asker, draft.community, number)
    record(connection, asker, "edit", "grid_plan", str(number), {"kind": kind, "to": revision})
    headers = {"ETag": f'"{revision}"', "Cache-Control": "no-store"}
    return Response(orjson.dumps(shown), media_type="application/json", headers=headers)


def _revision(connection: Database, number: int) -> int:
    found = connection.execute(select(GridPlan.revision).where(GridPlan.id == number)).scalar()
    if found is None:
        raise NotFoundError("no_plan_here", plan=number)
    return int(found)


def _problems(connection: Database, number: int, lang: Language) -> list[BreachResponse]:
    parameters = select(GridPlan.parameters).where(GridPlan.id == number)
    limits = limits_of(connection.execute(parameters).scalar_one())
    return [
        BreachResponse.model_validate(
            vars(one) | {"detail": text(f"breach.{one.kind}", lang=lang, **vars(one))}
        )
        for one in breaches(connection, number, limits)
    ]
