"""``/plans/{id}/barriers``: the roads, walls, railways and waters that borders may follow."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy import case, func, select

from api.core import problems
from api.core.caller import PLANNERS
from api.core.parameters import Connection, Number, Page
from api.core.responses import Collection, GeoJson, collection, feature
from api.plans.plans import read_plan
from api.public.regions import bounds_columns, geojson_column
from geo.plans.barrier_lines import KINDS, select_barrier_lines

router = APIRouter(tags=["plans"])


class BarrierResponse(BaseModel):
    """A road, wall, railway or water inside the community; ``name`` is empty if it has none."""

    kind: Literal["arterial", "street", "alley", "wall", "railway", "river"]
    name: str


@router.get(
    "/plans/{number}/barriers",
    response_class=GeoJson,
    dependencies=[PLANNERS],
    responses=problems.protected_response(Collection[BarrierResponse]),
)
def barriers_of_plan(request: Request, connection: Connection, number: Number) -> Response:
    """List the lines that borders of the plan's grids may follow; those of one name as one."""
    lines = select_barrier_lines(read_plan(connection, number).community_code).c
    order = case({kind: place for place, kind in enumerate(KINDS)}, value=lines.kind)
    statement = select(
        lines.kind, lines.name, geojson_column(lines.geom), *bounds_columns(lines.geom)
    ).order_by(order, lines.name, func.ST_XMin(lines.geom), func.ST_YMin(lines.geom))
    features = [
        feature(row, {"kind": row["kind"], "name": row["name"]}, id=str(index))
        for index, row in enumerate(connection.execute(statement).mappings())
    ]
    return collection(request, features, Page(max(len(features), 1), 0), len(features))
