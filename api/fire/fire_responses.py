"""What ``/fire`` answers with, for the description of the API.

Geometry is GeoJSON in CGCS2000 (longitude first), distances are metres, times seconds. What
the data does not hold is null, and ``missing`` says so in words.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from api.core.responses import Geometry
from geo.fire.rules import Overlay, Severity


class StrictModel(BaseModel):
    """A part of an answer: nothing is in it that is not described."""

    model_config = ConfigDict(extra="forbid")


class Age(StrictModel):
    """How old the data is that an answer rests on; null where a layer was never published."""

    revision: int | None
    published_at: datetime | None
    age_s: int | None
    layers: dict[str, datetime | None]


class Lacking(StrictModel):
    """What the data lacks for an answer, and in how many places."""

    key: str
    count: int
    text: str


class Answer(StrictModel):
    """What every answer has."""

    data: Age
    missing: list[Lacking]


class RuleResponse(StrictModel):
    """A rule in force: its figure, and where it is laid down."""

    id: str
    overlay: str
    figure: float
    unit: str
    standard: str
    clause: str
    severity: str
    text: str
    overridden: bool


class RulesResponse(StrictModel):
    """The rules in force."""

    rules: list[RuleResponse]


class Thing(StrictModel):
    """A thing with a name and a place."""

    code: str
    name: str
    address: str
    lon: float
    lat: float


class BuildingsFound(Answer):
    """Buildings by name, address, code or place."""

    buildings: list[Thing]


class Attributes(StrictModel):
    """What a building is."""

    use: str | None
    use_text: str | None
    storeys_above: int | None
    storeys_below: int | None
    height_m: float | None
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


class CompoundOf(StrictModel):
    """The residential quarter that a building is in."""

    code: str
    name: str
    gated: bool | None


class RegionOf(StrictModel):
    """The community that a building is in, and its street."""

    code: str
    name: str
    street: str | None


class Unit(StrictModel):
    """A stairwell: where the crew goes in."""

    code: str
    name: str
    storeys: int | None
    households: int
    population: int | None
    lon: float
    lat: float


class GridOf(StrictModel):
    """A grid and who looks after it."""

    code: str
    name: str
    community: str | None
    households: int
    manager: str | None
    phone: str | None


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


class HydrantNear(StrictModel):
    """A working hydrant, with the way of the hose."""

    code: str
    route_m: float
    straight_m: float
    flow_l_s: float | None
    pressure_mpa: float | None
    last_inspection: date | None
    lon: float
    lat: float
    route: Geometry


class StationNear(StrictModel):
    """A fire station, with the way of the engine."""

    code: str
    name: str
    phone: str
    drive_s: float
    response_s: float
    reached: bool
    distance_m: float
    stops_short_m: float
    lon: float
    lat: float
    route: Geometry


class Approach(StrictModel):
    """A road from which a building is reached."""

    road: str
    name: str
    distance_m: float


class Obstacle(StrictModel):
    """What stops the engine."""

    road: str
    name: str
    kind: str
    measured: float | None
    required: float | None
    lon: float
    lat: float
    text: str


class Lane(StrictModel):
    """Whether the engine gets to a building, and by what."""

    reached: bool
    gap_m: float | None
    by: list[Approach]
    obstacles: list[Obstacle]
    text: str


class Ladder(StrictModel):
    """Where the ladder stands; lengths only for a high-rise."""

    required: bool
    found: bool
    areas: list[Geometry]
    text: str
    required_length_m: float | None = None
    found_length_m: float | None = None
    required_width_m: float | None = None


class Valve(StrictModel):
    """A valve that shuts a building off."""

    code: str
    name: str
    is_open: bool | None
    distance_m: float
    lon: float
    lat: float


class ReviewResponse(StrictModel):
    """The review of a building's sheet."""

    building: str
    state: Literal["draft", "checked", "due"]
    checker: str
    checked_on: date | None
    due_on: date | None
    note: str


class LayoutResponse(Answer):
    """All that a crew needs before it arrives."""

    code: str
    name: str
    address: str
    attributes: Attributes
    geometry: Geometry
    lon: float
    lat: float
    compound: CompoundOf | None
    region: RegionOf | None
    units: list[Unit]
    grids: list[GridOf]
    neighbours: list[Neighbour]
    hydrants: list[HydrantNear]
    stations: list[StationNear]
    fire_lane: Lane
    ladder: Ladder
    review: ReviewResponse
    valves: dict[Literal["gas", "water"], list[Valve]]
    valve_notes: dict[Literal["gas", "water"], str | None]
    findings: list["FindingResponse"]


class Totals(StrictModel):
    """What is within a radius."""

    buildings: int
    households: int
    population: int | None
    high_rise: int
    units: int


class GridMoved(GridOf):
    """People of a grid who are within a radius."""

    population: int | None
    buildings: int


class Outside(StrictModel):
    """People who are in no grid."""

    households: int
    population: int | None
    buildings: int


class BuildingNear(Thing):
    """A building within a radius."""

    use: str | None
    use_text: str | None
    storeys_above: int | None
    fire_class: int | None
    high_rise: bool | None
    households: int
    population: int | None
    distance_m: float


class Critical(StrictModel):
    """A school, hospital, home for the elderly or filling station."""

    code: str
    name: str
    category: str
    category_text: str
    phone: str
    distance_m: float
    lon: float
    lat: float


class HydrantAround(StrictModel):
    """A hydrant within a radius."""

    code: str
    route_m: float | None
    straight_m: float
    distance_m: float
    flow_l_s: float | None
    pressure_mpa: float | None
    in_service: bool | None
    lon: float
    lat: float


class ValveAround(StrictModel):
    """A valve within a radius."""

    code: str
    network: str
    kind: str
    is_open: bool | None
    distance_m: float
    lon: float
    lat: float


class IncidentResponse(Answer):
    """Everything within a radius of a place."""

    centre: tuple[float, float]
    radius_m: float
    lon: float
    lat: float
    area: Geometry
    totals: Totals
    grids: list[GridMoved]
    outside_grids: Outside
    buildings: list[BuildingNear]
    critical: list[Critical]
    hydrants: list[HydrantAround]
    valves: list[ValveAround]
    stations: list[StationNear]


class OverlayResponse(StrictModel):
    """An overlay with its counts of findings."""

    id: Overlay
    title: str
    text: str
    findings: dict[Severity, int]
    computed_at: datetime | None
    stale: bool


class OverlaysResponse(Answer):
    """The overlays."""

    overlays: list[OverlayResponse]


class FindingResponse(StrictModel):
    """A rule that a feature breaks, and by how much."""

    overlay: str
    rule: str
    severity: Severity
    severity_text: str
    feature: str
    layer: str
    other: str | None
    region: str | None
    measured: float | None
    required: float | None
    shortfall: float | None
    unit: str
    standard: str
    clause: str
    title: str
    text: str
    proof: str | None
    computed_at: datetime
    revision: int | None


class Block(StrictModel):
    """Buildings over which a fire spreads from wall to wall."""

    buildings: int
    households: int
    population: int | None
    pairs: int
    adjoining: int
    classes: dict[str, int]
    footprint_m2: float
    region: str | None
    codes: list[str]
    geometry: Geometry
    lon: float
    lat: float


class BlocksResponse(Answer):
    """A page of blocks."""

    blocks: list[Block]
    numberMatched: int  # noqa: N815 (as in the other lists)
    numberReturned: int  # noqa: N815


class Refreshed(StrictModel):
    """How many findings were found anew by overlay, and the seconds it took."""

    recomputed: dict[str, int]
    seconds: float


class Engine(StrictModel):
    """An engine: metres and tonnes."""

    width_m: float
    height_m: float
    length_m: float
    weight_t: float
    margin_m: float
    lane_m: float


class Counted(StrictModel):
    """Buildings and the households in them."""

    buildings: int
    households: int


class Stop(StrictModel):
    """The road at which an engine is stopped."""

    road: str
    name: str
    kind: str
    measured: float | None
    required: float | None


class Unreached(StrictModel):
    """A building that an engine does not reach."""

    rule: str
    severity: str
    feature: str
    layer: str
    measured: float | None
    required: float | None
    shortfall: float | None
    stopped_by: str
    obstacle: Stop | None
    text: str


class UnreachedShape(StrictModel):
    """The same as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry | None
    properties: Unreached


class ReachResponse(Answer):
    """The buildings that an engine does not reach, and what stops it."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    features: list[UnreachedShape]
    engine: Engine
    buildings: int
    households: int
    unreached: Counted
    stopped_by: dict[str, int]


class StationResponse(StrictModel):
    """A fire station."""

    code: str
    name: str
    lon: float
    lat: float
    on_network: bool


class AreaOfMinutes(StrictModel):
    """The land that is reached within minutes."""

    minutes: float
    buildings: int
    households: int


class AreaShape(StrictModel):
    """The same as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry | None
    properties: AreaOfMinutes


class ResponseResponse(Answer):
    """The land that the stations reach, nested."""

    type: Literal["FeatureCollection"]
    features: list[AreaShape]
    outside: Counted
    stations: list[StationResponse]


class Candidate(StrictModel):
    """What one more station at a place would bring."""

    name: str
    gained_buildings: int
    gained_households: int
    remaining_households: int
    on_network: bool


class CandidatesResponse(Answer):
    """Places for one more station, the best first."""

    candidates: list[Candidate]
    best: str | None


class ReviewListed(ReviewResponse):
    """A review with the name of its building."""

    name: str


class ReviewsResponse(StrictModel):
    """A page of reviews."""

    reviews: list[ReviewListed]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    offset: int


class InspectionResponse(StrictModel):
    """An inspection of a hydrant."""

    id: int
    hydrant: str
    passed: bool
    reason: str
    flow_l_s: float | None
    inspector: str
    inspected_on: date
    due_on: date | None


class InspectionsResponse(StrictModel):
    """A page of inspections."""

    inspections: list[InspectionResponse]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    offset: int
