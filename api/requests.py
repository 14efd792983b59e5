"""What requests have in common: a connection, a box, a page of a list, a language."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query, Request
from sqlalchemy import Connection as Database
from sqlalchemy import Engine, Select

from api import problems
from geo.errors import InputError
from geo.messages import Language

Rows = Select[*tuple[Any, ...]]
"""A query for rows of whatever columns."""

LONGITUDE, LATITUDE = 180.0, 90.0


class Box(NamedTuple):
    """A box in degrees."""

    west: float
    south: float
    east: float
    north: float


class Page(NamedTuple):
    """A piece of a list."""

    limit: int
    offset: int

    def of(self, statement: Rows) -> Rows:
        """Return a query limited to this piece."""
        return statement.limit(self.limit).offset(self.offset)


def _connection(request: Request) -> Iterator[Database]:
    engine: Engine = request.app.state.engine
    with engine.connect() as connection:
        yield connection.execution_options(postgresql_readonly=True)


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


Connection = Annotated[Database, Depends(_connection)]
Paging = Annotated[Page, Depends(_page)]
Bbox = Annotated[Box | None, Depends(_box)]
Lang = Annotated[Language, Depends(problems.language)]
