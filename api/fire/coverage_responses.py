"""Responses of ``/fire/reach`` and ``/fire/response``."""

from typing import Literal

from api.core.responses import Geometry, StrictModel
from api.fire.response_parts import DatedResponse, PlacedFeature


class EngineMeasures(StrictModel):
    """The measures of a fire engine, metres and tonnes."""

    width_m: float
    height_m: float
    length_m: float
    weight_t: float
    margin_m: float
    turning_radius_m: float
    lane_m: float


class BuildingCount(StrictModel):
    """A number of buildings and of households in them."""

    buildings: int
    households: int


class BlockingRoad(StrictModel):
    """The road at which an engine is stopped."""

    road: str
    name: str
    kind: str
    measured: float | None
    required: float | None


class UnreachedBuilding(StrictModel):
    """A building that an engine does not reach."""

    rule: str
    severity: str
    feature: str
    layer: str
    measured: float | None
    required: float | None
    shortfall: float | None
    stopped_by: str
    obstacle: BlockingRoad | None
    text: str


class UnreachedBuildingFeature(StrictModel):
    """A building that an engine does not reach, as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry | None
    properties: UnreachedBuilding


class ReachResponse(DatedResponse):
    """The buildings that an engine does not reach, and what stops it."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    features: list[UnreachedBuildingFeature]
    engine: EngineMeasures
    buildings: int
    households: int
    unreached: BuildingCount
    stopped_by: dict[str, int]


class FireStation(PlacedFeature):
    """A fire station."""

    name: str
    on_network: bool


class ResponseArea(StrictModel):
    """The counts within the area that is reached within minutes."""

    minutes: float
    buildings: int
    households: int


class ResponseAreaFeature(StrictModel):
    """An area that is reached within minutes, as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry | None
    properties: ResponseArea


class TravelTimeResponse(StrictModel):
    """The travel-time model: km/h by class of road, and seconds."""

    speed_kmh: dict[str, float]
    junction_delay_s: float
    hose_s_per_m: float
    turnout_s: float
    micro_station_kmh: float
    micro_turnout_s: float


class StationAreasResponse(DatedResponse):
    """The nested areas that the stations reach."""

    type: Literal["FeatureCollection"]
    features: list[ResponseAreaFeature]
    outside: BuildingCount
    stations: list[FireStation]
    model: TravelTimeResponse


class StationCandidate(StrictModel):
    """What one more station at a place would gain."""

    name: str
    gained_buildings: int
    gained_households: int
    remaining_households: int
    on_network: bool


class StationCandidatesResponse(DatedResponse):
    """Places for one more station, the best first."""

    candidates: list[StationCandidate]
    best: str | None
