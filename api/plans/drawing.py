"""Asking for drawings: a community drawn anew, or a plan finished; each is a job."""

from typing import Annotated, Any, Literal

import orjson
import shapely
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database

from api.core import problems
from api.core.caller import PLANNERS, Asker
from api.core.parameters import ONE_LINE, Code12, Lang, Number, Writing, retry_conflicts
from api.core.responses import ArealGeometry, DescribedBy
from api.plans import jobs
from api.plans.plans import check_community, read_plan, require_community
from geo.errors import InputError, NotFoundError
from geo.model.facility import Category
from geo.model.job import JobKind

router = APIRouter(tags=["plans"])


FeatureCode = Annotated[str, Field(min_length=1, max_length=100)]

CostTerm = Literal["limit", "balance", "border", "compactness", "compound", "moved"]
"""What a drawing is charged for (:class:`geo.partition.scoring.objective.Weights`)."""


class AreaRequest(BaseModel):
    """A polygon (GeoJSON, CGCS2000) that is to be a grid of its own."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=60, pattern=ONE_LINE)
    geometry: Annotated[dict[str, Any], DescribedBy(ArealGeometry)]

    def shape(self) -> shapely.Geometry:
        """Return the polygon.

        Raises
        ------
        InputError
            If it is none, or crosses itself.
        """
        try:
            shape = shapely.from_geojson(orjson.dumps(self.geometry))
        except (shapely.GEOSException, TypeError) as error:
            raise InputError("area_unreadable", said=str(error)) from None
        if shapely.get_dimensions(shape) != 2 or shapely.is_empty(shape):
            raise InputError("area_unreadable", said=self.geometry.get("type"))
        if not shapely.is_valid(shape):
            raise InputError("area_unreadable", said=shapely.is_valid_reason(shape))
        return shape


class DrawRequest(BaseModel):
    """How to draw: limits, the seed, what each fault costs, how many seconds it may take, and what
    has to be together, apart or left alone."""

    model_config = ConfigDict(extra="forbid")

    target: int = Field(400, ge=1, le=100_000)
    lower: int = Field(300, ge=1, le=100_000)
    upper: int = Field(500, ge=1, le=100_000)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    seconds: float | None = Field(None, ge=1, le=600)
    weights: dict[CostTerm, Annotated[float, Field(ge=0, le=1e9)]] = Field(default_factory=dict)
    fresh: bool = False
    before: int | None = Field(None, ge=1, le=2**53)
    locked: list[FeatureCode] = Field(default_factory=list, max_length=1000)
    together: list[list[FeatureCode]] = Field(default_factory=list, max_length=1000)
    apart: list[tuple[FeatureCode, FeatureCode]] = Field(default_factory=list, max_length=1000)
    dedicated: list[Category] = Field(default_factory=list, max_length=30)
    areas: list[AreaRequest] = Field(default_factory=list, max_length=50)
    whole_compounds: bool = False
    only_touched: bool = False
    complete: bool = False
    alternatives: int = Field(1, ge=1, le=5)


@router.post(
    "/communities/{code}/plans",
    status_code=202,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def draw(
    request: Request,
    response: Response,
    connection: Writing,
    asker: Asker,
    lang: Lang,
    code: Code12,
    ask: Annotated[DrawRequest, Body()],
) -> jobs.JobResponse:
    """Draw the grids of a community, or several drawings that differ: a job."""
    require_community(connection, code)
    if not ask.lower <= ask.target <= ask.upper:
        raise InputError("limits_disordered", lower=ask.lower, target=ask.target, upper=ask.upper)
    if not is_in_scope(asker.scope, asker.role, code):
        raise NotFoundError("no_such_community", code=code)
    if ask.before is not None:
        check_community(connection, ask.before, code)
    areas = [
        {"name": area.name, "wkt": shapely.to_wkt(area.shape(), rounding_precision=9)}
        for area in ask.areas
    ]
    kind = JobKind.ALTERNATIVES if ask.alternatives > 1 else JobKind.DRAW
    asked = ask.model_dump() | {"areas": areas}
    return _submit_job(request, response, connection, asker, lang, kind, code, asked)


def is_in_scope(scope: str, role: str, code: str) -> bool:
    """Return whether a community is in a planner's scope."""
    return role == "admin" or (bool(scope) and code.startswith(scope))


@router.post(
    "/plans/{number}/complete",
    status_code=202,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def complete(
    request: Request,
    response: Response,
    connection: Writing,
    asker: Asker,
    lang: Lang,
    number: Number,
) -> jobs.JobResponse:
    """Repair or finish a plan with the least change that meets its limits: a job."""
    found = read_plan(connection, number)
    asked = found.limits.model_dump() | {"before": number}
    kind = JobKind.COMPLETE
    return _submit_job(
        request, response, connection, asker, lang, kind, found.community_code, asked
    )


def _submit_job(
    request: Request,
    response: Response,
    connection: Database,
    asker: Any,
    lang: Any,
    kind: JobKind,
    code: str,
    asked: dict[str, Any],
) -> jobs.JobResponse:
    made = jobs.enqueue_job(connection, asker, kind, code, asked)
    response.headers["Location"] = f"/jobs/{made['id']}"
    return jobs.describe_job(made, lang)
