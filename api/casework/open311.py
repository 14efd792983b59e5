"""``/open311/v2``: cases over Open311 GeoReport v2 (wiki.open311.org/GeoReport_v2).

Anybody may file a case and gets a token; applications whose key is in the settings get the number
of the request at once and read what they filed. Everybody else sees released cases only. A field of
the standard that could identify a device or an account is read and not stored.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database
from sqlalchemy import text
from starlette.responses import Response

from api.casework.case_forms import (
    MULTIPART,
    Contact,
    IdempotencyKey,
    Key,
    Latitude,
    Line,
    Longitude,
    Photos,
    ReportForm,
    Words,
)
from api.casework.filing import check_secret, file_as_service, limit_reports
from api.casework.open311_answers import Form as AnswerForm
from api.casework.open311_answers import Open311Route, answer, describe_responses
from api.core.caller import PUBLIC_CALLER, SERVICE_CALLER, transaction_as
from api.core.parameters import ONE_LINE, Connection
from api.public.address_search import search_address
from geo.casework.actors import REPORTER_ACTOR, Actor
from geo.casework.kinds import Kind, case_kinds
from geo.casework.workflow import REPORTER, RUNNING, state_name
from geo.clock import city_time_to_utc, format_day
from geo.errors import InputError, NotAllowedError, NotFoundError
from geo.messages import text as message
from geo.model.casework import CaseState, Channel
from geo.settings import settings

router = APIRouter(
    prefix="/open311/v2",
    tags=["open311"],
    route_class=Open311Route,
    default_response_class=Response,
    responses=describe_responses(200, 400, 403, 404, 405),
)

MAX_DAYS, MAX_REQUESTS = 90, 1000
"""Longest range of dates and most requests of a list, by the standard."""

Name = Annotated[Contact, Field(max_length=40)]
ApiKey = Annotated[
    str, Query(max_length=200, pattern=ONE_LINE, description="key of an application")
]
Token = Annotated[str, Path(pattern="^[0-9]{16}-[A-Z2-7]{16}$", description="as POST gave it")]
Identifier = Annotated[
    str, Path(pattern="^[0-9]{16}(-[A-Z2-7]{16})?$", description="number or token")
]
Code = Annotated[str, Path(max_length=40, pattern=ONE_LINE)]
Status = Literal["open", "closed"]

_RELEASED = """
SELECT number, kind, state, NULL AS description, '' AS address,
    ST_X(geom) AS lon, ST_Y(geom) AS lat, filed_at, closed_at AS changed_at,
    NULL::timestamptz AS due_at, '' AS department
FROM published.reported_case
"""
_FILED = """
SELECT number, kind, c.state, description, address, ST_X(geom) AS lon, ST_Y(geom) AS lat,
    filed_at, changed_at, due_at, department
FROM service_case c JOIN case_event e ON e.case_id = c.id AND e.action = 'file'
WHERE c.channel = 'open311' AND e.role = 'reporter' AND (e.actor = :application OR number = :own)
"""
_MATCHING = """
SELECT * FROM ({source}) AS request
WHERE (CAST(:numbers AS text[]) IS NULL OR number = ANY (:numbers))
    AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (:kinds))
    AND (CAST(:states AS text[]) IS NULL OR state = ANY (:states))
    AND (CAST(:first AS timestamptz) IS NULL OR filed_at >= :first)
    AND (CAST(:last AS timestamptz) IS NULL OR filed_at <= :last)
ORDER BY filed_at DESC, number DESC LIMIT :limit OFFSET :offset
"""


class RequestForm(BaseModel):
    """A new request, with the standard's fields.

    The place is ``lat`` and ``long`` (degrees, WGS 84 taken as CGCS2000), or else an
    ``address_string`` that names exactly one building. ``media`` are photos; a ``media_url`` is
    added to the description and never opened.
    """

    model_config = ConfigDict(extra="allow")

    service_code: Annotated[Key, Field(min_length=1)]
    description: Annotated[Words, Field(min_length=1, max_length=1400)]
    lat: Latitude | None = None
    long: Longitude | None = None
    address_string: Line = ""
    first_name: Name = ""
    last_name: Name = ""
    phone: Name = ""
    email: Annotated[Contact, Field(max_length=70)] = ""
    media_url: Annotated[str, Field(max_length=500, pattern=r"^(https?://[\x21-\x7e]+)?$")] = ""
    api_key: Annotated[str, Field(max_length=200, pattern=ONE_LINE)] = ""
    media: Photos = []


@router.get("/discovery.{form}")
def discovery(request: Request, form: AnswerForm) -> Response:
    """Describe the service: its endpoint and formats."""
    root = f"{str(request.base_url).rstrip('/')}{router.prefix}"
    endpoint = {
        "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": root,
        "changeset": "2026-11-30 00:00",
        "type": "production",
        "formats": [{"format": "application/json"}, {"format": "text/xml"}],
    }
    content = {
        "changeset": "2026-11-30 00:00",
        "contact": message("open311.contact", site=str(request.base_url)),
        "key_service": message("open311.key_service"),
        "endpoints": [endpoint],
    }
    if form == "json":
        content["endpoints"] = [endpoint | {"formats": ["application/json", "text/xml"]}]
    return answer(form, "discovery", "endpoint", content)


@router.get("/services.{form}")
def services(form: AnswerForm) -> Response:
    """List the services: the kinds of cases."""
    catalogue = case_kinds()
    content = [
        {
            "service_code": kind.key,
            "service_name": kind.text(),
            "description": message("open311.deadline", days=kind.days),
            "metadata": bool(_guide(kind)),
            "type": "realtime",
            "keywords": catalogue.department_name(kind.department),
            "group": message(f"case_group.{kind.group}"),
        }
        for kind in catalogue.kinds
    ]
    return answer(form, "services", "service", content)


@router.get("/services/{code}.{form}")
def service_definition(code: Code, form: AnswerForm) -> Response:
    """Describe a service: what its service guide says, as attributes that ask for nothing."""
    kind = case_kinds().kind(code)
    attributes = [
        {
            "variable": False,
            "code": name,
            "datatype": "text",
            "required": False,
            "datatype_description": "",
            "order": order,
            "description": words,
        }
        for order, (name, words) in enumerate(_guide(kind).items(), start=1)
    ]
    content = {"service_code": kind.key, "attributes": attributes}
    return answer(form, "service_definition", "attribute", content)


def _guide(kind: Kind) -> dict[str, str]:
    """Return what the service guide says of a kind: documents, steps, place; what is there."""
    parts = {
        "documents": "; ".join(document.text() for document in kind.documents),
        "steps": "; ".join(step.text() for step in kind.steps),
        "place": kind.place.text() if kind.place else "",
    }
    return {name: message(f"open311.{name}", said=words) for name, words in parts.items() if words}


@router.post("/requests.{form}", status_code=201, responses=describe_responses(201, 409, 413, 429))
def file_request(
    request: Request,
    connection: Connection,
    form: AnswerForm,
    fields: Annotated[RequestForm, Form(media_type=MULTIPART)],
    key: IdempotencyKey = "",
) -> Response:
    """File a case: with an application's key answer its number, else a token.

    Raises
    ------
    InputError
        If the request has attributes, which no service defines.
    """
    application = _application_of(fields.api_key)
    if not application:
        limit_reports(request)
    if unknown := next((name for name in fields.model_extra or () if "attribute" in name), None):
        raise InputError("open311_attribute", attribute=unknown[:40])
    lon, lat = _place_of(connection, fields)
    name = f"{fields.last_name}{fields.first_name}"
    report = ReportForm(
        kind=fields.service_code,
        lon=lon,
        lat=lat,
        description="\n".join(filter(None, (fields.description, fields.media_url))),
        address=fields.address_string,
        contact=" ".join(filter(None, (name, fields.phone, fields.email))),
        photos=fields.media,
    )
    actor = Actor(application, REPORTER) if application else REPORTER_ACTOR
    filed = file_as_service(request.app.state.engine, report, Channel.OPEN311, key, actor)
    token = f"{filed.number}-{filed.secret}"
    identifier = {"service_request_id": filed.number} if application else {"token": token}
    notice = message("open311.due", kind=filed.kind_name, due=format_day(filed.due_at))
    content = [identifier | {"service_notice": notice, "account_id": None}]
    return answer(form, "service_requests", "request", content, 201)


def _application_of(api_key: str) -> str:
    """Return the name of the application of a key, which must be known; empty without one."""
    if not api_key:
        return ""
    names = [name for name, known in settings().open311_keys.items() if known == api_key]
    if not names:
        raise NotAllowedError("open311_key_unknown")
    return names[0]


def _place_of(connection: Database, fields: RequestForm) -> tuple[float, float]:
    """Return longitude and latitude of a request: its own, or those of its address."""
    if fields.lat is not None and fields.long is not None:
        return fields.long, fields.lat
    if not fields.address_string:
        raise InputError("open311_place_missing")
    hits = search_address(connection, fields.address_string, 2)
    exact = [row for row in hits.rows if row["exact"]] if hits else []
    if len(exact) != 1:
        raise InputError("open311_address_unclear", address=fields.address_string)
    return exact[0]["lon"], exact[0]["lat"]


@router.get("/tokens/{token}.{form}")
def service_request_id(token: Token, form: AnswerForm) -> Response:
    """Return the number of the request that a token stands for."""
    number = _number_of(token)
    content = [{"service_request_id": number, "token": token}]
    return answer(form, "service_requests", "request", content)


def _number_of(token: str) -> str:
    number, _, secret = token.partition("-")
    check_secret(number, secret)
    return number


@dataclass(frozen=True)
class RequestParameters:
    """The parameters by which requests are filtered."""

    service_request_id: Annotated[
        str,
        Query(
            max_length=4000,
            pattern=ONE_LINE,
            description="numbers, by commas; overrides what follows",
        ),
    ] = ""
    service_code: Annotated[
        str, Query(max_length=1000, pattern=ONE_LINE, description="codes, by commas")
    ] = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    status: Annotated[str, Query(pattern="^((open|closed)(,(open|closed))?)?$")] = ""


@router.get("/requests.{form}")
def requests(
    request: Request,
    form: AnswerForm,
    by: Annotated[RequestParameters, Depends()],
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=MAX_REQUESTS)] = MAX_REQUESTS,
    api_key: ApiKey = "",
) -> Response:
    """List requests, the newest first: released ones, or those that an application filed.

    Without dates it lists those of the last 90 days.
    """
    values: dict[str, Any] = {"limit": page_size, "offset": (page - 1) * page_size}
    if by.service_request_id:
        values["numbers"] = by.service_request_id.split(",")
    else:
        values["first"], values["last"] = _date_range(by.start_date, by.end_date)
        if by.service_code:
            values["kinds"] = by.service_code.split(",")
        if by.status:
            listed = by.status.split(",")
            values["states"] = [state.value for state in CaseState if _status_of(state) in listed]
    return _answer_matching(request, form, _application_of(api_key), "", values)


@router.get("/requests/{identifier}.{form}")
def one_request(
    request: Request, identifier: Identifier, form: AnswerForm, api_key: ApiKey = ""
) -> Response:
    """Return a request by its number, if it is released or the application's own, or by token."""
    number, own = identifier, ""
    if "-" in identifier:
        number = own = _number_of(identifier)
    values = {"numbers": [number], "limit": 1, "offset": 0}
    return _answer_matching(request, form, _application_of(api_key), own, values, number=number)


def _date_range(
    start: datetime | None, end: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return the range of dates of a list, as long as the standard allows at most."""
    try:
        first, last = (city_time_to_utc(moment) if moment else None for moment in (start, end))
        last = last or (first + timedelta(days=MAX_DAYS) if first else datetime.now(UTC))
        first = first or last - timedelta(days=MAX_DAYS)
    except OverflowError:
        raise InputError("case_date_unfit", date=start or end) from None
    if last - first > timedelta(days=MAX_DAYS):
        raise InputError("open311_range", days=MAX_DAYS)
    return first, last


def _status_of(state: CaseState) -> Status:
    """Return the standard's status: closed once the result is reported back."""
    return "open" if state in RUNNING else "closed"


def _answer_matching(
    request: Request,
    form: str,
    application: str,
    own: str,
    values: dict[str, Any],
    number: str = "",
) -> Response:
    """Return the requests that match, an error if one was named and is not among them."""
    is_own = bool(application or own)
    statement = text(_MATCHING.format(source=_FILED if is_own else _RELEASED))
    every = dict.fromkeys(("numbers", "kinds", "states", "first", "last"))
    parameters = every | values | ({"application": application, "own": own} if is_own else {})

    caller = SERVICE_CALLER if is_own else PUBLIC_CALLER
    with transaction_as(request.app.state.engine, caller, readonly=True) as connection:
        rows = connection.execute(statement, parameters).mappings().all()
    content = [_describe(row) for row in rows]
    if number and not content:
        raise NotFoundError("open311_request_unknown", number=number)
    return answer(form, "service_requests", "request", content)


def _describe(row: Any) -> dict[str, Any]:
    """Return a request with the standard's names."""
    catalogue, state = case_kinds(), CaseState(row["state"])
    return {
        "service_request_id": row["number"],
        "status": _status_of(state),
        "status_notes": state_name(state),
        "service_name": catalogue.kind_name(row["kind"]),
        "service_code": row["kind"],
        "description": row["description"],
        "agency_responsible": catalogue.department_name(row["department"]) or None,
        "service_notice": None,
        "requested_datetime": _w3c(row["filed_at"]),
        "updated_datetime": _w3c(row["changed_at"]),
        "expected_datetime": _w3c(row["due_at"]),
        "address": row["address"] or None,
        "address_id": None,
        "zipcode": None,
        "lat": row["lat"],
        "long": row["lon"],
        "media_url": None,
    }


def _w3c(moment: datetime | None) -> str | None:
    """Return a moment as W3C date and time, in the city's time zone."""
    if moment is None:
        return None
    return moment.astimezone(settings().time_zone).isoformat(timespec="seconds")
