"""``/plans``: the drawings of a community; drawing, comparing, publishing, archiving."""

from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
import orjson
import shapely
from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database
from sqlalchemy import LargeBinary, delete, func, select, update

from api import jobs, problems
from api.access import Asker, allow
from api.audit import record
from api.colouring import GAP_DEGREES
from api.reads import reading
from api.regions import geojson, sides
from api.requests import Connection, IfMatch, Lang, Page, Paging, Rows, Writing
from api.responses import Collection, GeoJson, Listing, collection, feature, kept, listing, tagged
from geo import edits, plans
from geo.breaches import apart, atoms_in, limits_of
from geo.comparison import compared
from geo.errors import ConflictError, InputError, NotFoundError
from geo.model import Building, Grid, GridMember, GridPlan, Region
from geo.model.facility import Category
from geo.model.grid import GridKind, PlanStatus
from geo.model.job import JobKind
from maps.colours import colour, neighbours

router = APIRouter(tags=["plans"])

PLANNERS = allow("planner", "admin")

Number = Annotated[int, Path(ge=1, le=2**53)]
Code12 = Annotated[str, Path(pattern="^[0-9]{12}$")]
GridCode = Annotated[str, Field(pattern="^[0-9]{15}$")]
FeatureCode = Annotated[str, Field(min_length=1, max_length=100)]

MOST_ATOMS = 20_000


class LimitsShown(BaseModel):
    """Households of a grid: aimed at, at least, at most."""

    target: int
    lower: int
    upper: int


class PlanShown(BaseModel):
    """A plan. ``revision`` counts its edits; ``undo`` and ``redo`` say how many there are."""

    id: int
    community_code: str
    community: str
    version: int
    status: PlanStatus
    revision: int
    author: str
    note: str
    parent: int | None
    stale: dict[str, Any] | None
    created_at: datetime
    published_at: datetime | None
    archived_at: datetime | None
    limits: LimitsShown
    score: dict[str, Any]
    undo: int
    redo: int


Fault = Literal["limit", "balance", "border", "compactness", "compound", "moved"]
"""What a drawing is charged for (:class:`geo.partition.objective.Weights`)."""


class AreaAsked(BaseModel):
    """A polygon (GeoJSON, CGCS2000) that is to be a grid of its own."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=60)
    geometry: dict[str, Any]

    def shape(self) -> shapely.Geometry:
        """Return the polygon.

        Raises
        ------
        InputError
            If it is none, or crosses itself.
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


class Ask(BaseModel):
    """How to draw: limits, the seed, what each fault costs, how many seconds it may take, and what
    has to be together, apart or left alone."""

    model_config = ConfigDict(extra="forbid")

    target: int = Field(400, ge=1, le=100_000)
    lower: int = Field(300, ge=1, le=100_000)
    upper: int = Field(500, ge=1, le=100_000)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    seconds: float | None = Field(None, ge=1, le=600)
    weights: dict[Fault, Annotated[float, Field(ge=0, le=1e9)]] = Field(default_factory=dict)
    fresh: bool = False
    before: int | None = Field(None, ge=1, le=2**53)
    locked: list[FeatureCode] = Field(default_factory=list, max_length=1000)
    together: list[list[FeatureCode]] = Field(default_factory=list, max_length=1000)
    apart: list[tuple[FeatureCode, FeatureCode]] = Field(default_factory=list, max_length=1000)
    dedicated: list[Category] = Field(default_factory=list, max_length=30)
    areas: list[AreaAsked] = Field(default_factory=list, max_length=50)
    whole_compounds: bool = False
    only_touched: bool = False
    complete: bool = False
    alternatives: int = Field(1, ge=1, le=5)


class Said(BaseModel):
    """What is said of a step, for those who come after."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=2000)


class PlanGrid(BaseModel):
    """A grid of a plan; ``colour`` is its index in the palette of the style."""

    code: str
    serial: int
    name: str
    kind: GridKind
    households: int
    atoms: int
    within: bool
    contiguous: bool
    locked: bool
    colour: int | None = None


class AtomShown(BaseModel):
    """An atom: a building or unit with its land. ``lon``, ``lat`` is where the building stands."""

    atom: int
    grid: str
    building: str | None
    unit: str | None
    name: str
    compound: str | None
    households: int
    lon: float | None
    lat: float | None


class Balance(BaseModel):
    """Households of a grid in the other plan and in this one, come and gone."""

    code: str
    before: int
    after: int
    gained: int
    lost: int


class ComparisonShown(BaseModel):
    """A plan beside another of its community."""

    model_config = ConfigDict(populate_by_name=True)

    plan: int
    other: int = Field(alias="with")
    moved_households: int
    moved_buildings: int
    border_added_m: float
    border_removed_m: float
    grids: list[Balance]


class Moved(BaseModel):
    """An atom whose grid differs between two plans."""

    model_config = ConfigDict(populate_by_name=True)

    atom: int
    building: str
    unit: str | None
    households: int
    before: str = Field(alias="from")
    after: str = Field(alias="to")


@router.get(
    "/communities/{code}/plans",
    response_class=Response,
    responses={200: {"model": Listing[PlanShown]}, **problems.DOCUMENTED},
)
def plans_of(
    request: Request,
    connection: Connection,
    code: Code12,
    page: Paging,
    status: PlanStatus | None = None,
) -> Response:
    """List the plans of a community that the caller may see, the newest first."""
    wanted = [GridPlan.community_code == code]
    if status is not None:
        wanted.append(GridPlan.status == status)
    count = select(func.count()).select_from(GridPlan).where(*wanted)
    matched = connection.execute(count).scalar_one()
    if matched == 0:
        _community(connection, code)
    statement = page.of(_plans().where(*wanted).order_by(GridPlan.version.desc()))
    found = [_shown(connection, row) for row in connection.execute(statement).mappings()]
    return listing(request, found, page, matched)


@router.post(
    "/communities/{code}/plans",
    status_code=202,
    dependencies=[PLANNERS],
    responses=problems.documented(403, 404, 409),
)
def draw(
    request: Request,
    response: Response,
    connection: Writing,
    asker: Asker,
    lang: Lang,
    code: Code12,
    ask: Annotated[Ask, Body()],
) -> jobs.JobShown:
    """Draw the grids of a community, or several drawings that differ: a job."""
    _community(connection, code)
    if not ask.lower <= ask.target <= ask.upper:
        raise InputError("limits_disordered", lower=ask.lower, target=ask.target, upper=ask.upper)
    if not asker_may_draw(asker.scope, asker.role, code):
        raise NotFoundError("no_such_community", code=code)
    if ask.before is not None:
        _of_community(connection, ask.before, code)
    areas = [
        {"name": area.name, "wkt": shapely.to_wkt(area.shape(), rounding_precision=9)}
        for area in ask.areas
    ]
    kind = JobKind.ALTERNATIVES if ask.alternatives > 1 else JobKind.DRAW
    asked = ask.model_dump() | {"areas": areas}
    return _asked(request, response, connection, asker, lang, kind, code, asked)


def asker_may_draw(scope: str, role: str, code: str) -> bool:
    """Return whether a community is in a planner's scope."""
    return role == "admin" or (bool(scope) and code.startswith(scope))


@router.get(
    "/plans/{number}",
    response_class=Response,
    responses={200: {"model": PlanShown}, **problems.DOCUMENTED},
)
def plan(request: Request, connection: Connection, number: Number) -> Response:
    """Return a plan; its ETag is what edits name in ``If-Match``."""
    found = _plan(connection, number)
    return tagged(request, found.model_dump_json().encode(), found.revision)


@router.get(
    "/plans/{number}/grids",
    response_class=GeoJson,
    responses={200: {"model": Collection[PlanGrid]}, **problems.DOCUMENTED},
)
def grids_of_plan(request: Request, connection: Connection, number: Number) -> Response:
    """Return the grids of a plan."""
    found = grid_features(connection, number, None)
    return collection(request, found, Page(max(len(found), 1), 0), len(found))


@router.get(
    "/plans/{number}/atoms",
    response_class=GeoJson,
    dependencies=[allow("planner", "admin", "fire")],
    responses={200: {"model": Collection[AtomShown]}, **problems.PROTECTED},
)
def atoms_of_plan(
    request: Request,
    connection: Connection,
    asker: Asker,
    number: Number,
    limit: Annotated[int, Query(ge=1, le=MOST_ATOMS)] = 10_000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """Return the atoms of a plan: buildings and units with their land and households."""
    _plan(connection, number)
    page = Page(limit, offset)
    count = select(func.count()).select_from(GridMember).where(GridMember.plan_id == number)
    matched = connection.execute(count).scalar_one()
    rows = connection.execute(page.of(_atoms(number))).mappings()
    fields = AtomShown.model_fields
    features = [
        feature(row, {name: row[name] for name in fields}, id=str(row["atom"])) for row in rows
    ]
    record(connection, asker, "read", "grid_plan", str(number), {"atoms": len(features)})
    return collection(request, features, page, matched)


@router.post(
    "/plans/{number}/copy",
    status_code=201,
    dependencies=[PLANNERS],
    responses=problems.documented(403, 404),
)
def copy(response: Response, connection: Writing, asker: Asker, number: Number) -> PlanShown:
    """Make a draft that begins as another plan is."""
    made = edits.copied(connection, number, asker.name)
    record(connection, asker, "copy", "grid_plan", str(made), {"from": number})
    response.headers["Location"] = f"/plans/{made}"
    return _with_tag(response, _plan(connection, made))


@router.post(
    "/plans/{number}/complete",
    status_code=202,
    dependencies=[PLANNERS],
    responses=problems.documented(403, 404, 409),
)
def complete(
    request: Request,
    response: Response,
    connection: Writing,
    asker: Asker,
    lang: Lang,
    number: Number,
) -> jobs.JobShown:
    """Repair or finish a plan with the least change that meets its limits: a job."""
    found = _plan(connection, number)
    asked = found.limits.model_dump() | {"before": number}
    kind = JobKind.COMPLETE
    return _asked(request, response, connection, asker, lang, kind, found.community_code, asked)


@router.post("/plans/{number}/publish", dependencies=[PLANNERS], responses=problems.CHANGING)
def publish(
    response: Response,
    connection: Writing,
    asker: Asker,
    number: Number,
    seen: IfMatch,
    said: Annotated[Said | None, Body()] = None,
) -> PlanShown:
    """Put a draft in force; the plan in force before is archived in the same transaction."""
    found = edits.locked(connection, number, seen)
    if found["status"] != PlanStatus.DRAFT:
        raise ConflictError("plan_not_draft", plan=number, status=found["status"])
    before = plans.in_force(connection, found["community_code"])
    plans.publish(connection, number)
    detail = {"supersedes": before, **_noted(connection, number, said)}
    record(connection, asker, "publish", "grid_plan", str(number), detail)
    return _with_tag(response, _plan(connection, number))


@router.post("/plans/{number}/archive", dependencies=[PLANNERS], responses=problems.CHANGING)
def archive(
    response: Response,
    connection: Writing,
    asker: Asker,
    number: Number,
    seen: IfMatch,
    said: Annotated[Said | None, Body()] = None,
) -> PlanShown:
    """Archive a plan: a draft that is not wanted, or the one in force with nothing in its place."""
    found = edits.locked(connection, number, seen)
    if found["status"] == PlanStatus.ARCHIVED:
        raise ConflictError("plan_archived", plan=number)
    now = {"status": PlanStatus.ARCHIVED, "archived_at": func.now()}
    connection.execute(update(GridPlan).where(GridPlan.id == number).values(now))
    ended = update(Grid).where(Grid.plan_id == number, Grid.valid_from.is_not(None))
    connection.execute(ended.values(valid_to=func.now()))
    detail = _noted(connection, number, said)
    record(connection, asker, "archive", "grid_plan", str(number), detail)
    return _with_tag(response, _plan(connection, number))


def _noted(connection: Database, number: int, said: Said | None) -> dict[str, str]:
    """Keep what was said of a plan, if anything was; return it for the trail."""
    if said is None or not said.note.strip():
        return {}
    note = said.note.strip()
    connection.execute(update(GridPlan).where(GridPlan.id == number).values(note=note))
    return {"note": note}


@router.delete(
    "/plans/{number}", status_code=204, dependencies=[PLANNERS], responses=problems.CHANGING
)
def discard(connection: Writing, asker: Asker, number: Number, seen: IfMatch) -> None:
    """Delete a draft for good."""
    found = edits.locked(connection, number, seen)
    if found["status"] != PlanStatus.DRAFT:
        raise ConflictError("plan_not_draft", plan=number, status=found["status"])
    connection.execute(delete(GridPlan).where(GridPlan.id == number))
    record(connection, asker, "delete", "grid_plan", str(number))


Other = Annotated[
    int | None, Query(alias="with", ge=1, le=2**53, description="default: the plan in force")
]


@router.get(
    "/plans/{number}/comparison",
    response_class=Response,
    dependencies=[PLANNERS, reading("grid_member")],
    responses={200: {"model": ComparisonShown}, **problems.PROTECTED},
)
def comparison(
    request: Request, connection: Connection, number: Number, other: Other = None
) -> Response:
    """Compare a plan with another of its community: who moves, which borders go and come."""
    with_ = _other(connection, number, other)
    found = compared(connection, number, with_)
    moved = found.moved()
    shown = ComparisonShown(
        plan=number,
        other=with_,
        moved_households=int(moved["households"].sum()),
        moved_buildings=int(moved["building_code"].nunique()),
        border_added_m=round(found.added_m, 1),
        border_removed_m=round(found.removed_m, 1),
        grids=[Balance.model_validate(row) for row in found.grids.to_dict("records")],
    )
    return kept(request, shown.model_dump_json(by_alias=True).encode(), "application/json")


@router.get(
    "/plans/{number}/comparison/layer",
    response_class=GeoJson,
    dependencies=[PLANNERS, reading("grid_member")],
    responses={200: {"model": Collection[Moved]}, **problems.PROTECTED},
)
def comparison_layer(
    request: Request, connection: Connection, number: Number, other: Other = None
) -> Response:
    """Return the atoms whose grid differs, with their land."""
    moved = compared(connection, number, _other(connection, number, other)).moved()
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


def grid_features(
    connection: Database, number: int, codes: list[str] | None
) -> list[dict[str, Any]]:
    """Return grids of a plan as features: all of them with colours, or some without."""
    limits = limits_of(_parameters(connection, number))
    grid = (
        select(
            Grid.code,
            Grid.name,
            Grid.kind,
            Grid.households,
            Grid.locked,
            func.ST_NumGeometries(Grid.geom).label("pieces"),
            geojson(Grid.geom),
            *sides(Grid.geom),
        )
        .where(Grid.plan_id == number)
        .order_by(Grid.code)
    )
    if codes is not None:
        grid = grid.where(Grid.code.in_(codes))
    rows = connection.execute(grid).mappings().all()
    broken = apart(connection, number, [row["code"] for row in rows if row["pieces"] != 1])
    atoms = atoms_in(connection, number)
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
                "atoms": atoms.get(row["code"], 0),
                "within": row["kind"] == GridKind.DEDICATED
                or limits.lower <= row["households"] <= limits.upper,
                "contiguous": row["code"] not in broken,
                "locked": row["locked"],
                "colour": colours.get(row["code"]),
            },
            id=row["code"],
        )
        for row in rows
    ]


def _colours(connection: Database, number: int) -> dict[str, int]:
    """Return the colour of each grid of a plan, neighbours in different ones."""
    shape = func.ST_AsBinary(Grid.geom, type_=LargeBinary)
    statement = select(Grid.code, shape).where(Grid.plan_id == number).order_by(Grid.code)
    rows = connection.execute(statement).all()
    if not rows:
        return {}
    polygons = shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))
    colours = colour(len(rows), neighbours(polygons, GAP_DEGREES))
    return dict(zip([row[0] for row in rows], colours.tolist(), strict=True))


def _parameters(connection: Database, number: int) -> dict[str, Any]:
    found = connection.execute(select(GridPlan.parameters).where(GridPlan.id == number)).scalar()
    if found is None:
        raise NotFoundError("no_plan_here", plan=number)
    return dict(found)


def _plans() -> Rows:
    columns = [column for column in GridPlan.__table__.c if column.name not in {"parent_id"}]
    return select(
        *columns,
        GridPlan.parent_id.label("parent"),
        func.coalesce(Region.name, "").label("community"),
    ).outerjoin(Region, Region.code == GridPlan.community_code)


def _plan(connection: Database, number: int) -> PlanShown:
    row = connection.execute(_plans().where(GridPlan.id == number)).mappings().first()
    if row is None:
        raise NotFoundError("no_plan_here", plan=number)
    return _shown(connection, row)


def _shown(connection: Database, row: Any) -> PlanShown:
    limits = limits_of(row["parameters"])
    undo, redo = (0, 0)
    if row["status"] == PlanStatus.DRAFT:
        undo, redo = edits.steps(connection, row["id"])
    figures = {"limits": vars(limits), "undo": undo, "redo": redo}
    return PlanShown.model_validate({**row, **figures})


def _with_tag(response: Response, found: PlanShown) -> PlanShown:
    response.headers["ETag"] = f'"{found.revision}"'
    return found


def _community(connection: Database, code: str) -> None:
    known = select(Region.code).where(Region.code == code, Region.level == "community")
    if connection.execute(known).first() is None:
        raise NotFoundError("no_such_community", code=code)


def _of_community(connection: Database, number: int, code: str) -> None:
    if _plan(connection, number).community_code != code:
        raise NotFoundError("no_such_plan", plan=number, community=code)


def _other(connection: Database, number: int, other: int | None) -> int:
    """Return the plan to compare with: the one given, else the one in force."""
    found = _plan(connection, number)
    if other is None:
        other = plans.in_force(connection, found.community_code)
        if other is None:
            raise NotFoundError("nothing_in_force", community=found.community_code)
    _of_community(connection, other, found.community_code)
    return other


def _asked(
    request: Request,
    response: Response,
    connection: Database,
    asker: Any,
    lang: Any,
    kind: JobKind,
    code: str,
    asked: dict[str, Any],
) -> jobs.JobShown:
    made = jobs.ask(connection, asker, kind, code, asked)
    response.headers["Location"] = f"/jobs/{made['id']}"
    return jobs.shown(made, lang)


def _atoms(number: int) -> Rows:
    middle = func.ST_PointOnSurface(Building.geom)
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
            func.ST_X(middle).label("lon"),
            func.ST_Y(middle).label("lat"),
            geojson(GridMember.geom),
            *sides(GridMember.geom),
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .outerjoin(Building, Building.code == GridMember.building_code)
        .where(GridMember.plan_id == number)
        .order_by(GridMember.id)
    )
