"""Responses that describe import runs and their reports."""

from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from sqlalchemy import Connection as Database
from sqlalchemy import func, select

from api.core.problems import message_text, name_columns, require_found
from api.core.responses import DescribedBy, Geometry
from api.plans.jobs import JobResponse
from etl.runs.report import concern_text, reason_text
from geo.messages import catalogue, language, text
from geo.model import ImportRun, Quarantine
from geo.model.run import RunStatus

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": JobResponse, "description": "It takes longer: the job to follow"}
}


class ConcernResponse(BaseModel):
    """A reason why a run is held."""

    key: str
    said: str
    values: dict[str, Any]


class RunResponse(BaseModel):
    """A run of an import."""

    id: int
    layer: str
    source: str
    status: RunStatus
    started_at: str
    finished_at: str | None
    counts: dict[str, dict[str, int]]
    timings: dict[str, float]
    revision: int | None
    file: str | None
    concerns: list[ConcernResponse]
    rejected: dict[str, int]
    waiting: int
    failure: str | None
    uploaded_by: str | None


class RefusedResponse(BaseModel):
    """A rejected feature in a run's report."""

    id: int
    layer: str
    code: str | None
    reason: str
    detail: dict[str, Any]
    said: str


Change = Literal["added", "changed", "removed"]


class DifferenceResponse(BaseModel):
    """A feature that a run adds, changes or removes; ``columns`` are those that change.

    ``values`` are what differs, before and after by column; ``before`` is the shape before, if that
    changes.
    """

    code: str
    fate: Change
    columns: list[str] | None
    values: dict[str, list[Any]] = {}
    shape: Geometry | None
    before: Geometry | None = None


class DensityCellResponse(BaseModel):
    """Number of differences of one kind in a square, given by its south-western corner."""

    lon: float
    lat: float
    fate: Change
    count: int


class DensityResponse(BaseModel):
    """Differences counted in squares; ``cell`` is their side in degrees."""

    cell: float
    cells: list[DensityCellResponse]


class PipeSpotResponse(BaseModel):
    """A place where a pipe network is inconsistent."""

    code: str
    lon: float
    lat: float
    near: str | None = None


class PipeNetworkResponse(BaseModel):
    """Number of nodes created for pipes without nodes, and inconsistent pipes and valves."""

    made: int = 0
    loose_ends: list[PipeSpotResponse] = []
    near_misses: list[PipeSpotResponse] = []
    reversed: list[PipeSpotResponse] = []
    far_ends: list[PipeSpotResponse] = []
    doubles: list[PipeSpotResponse] = []
    parallels: list[PipeSpotResponse] = []
    loose_valves: list[PipeSpotResponse] = []


class MovedBuildingResponse(BaseModel):
    """A building that lies in another community since a border changed."""

    code: str
    old: str | None
    new: str


class RemovedUnitResponse(BaseModel):
    """A stairwell unit removed together with its building."""

    code: str
    building: str
    households: int
    source: str


class RegisterLeftResponse(BaseModel):
    """A removed building of which dwellings or organisations are still on record."""

    building: str
    dwellings: int
    entities: int


class LoosenedPipeResponse(BaseModel):
    """A pipe whose node at an end was removed."""

    code: str
    source: str


class StalePlanResponse(BaseModel):
    """A plan whose community changed, with the affected grids."""

    plan: int
    community: str
    version: int
    households: int
    grids: list[str]


class KeptCorrectionResponse(BaseModel):
    """A corrected value that an import did not overwrite."""

    layer: str
    code: str
    field: str
    value: Any
    delivered: Any
    actor: str


class BreachResponse(BaseModel):
    """A gap or overlap between regions."""

    kind: str
    codes: list[str]
    area_m2: float
    lon: float
    lat: float


class TopologyResponse(BaseModel):
    """Gaps and overlaps between regions."""

    breaches: list[BreachResponse] = []


class RunReportResponse(BaseModel):
    """Report of a run: its differences and their consequences; it may have further members.

    ``unused_columns`` are, by layer, the columns of the file that the run did not use, each with
    the column that it resembles; ``unread_layers`` are the layers of the file that it left out.
    """

    unused_columns: dict[str, dict[str, str | None]] = {}
    unread_layers: list[str] = []
    differences: dict[str, list[DifferenceResponse]] = {}
    density: dict[str, DensityResponse] = {}
    timings_until_held: dict[str, float] = {}
    moved: list[MovedBuildingResponse] = []
    moved_count: int = 0
    units_removed: list[RemovedUnitResponse] = []
    units_removed_count: int = 0
    register_left: list[RegisterLeftResponse] = []
    register_left_count: int = 0
    ends_loosened: list[LoosenedPipeResponse] = []
    ends_loosened_count: int = 0
    network: PipeNetworkResponse = PipeNetworkResponse()
    topology: TopologyResponse = TopologyResponse()
    stale: list[StalePlanResponse] = []
    corrections_kept: list[KeptCorrectionResponse] = []


class RunDetailResponse(RunResponse):
    """A run with its report and the first of its rejected features."""

    report: Annotated[dict[str, Any], DescribedBy(RunReportResponse)]
    refused: list[RefusedResponse]


def describe_run(connection: Database, number: int) -> RunResponse:
    """Return a run.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    waiting = select(func.count()).where(
        Quarantine.run_id == ImportRun.id, Quarantine.resolved_at.is_(None)
    )
    row = connection.execute(
        select(ImportRun.__table__, waiting.scalar_subquery().label("waiting")).where(
            ImportRun.id == number
        )
    ).first()
    row = require_found("no_such_run", row, run=number)
    report = row.report
    return RunResponse(
        id=row.id,
        layer=row.layer,
        source=row.source,
        status=RunStatus(row.status),
        started_at=row.started_at.isoformat(),
        finished_at=row.finished_at.isoformat() if row.finished_at else None,
        counts=row.counts,
        timings=row.timings,
        revision=row.revision,
        file=report.get("file"),
        concerns=[
            ConcernResponse(**concern, said=explain_concern(concern))
            for concern in report.get("concerns", [])
        ],
        rejected=report.get("rejected", {}),
        waiting=row.waiting,
        failure=_failure_text(report),
        uploaded_by=report.get("uploaded_by"),
    )


def _failure_text(report: dict[str, Any]) -> str | None:
    """Return why a run failed in the caller's language, in words for a clerk where there are."""
    problem, lang = report.get("problem"), language()
    if problem and f"http.{problem['key']}" in catalogue(lang):
        return message_text(problem["key"], lang, **problem["values"])
    failure = report.get("failure_zh") if lang == "zh" else None
    return failure or report.get("failure")


def explain_concern(concern: dict[str, Any]) -> str:
    """Return why a run is held, in words for a clerk."""
    lang, values = language(), dict(concern["values"])
    layer = str(values.get("layer", ""))
    values["layer"] = catalogue(lang).get(f"layer.{layer}", layer)
    if f"clerk.{concern['key']}" not in catalogue(lang):
        return str(values["layer"]) + concern_text(concern).removeprefix(layer)
    if "columns" in values:
        values["columns"] = name_columns({"column": values["columns"]}, lang)["column"]
    return text(f"clerk.{concern['key']}", lang=lang, **values)


def explain_rejection(reason: str, detail: dict[str, Any]) -> str:
    """Return why a feature was rejected, in words for a clerk."""
    lang = language()
    values = name_columns(detail, lang)
    if f"clerk.{reason}" in catalogue(lang):
        with suppress(KeyError):  # older runs do not record every field
            return text(f"clerk.{reason}", lang=lang, **values)
    return reason_text(reason, values)
