"""Responses of ``/fire/buildings``."""

from datetime import date, datetime
from typing import Literal

from api.core.responses import Geometry, StrictModel
from api.fire.finding_responses import FindingResponse
from api.fire.inspection_responses import ReviewResponse
from api.fire.response_parts import (
    DatedResponse,
    GridContact,
    NamedPlace,
    PlacedFeature,
    StationRoute,
)
from geo.model.fire import FireItem, PlanMedia
from geo.model.pipe import HydrantType


class BuildingHit(NamedPlace):
    """A building that was searched for; ``exact``: the query names it, others are only near."""

    exact: bool


class BuildingsResponse(DatedResponse):
    """Buildings by name, address, code or place.

    ``asks_number``: the query is a street alone, and the buildings list its numbers.
    """

    buildings: list[BuildingHit]
    asks_number: bool = False


class BuildingAttributes(StrictModel):
    """A building's attributes."""

    use: str | None
    use_text: str | None
    storeys_above: int | None
    storeys_below: int | None
    height_m: float | None
    estimated_height_m: float | None
    structure: str | None
    structure_text: str | None
    fire_class: int | None
    fire_class_text: str | None
    high_rise: bool | None
    year_built: int | None
    households: int
    population: int | None
    households_source: str | None
    footprint_m2: float


class Compound(StrictModel):
    """The residential compound of a building."""

    code: str
    name: str
    gated: bool | None


class Community(StrictModel):
    """The community of a building, and its street."""

    code: str
    name: str
    street: str | None


class BuildingUnit(PlacedFeature):
    """A unit of a building, at its entrance."""

    name: str
    storeys: int | None
    households: int
    population: int | None


class Neighbour(StrictModel):
    """A building nearby; ``line`` is the gap between the walls."""

    code: str
    name: str
    address: str
    distance_m: float
    required_m: float | None
    too_close: bool
    rule: str | None
    text: str
    proof: str | None
    line: Geometry | None
    fire_class: int | None
    storeys_above: int | None


class HydrantRecord(PlacedFeature):
    """What is on record of a hydrant, and how far it is; null where no route is known."""

    route_m: float | None
    straight_m: float
    flow_l_s: float | None
    pressure_mpa: float | None
    hydrant_type: HydrantType | None
    hydrant_type_text: str | None
    main_dn: float | None


class HydrantRoute(HydrantRecord):
    """A working hydrant, with the route of the hose; null where no route is known."""

    last_inspection: date | None
    route: Geometry | None


class IntakePoint(PlacedFeature):
    """A tank or intake point near a building."""

    name: str
    distance_m: float


class BuildingBeside(StrictModel):
    """The nearest building to one side."""

    code: str
    name: str
    address: str
    use_text: str | None
    storeys_above: int | None
    distance_m: float


class RoadBeside(StrictModel):
    """The nearest road to one side; the distance is that of its edge from the wall."""

    code: str
    name: str
    distance_m: float


class SideResponse(StrictModel):
    """What stands to one side of a building within 60 m; null for nothing."""

    side: Literal["east", "south", "west", "north"]
    title: str
    building: BuildingBeside | None
    road: RoadBeside | None


class UnitPeople(StrictModel):
    """Counts of the register in a unit; null is unknown, ``uncounted`` dwellings have no count."""

    unit_code: str | None
    unit: str | None
    dwellings: int
    residents: int | None
    need_help: int | None
    uncounted: int


class KeyUnit(StrictModel):
    """A key unit of fire safety in a building."""

    code: str
    name: str
    floor: str
    staff_count: int | None


class ListedKeyUnit(KeyUnit):
    """A key unit with how many items of its building are collected and plans attached."""

    building_code: str
    address: str | None
    region: str | None
    items: int
    items_all: int
    plans: int


class KeyUnitsResponse(StrictModel):
    """The key units of a region, those with the least collected first."""

    key_units: list[ListedKeyUnit]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815


class BuildingPlanResponse(StrictModel):
    """A plan attached to a building, without its content."""

    id: int
    title: str
    media_type: PlanMedia
    pages: int
    bytes: int
    added_by: str
    added_at: datetime


class BuildingPlansResponse(StrictModel):
    """The plans of a building."""

    building: str
    plans: list[BuildingPlanResponse]


class ApproachRoad(StrictModel):
    """A road from which a building is reached."""

    road: str
    name: str
    distance_m: float


class Obstacle(StrictModel):
    """What stops the engine on a road."""

    road: str
    name: str
    kind: str
    measured: float | None
    required: float | None
    lon: float
    lat: float
    text: str


class FireLaneAccess(StrictModel):
    """Whether an engine reaches a building, by which roads, and what stops it."""

    reached: bool
    gap_m: float | None
    by: list[ApproachRoad]
    obstacles: list[Obstacle]
    text: str


class LadderAccess(StrictModel):
    """LadderAccess operating areas of a building; lengths only for a high-rise."""

    required: bool
    found: bool
    areas: list[Geometry]
    text: str
    required_length_m: float | None = None
    found_length_m: float | None = None
    required_width_m: float | None = None


class ShutoffValve(PlacedFeature):
    """A valve that shuts a building off."""

    name: str
    is_open: bool | None
    distance_m: float


class FireItemResponse(StrictModel):
    """An item that a crew must know; all but its name is null where nothing was recorded."""

    item: FireItem
    title: str
    value: str | None
    place: str | None
    checked_on: date | None
    checked_by: str | None


class FireItemsResponse(StrictModel):
    """Every item of a building."""

    building: str
    items: list[FireItemResponse]


class BuildingBriefingResponse(DatedResponse, NamedPlace):
    """All that a crew needs to know before it arrives.

    ``people`` is null where the caller may not see the register's counts.
    """

    attributes: BuildingAttributes
    geometry: Geometry
    compound: Compound | None
    region: Community | None
    units: list[BuildingUnit]
    grids: list[GridContact]
    neighbours: list[Neighbour]
    hydrants: list[HydrantRoute]
    stations: list[StationRoute]
    fire_lane: FireLaneAccess
    ladder: LadderAccess
    review: ReviewResponse
    items: list[FireItemResponse]
    intakes: list[IntakePoint]
    surroundings: list[SideResponse]
    people: list[UnitPeople] | None
    key_units: list[KeyUnit]
    plans: list[BuildingPlanResponse]
    valves: dict[Literal["gas", "water"], list[ShutoffValve]]
    valve_notes: dict[Literal["gas", "water"], str | None]
    findings: list["FindingResponse"]
