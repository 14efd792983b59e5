"""``/plans/{id}/comparison``: a plan beside another of its community."""

from typing import Annotated

import orjson
import shapely
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database

from api.core import problems
from api.core.caller import PLANNERS
from api.core.parameters import Connection, Number, Page
from api.core.read_audit import reading
from api.core.responses import AreaCollection, GeoJson, collection, etag_response
from api.plans.plans import check_community, read_plan
from geo.errors import NotFoundError
from geo.plans import store
from geo.plans.comparison import compare_plans

router = APIRouter(tags=["plans"])


class GridBalanceResponse(BaseModel):
    """Households of a grid in the other plan and in this one, come and gone."""

    code: str
    before: int
    after: int
    gained: int
    lost: int


class ComparisonResponse(BaseModel):
    """A plan beside another of its community."""

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
    response_class=Response,
    dependencies=[PLANNERS, reading("grid_member")],
    responses={200: {"model": ComparisonResponse}, **problems.PROTECTED},
)
def comparison(
    request: Request, connection: Connection, number: Number, other: Other = None
) -> Response:
    """Compare a plan with another of its community: who moves, which borders go and come."""
    with_ = _other(connection, number, other)
    found = compare_plans(connection, number, with_)
    moved = found.moved()
    shown = ComparisonResponse(
        plan=number,
        other=with_,
        moved_households=int(moved["households"].sum()),
        moved_buildings=int(moved["building_code"].nunique()),
        border_added_m=round(found.added_m, 1),
        border_removed_m=round(found.removed_m, 1),
        grids=[GridBalanceResponse.model_validate(row) for row in found.grids.to_dict("records")],
    )
    return etag_response(request, shown.model_dump_json(by_alias=True).encode(), "application/json")


@router.get(
    "/plans/{number}/comparison/layer",
    response_class=GeoJson,
    dependencies=[PLANNERS, reading("grid_member")],
    responses={200: {"model": AreaCollection[MovedAtomResponse]}, **problems.PROTECTED},
)
def comparison_layer(
    request: Request, connection: Connection, number: Number, other: Other = None
) -> Response:
    """Return the atoms whose grid differs, with their land."""
    moved = compare_plans(connection, number, _other(connection, number, other)).moved()
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


def _other(connection: Database, number: int, other: int | None) -> int:
    """Return the plan to compare with: the one given, else the one in force."""
    found = read_plan(connection, number)
    if other is None:
        other = store.in_force(connection, found.community_code)
        if other is None:
            raise NotFoundError("nothing_in_force", community=found.community_code)
    check_community(connection, other, found.community_code)
    return other
