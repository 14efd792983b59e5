"""Parameters and dependencies that routes share: connection, box, page, language, revision."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, Header, Path, Query, Request
from sqlalchemy import Connection as Database
from sqlalchemy import Select

from api.core import problems
from api.core.caller import CurrentCaller, transaction_as
from geo import db
from geo.db.views import Status
from geo.errors import InputError
from geo.messages import Language
from geo.model import Role

Rows = Select[*tuple[Any, ...]]
"""A query for rows of any columns."""

LONGITUDE, LATITUDE = 180.0, 90.0


class Box(NamedTuple):
    """A box in degrees."""

    west: float
    south: float
    east: float
    north: float


class Page(NamedTuple):
    """A page of a list."""

    limit: int
    offset: int

    def of(self, statement: Rows) -> Rows:
        """Return a query limited to this page."""
        return statement.limit(self.limit).offset(self.offset)


def _connection(request: Request, caller: CurrentCaller) -> Iterator[Database]:
    # Reads of others than the public may be recorded in the audit trail.
    readonly = caller.role == Role.PUBLIC
    with transaction_as(request.app.state.engine, caller, readonly=readonly) as connection:
        yield connection


def _writing(request: Request, caller: CurrentCaller) -> Iterator[Database]:
    with transaction_as(request.app.state.engine, caller) as connection:
        yield connection


def _page(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Page:
    return Page(limit, offset)


def _box(
    bbox: Annotated[
        str | None,
        Query(max_length=200, description="west,south,east,north in degrees"),
    ] = None,
) -> Box | None:
    if bbox is None:
        return None
    try:
        box = Box(*(float(part) for part in bbox.split(",")))
    except (TypeError, ValueError):
        raise InputError("bad_bbox", bbox=bbox) from None
    in_order = -LONGITUDE <= box.west < box.east <= LONGITUDE
    if not (all(map(math.isfinite, box)) and in_order and -LATITUDE <= box.south < box.north):
        raise InputError("bad_bbox", bbox=bbox)
    if box.north > LATITUDE:
        raise InputError("bad_bbox", bbox=bbox)
    return box


# Both commit when the endpoint returns, before anything is sent: a 200 is final.
Connection = Annotated[Database, Depends(_connection, scope="function")]
"""A transaction for reading, under the caller's role and scope."""

WritableConnection = Annotated[Database, Depends(_writing, scope="function")]
"""A transaction for writing, under the caller's role and scope."""

_Result = TypeVar("_Result")


def retry_conflicts(endpoint: Callable[..., _Result]) -> Callable[..., _Result]:
    """Repeat an endpoint that writes if its transaction conflicts with another.

    The endpoint has a parameter ``connection`` of the kind :data:`WritableConnection`.
    """

    @functools.wraps(endpoint)
    def run(*, connection: Database, **values: Any) -> _Result:
        return db.run_in_savepoint(connection, lambda: endpoint(connection=connection, **values))

    return run


Number = Annotated[int, Path(ge=1, le=2**53)]
"""The number of a plan, a job or a person."""

Code12 = Annotated[str, Path(pattern="^[0-9]{12}$")]
"""The code of a region."""

UNFIT = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffd-\uffff"
"""Characters that no text may have, as a range of a pattern: controls, separators of lines, marks
that reverse the direction of what follows, replacements of bytes that could not be decoded."""

ONE_LINE = rf"^[^\x00-\x1f{UNFIT}]*$"
"""Pattern of a name: no control characters, so neither tabs nor line breaks."""

PageParameter = Annotated[Page, Depends(_page)]
Bbox = Annotated[Box | None, Depends(_box)]
Lang = Annotated[Language, Depends(problems.preferred_language)]
StatusParameter = Annotated[
    Status,
    Query(description="the plan in force, or the newest draft of each community"),
]


def _if_match(
    if_match: Annotated[str | None, Header(max_length=100, description="ETag of the plan")] = None,
) -> int | None:
    """Return the revision that a change starts from, None if the header names none."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"').partition("-")[0]
    if not (tag.isascii() and tag.isdigit() and len(tag) < 16):
        raise InputError("if_match_malformed", given=if_match[:40])
    return int(tag)


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The revision that a change starts from."""
