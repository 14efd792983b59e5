"""``/plans/{id}/edits``: edit the grids of a draft, undo, redo, and validate a plan."""

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection as Database
from sqlalchemy import func, select

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, Caller, CurrentCaller
from api.core.parameters import (
    ONE_LINE,
    Connection,
    IfMatch,
    Lang,
    Number,
    PageParameter,
    WritableConnection,
    retry_conflicts,
)
from api.core.problems import require_found
from api.core.responses import AreaFeature, Listing, StrictModel, listing, revision_etag_response
from api.plans import jobs
from api.plans.plan_grids import GridCode, PlanGridResponse, grid_features
from geo.errors import InputError
from geo.messages import Language, text
from geo.model import Grid, GridPlan, PlanEdit
from geo.model.grid import GridKind
from geo.partition.scoring.objective import Balance
from geo.plans import draft_changes, edits, plan_draft
from geo.plans.validation import Breach, limits_from_parameters, validate_plan

router = APIRouter(prefix="/plans/{number}", tags=["edits"])

MAX_ATOMS = 20_000

Atoms = Annotated[list[int], Field(max_length=MAX_ATOMS)]


class _Edit(StrictModel):
    """An edit."""


class Assign(_Edit):
    """Move atoms to a grid, or to a new one of kind ``new`` if ``grid`` is null."""

    kind: Literal["assign"]
    atoms: Annotated[list[int], Field(min_length=1, max_length=MAX_ATOMS)]
    grid: GridCode | None
    new: GridKind = GridKind.GENERAL


class Moves(_Edit):
    """Atoms that move to a grid."""

    atoms: Annotated[list[int], Field(min_length=1, max_length=MAX_ATOMS)]
    grid: GridCode


class Reassign(_Edit):
    """Move atoms to several grids in one step; an atom named twice moves to the last grid."""

    kind: Literal["reassign"]
    moves: Annotated[list[Moves], Field(min_length=1, max_length=1000)]


class Split(_Edit):
    """Move some atoms of a grid to a new one; without atoms, split the grid in two.

    The halves follow streets and walls, are within the limits where possible, and divide no
    compound that fits in one grid.
    """

    kind: Literal["split"]
    grid: GridCode
    atoms: Atoms = Field(default_factory=list)


class Merge(_Edit):
    """Merge several grids into the first of them."""

    kind: Literal["merge"]
    grids: Annotated[list[GridCode], Field(min_length=2, max_length=1000)]


class Lock(_Edit):
    """Lock or unlock grids; a locked grid neither gains nor loses atoms."""

    kind: Literal["lock"]
    grids: Annotated[list[GridCode], Field(max_length=1000)] | Literal["all"]
    locked: bool


class Rename(_Edit):
    """Give a grid a name."""

    kind: Literal["rename"]
    grid: GridCode
    name: Annotated[str, Field(max_length=100, pattern=ONE_LINE)]


class ChangeKind(_Edit):
    """Make a grid general or dedicated, which changes its code."""

    kind: Literal["kind"]
    grid: GridCode
    to: GridKind


Edit = Annotated[
    Assign | Reassign | Split | Merge | Lock | Rename | ChangeKind, Body(discriminator="kind")
]


class BreachResponse(BaseModel):
    """A grid that breaks a rule, with an explanation in the caller's language.

    ``households`` and ``limit`` are units of workload where the plan balances that.
    """

    kind: Literal["below", "above", "empty", "not_contiguous"]
    grid: str
    households: int | None
    limit: int | None
    balance: Balance
    detail: str


class ValidationResponse(BaseModel):
    """Problems of a plan; ``within`` of its ``grids`` are within the limits."""

    plan: int
    revision: int
    valid: bool
    grids: int
    within: int
    problems: list[BreachResponse]


class MovesResponse(BaseModel):
    """Number of households whose grid changed."""

    moved: int


class EditResultResponse(BaseModel):
    """Result of an edit: changed and removed grids, moved atoms, remaining problems."""

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
    """An edit in the history of a plan."""

    revision: int
    kind: str
    author: str
    at: datetime
    undone: bool


EDIT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": EditResultResponse},
    **problems.CHANGING,
}


@router.post("/edits", dependencies=[PLANNERS], responses=EDIT_RESPONSES)
@retry_conflicts
def edit(
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
    seen: IfMatch,
    requested: Edit,
) -> Response:
    """Edit a draft at the revision in ``If-Match``; return the changed grids."""
    draft = plan_draft.lock_draft(connection, number, seen)
    change = _change(connection, draft, requested)
    edits.apply_edit(connection, draft, requested.kind, change, caller.name)
    return answer_edit(connection, caller, lang, draft, change, requested.kind)


@router.post("/undo", dependencies=[PLANNERS], responses=EDIT_RESPONSES)
@retry_conflicts
def undo(
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
    seen: IfMatch,
) -> Response:
    """Undo the last edit."""
    draft = plan_draft.lock_draft(connection, number, seen)
    return answer_edit(connection, caller, lang, draft, edits.undo(connection, draft), "undo")


@router.post("/redo", dependencies=[PLANNERS], responses=EDIT_RESPONSES)
@retry_conflicts
def redo(
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
    seen: IfMatch,
) -> Response:
    """Redo the edit that was undone last."""
    draft = plan_draft.lock_draft(connection, number, seen)
    return answer_edit(connection, caller, lang, draft, edits.redo(connection, draft), "redo")


@router.get(
    "/edits", dependencies=[PLANNERS], responses=problems.protected_response(Listing[EditResponse])
)
def history(
    request: Request, connection: Connection, number: Number, page: PageParameter
) -> Response:
    """List the edits of a plan, the newest first."""
    _revision(connection, number)
    count = select(func.count()).select_from(PlanEdit).where(PlanEdit.plan_id == number)
    matched = connection.execute(count).scalar_one()
    columns = PlanEdit.revision, PlanEdit.kind, PlanEdit.author, PlanEdit.at, PlanEdit.undone
    statement = select(*columns).where(PlanEdit.plan_id == number).order_by(PlanEdit.id.desc())
    rows = connection.execute(page.of(statement)).mappings()
    return listing(request, [EditResponse.model_validate(row) for row in rows], page, matched)


@router.get("/validation", responses=problems.ok_response(ValidationResponse))
def validation(request: Request, connection: Connection, lang: Lang, number: Number) -> Response:
    """Return the problems of a plan: grids outside the limits, empty or not contiguous."""
    revision = _revision(connection, number)
    breaches_now = _breaches(connection, number, lang)
    grids = select(func.count()).select_from(Grid).where(Grid.plan_id == number)
    total = connection.execute(grids).scalar_one()
    outside = {breach.grid for breach in breaches_now if breach.kind != "not_contiguous"}
    body = ValidationResponse(
        plan=number,
        revision=revision,
        valid=not breaches_now,
        grids=total,
        within=total - len(outside),
        problems=breaches_now,
    )
    return revision_etag_response(request, body.model_dump_json().encode(), revision)


def _change(connection: Database, draft: plan_draft.Draft, edit: Any) -> plan_draft.Change:
    """Return the change that a requested edit makes to a draft."""
    match edit:
        case Assign():
            return draft_changes.move_atoms(draft, edit.atoms, edit.grid, edit.new.value)
        case Reassign():
            targets = {atom: move.grid for move in edit.moves for atom in move.atoms}
            return draft_changes.move_to_grids(draft, targets)
        case Split():
            return draft_changes.split_grid(connection, draft, edit.grid, edit.atoms)
        case Merge():
            return draft_changes.merge_grids(draft, edit.grids)
        case Lock():
            codes = sorted(draft.grids) if edit.grids == "all" else edit.grids
            return draft_changes.change_attributes(draft, codes, locked=edit.locked)
        case Rename():
            return draft_changes.change_attributes(draft, [edit.grid], name=edit.name.strip())
        case ChangeKind():
            return draft_changes.change_kind(draft, edit.grid, edit.to.value)
    raise InputError("edit_unknown")


def answer_edit(
    connection: Database,
    caller: Caller,
    lang: Language,
    draft: plan_draft.Draft,
    change: plan_draft.Change,
    kind: str,
) -> Response:
    """Record an edit, schedule rescoring, and return the result as a response."""
    number = draft.number
    changed_grids = change.grids_with_moved_atoms() | set(change.grids)
    remaining = sorted(code for code in changed_grids if code in draft.grids)
    revision = _revision(connection, number)
    undo_count, redo_count = edits.count_undo_redo(connection, number)
    body = {
        "plan": number,
        "revision": revision,
        "undo": undo_count,
        "redo": redo_count,
        "changed": grid_features(connection, number, remaining),
        "removed": sorted(changed_grids - set(remaining)),
        "atoms": {str(atom): after for atom, (_, after) in change.members.items()},
        "problems": [breach.model_dump() for breach in _breaches(connection, number, lang)],
        "households": {"moved": sum(draft.households[atom] for atom in change.members)},
    }
    jobs.enqueue_rescoring(connection, caller, draft.community, number)
    record(connection, caller, "edit", "grid_plan", str(number), {"kind": kind, "to": revision})
    headers = {"ETag": f'"{revision}"', "Cache-Control": "no-store"}
    return Response(orjson.dumps(body), media_type="application/json", headers=headers)


def _revision(connection: Database, number: int) -> int:
    statement = select(GridPlan.revision).where(GridPlan.id == number)
    revision = connection.execute(statement).scalar()
    revision = require_found("no_plan_here", revision, plan=number)
    return int(revision)


def _breaches(connection: Database, number: int, lang: Language) -> list[BreachResponse]:
    parameters = select(GridPlan.parameters).where(GridPlan.id == number)
    limits = limits_from_parameters(connection.execute(parameters).scalar_one())
    return [
        BreachResponse.model_validate(
            vars(breach) | {"detail": text(_text_key(breach), lang=lang, **vars(breach))}
        )
        for breach in validate_plan(connection, number, limits)
    ]


def _text_key(breach: Breach) -> str:
    is_workload = breach.balance is Balance.WORKLOAD and breach.kind != "not_contiguous"
    return f"breach.{breach.kind}{'_workload' if is_workload else ''}"
