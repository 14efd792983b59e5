"""``/plans``: the plans of all communities in short, for lists and overview maps."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Float, Integer, func, select

from api.core import problems
from api.core.caller import PLANNERS
from api.core.parameters import Connection, PageParameter
from api.core.responses import Listing, listing
from geo.model import GridPlan, PlanComment, Region
from geo.model.grid import PlanStatus

router = APIRouter(tags=["plans"])


class PlanSummaryResponse(BaseModel):
    """A plan in short.

    ``within_limits`` is the share of its general grids within the limits, ``grids`` their number;
    both are null before it is scored. ``comments`` counts the open ones.
    """

    id: int
    community_code: str
    community: str
    version: int
    author: str
    note: str
    created_at: datetime
    stale: bool
    grids: int | None
    within_limits: float | None
    comments: int


@router.get(
    "/plans",
    dependencies=[PLANNERS],
    responses=problems.protected_response(Listing[PlanSummaryResponse]),
)
def plans_in_short(
    request: Request,
    connection: Connection,
    page: PageParameter,
    status: Annotated[PlanStatus, Query()] = PlanStatus.DRAFT,
) -> Response:
    """List the plans of a status that the caller may see, the oldest first."""
    plans = select(func.count()).select_from(GridPlan).where(GridPlan.status == status)
    matched = connection.execute(plans).scalar_one()
    comments = (
        select(func.count())
        .where(PlanComment.plan_id == GridPlan.id, PlanComment.resolved_at.is_(None))
        .scalar_subquery()
    )
    statement = (
        select(
            *(GridPlan.id, GridPlan.community_code, GridPlan.version, GridPlan.author),
            *(GridPlan.note, GridPlan.created_at),
            func.coalesce(Region.name, "").label("community"),
            GridPlan.stale.is_not(None).label("stale"),
            GridPlan.score["grids"].astext.cast(Integer).label("grids"),
            GridPlan.score["within_limits"].astext.cast(Float).label("within_limits"),
            comments.label("comments"),
        )
        .outerjoin(Region, Region.code == GridPlan.community_code)
        .where(GridPlan.status == status)
        .order_by(GridPlan.created_at, GridPlan.id)
    )
    rows = connection.execute(page.of(statement)).mappings()
    items = [PlanSummaryResponse.model_validate(row) for row in rows]
    return listing(request, items, page, matched)
