"""Answers of the register."""

from datetime import date, datetime

from pydantic import BaseModel

from geo.model.register import EntityKind, Occupancy


class PeopleResponse(BaseModel):
    """Counts of residents; null is unknown."""

    residents: int | None = None
    registered: int | None = None
    floating: int | None = None
    age_0_6: int | None = None
    age_7_17: int | None = None
    age_18_59: int | None = None
    age_60_79: int | None = None
    age_80_up: int | None = None
    alone_60_up: int | None = None
    need_help: int | None = None


class SumsResponse(PeopleResponse):
    """Sums of an area; null is unknown, or not for the caller's role.

    ``uncounted`` dwellings have an unknown number of residents. ``verified`` were checked within 12
    months, ``oldest_verification`` and ``changed_at`` tell the age of the data.
    """

    dwellings: int = 0
    owner: int | None = None
    rented: int | None = None
    vacant: int | None = None
    business: int | None = None
    uncounted: int = 0
    verified: int | None = None
    verified_share: float | None = None
    oldest_verification: date | None = None
    changed_at: datetime | None = None


class UnitCountsResponse(SumsResponse):
    """Sums of a unit; ``unit_code`` is null for the dwellings of which no unit is known."""

    unit_code: str | None


class AreaCountsResponse(SumsResponse):
    """Sums of a building, grid or division, with its organisations."""

    code: str
    name: str = ""
    entities: int | None = None
    staff: int | None = None
    key_units: int | None = None


class PublicCountsResponse(PeopleResponse):
    """What everybody may see of a community.

    A figure of 1 or 2 is null, and with it every figure from which it would follow; ``suppressed``
    says so.
    """

    code: str
    name: str
    dwellings: int | None
    owner: int | None
    rented: int | None
    vacant: int | None
    business: int | None
    entities: int | None
    staff: int | None
    key_units: int | None
    verified_share: float | None
    suppressed: bool


class PublicListResponse(BaseModel):
    """The communities of which a register is on record."""

    items: list[PublicCountsResponse]


class UnitListResponse(BaseModel):
    """The units of a building with their sums."""

    items: list[UnitCountsResponse]


class DwellingResponse(PeopleResponse):
    """A dwelling on record."""

    code: str
    unit_code: str | None
    floor: str
    room: str
    occupancy: Occupancy | None
    verified_on: date | None
    source: str
    valid_from: datetime


class EntityResponse(BaseModel):
    """An organisation on record."""

    code: str
    credit_code: str | None
    name: str
    kind: EntityKind | None
    industry_section: str | None
    industry_division: int | None
    staff_count: int | None
    floor: str
    key_unit: bool | None
    source: str
    valid_from: datetime


class BuildingRowsResponse(BaseModel):
    """The register of a building; ``dwellings`` is null for roles that see sums alone."""

    code: str
    dwellings: list[DwellingResponse] | None
    entities: list[EntityResponse]


class WithoutBuildingResponse(BaseModel):
    """A building that the register names and that is not on record."""

    building: str
    dwellings: int
    entities: int


class WithoutBuildingListResponse(BaseModel):
    """Buildings that the register names and that are not on record."""

    items: list[WithoutBuildingResponse]
