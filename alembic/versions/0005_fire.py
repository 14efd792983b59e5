"""Findings of the fire overlays, reviews of sheets, hydrant inspections, the roads for pgRouting.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _findings()
    _areas()
    _reviews()
    _roads()


def _findings() -> None:
    op.create_table(
        "fire_finding",
        _id(),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("overlay", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column("measured", sa.Double(), nullable=True),
        sa.Column("required", sa.Double(), nullable=True),
        sa.Column("shortfall", sa.Double(), nullable=True),
        sa.Column("detail", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        _now("computed_at"),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        *_shape(),
        sa.CheckConstraint(
            "severity IN ('high', 'medium', 'low', 'missing')",
            name=op.f("ck_fire_finding_severity_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fire_finding")),
    )
    for columns in (["city", "overlay"], ["feature"], ["other"], ["region_code"]):
        _index("fire_finding", *columns)
    _gist("fire_finding", "geom", "geom_3857")
    op.create_table(
        "fire_overlay",
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("overlay", sa.Text(), nullable=False),
        sa.Column("revisions", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("figures", sa.Text(), server_default="", nullable=False),
        sa.Column("missing", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        _now("computed_at"),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("city", "overlay", name=op.f("pk_fire_overlay")),
    )


def _areas() -> None:
    op.create_table(
        "fire_area",
        _id(),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), server_default="", nullable=False),
        sa.Column("minutes", sa.Double(), nullable=True),
        *_shape(),
        sa.CheckConstraint(
            "kind IN ('response', 'straight', 'route')", name=op.f("ck_fire_area_kind_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fire_area")),
    )
    _index("fire_area", "city", "kind")
    _gist("fire_area", "geom", "geom_3857")


def _reviews() -> None:
    op.create_table(
        "building_review",
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("checker", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        _now("updated_at"),
        sa.CheckConstraint(
            "state IN ('draft', 'checked')", name=op.f("ck_building_review_state_known")
        ),
        sa.CheckConstraint(
            "state <> 'checked' OR (checked_on IS NOT NULL AND checker <> '')",
            name=op.f("ck_building_review_checked_signed"),
        ),
        sa.PrimaryKeyConstraint("building_code", name=op.f("pk_building_review")),
    )
    _index("building_review", "due_on")
    op.create_table(
        "hydrant_inspection",
        _id(),
        sa.Column("hydrant_code", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("flow_l_s", sa.Double(), nullable=True),
        sa.Column("inspector", sa.Text(), nullable=False),
        sa.Column("inspected_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "flow_l_s BETWEEN 0 AND 10000", name=op.f("ck_hydrant_inspection_flow_l_s_plausible")
        ),
        sa.CheckConstraint(
            "passed OR reason <> ''", name=op.f("ck_hydrant_inspection_failure_explained")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hydrant_inspection")),
    )
    _index("hydrant_inspection", "hydrant_code", "inspected_on")
    _index("hydrant_inspection", "due_on")


def _roads() -> None:
    op.create_table(
        "road_edge",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("road_code", sa.Text(), nullable=False),
        sa.Column("source", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column("length_m", sa.Double(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("reverse_cost", sa.Double(), nullable=False),
        sa.Column("geom", _geometry("LINESTRING"), nullable=False),
        sa.PrimaryKeyConstraint("id", "city", name=op.f("pk_road_edge")),
    )
    _index("road_edge", "source")
    _index("road_edge", "target")
    _gist("road_edge", "geom")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _geometry(kind: str, srid: int = 4490) -> Geometry:
    return Geometry(kind, srid=srid, spatial_index=False)


def _shape() -> tuple[sa.Column[object], sa.Column[object]]:
    shown = sa.Computed("ST_Transform(geom, 3857)", persisted=True)
    return (
        sa.Column("geom", _geometry("GEOMETRY"), nullable=False),
        sa.Column("geom_3857", _geometry("GEOMETRY", 3857), shown, nullable=True),
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _gist(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], postgresql_using="gist")


def downgrade() -> None:
    for table in (
        *("road_edge", "hydrant_inspection", "building_review"),
        *("fire_area", "fire_overlay", "fire_finding"),
    ):
        op.drop_table(table)
