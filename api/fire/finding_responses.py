"""Responses of ``/fire/rules``, ``overlays``, ``findings`` and ``separation/blocks``."""

from datetime import datetime

from api.core.responses import Geometry, StrictModel
from api.fire.response_parts import DatedResponse
from geo.fire.rules import Overlay, Severity
from geo.standards import Force


class RuleInForce(StrictModel):
    """A rule in force: its figure, how binding it is, and the clause it comes from."""

    id: str
    overlay: str
    figure: float
    unit: str
    standard: str
    clause: str
    severity: str
    force: Force
    superseded_by: str
    verified: bool
    text: str
    overridden: bool


class RulesResponse(StrictModel):
    """The rules in force."""

    rules: list[RuleInForce]


class OverlaySummary(StrictModel):
    """An overlay with its counts of findings."""

    id: Overlay
    title: str
    text: str
    findings: dict[Severity, int]
    computed_at: datetime | None
    stale: bool


class OverlaysResponse(DatedResponse):
    """The overlays."""

    overlays: list[OverlaySummary]


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
    address: str | None
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


class FireBlock(StrictModel):
    """Buildings within which a fire can spread from wall to wall."""

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


class BlocksResponse(DatedResponse):
    """A page of blocks."""

    blocks: list[FireBlock]
    numberMatched: int  # noqa: N815 (as in the other lists)
    numberReturned: int  # noqa: N815


class RefreshResponse(StrictModel):
    """The number of recomputed findings by overlay, and the seconds it took."""

    recomputed: dict[str, int]
    seconds: float
