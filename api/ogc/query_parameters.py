"""Query parameters of the OGC API: which there are, and how their values are read.

:mod:`api.ogc.description` describes them in OpenAPI, so that what is accepted is what is described.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from api.core import coordinates
from geo.errors import InputError

MAX_FEATURES, DEFAULT_FEATURES = 10_000, 1_000
"""Largest and usual number of features of a page; GDAL 3.6 reads pages of the usual number."""

MAX_OFFSET = 10_000_000
MAX_COORDINATE = 1e9
MAX_LATITUDE, MAX_LONGITUDE = 90.0, 180.0

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query string.

    Attributes
    ----------
    name
        Name in the query string.
    schema
        JSON schema of the value, as OpenAPI 3.0 knows it.
    description
        What it does.
    """

    name: str
    schema: dict[str, Any]
    description: str

    def describe(self) -> dict[str, Any]:
        """Return its OpenAPI 3.0 parameter object."""
        return {
            "name": self.name,
            "in": "query",
            "required": False,
            "style": "form",
            "explode": False,
            "schema": self.schema,
            "description": self.description,
        }


def _text(max_length: int = 200, **more: Any) -> dict[str, Any]:
    return {"type": "string", "maxLength": max_length} | more


_SYSTEMS = _text(enum=list(coordinates.EPSG_BY_URI))
_NAMES = {"type": "array", "items": {"type": "string"}}

BBOX = Parameter(
    "bbox",
    {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}},
    "Box that features intersect: four numbers, or six with heights, which are ignored. "
    "A western edge greater than the eastern one crosses the antimeridian.",
)
DATETIME = Parameter(
    "datetime",
    _text(100),
    "Time or interval (RFC 3339, `..` for an open end): features valid then, as they were then.",
)
LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_FEATURES, "default": DEFAULT_FEATURES},
    "Number of features of a page.",
)
OFFSET = Parameter(
    "offset",
    {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
    "Number of features before the page.",
)
CRS = Parameter("crs", _SYSTEMS, "Coordinate system of the response.")
BBOX_CRS = Parameter("bbox-crs", _SYSTEMS, "Coordinate system of `bbox`.")
FILTER = Parameter("filter", _text(8_000), "CQL2 condition.")
FILTER_LANG = Parameter(
    "filter-lang", _text(enum=["cql2-text", "cql2-json"]), "Language of `filter`."
)
FILTER_CRS = Parameter("filter-crs", _SYSTEMS, "Coordinate system of geometries in `filter`.")
IDS = Parameter("ids", _NAMES, "Identifiers of features.")
PROPERTIES = Parameter("properties", _NAMES, "Properties to return; all by default.")
SORTBY = Parameter("sortby", _NAMES, "Properties to sort by, with `-` before it from the greatest.")

SELECTION = (
    *(BBOX, BBOX_CRS, DATETIME, FILTER, FILTER_LANG, FILTER_CRS, IDS, PROPERTIES),
    *(LIMIT,),
)
"""Parameters that select the features of items and tiles."""


@dataclass(frozen=True)
class Period:
    """A time or an interval; None is an open end.

    Attributes
    ----------
    start, end
        First and last moment, both included.
    """

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Selection:
    """What a request selects of a collection, and in which coordinate systems.

    Attributes
    ----------
    equal
        Names of properties with the text that each equals.
    condition
        CQL2 filter as CQL2 JSON.
    """

    bbox: Bounds | None = None
    period: Period | None = None
    condition: Any = None
    ids: list[str] | None = None
    equal: list[tuple[str, str]] = field(default_factory=list)
    properties: list[str] | None = None
    sortby: list[str] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    crs: str = coordinates.CRS84
    bbox_crs: str = coordinates.CRS84
    filter_crs: str = coordinates.CRS84


def check_names(query: QueryParams, names: set[str]) -> None:
    """Refuse unknown query parameters (OGC 17-069r4, /req/core/query-param-unknown).

    Raises
    ------
    InputError
        If the query has a parameter that is not among ``names``, or one of them twice.
    """
    for name in query:
        if name not in names:
            known = ", ".join(sorted(names))
            raise InputError("parameter_unknown", name=name[:80], names=known)
        if len(query.getlist(name)) > 1:
            raise InputError("parameter_repeated", name=name)


def read_number(query: QueryParams, parameter: Parameter) -> int | None:
    """Return a whole number; one above the maximum becomes the maximum (OGC 17-069r4, 7.15.2).

    Raises
    ------
    InputError
        If it is no number, or below the minimum.
    """
    value = query.get(parameter.name)
    if value is None:
        return None
    least, most = parameter.schema["minimum"], parameter.schema["maximum"]
    if not re.fullmatch(r"\+?[0-9]+", value, re.ASCII) or int(value[:20]) < least:
        raise InputError("bad_number", name=parameter.name, least=least, value=value[:40])
    return min(int(value[:20]), int(most))


def read_list(query: QueryParams, name: str) -> list[str] | None:
    """Return the parts of a value that commas separate."""
    value = query.get(name)
    return None if value is None else [part.strip() for part in value.split(",")]


def read_crs(query: QueryParams, name: str) -> str:
    """Return the URI of a coordinate system, by default CRS84.

    Raises
    ------
    InputError
        If it is not offered.
    """
    value = query.get(name)
    return coordinates.CRS84 if value is None else coordinates.crs_uri(value)


def read_bbox(query: QueryParams, crs: str) -> Bounds | None:
    """Return west, south, east, north in a coordinate system, whatever the order of its axes.

    West is greater than east where the box crosses the antimeridian.

    Raises
    ------
    InputError
        If it does not have four or six finite numbers, or its edges are not in order.
    """
    value = query.get("bbox")
    if value is None:
        return None
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        raise InputError("bad_bbox", bbox=value[:80]) from None
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(abs(number) < MAX_COORDINATE for number in numbers):
        raise InputError("bad_bbox", bbox=value[:80])
    west, south, east, north = numbers
    if coordinates.is_northing_first(crs):
        west, south, east, north = south, west, north, east
    if south > north or (west > east and not coordinates.is_in_degrees(crs)):
        raise InputError("bad_bbox", bbox=value[:80])
    return west, south, east, north


def split_at_antimeridian(bounds: Bounds) -> list[Bounds]:
    """Return a box in degrees as boxes whose west is not greater than their east."""
    west, south, east, north = bounds
    if west <= east:
        return [bounds]
    return [(west, south, MAX_LONGITUDE, north), (-MAX_LONGITUDE, south, east, north)]


_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?",
    re.ASCII,
)
_DAY_LENGTH = 10
_OPEN = {"", ".."}


def read_period(query: QueryParams) -> Period | None:
    """Return the time or interval of the parameter ``datetime``.

    A date alone is the whole day in UTC.

    Raises
    ------
    InputError
        If it is no date of RFC 3339, has two open ends, or ends before it starts.
    """
    value = query.get("datetime")
    if value is None:
        return None
    parts = value.split("/")
    if len(parts) > 2 or (len(parts) == 1 and value in _OPEN):
        raise InputError("bad_datetime", datetime=value[:80])
    if set(parts) <= _OPEN:
        raise InputError("datetime_open", datetime=value[:80])
    start = None if parts[0] in _OPEN else _read_time(parts[0])
    end = None if parts[-1] in _OPEN else _read_time(parts[-1], is_end=True)
    if start is not None and end is not None and start > end:
        raise InputError("bad_datetime", datetime=value[:80])
    return Period(start, end)


def _read_time(value: str, *, is_end: bool = False) -> datetime:
    if not _TIME.fullmatch(value):
        raise InputError("bad_datetime", datetime=value[:80])
    try:
        moment = datetime.fromisoformat(value.upper())
        if len(value) > _DAY_LENGTH:
            return moment.astimezone(UTC)
        length = timedelta(days=1, microseconds=-1) if is_end else timedelta()
        return moment.replace(tzinfo=UTC) + length
    except (ValueError, OverflowError):
        raise InputError("bad_datetime", datetime=value[:80]) from None


def is_finite(number: float) -> bool:
    """Return whether a number is a possible coordinate."""
    return math.isfinite(number) and abs(number) < MAX_COORDINATE
