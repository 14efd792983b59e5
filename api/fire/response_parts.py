"""Parts that several responses of ``/fire`` and ``/networks`` have.

Geometry is GeoJSON in CGCS2000 (longitude first), distances are metres, times seconds. What is not
on record is null, and ``missing`` says so in words.
"""

from datetime import datetime

from api.core.responses import Geometry, StrictModel


class DataAge(StrictModel):
    """How old the data behind a response is; null where a layer was never published."""

    revision: int | None
    published_at: datetime | None
    age_s: int | None
    layers: dict[str, datetime | None]


class MissingItem(StrictModel):
    """A kind of missing data, and in how many places it is missing."""

    key: str
    count: int
    text: str


class DatedResponse(StrictModel):
    """A response with the age of its data and what the data does not hold."""

    data: DataAge
    missing: list[MissingItem]


class PlacedFeature(StrictModel):
    """A feature with its code, at a place."""

    code: str
    lon: float
    lat: float


class NamedPlace(PlacedFeature):
    """A building with its names and a place."""

    name: str
    address: str


class FacilityBrief(PlacedFeature):
    """A facility with its kind and phone."""

    name: str
    category: str
    category_text: str
    phone: str


class GridContact(StrictModel):
    """A grid and its manager."""

    code: str
    name: str
    community: str | None
    households: int
    manager: str | None
    phone: str | None


class StationRoute(PlacedFeature):
    """A fire station, with the route of the engine."""

    name: str
    phone: str
    drive_s: float
    response_s: float
    reached: bool
    distance_m: float
    stops_short_m: float
    route: Geometry
