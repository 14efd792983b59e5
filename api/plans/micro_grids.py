"""``/plans/{id}/micro-grids``: the parts of the grids of a plan, one per informant."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import select

from api.core import problems
from api.core.caller import PLANNERS, CurrentCaller
from api.core.parameters import Connection, Lang, Number, Page, WritableConnection, retry_conflicts
from api.core.responses import AreaCollection, GeoJson, collection, feature
from api.plans import jobs
from api.plans.plans import read_plan
from api.public.regions import bounds_columns, geojson_column
from geo.errors import ConflictError
from geo.model import Grid, MicroGrid
from geo.model.grid import PlanStatus
from geo.model.job import JobKind
from geo.partition.micro import MAX_HOUSEHOLDS, MIN_HOUSEHOLDS
from geo.plans.micro_grids import SERIAL_DIGITS

router = APIRouter(tags=["plans"])


class MicroGridResponse(BaseModel):
    """A part of a grid; ``buildings`` and ``units`` are the codes of what stands in it.

    A building is in ``units`` by its stairwell units where it is divided.
    """

    code: str
    serial: int
    grid: str
    households: int
    within: bool
    buildings: list[str]
    units: list[str]


@router.get(
    "/plans/{number}/micro-grids",
    response_class=GeoJson,
    responses=problems.ok_response(AreaCollection[MicroGridResponse]),
)
def micro_grids_of_plan(
    request: Request,
    connection: Connection,
    number: Number,
    grid: Annotated[str, Query(pattern="^([0-9]{15})?$")] = "",
) -> Response:
    """Return the micro-grids of a plan, or of one of its grids; none where it is not divided."""
    read_plan(connection, number)
    statement = (
        select(
            MicroGrid.code,
            Grid.code.label("grid"),
            MicroGrid.households,
            MicroGrid.buildings,
            MicroGrid.units,
            geojson_column(MicroGrid.geom),
            *bounds_columns(MicroGrid.geom),
        )
        .join(Grid, Grid.id == MicroGrid.grid_id)
        .where(MicroGrid.plan_id == number)
        .order_by(MicroGrid.code)
    )
    if grid:
        statement = statement.where(Grid.code == grid)
    features = []
    for row in connection.execute(statement).mappings():
        serial = int(row["code"][-SERIAL_DIGITS:])
        within = MIN_HOUSEHOLDS <= row["households"] <= MAX_HOUSEHOLDS
        properties = MicroGridResponse.model_validate({**row, "serial": serial, "within": within})
        features.append(feature(row, properties.model_dump(), id=row["code"]))
    return collection(request, features, Page(max(len(features), 1), 0), len(features))


@router.post(
    "/plans/{number}/micro-grids",
    status_code=202,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def divide(
    response: Response,
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
) -> jobs.JobResponse:
    """Start a job that divides the grids of a plan into micro-grids.

    Each grid gets 6 to 8 connected parts of 50 to 100 households, or the nearest to that with the
    reason. Earlier micro-grids keep their serials, and few households change theirs.

    Raises
    ------
    ConflictError
        If the plan is archived.
    """
    plan = read_plan(connection, number)
    if plan.status == PlanStatus.ARCHIVED:
        raise ConflictError("plan_archived", plan=number)
    job = jobs.enqueue_job(connection, caller, JobKind.MICRO, plan.community_code, {"plan": number})
    response.headers["Location"] = f"/jobs/{job['id']}"
    return jobs.describe_job(job, lang)
