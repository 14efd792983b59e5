"""``/reports``: what residents report, follow up and rate, and what others reported nearby."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from sqlalchemy import Connection as Database
from sqlalchemy import select, text
from starlette.responses import Response

from api.casework.case_forms import (
    MULTIPART,
    CaseNumber,
    CaseSecret,
    IdempotencyKey,
    NoteForm,
    RatingForm,
    ReportForm,
    read_photos,
    refuse_markup,
)
from api.casework.case_queries import find_case, read_events
from api.casework.case_responses import (
    FiledResponse,
    FollowUpResponse,
    KindsResponse,
    NearbyCase,
    NearbyResponse,
    describe_follow_up,
    describe_kinds,
    kind_group,
)
from api.casework.filing import (
    check_secret,
    count_request,
    file_as_service,
    limit_reports_of_device,
    run_as_service,
)
from api.core import problems
from api.core.parameters import Connection
from api.core.responses import JSON, etag_response
from api.public.share import ShareResponse
from geo.casework.actors import REPORTER_ACTOR
from geo.casework.case_store import (
    StepRequest,
    possible_transitions,
    status_of,
    take_step,
)
from geo.casework.confidential import case_secret
from geo.casework.kinds import case_kinds
from geo.casework.workflow import Action, state_name
from geo.clock import date_in_city
from geo.errors import NotAllowedError, NotFoundError
from geo.model import CaseEvent, Role, ServiceCase
from geo.model.casework import CaseState, Channel
from geo.settings import settings
from maps.qr_code import is_reachable, qr_svg

router = APIRouter(prefix="/reports", tags=["reports"])

MAX_NEARBY = 200

_NEARBY = text(
    """
    SELECT number, kind, state, filed_at, closed_at, ST_X(geom) AS lon, ST_Y(geom) AS lat
    FROM published.reported_case
    WHERE ST_DWithin(
        geom::geography, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)::geography, :radius)
    ORDER BY filed_at DESC LIMIT :most
    """
)


def _limit_follow_ups(request: Request) -> None:
    limit = settings().follow_ups_per_minute
    count_request(request, "follow", limit)


LIMITED = [Depends(_limit_follow_ups)]


@router.get("/kinds", responses=problems.ok_response(KindsResponse))
def kinds(request: Request) -> Response:
    """List what may be reported, with the service guide: documents, steps, where."""
    return etag_response(request, describe_kinds().model_dump_json().encode(), JSON)


@router.get("/nearby", responses=problems.problem_responses())
def nearby(
    connection: Connection,
    lon: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
    lat: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
    radius: Annotated[float, Query(gt=0, le=5000, description="metres")] = 500.0,
) -> NearbyResponse:
    """List released cases around a place; their places are rounded to about 100 m."""
    values = {"lon": lon, "lat": lat, "radius": radius, "most": MAX_NEARBY}
    rows = connection.execute(_NEARBY, values).mappings()
    catalogue = case_kinds()
    items = [
        NearbyCase(
            **{name: row[name] for name in ("number", "kind", "state", "lon", "lat")},
            filed_on=date_in_city(row["filed_at"]),
            closed_on=date_in_city(row["closed_at"]) if row["closed_at"] else None,
            kind_name=catalogue.kind_name(row["kind"]),
            group=kind_group(row["kind"]),
            state_name=state_name(CaseState(row["state"])),
        )
        for row in rows
    ]
    return NearbyResponse(items=items)


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(limit_reports_of_device)],
    responses=problems.problem_responses(404, 409, 413, 429),
)
def report(
    request: Request,
    form: Annotated[ReportForm, Form(media_type=MULTIPART)],
    key: IdempotencyKey = "",
) -> FiledResponse:
    """Report something. Keep ``number`` and ``secret``: they follow the case up."""
    channel = Channel(form.channel)
    return file_as_service(request.app.state.engine, form, channel, key, REPORTER_ACTOR)


@router.get("/{number}", dependencies=LIMITED, responses=problems.problem_responses(404, 429))
def follow_up(request: Request, number: CaseNumber, secret: CaseSecret = "") -> FollowUpResponse:
    """Return a case to its reporter."""
    check_secret(number, secret)
    return run_as_service(request.app.state.engine, lambda session: _follow_up(session, number))


@router.get("/{number}/link", dependencies=LIMITED, responses=problems.problem_responses(404, 429))
def follow_up_link(
    request: Request, response: Response, number: CaseNumber, secret: CaseSecret = ""
) -> ShareResponse:
    """Return the link that follows a case up, and its QR code.

    Number and secret are in the fragment, which browsers send to no server.
    """
    check_secret(number, secret)
    response.headers["Cache-Control"] = "no-store"
    site = str(request.base_url)
    url = f"{site}report#case={number}&secret={case_secret(number)}"
    return ShareResponse(url=url, qr=qr_svg(url).decode() if is_reachable(site) else None)


@router.post(
    "/{number}/notes",
    dependencies=LIMITED,
    responses=problems.problem_responses(404, 409, 413, 429),
)
def add_note(
    request: Request,
    number: CaseNumber,
    form: Annotated[NoteForm, Form(media_type=MULTIPART)],
    secret: CaseSecret = "",
    key: IdempotencyKey = "",
) -> FollowUpResponse:
    """Add words and photos to a case that is not closed."""
    check_secret(number, secret)
    refuse_markup(form.note)
    step = StepRequest(Action.NOTE, form.note, photos=read_photos(form.photos), key=key)
    return _take_step(request, number, step)


@router.post(
    "/{number}/rating",
    dependencies=LIMITED,
    responses=problems.problem_responses(403, 404, 409, 429),
)
def rate(
    request: Request,
    number: CaseNumber,
    form: Annotated[RatingForm, Form(media_type=MULTIPART)],
    secret: CaseSecret = "",
    key: IdempotencyKey = "",
) -> FollowUpResponse:
    """Rate how a case was handled, once, after it was reported back."""
    check_secret(number, secret)
    refuse_markup(form.note)
    return _take_step(
        request, number, StepRequest(Action.RATE, form.note, rating=form.rating, key=key)
    )


def _take_step(request: Request, number: str, step: StepRequest) -> FollowUpResponse:
    def work(connection: Database) -> FollowUpResponse:
        if step.action is Action.RATE and _is_filed_by_manager(connection, number):
            raise NotAllowedError("case_rating_by_manager", number=number)
        take_step(connection, number, step, REPORTER_ACTOR)
        return _follow_up(connection, number)

    return run_as_service(request.app.state.engine, work)


def _is_filed_by_manager(connection: Database, number: str) -> bool:
    """Whether a grid manager filed a case, who has its secret and would rate the own work."""
    filing = select(CaseEvent.role).join(ServiceCase, ServiceCase.id == CaseEvent.case_id)
    where = ServiceCase.number == number, CaseEvent.action == Action.FILE
    return connection.execute(filing.where(*where)).scalar() == Role.GRID_MANAGER


def _follow_up(connection: Database, number: str) -> FollowUpResponse:
    try:
        row = find_case(connection, number)
    except NotFoundError:
        raise NotFoundError("case_unknown_to_reporter", number=number) from None
    possible = possible_transitions(status_of(row), REPORTER_ACTOR)
    can_rate = any(transition.action is Action.RATE for transition in possible)
    can_rate = can_rate and not _is_filed_by_manager(connection, number)
    return describe_follow_up(row._mapping, read_events(connection, row.id), can_rate=can_rate)
