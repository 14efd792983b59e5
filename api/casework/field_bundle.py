"""The data that a grid manager's phone keeps: own grids and what is in them."""

from datetime import date, datetime
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Connection, func, select, text

from api.casework.case_forms import actor_of
from api.casework.case_queries import CASE, select_cases
from api.casework.case_responses import (
    ActionResponse,
    CaseSummary,
    describe_actions,
    summary_values,
)
from api.casework.ledger import DutiesResponse, VisitResponse, describe_duties
from api.core.caller import Caller
from api.core.responses import Geometry
from geo.casework.actors import Actor
from geo.casework.kinds import case_kinds
from geo.casework.ledger import list_visits
from geo.casework.verification import DWELLING_COLUMNS
from geo.casework.workflow import CLOSED
from geo.clock import today
from geo.fire.grid_inspections import list_own_hydrants
from geo.messages import text as text_of
from geo.model import Building, BuildingUnit, Dwelling, Road
from geo.model.pipe import HydrantType

MAX_VISITS = 200
MAX_CASES = 500
DECIMALS = 7
"""Of degrees: a centimetre."""

_GRIDS = text(
    """
    SELECT g.code, g.name, coalesce(r.name, '') AS community,
        ST_AsGeoJSON(g.geom, 7) AS geometry
    FROM grid g JOIN grid_plan p ON p.id = g.plan_id AND p.status = 'published'
    LEFT JOIN region r ON r.code = p.community_code
    WHERE g.code = ANY (own_grids()) ORDER BY g.code
    """
)
_ROADS_NEARBY = text(
    "geom && (SELECT ST_Expand(ST_Extent(g.geom)::geometry, 0.002) FROM grid g "
    "JOIN grid_plan p ON p.id = g.plan_id AND p.status = 'published' "
    "WHERE g.code = ANY (own_grids()))"
)


class FieldGrid(BaseModel):
    """A grid of the caller's."""

    code: str
    name: str
    community: str
    geometry: Geometry


class FieldRoad(BaseModel):
    """A road in or near the grids."""

    name: str
    road_class: str
    geometry: Geometry


class FieldBuilding(BaseModel):
    """A building in the grids."""

    code: str
    name: str
    address: str
    storeys_above: int | None
    geometry: Geometry


class FieldUnit(BaseModel):
    """A unit (单元) of a building."""

    code: str
    building_code: str
    name: str


class DwellingResponse(BaseModel):
    """A dwelling with its counts; null is unknown. ``version`` changes with every change."""

    code: str
    building_code: str
    unit_code: str | None
    floor: str
    room: str
    occupancy: str | None
    residents: int | None
    registered: int | None
    floating: int | None
    age_0_6: int | None
    age_7_17: int | None
    age_18_59: int | None
    age_60_79: int | None
    age_80_up: int | None
    alone_60_up: int | None
    need_help: int | None
    verified_on: date | None
    verified_by: str
    version: datetime


class HydrantResponse(BaseModel):
    """A hydrant with its last inspection; ``inspection`` is that one's number, null if none."""

    code: str
    name: str
    hydrant_type: HydrantType | None
    grid_code: str
    geometry: Geometry
    inspection: int | None
    passed: bool | None
    reason: str | None
    flow_l_s: float | None
    inspector: str | None
    inspected_on: date | None
    due_on: date | None


class FieldKind(BaseModel):
    """A kind of case to choose from."""

    key: str
    name: str
    group: str
    group_name: str


class FieldCase(CaseSummary):
    """An open case, with the steps that the caller may take."""

    actions: list[ActionResponse]


class BundleResponse(BaseModel):
    """All that a grid manager's phone keeps."""

    account: str
    device_key: str
    grids: list[FieldGrid]
    roads: list[FieldRoad]
    buildings: list[FieldBuilding]
    units: list[FieldUnit]
    dwellings: list[DwellingResponse]
    hydrants: list[HydrantResponse]
    cases: list[FieldCase]
    visits: list[VisitResponse]
    duties: DutiesResponse
    kinds: list[FieldKind]


def read_bundle(connection: Connection, caller: Caller, key: str) -> BundleResponse:
    """Return the bundle of a caller; row-level security limits every list to the own grids."""
    visits = list_visits(connection, "", "", None, MAX_VISITS)
    return BundleResponse(
        account=caller.name,
        device_key=key,
        grids=_validate_features(FieldGrid, connection.execute(_GRIDS).mappings()),
        roads=_validate_features(FieldRoad, _read_features(connection, Road, "name", "road_class")),
        buildings=_validate_features(
            FieldBuilding,
            _read_features(connection, Building, "code", "name", "address", "storeys_above"),
        ),
        units=_validate_rows(
            FieldUnit, _read_rows(connection, BuildingUnit, "code", "building_code", "name")
        ),
        dwellings=_validate_rows(DwellingResponse, _read_dwellings(connection)),
        hydrants=_validate_features(HydrantResponse, list_own_hydrants(connection)),
        cases=_read_cases(connection, actor_of(caller)),
        visits=_validate_rows(VisitResponse, visits),
        duties=describe_duties(connection, today().replace(day=1)),
        kinds=_describe_kinds(),
    )


def _validate_rows(model: Any, rows: Any) -> Any:
    return TypeAdapter(list[model]).validate_python([dict(row) for row in rows])


def _validate_features(model: Any, rows: Any) -> Any:
    return _validate_rows(
        model, ({**row, "geometry": orjson.loads(row["geometry"])} for row in rows)
    )


def _read_rows(connection: Connection, table: Any, *columns: str) -> Any:
    layer = table.__table__
    names = [layer.c[name] for name in columns]
    return connection.execute(select(*names).order_by(layer.c.code)).mappings()


def _read_features(connection: Connection, table: Any, *columns: str) -> Any:
    layer = table.__table__
    geometry = func.ST_AsGeoJSON(layer.c.geom, DECIMALS).label("geometry")
    statement = select(*(layer.c[name] for name in columns), geometry).order_by(layer.c.code)
    if table is Road:  # open to everybody: limited to the surroundings here
        statement = statement.where(_ROADS_NEARBY)
    return connection.execute(statement).mappings()


def _read_dwellings(connection: Connection) -> Any:
    statement = select(*DWELLING_COLUMNS).order_by(Dwelling.code)
    return connection.execute(statement).mappings()


def _read_cases(connection: Connection, actor: Actor) -> list[FieldCase]:
    statement = select_cases().where(CASE.c.state.not_in(CLOSED))
    ordered = statement.order_by(CASE.c.due_at, CASE.c.id).limit(MAX_CASES)
    return [
        FieldCase(**summary_values(row._mapping), actions=describe_actions(row, actor))
        for row in connection.execute(ordered)
    ]


def _describe_kinds() -> list[FieldKind]:
    return [
        FieldKind(
            key=kind.key,
            name=case_kinds().kind_name(kind.key),
            group=kind.group,
            group_name=text_of(f"case_group.{kind.group}"),
        )
        for kind in case_kinds().kinds
    ]
