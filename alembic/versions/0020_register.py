"""Dwellings and organisations of the register, with their history.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

LAYERS = ("dwelling", "entity")


def upgrade() -> None:
    op.create_geospatial_table(
        "dwelling",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("floor", sa.Text(), server_default="", nullable=False),
        sa.Column("room", sa.Text(), server_default="", nullable=False),
        sa.Column("occupancy", sa.Text(), nullable=True),
        sa.Column("residents", sa.SmallInteger(), nullable=True),
        sa.Column("registered", sa.SmallInteger(), nullable=True),
        sa.Column("floating", sa.SmallInteger(), nullable=True),
        sa.Column("age_0_6", sa.SmallInteger(), nullable=True),
        sa.Column("age_7_17", sa.SmallInteger(), nullable=True),
        sa.Column("age_18_59", sa.SmallInteger(), nullable=True),
        sa.Column("age_60_79", sa.SmallInteger(), nullable=True),
        sa.Column("age_80_up", sa.SmallInteger(), nullable=True),
        sa.Column("alone_60_up", sa.SmallInteger(), nullable=True),
        sa.Column("need_help", sa.SmallInteger(), nullable=True),
        sa.Column("verified_on", sa.Date(), nullable=True),
        sa.Column("verified_by", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "geom_3857",
            Geometry(
                srid=3857,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "occupancy <> 'vacant' OR residents = 0", name=op.f("ck_dwelling_vacant_is_empty")
        ),
        sa.CheckConstraint(
            "occupancy IN ('owner', 'rented', 'vacant', 'business')",
            name=op.f("ck_dwelling_occupancy_known"),
        ),
        sa.CheckConstraint(
            "age_0_6 + age_7_17 + age_18_59 + age_60_79 + age_80_up <= residents",
            name=op.f("ck_dwelling_ages_of_residents"),
        ),
        sa.CheckConstraint("age_0_6 BETWEEN 0 AND 500", name=op.f("ck_dwelling_age_0_6_plausible")),
        sa.CheckConstraint(
            "age_18_59 BETWEEN 0 AND 500", name=op.f("ck_dwelling_age_18_59_plausible")
        ),
        sa.CheckConstraint(
            "age_60_79 BETWEEN 0 AND 500", name=op.f("ck_dwelling_age_60_79_plausible")
        ),
        sa.CheckConstraint(
            "age_7_17 BETWEEN 0 AND 500", name=op.f("ck_dwelling_age_7_17_plausible")
        ),
        sa.CheckConstraint(
            "age_80_up BETWEEN 0 AND 500", name=op.f("ck_dwelling_age_80_up_plausible")
        ),
        sa.CheckConstraint("alone_60_up <= residents", name=op.f("ck_dwelling_alone_residents")),
        sa.CheckConstraint(
            "alone_60_up BETWEEN 0 AND 500", name=op.f("ck_dwelling_alone_60_up_plausible")
        ),
        sa.CheckConstraint("floating <= residents", name=op.f("ck_dwelling_floating_residents")),
        sa.CheckConstraint(
            "floating BETWEEN 0 AND 500", name=op.f("ck_dwelling_floating_plausible")
        ),
        sa.CheckConstraint("need_help <= residents", name=op.f("ck_dwelling_help_residents")),
        sa.CheckConstraint(
            "need_help BETWEEN 0 AND 500", name=op.f("ck_dwelling_need_help_plausible")
        ),
        sa.CheckConstraint(
            "registered + floating <= residents", name=op.f("ck_dwelling_registration_of_residents")
        ),
        sa.CheckConstraint(
            "registered <= residents", name=op.f("ck_dwelling_registered_residents")
        ),
        sa.CheckConstraint(
            "registered BETWEEN 0 AND 500", name=op.f("ck_dwelling_registered_plausible")
        ),
        sa.CheckConstraint(
            "residents BETWEEN 0 AND 500", name=op.f("ck_dwelling_residents_plausible")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_dwelling")),
    )
    op.create_index(op.f("ix_dwelling_building_code"), "dwelling", ["building_code"], unique=False)
    op.create_geospatial_index(
        "ix_dwelling_geom",
        "dwelling",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "dwelling_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("floor", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("occupancy", sa.Text(), nullable=True),
        sa.Column("residents", sa.SmallInteger(), nullable=True),
        sa.Column("registered", sa.SmallInteger(), nullable=True),
        sa.Column("floating", sa.SmallInteger(), nullable=True),
        sa.Column("age_0_6", sa.SmallInteger(), nullable=True),
        sa.Column("age_7_17", sa.SmallInteger(), nullable=True),
        sa.Column("age_18_59", sa.SmallInteger(), nullable=True),
        sa.Column("age_60_79", sa.SmallInteger(), nullable=True),
        sa.Column("age_80_up", sa.SmallInteger(), nullable=True),
        sa.Column("alone_60_up", sa.SmallInteger(), nullable=True),
        sa.Column("need_help", sa.SmallInteger(), nullable=True),
        sa.Column("verified_on", sa.Date(), nullable=True),
        sa.Column("verified_by", sa.Text(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "ix_dwelling_history_code_valid_from",
        "dwelling_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_dwelling_history_geom",
        "dwelling_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "entity",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("credit_code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("industry_section", sa.Text(), nullable=True),
        sa.Column("industry_division", sa.SmallInteger(), nullable=True),
        sa.Column("staff_count", sa.Integer(), nullable=True),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("floor", sa.Text(), server_default="", nullable=False),
        sa.Column("key_unit", sa.Boolean(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "geom_3857",
            Geometry(
                srid=3857,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            sa.Computed("ST_Transform(geom, 3857)", persisted=True),
            nullable=True,
        ),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "industry_section IN ('A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T')",
            name=op.f("ck_entity_industry_section_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('enterprise', 'individual', 'institution', 'government', 'association', 'cooperative', 'other')",
            name=op.f("ck_entity_kind_known"),
        ),
        sa.CheckConstraint(
            "industry_division BETWEEN 1 AND 97", name=op.f("ck_entity_industry_division_plausible")
        ),
        sa.CheckConstraint(
            "staff_count BETWEEN 0 AND 500000", name=op.f("ck_entity_staff_count_plausible")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_entity")),
    )
    op.create_index(op.f("ix_entity_building_code"), "entity", ["building_code"], unique=False)
    op.create_index(op.f("ix_entity_credit_code"), "entity", ["credit_code"], unique=False)
    op.create_geospatial_index(
        "ix_entity_geom",
        "entity",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(
        "ix_entity_signs",
        "entity",
        [sa.literal_column("signs_of(name)")],
        unique=False,
        postgresql_using="gin",
    )
    op.create_geospatial_table(
        "entity_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("credit_code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("industry_section", sa.Text(), nullable=True),
        sa.Column("industry_division", sa.SmallInteger(), nullable=True),
        sa.Column("staff_count", sa.Integer(), nullable=True),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("floor", sa.Text(), nullable=False),
        sa.Column("key_unit", sa.Boolean(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "ix_entity_history_code_valid_from", "entity_history", ["code", "valid_from"], unique=False
    )
    op.create_geospatial_index(
        "ix_entity_history_geom",
        "entity_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    for layer in LAYERS:
        op.execute(f"SELECT keep_history('{layer}')")


def downgrade() -> None:
    op.drop_geospatial_index(
        "ix_entity_history_geom",
        table_name="entity_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_entity_history_code_valid_from", table_name="entity_history")
    op.drop_geospatial_table("entity_history")
    op.drop_index("ix_entity_signs", table_name="entity", postgresql_using="gin")
    op.drop_geospatial_index(
        "ix_entity_geom", table_name="entity", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_entity_credit_code"), table_name="entity")
    op.drop_index(op.f("ix_entity_building_code"), table_name="entity")
    op.drop_geospatial_table("entity")
    op.drop_geospatial_index(
        "ix_dwelling_history_geom",
        table_name="dwelling_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_dwelling_history_code_valid_from", table_name="dwelling_history")
    op.drop_geospatial_table("dwelling_history")
    op.drop_geospatial_index(
        "ix_dwelling_geom", table_name="dwelling", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_dwelling_building_code"), table_name="dwelling")
    op.drop_geospatial_table("dwelling")
    for layer in LAYERS:
        op.execute(f"DROP FUNCTION keep_{layer}_history")
