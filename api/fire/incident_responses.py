"""Response of ``/fire/incident``."""

from api.core.responses import Geometry, StrictModel
from api.fire.building_responses import FireItemResponse, HydrantRecord, KeyUnit
from api.fire.response_parts import (
    DatedResponse,
    FacilityBrief,
    GridContact,
    NamedPlace,
    PlacedFeature,
    StationRoute,
)


class IncidentTotals(StrictModel):
    """Counts within a radius; ``residents`` and ``need_help`` are those of the register."""

    buildings: int
    households: int
    population: int | None
    high_rise: int
    units: int
    residents: int | None
    need_help: int | None


class GridEvacuation(GridContact):
    """A grid with the people within a radius, who are to be moved."""

    population: int | None
    buildings: int


class PeopleOutsideGrids(StrictModel):
    """People within a radius who are in no grid."""

    households: int
    population: int | None
    buildings: int


class BuildingInRange(NamedPlace):
    """A building within a radius."""

    use: str | None
    use_text: str | None
    storeys_above: int | None
    fire_class: int | None
    high_rise: bool | None
    households: int
    population: int | None
    distance_m: float
    items: list[FireItemResponse]
    residents: int | None
    need_help: int | None
    key_units: list[KeyUnit]


class FacilityInRange(FacilityBrief):
    """A facility within a radius."""

    distance_m: float


class HydrantInRange(HydrantRecord):
    """A hydrant within a radius."""

    distance_m: float
    in_service: bool | None


class ValveInRange(PlacedFeature):
    """A valve within a radius."""

    network: str
    kind: str
    is_open: bool | None
    distance_m: float


class IncidentResponse(DatedResponse):
    """Everything within a radius of a place."""

    centre: tuple[float, float]
    radius_m: float
    lon: float
    lat: float
    area: Geometry
    totals: IncidentTotals
    grids: list[GridEvacuation]
    outside_grids: PeopleOutsideGrids
    buildings: list[BuildingInRange]
    critical: list[FacilityInRange]
    hydrants: list[HydrantInRange]
    intakes: list[FacilityInRange]
    valves: list[ValveInRange]
    stations: list[StationRoute]
