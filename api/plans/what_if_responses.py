"""Responses of ``/what-if``: figures and maps before and after a change of communities."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from api.core.responses import ArealGeometry, DescribedBy, LineString, MultiLineString
from api.plans.plans import LimitsResponse, ScoreResponse
from geo.plans.change_figures import BoundaryChangeKind

Properties = TypeVar("Properties")


class StreetResponse(BaseModel):
    """A street, railway or water that may become a border; ``code`` is that of one of its parts."""

    code: str
    name: str
    kind: Literal["arterial", "street", "alley", "railway", "river"]


class PlannedCommunityResponse(BaseModel):
    """A community with its plan; ``in_force`` is false where it was drawn for the comparison."""

    code: str
    name: str
    in_force: bool
    general_grids: int
    score: ScoreResponse


class TotalsResponse(BaseModel):
    """Figures of the communities together (:class:`geo.plans.change_figures.Totals`)."""

    grids: int
    households: int
    per_grid: float
    within_limits: float
    smallest: int
    largest: int
    walk_ways_m: float | None
    walk_far: float | None
    border_cost: float
    divided_compounds: int


class BorderResponse(BaseModel):
    """The new border: its length and how much of it runs along the street, in metres."""

    street: str
    length_m: float
    along_m: float


class ChangeFiguresResponse(BaseModel):
    """Figures before and after a change of communities."""

    kind: BoundaryChangeKind
    border: BorderResponse | None
    before: list[PlannedCommunityResponse]
    after: list[PlannedCommunityResponse]
    total_before: TotalsResponse
    total_after: TotalsResponse
    changed_community_households: int
    changed_community_buildings: int
    changed_grid_households: int


class GridPropertiesResponse(BaseModel):
    """A grid before or after the change.

    ``colour`` is the index of a colour that its neighbours do not have, ``lon`` and ``lat`` are
    where its label stands.
    """

    code: str
    name: str | None
    kind: str
    community_code: str
    community_name: str
    households: int
    colour: int
    lon: float
    lat: float


class CommunityPropertiesResponse(BaseModel):
    """A community before or after the change."""

    code: str
    name: str
    households: int
    grids: int


class MovedBuildingResponse(BaseModel):
    """A building, or a unit of a large one, with its community and grid before and after."""

    code: str
    unit_code: str | None
    name: str
    households: int
    community_before: str
    community_after: str
    grid_before: str | None
    grid_after: str
    grid_changed: bool


class LayerFeature(BaseModel, Generic[Properties]):
    """A GeoJSON feature that is a polygon or several."""

    type: Literal["Feature"]
    geometry: Annotated[dict[str, Any], DescribedBy(ArealGeometry)]
    properties: Properties


class Layer(BaseModel, Generic[Properties]):
    """A layer of polygons (GeoJSON, CGCS2000)."""

    type: Literal["FeatureCollection"]
    features: list[LayerFeature[Properties]]


class BorderFeature(BaseModel):
    """The new border as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Annotated[dict[str, Any], DescribedBy(LineString | MultiLineString)]
    properties: dict[str, str]


class BorderLayer(BaseModel):
    """The new border as a layer of one line."""

    type: Literal["FeatureCollection"]
    features: list[BorderFeature]


class LayersBeforeResponse(BaseModel):
    """Grids and communities before the change."""

    grid: Layer[GridPropertiesResponse]
    community: Layer[CommunityPropertiesResponse]


class LayersAfterResponse(LayersBeforeResponse):
    """Grids and communities after the change, all buildings, and the new border."""

    building: Layer[MovedBuildingResponse]
    border: BorderLayer | None = None


class WhatIfResponse(BaseModel):
    """The result of a comparison: figures, what would change in words, and the maps."""

    job: int
    figures: ChangeFiguresResponse
    sentences: list[str]
    limits: LimitsResponse
    before: LayersBeforeResponse
    after: LayersAfterResponse
