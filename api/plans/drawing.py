"""Routes that start drawing jobs: draw a community, or repair and complete a plan."""

from typing import Annotated, Any, Literal

import orjson
import shapely
from fastapi import APIRouter, Body, Request, Response
from pydantic import Field
from sqlalchemy import Connection as Database

from api.core import problems
from api.core.caller import PLANNERS, CurrentCaller
from api.core.parameters import ONE_LINE, Code12, Lang, Number, WritableConnection, retry_conflicts
from api.core.responses import ArealGeometry, DescribedBy, StrictModel
from api.plans import jobs
from api.plans.plans import check_community, read_plan, require_community
from geo.errors import InputError, NotFoundError
from geo.model.facility import Category
from geo.model.job import JobKind
from geo.partition.scoring.objective import Balance

router = APIRouter(tags=["plans"])


FeatureCode = Annotated[str, Field(min_length=1, max_length=100)]

CostTerm = Literal[
    "limit", "balance", "border", "compactness", "compound", "moved", "walk", "station"
]
"""Terms of the objective of a drawing (:class:`geo.partition.scoring.objective.Weights`)."""


class AreaRequest(StrictModel):
    """A polygon (GeoJSON, CGCS2000) that must become a grid of its own."""

    name: str = Field(min_length=1, max_length=60, pattern=ONE_LINE)
    geometry: Annotated[dict[str, Any], DescribedBy(ArealGeometry)]

    def shape(self) -> shapely.Geometry:
        """Return the polygon.

        Raises
        ------
        InputError
            If the geometry is not a polygon, is empty, or is invalid.
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


class DrawingOptions(StrictModel):
    """Options of all drawings.

    What grids share equally and its limits, seed, weights, and time limit in seconds; ``fresh``
    ignores the plan in force.
    """

    balance: Balance = Field(
        Balance.HOUSEHOLDS, description="with workload the limits are units of workload"
    )
    target: int = Field(400, ge=1, le=100_000)
    lower: int = Field(300, ge=1, le=100_000)
    upper: int = Field(500, ge=1, le=100_000)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    seconds: float | None = Field(None, ge=1, le=600)
    weights: dict[CostTerm, Annotated[float, Field(ge=0, le=1e9)]] = Field(default_factory=dict)
    fresh: bool = False


class DrawRequest(DrawingOptions):
    """Options of a drawing, with constraints on what stays together, apart or unchanged."""

    before: int | None = Field(None, ge=1, le=2**53)
    locked: list[FeatureCode] = Field(default_factory=list, max_length=1000)
    together: list[Annotated[list[FeatureCode], Field(min_length=2)]] = Field(
        default_factory=list, max_length=1000
    )
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
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    code: Code12,
    options: Annotated[DrawRequest, Body()],
) -> jobs.JobResponse:
    """Start a job that draws the grids of a community, or several alternatives.

    Raises
    ------
    NotFoundError
        If there is no such community in the caller's region.
    """
    require_community(connection, code)
    check_limits(options)
    if not is_in_scope(caller.scope, caller.role, code):
        raise NotFoundError("no_such_community", code=code)
    if options.before is not None:
        check_community(connection, options.before, code)
    areas = [
        {"name": area.name, "wkt": shapely.to_wkt(area.shape(), rounding_precision=9)}
        for area in options.areas
    ]
    kind = JobKind.ALTERNATIVES if options.alternatives > 1 else JobKind.DRAW
    parameters = options.model_dump() | {"areas": areas}
    return _submit_job(request, response, connection, caller, lang, kind, code, parameters)


def check_limits(options: DrawingOptions) -> None:
    """Raise an error unless the target lies between the limits.

    Raises
    ------
    InputError
        If it does not.
    """
    if not options.lower <= options.target <= options.upper:
        raise InputError(
            "limits_disordered", lower=options.lower, target=options.target, upper=options.upper
        )


def is_in_scope(scope: str, role: str, code: str) -> bool:
    """Return whether a community lies in the scope of a planner; all do for an administrator."""
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
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
) -> jobs.JobResponse:
    """Start a job that repairs or completes a plan with as few changes as possible."""
    plan = read_plan(connection, number)
    parameters = plan.limits.model_dump() | {"before": number}
    kind = JobKind.COMPLETE
    return _submit_job(
        request, response, connection, caller, lang, kind, plan.community_code, parameters
    )


def _submit_job(
    request: Request,
    response: Response,
    connection: Database,
    caller: Any,
    lang: Any,
    kind: JobKind,
    code: str,
    parameters: dict[str, Any],
) -> jobs.JobResponse:
    job = jobs.enqueue_job(connection, caller, kind, code, parameters)
    response.headers["Location"] = f"/jobs/{job['id']}"
    return jobs.describe_job(job, lang)
