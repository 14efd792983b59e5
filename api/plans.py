"""Which plan of a community is shown."""

from typing import Annotated, Literal

from fastapi import Query
from sqlalchemy import Subquery, select
from sqlalchemy.dialects.postgresql import distinct_on

from geo.model import GridPlan

Status = Literal["published", "draft"]

Shown = Annotated[
    Status,
    Query(description="the plan in force, or the newest draft of each community"),
]


def plans_shown(status: Status) -> Subquery:
    """Return the plans that are in force, or each community's newest draft."""
    chosen = select(GridPlan).where(GridPlan.status == status)
    if status == "draft":
        chosen = chosen.ext(distinct_on(GridPlan.community_code)).order_by(
            GridPlan.community_code, GridPlan.version.desc()
        )
    return chosen.subquery("plan")
