"""The public views, which ``geo/db/security.sql`` creates, and queries for the grids of plans."""

from typing import Any, Literal

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    FromClause,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from geo.model import DISPLAY_SRID, STORAGE_SRID, Grid, GridMember, GridPlan, Region

Status = Literal["published", "draft"]

_METADATA = MetaData(schema="published")


def _geometry_columns() -> list[Column[Any]]:
    return [
        Column("geom", Geometry("GEOMETRY", srid=STORAGE_SRID, spatial_index=False)),
        Column("geom_3857", Geometry("GEOMETRY", srid=DISPLAY_SRID, spatial_index=False)),
    ]


OUTLINES = Table(
    "building",
    _METADATA,
    *(Column(name, Text) for name in ("code", "name", "address", "use")),
    Column("storeys_above", SmallInteger),
    *_geometry_columns(),
)
"""Public attributes of buildings."""

GRIDS = Table(
    "grid",
    _METADATA,
    Column("id", BigInteger),
    *(Column(name, Text) for name in ("code", "name", "kind")),
    Column("households", Integer),
    Column("buildings", Integer),
    *(Column(name, Text) for name in ("community_code", "community", "street")),
    Column("plan", BigInteger),
    Column("version", Integer),
    Column("status", Text),
    Column("published_at", DateTime(timezone=True)),
    Column("revision", BigInteger),
    *_geometry_columns(),
)
"""Grids of the plans in force, with the names of their regions."""

SOURCES = Table("source", _METADATA, Column("kind", Text))
"""Kinds of the imported sources, for attributions."""


def grids_by_status(status: Status) -> FromClause:
    """Return the grids in force, or those of each community's newest draft.

    Both have the columns of :data:`GRIDS`; drafts are those that the caller may see.
    """
    if status == "published":
        return GRIDS.alias("shown")
    newest = (
        select(GridPlan)
        .where(GridPlan.status == "draft")
        .ext(distinct_on(GridPlan.community_code))
        .order_by(GridPlan.community_code, GridPlan.version.desc())
        .subquery("plan")
    )
    rows: FromClause = _of_plans(newest).subquery("shown")
    return rows


def grids_of_plan(plan: int) -> FromClause:
    """Return the grids of one plan, with the columns of :data:`GRIDS`."""
    plans = select(GridPlan).where(GridPlan.id == plan).subquery("plan")
    rows: FromClause = _of_plans(plans).subquery("shown")
    return rows


def _of_plans(plan: Any) -> Any:
    community, street = aliased(Region), aliased(Region)
    buildings = (
        select(func.count(GridMember.building_code.distinct()))
        .where(GridMember.grid_id == Grid.id)
        .correlate(Grid)
        .scalar_subquery()
    )
    return (
        select(
            Grid.id,
            Grid.code,
            Grid.name,
            Grid.kind,
            Grid.households,
            buildings.label("buildings"),
            plan.c.community_code,
            func.coalesce(community.name, "").label("community"),
            func.coalesce(street.name, "").label("street"),
            plan.c.id.label("plan"),
            plan.c.version,
            plan.c.status,
            plan.c.published_at,
            Grid.revision,
            Grid.geom,
            Grid.geom_3857,
        )
        .join(plan, plan.c.id == Grid.plan_id)
        .outerjoin(community, community.code == plan.c.community_code)
        .outerjoin(street, street.code == community.parent_code)
    )
