"""What the crew sheet and the stations' overlays need.

Micro-stations, their people and the classes of fire stations; types of hydrants; items found on
site as a layer, so that files of them are imported like any other; plans of buildings.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

CATEGORIES = (
    *("service_station", "government", "school", "kindergarten", "university", "hospital"),
    *("clinic", "elderly_care", "police", "fire_station", "micro_station", "shelter", "intake"),
    *("market", "park", "sport", "culture", "worship", "toilet", "parking", "transport", "fuel"),
    "other",
)
ADDED = {
    "facility": {
        "staff_count": ("integer", "staff_count BETWEEN 0 AND 500000", "plausible"),
        "station_class": (
            "text",
            "station_class IN ('first', 'second', 'small', 'special')",
            "known",
        ),
    },
    "pipe_node": {
        "hydrant_type": ("text", "hydrant_type IN ('above_ground', 'underground')", "known"),
    },
}
"""Columns that feature tables gain: type, constraint, and the end of its name."""


def upgrade() -> None:
    _replace_categories(CATEGORIES)
    for table, columns in ADDED.items():
        for column, (kind, condition, name) in columns.items():
            op.execute(f"ALTER TABLE {table} ADD {column} {kind}")
            op.execute(f"ALTER TABLE {table}_history ADD {column} {kind}")
            op.create_check_constraint(op.f(f"ck_{table}_{column}_{name}"), table, condition)
        op.execute(f"SELECT keep_history('{table}')")
    _make_items_a_layer()
    _create_plans()


def downgrade() -> None:
    op.drop_table("building_plan")
    _make_items_a_table()
    for table, columns in ADDED.items():
        for column, (_, _, name) in columns.items():
            op.drop_constraint(op.f(f"ck_{table}_{column}_{name}"), table, type_="check")
            op.drop_column(table, column)
            op.drop_column(f"{table}_history", column)
        op.execute(f"SELECT keep_history('{table}')")
    op.execute("ALTER TABLE facility NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE facility SET category = 'other' WHERE category = 'micro_station'")
    _replace_categories(tuple(name for name in CATEGORIES if name != "micro_station"))


def _replace_categories(categories: tuple[str, ...]) -> None:
    name = op.f("ck_facility_category_known")
    op.drop_constraint(name, "facility", type_="check")
    listed = ", ".join(f"'{category}'" for category in categories)
    op.create_check_constraint(name, "facility", f"category IN ({listed})")


def _make_items_a_layer() -> None:
    """Give the items of buildings the columns, indexes and history of a layer."""
    # The policies are withdrawn during a migration: without FORCE the owner sees all rows.
    for table in ("building", "building_fire"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "ALTER TABLE building_fire ADD code text, ADD source text NOT NULL DEFAULT '', "
        "ADD valid_from timestamptz NOT NULL DEFAULT now(), ADD valid_to timestamptz, "
        "ADD revision bigint NOT NULL DEFAULT 0, ADD geom geometry(POINT, 4490), "
        "ADD geom_3857 geometry(GEOMETRY, 3857) "
        "GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED"
    )
    op.execute(
        "UPDATE building_fire f SET code = f.building_code || '-' || f.item, source = 'site', "
        "geom = (SELECT ST_PointOnSurface(b.geom) FROM building b WHERE b.code = f.building_code)"
    )
    op.drop_constraint(op.f("pk_building_fire"), "building_fire", type_="primary")
    op.create_primary_key(op.f("pk_building_fire"), "building_fire", ["code"])
    op.create_index(op.f("ix_building_fire_building_code"), "building_fire", ["building_code"])
    _create_gist_index("building_fire")
    op.create_table(
        "building_fire_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("checked_on", sa.Date(), nullable=False),
        sa.Column("checked_by", sa.Text(), nullable=False),
        sa.Column("geom", Geometry("POINT", srid=4490, spatial_index=False), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "ix_building_fire_history_code_valid_from",
        "building_fire_history",
        ["code", "valid_from"],
    )
    _create_gist_index("building_fire_history")
    op.execute("SELECT keep_history('building_fire')")


def _make_items_a_table() -> None:
    """Take from the items what makes them a layer."""
    op.execute("DROP TRIGGER keep_history ON building_fire")
    op.execute("DROP FUNCTION keep_building_fire_history")
    op.execute("DROP TRIGGER IF EXISTS count_change ON building_fire")
    op.drop_table("building_fire_history")
    op.drop_index("ix_building_fire_geom", table_name="building_fire")
    op.drop_index(op.f("ix_building_fire_building_code"), table_name="building_fire")
    op.drop_constraint(op.f("pk_building_fire"), "building_fire", type_="primary")
    for column in ("code", "source", "valid_from", "valid_to", "revision", "geom_3857", "geom"):
        op.drop_column("building_fire", column)
    op.create_primary_key(op.f("pk_building_fire"), "building_fire", ["building_code", "item"])


def _create_gist_index(table: str) -> None:
    op.create_index(f"ix_{table}_geom", table, ["geom"], postgresql_using="gist")


def _create_plans() -> None:
    op.create_table(
        "building_plan",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "media_type IN ('application/pdf', 'image/jpeg', 'image/png')",
            name=op.f("ck_building_plan_media_type_known"),
        ),
        sa.CheckConstraint(
            "pages BETWEEN 1 AND 100", name=op.f("ck_building_plan_pages_plausible")
        ),
        sa.CheckConstraint("title <> ''", name=op.f("ck_building_plan_titled")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_building_plan")),
        sa.UniqueConstraint(
            "building_code", "digest", name=op.f("uq_building_plan_building_code_digest")
        ),
    )
