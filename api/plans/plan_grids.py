"""``/plans/{id}/grids`` and ``/plans/{id}/atoms``: grids and atoms of a plan."""

from typing import Annotated, Any

import numpy as np
import shapely
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection as Database
from sqlalchemy import LargeBinary, func, select

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Connection, Number, Page, Rows
from api.core.problems import require_found
from api.core.responses import AreaCollection, GeoJson, collection, feature
from api.plans.plans import read_plan
from api.public.regions import bounds_columns, geojson_column
from api.tiles.area_colours import TOUCHING_GAP_DEGREES
from geo.model import Building, Grid, GridMember, GridPlan
from geo.model.grid import GridKind
from geo.partition.scoring.objective import Limits
from geo.plans.micro_grids import count_by_grid
from geo.plans.validation import (
    count_atoms,
    disconnected_grids,
    limits_from_parameters,
    size_column,
)
from maps.colours import colour_areas, touching_pairs

router = APIRouter(tags=["plans"])

GridCode = Annotated[str, Field(pattern="^[0-9]{15}$")]

MAX_ATOMS = 20_000


class PlanGridResponse(BaseModel):
    """A grid of a plan; ``colour`` is its index in the palette of the style.

    ``workload`` is null unless the plan balances it. ``micro_grids`` counts its parts, and
    ``micro_reasons`` says, as key and fields, why they are not 6 to 8 of 50 to 100 households.
    """

    code: str
    serial: int
    name: str
    kind: GridKind
    households: int
    workload: int | None
    atoms: int
    within: bool
    contiguous: bool
    locked: bool
    micro_grids: int
    micro_reasons: list[tuple[str, dict[str, str | int]]] | None
    colour: int | None = None


class AtomResponse(BaseModel):
    """An atom: a building or unit with its land; ``lon`` and ``lat`` locate the building."""

    atom: int
    grid: str
    building: str | None
    unit: str | None
    name: str
    compound: str | None
    households: int
    workload: int | None
    lon: float | None
    lat: float | None


@router.get(
    "/plans/{number}/grids",
    response_class=GeoJson,
    responses=problems.ok_response(AreaCollection[PlanGridResponse]),
)
def grids_of_plan(request: Request, connection: Connection, number: Number) -> Response:
    """Return the grids of a plan."""
    features = grid_features(connection, number, None)
    return collection(request, features, Page(max(len(features), 1), 0), len(features))


@router.get(
    "/plans/{number}/atoms",
    response_class=GeoJson,
    dependencies=[allow("planner", "admin", "fire")],
    responses=problems.protected_response(AreaCollection[AtomResponse]),
)
def atoms_of_plan(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    number: Number,
    limit: Annotated[int, Query(ge=1, le=MAX_ATOMS)] = 10_000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """List the atoms of a plan: buildings and units with their land and households."""
    read_plan(connection, number)
    page = Page(limit, offset)
    count = select(func.count()).select_from(GridMember).where(GridMember.plan_id == number)
    matched = connection.execute(count).scalar_one()
    rows = connection.execute(page.of(_atoms(number))).mappings()
    fields = AtomResponse.model_fields
    features = [
        feature(row, {name: row[name] for name in fields}, id=str(row["atom"])) for row in rows
    ]
    record(connection, caller, "read", "grid_plan", str(number), {"atoms": len(features)})
    return collection(request, features, page, matched)


def grid_features(
    connection: Database, number: int, codes: list[str] | None
) -> list[dict[str, Any]]:
    """Return the grids of a plan as GeoJSON features.

    Parameters
    ----------
    codes
        Codes of the grids to return, without colours; None returns all of them with colours.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    limits = limits_from_parameters(_parameters(connection, number))
    rows = connection.execute(_grids(number, codes, limits)).mappings().all()
    not_contiguous = disconnected_grids(
        connection, number, [row["code"] for row in rows if row["pieces"] != 1]
    )
    atoms, parts = count_atoms(connection, number), count_by_grid(connection, number)
    colours = _colours(connection, number) if codes is None else {}
    return [
        feature(
            row,
            {
                "code": row["code"],
                "serial": int(row["code"][-3:]),
                "name": row["name"],
                "kind": row["kind"],
                "households": row["households"],
                "workload": row["workload"],
                "atoms": atoms.get(row["code"], 0),
                "within": row["kind"] == GridKind.DEDICATED
                or limits.lower <= row["size"] <= limits.upper,
                "contiguous": row["code"] not in not_contiguous,
                "locked": row["locked"],
                "micro_grids": parts.get(row["code"], 0),
                "micro_reasons": row["micro_reasons"],
                "colour": colours.get(row["code"]),
            },
            id=row["code"],
        )
        for row in rows
    ]


def _grids(number: int, codes: list[str] | None, limits: Limits) -> Rows:
    """Return the query of the grids of a plan, or of some of them."""
    statement = (
        select(
            Grid.code,
            Grid.name,
            Grid.kind,
            Grid.households,
            Grid.workload,
            size_column(Grid, limits).label("size"),
            Grid.locked,
            Grid.micro_reasons,
            func.ST_NumGeometries(Grid.geom).label("pieces"),
            geojson_column(Grid.geom),
            *bounds_columns(Grid.geom),
        )
        .where(Grid.plan_id == number)
        .order_by(Grid.code)
    )
    if codes is not None:
        statement = statement.where(Grid.code.in_(codes))
    return statement


def _colours(connection: Database, number: int) -> dict[str, int]:
    """Return the palette index of each grid of a plan by its code; neighbours differ."""
    shape = func.ST_AsBinary(Grid.geom, type_=LargeBinary)
    statement = select(Grid.code, shape).where(Grid.plan_id == number).order_by(Grid.code)
    rows = connection.execute(statement).all()
    if not rows:
        return {}
    polygons = shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))
    colours = colour_areas(len(rows), touching_pairs(polygons, TOUCHING_GAP_DEGREES))
    return dict(zip([row[0] for row in rows], colours.tolist(), strict=True))


def _parameters(connection: Database, number: int) -> dict[str, Any]:
    statement = select(GridPlan.parameters).where(GridPlan.id == number)
    parameters = connection.execute(statement).scalar()
    parameters = require_found("no_plan_here", parameters, plan=number)
    return dict(parameters)


def _atoms(number: int) -> Rows:
    """Return the query of the atoms of a plan."""
    point = func.ST_PointOnSurface(Building.geom)
    return (
        select(
            GridMember.id.label("atom"),
            Grid.code.label("grid"),
            GridMember.building_code.label("building"),
            GridMember.unit_code.label("unit"),
            func.coalesce(
                func.nullif(Building.name, ""), func.nullif(Building.address, ""), ""
            ).label("name"),
            Building.compound_code.label("compound"),
            GridMember.households,
            GridMember.workload,
            func.ST_X(point).label("lon"),
            func.ST_Y(point).label("lat"),
            geojson_column(GridMember.geom),
            *bounds_columns(GridMember.geom),
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .outerjoin(Building, Building.code == GridMember.building_code)
        .where(GridMember.plan_id == number)
        .order_by(GridMember.id)
    )
