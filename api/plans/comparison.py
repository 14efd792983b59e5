"""``/plans/{id}/comparison``: differences between two plans of a community."""

from typing import Annotated

import orjson
import shapely
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database

from api.core import problems
from api.core.caller import PLANNERS
from api.core.parameters import Connection, Number, Page
from api.core.problems import require_found
from api.core.read_audit import audit_reads
from api.core.responses import AreaCollection, GeoJson, collection, etag_response
from api.plans.plans import check_community, read_plan
from geo.plans import store
from geo.plans.comparison import compare_plans

router = APIRouter(tags=["plans"])


class GridBalanceResponse(BaseModel):
    """Households of a grid before (other plan) and after (this plan), gained and lost."""

    code: str
    before: int
    after: int
    gained: int
    lost: int


class ComparisonResponse(BaseModel):
    """Differences between a plan and another of its community."""

    model_config = ConfigDict(populate_by_name=True)

    plan: int
    other: int = Field(alias="with")
    moved_households: int
    moved_buildings: int
    border_added_m: float
    border_removed_m: float
    grids: list[GridBalanceResponse]


class MovedAtomResponse(BaseModel):
    """An atom whose grid differs between two plans."""

    model_config = ConfigDict(populate_by_name=True)

    atom: int
    building: str
    unit: str | None
    households: int
    before: str = Field(alias="from")
    after: str = Field(alias="to")


Other = Annotated[
    int | None, Query(alias="with", ge=1, le=2**53, description="default: the plan in force")
]


@router.get(
    "/plans/{number}/comparison",
    dependencies=[PLANNERS, audit_reads("grid_member")],
    responses=problems.protected_response(ComparisonResponse),
)
def comparison(
    request: Request, connection: Connection, number: Number, other: Other = None
) -> Response:
    """Compare a plan with another of its community: moved households, changed borders."""
    other = _other_plan(connection, number, other)
    difference = compare_plans(connection, number, other)
    moved = difference.moved_atoms()
    body = ComparisonResponse(
        plan=number,
        other=other,
        moved_households=int(moved["households"].sum()),
        moved_buildings=int(moved["building_code"].nunique()),
        border_added_m=round(difference.added_m, 1),
        border_removed_m=round(difference.removed_m, 1),
        grids=[
            GridBalanceResponse.model_validate(row) for row in difference.grids.to_dict("records")
        ],
    )
    return etag_response(request, body.model_dump_json(by_alias=True).encode(), "application/json")


@router.get(
    "/plans/{number}/comparison/layer",
    response_class=GeoJson,
    dependencies=[PLANNERS, audit_reads("grid_member")],
    responses=problems.protected_response(AreaCollection[MovedAtomResponse]),
)
def comparison_layer(
    request: Request, connection: Connection, number: Number, other: Other = None
) -> Response:
    """Return the atoms whose grid differs, as polygons."""
    moved = compare_plans(connection, number, _other_plan(connection, number, other)).moved_atoms()
    shapes = shapely.to_geojson(moved.geometry.to_numpy())
    features = [
        {
            "type": "Feature",
            "id": str(row.id),
            "geometry": orjson.Fragment(shape),
            "properties": {
                "atom": row.id,
                "building": row.building_code,
                "unit": row.unit_code if isinstance(row.unit_code, str) else None,
                "households": row.households,
                "from": row.before,
                "to": row.grid,
            },
        }
        for row, shape in zip(moved.itertuples(), shapes, strict=True)
    ]
    return collection(request, features, Page(max(len(features), 1), 0), len(features))


def _other_plan(connection: Database, number: int, other: int | None) -> int:
    """Return the number of the plan to compare with, by default that of the community in force."""
    community = read_plan(connection, number).community_code
    if other is None:
        other = store.plan_in_force(connection, community)
        other = require_found("nothing_in_force", other, community=community)
    check_community(connection, other, community)
    return other
