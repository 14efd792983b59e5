"""Filing and following up under the service role: what the public may not do itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import Request
from sqlalchemy import Connection, Engine, text

from api.casework.case_forms import (
    DeviceToken,
    FilingForm,
    ReportForm,
    read_photos,
    refuse_markup,
)
from api.casework.case_queries import find_case
from api.casework.case_responses import FiledResponse
from api.core.caller import SERVICE_CALLER, transaction_as
from geo import db
from geo.casework.actors import Actor
from geo.casework.case_store import Filing, file_case
from geo.casework.confidential import case_secret, is_case_secret, origin_digest
from geo.casework.kinds import case_kinds
from geo.casework.workflow import state_name
from geo.errors import NotFoundError, TooManyError
from geo.model.casework import CaseState, Channel
from geo.settings import settings

_Result = TypeVar("_Result")

_COUNT = text(
    "INSERT INTO report_count AS counted (origin, minute, requests) "
    "SELECT origin, date_trunc('minute', now()), 1 FROM unnest(CAST(:origins AS text[])) origin "
    "ON CONFLICT (origin, minute) DO UPDATE SET requests = counted.requests + 1 "
    "RETURNING origin, requests"
)
_COMMIT_LATER = text("SET LOCAL synchronous_commit TO off")
"""A crash may lose the last counts."""


def run_as_service(engine: Engine, work: Callable[[Connection], _Result]) -> _Result:
    """Run a function in a transaction under the service role; repeat it after a conflict."""

    def attempt() -> _Result:
        with transaction_as(engine, SERVICE_CALLER) as connection:
            return work(connection)

    return db.retry_conflicts(attempt)


@dataclass(frozen=True)
class RequestLimit:
    """How many requests of an origin, a digest, are allowed in a minute, and the error beyond."""

    origin: str
    most: int
    error: str = "reports_too_often"


def limit_by_address(request: Request, purpose: str, most: int) -> RequestLimit:
    """Return the limit of requests for a purpose by the client's address."""
    address = request.client.host if request.client else ""
    return RequestLimit(origin_digest(address, purpose), most)


def count_request(request: Request, *limits: RequestLimit) -> None:
    """Count a request for each of its origins in this minute, in all workers together.

    The transaction is one of its own before the request's: a request that is refused counts as
    well, and others of the same origin wait for its row, but not until a case is filed.

    Raises
    ------
    TooManyError
        If there were more than a limit.
    """
    origins = sorted(limit.origin for limit in limits)  # in one order: two requests never deadlock

    def add_one(connection: Connection) -> dict[str, int]:
        connection.execute(_COMMIT_LATER)
        rows = connection.execute(_COUNT, {"origins": origins})
        return {row.origin: row.requests for row in rows}

    counts = run_as_service(request.app.state.engine, add_one)
    for limit in limits:
        if counts[limit.origin] > limit.most:
            raise TooManyError(limit.error, seconds=max(1, 60 - datetime.now(UTC).second))


def limit_reports(request: Request, device: DeviceToken = "") -> None:
    """Count a new report of a client's address and, if it sent its token, of the device.

    Raises
    ------
    TooManyError
        If there were more of either than the settings allow.
    """
    limits = [limit_by_address(request, "report", settings().reports_per_minute)]
    if device:
        origin, most = origin_digest(device, "device"), settings().reports_per_device
        limits.append(RequestLimit(origin, most, "reports_of_device"))
    count_request(request, *limits)


def file_as_service(
    engine: Engine, form: ReportForm, channel: Channel, key: str, actor: Actor
) -> FiledResponse:
    """File a case and return what follows it up.

    Raises
    ------
    InputError
        If a value is unfit or a photo is no picture; nothing is stored, here and below.
    NotFoundError
        If there is no such kind of case.
    TooLargeError
        If a photo is too large.
    ConflictError
        If the idempotency key came with another report before.
    """
    refuse_markup(form.description, form.address, form.contact)
    filing = Filing(
        kind=form.kind,
        description=form.description,
        lon=form.lon,
        lat=form.lat,
        channel=channel,
        address=form.address,
        contact=form.contact,
        photos=read_photos(form.photos),
        key=key,
        data=form.capture_times() if isinstance(form, FilingForm) else {},
    )

    def work(connection: Connection) -> FiledResponse:
        number = file_case(connection, filing, actor)
        return _describe_filing(find_case(connection, number))

    return run_as_service(engine, work)


def _describe_filing(row: Any) -> FiledResponse:
    return FiledResponse(
        number=row.number,
        secret=case_secret(row.number),
        kind=row.kind,
        kind_name=case_kinds().kind_name(row.kind),
        state=row.state,
        state_name=state_name(CaseState(row.state)),
        due_at=row.due_at,
        is_provisional=row.is_provisional,
    )


def check_secret(number: str, secret: str) -> None:
    """Refuse a secret that is not the case's, as if there were no such case.

    Raises
    ------
    NotFoundError
        If the secret is wrong.
    """
    if not is_case_secret(number, secret):
        raise NotFoundError("case_unknown_to_reporter", number=number)
