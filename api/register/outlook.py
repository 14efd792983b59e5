"""``/regions/{code}/outlook``: households of communities next year, against their grids."""

from fastapi import APIRouter
from pydantic import BaseModel

from api.core import problems
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Code12, Connection
from geo.plans.outlook import Fit, read_outlook

router = APIRouter(tags=["regions"], dependencies=[allow("planner", "office", "admin")])


class OutlookResponse(BaseModel):
    """A community; dedicated grids and their households are left out.

    ``next_year`` is the linear trend of the totals of ``years`` years to the end of next year, null
    where fewer than two are on record. ``fewest_grids`` and ``most_grids`` keep all within the
    limits then.
    """

    code: str
    name: str
    grids: int | None
    households: int
    next_year: int | None
    years: int
    fewest_grids: int | None
    most_grids: int | None
    fit: Fit
    fit_next_year: Fit
    residents: int | None
    verified_share: float | None


class OutlookListResponse(BaseModel):
    """The communities of a region, by code."""

    items: list[OutlookResponse]


@router.get("/regions/{code}/outlook", responses=problems.PROTECTED)
def outlook(connection: Connection, caller: CurrentCaller, code: Code12) -> OutlookListResponse:
    """Return which communities have too many or too few households for their grids next year."""
    rows = read_outlook(connection, code, caller.scope)
    return OutlookListResponse(items=[OutlookResponse(**vars(row)) for row in rows])
