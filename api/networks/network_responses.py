"""What ``/networks`` answers with, for the description of the API.

Geometry is GeoJSON in CGCS2000 (longitude first), distances are metres.
"""

from typing import Literal

from api.core.responses import Geometry, StrictModel
from api.fire.response_parts import (
    DataAge,
    DatedResponse,
    FacilityBrief,
    GridContact,
    NamedPlace,
    PlacedFeature,
)
from geo.standards import Force


class NetworkSummary(StrictModel):
    """A network with its size and how many faults of each kind it has."""

    network: str
    segments: int
    nodes: int
    loose_ends: int
    missing_nodes: int
    islands: int
    crossings: int
    zero_length: int
    duplicates: int
    parallels: int
    loose_valves: int


class NetworksResponse(StrictModel):
    """The networks that the caller may see."""

    networks: list[NetworkSummary]
    data: DataAge


class PipeRecord(StrictModel):
    """What is on record of a pipe, and how far it is."""

    code: str
    diameter_mm: float | None
    material: str | None
    burial_depth_m: float | None
    depth_from_m: float | None
    depth_to_m: float | None
    depth_of: str | None
    laying: str | None
    status: str | None
    owner: str
    pressure_mpa: float | None
    pressure_class: str | None
    voltage_kv: float | None
    ducts: int | None
    geometry: Geometry
    distance_m: float


class BuriedPipe(PipeRecord):
    """A pipe under a place, in use or not, and how dangerous it is to dig near it."""

    network: str
    network_text: str
    danger: Literal["high", "medium", "low"]
    text: str


class BurialResponse(DatedResponse):
    """The pipes under a place, the nearest first."""

    pipes: list[BuriedPipe]
    text: str


ConflictKind = Literal["under_building", "building", "crossing", "parallel", "cover"]


class PipeClause(StrictModel):
    """How binding figures for pipes are, and the clause they come from."""

    standard: str
    clause: str
    force: Force
    superseded_by: str
    verified: bool
    text: str


class Conflict(PipeClause):
    """Where a pipe comes closer to another, to a building or to the surface than it may."""

    kind: ConflictKind
    severity: Literal["high", "medium", "missing"]
    networks: list[str]
    segments: list[str]
    building: str | None
    measured: float | None
    required: float
    shortfall: float | None


class PipeRule(PipeClause):
    """Figures for pipes in metres, by the names under which a city sets its own."""

    figures: dict[str, float]
    overridden: bool


class PipeRulesResponse(StrictModel):
    """The figures that pipes are checked against."""

    rules: list[PipeRule]


class ConflictFeature(StrictModel):
    """The same as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry | None
    properties: Conflict


class ConflictsResponse(DatedResponse):
    """A page of places, the worst first."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815 (the standard's spelling)
    numberReturned: int  # noqa: N815
    features: list[ConflictFeature]


class PipeAttribute(StrictModel):
    """An attribute of a pipe that is on record."""

    key: str
    label: str
    text: str


class NearestSegment(PipeRecord):
    """A segment, and how far it is; ``sheet`` is what is on record of it in words."""

    from_node: str | None
    to_node: str | None
    year_built: int | None
    sheet: list[PipeAttribute]


class NearestResponse(DatedResponse):
    """The segment nearest to a place."""

    segment: NearestSegment


class ValveToClose(PlacedFeature):
    """A valve to close; ``instead`` are those of the next ring, if it sticks."""

    kind: str
    name: str
    distance_m: float
    instead: list[str]
    instead_isolable: bool


class DryHydrant(PlacedFeature):
    """A hydrant that goes dry."""


class UnsuppliedBuilding(NamedPlace):
    """A building that loses supply."""

    households: int
    population: int | None


class UnsuppliedGrid(GridContact):
    """A grid with buildings that lose supply."""

    buildings: int


class UnsuppliedFacility(FacilityBrief):
    """A hospital or school that loses supply."""


class LostSupply(StrictModel):
    """What loses supply."""

    segments: list[str]
    geometry: Geometry | None
    length_m: float
    hydrants: list[DryHydrant]
    buildings: list[UnsuppliedBuilding]
    households: int
    population: int | None
    grids: list[UnsuppliedGrid]
    critical: list[UnsuppliedFacility]


class PeopleNearLeak(StrictModel):
    """Who is near a gas leak."""

    radius_m: float
    buildings: int
    households: int
    population: int | None
    area: Geometry


class FaultWarning(PlacedFeature):
    """A fault of the network because of which a result is not guaranteed."""

    key: str
    text: str


class BrokenSegment(StrictModel):
    """The segment that broke; ``sheet`` is what is on record of it in words."""

    code: str
    geometry: Geometry
    sheet: list[PipeAttribute]


class IsolationResponse(DatedResponse):
    """The fewest valves that cut a segment off, and what loses supply."""

    network: str
    segment: BrokenSegment
    isolable: bool
    text: str
    sources_to_shut: list[str]
    valves: list[ValveToClose]
    already_closed: list[str]
    bound: int | None
    proven: bool
    lost: LostSupply
    affected: PeopleNearLeak | None
    sources: list[str]
    guaranteed: bool
    warnings: list[FaultWarning]


class TracedNodes(StrictModel):
    """The nodes of a trace by kind, consumers by their number."""

    source: list[str]
    hydrant: list[str]
    valve: list[str]
    regulator: list[str]
    outfall: list[str]
    consumer: int


class TraceResponse(DatedResponse):
    """What lies up, down or is connected."""

    segments: list[str]
    geometry: Geometry
    nodes: TracedNodes
    length_m: float
    guaranteed: bool
    warnings: list[FaultWarning]


class NetworkFault(StrictModel):
    """A fault of a network."""

    kind: str
    code: str
    text: str


class FaultFeature(StrictModel):
    """The same as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry | None
    properties: NetworkFault


class FaultsResponse(DatedResponse):
    """A page of faults."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    features: list[FaultFeature]
