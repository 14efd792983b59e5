"""Tables of the city geodatabase, and the trigger that keeps their history.

Revision ID: 0001
Revises:
"""

from pathlib import Path

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


EXTENSIONS = ("postgis", "pg_trgm", "btree_gist")

LAYERS = (
    "region",
    "compound",
    "building",
    "building_unit",
    "facility",
    "road",
    "railway",
    "water",
    "pipe_node",
    "pipe_segment",
)


def upgrade() -> None:
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} CASCADE")
    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_code", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index(op.f("ix_audit_event_at"), "audit_event", ["at"], unique=False)
    op.create_index(
        op.f("ix_audit_event_object_type_object_code"),
        "audit_event",
        ["object_type", "object_code"],
        unique=False,
    )
    op.create_geospatial_table(
        "building",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("use", sa.Text(), nullable=True),
        sa.Column("storeys_above", sa.SmallInteger(), nullable=True),
        sa.Column("storeys_below", sa.SmallInteger(), nullable=True),
        sa.Column("height_m", sa.Double(), nullable=True),
        sa.Column("structure", sa.Text(), nullable=True),
        sa.Column("fire_class", sa.SmallInteger(), nullable=True),
        sa.Column("year_built", sa.SmallInteger(), nullable=True),
        sa.Column("high_rise", sa.Boolean(), nullable=True),
        sa.Column("households", sa.Integer(), server_default="0", nullable=False),
        sa.Column("population", sa.Integer(), nullable=True),
        sa.Column("households_source", sa.Text(), nullable=True),
        sa.Column("compound_code", sa.Text(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
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
            "households_source IN ('register', 'survey', 'estimated')",
            name=op.f("ck_building_households_source_known"),
        ),
        sa.CheckConstraint(
            "structure IN ('steel', 'reinforced_concrete', 'brick_concrete', 'brick_wood', 'wood', 'other')",
            name=op.f("ck_building_structure_known"),
        ),
        sa.CheckConstraint(
            "use IN ('residential', 'mixed', 'commercial', 'office', 'industrial', 'warehouse', 'education', 'medical', 'culture', 'public', 'transport', 'utility', 'ancillary', 'other')",
            name=op.f("ck_building_use_known"),
        ),
        sa.CheckConstraint(
            "fire_class BETWEEN 1 AND 4", name=op.f("ck_building_fire_class_plausible")
        ),
        sa.CheckConstraint(
            "height_m BETWEEN 0 AND 1000", name=op.f("ck_building_height_m_plausible")
        ),
        sa.CheckConstraint(
            "households BETWEEN 0 AND 20000", name=op.f("ck_building_households_plausible")
        ),
        sa.CheckConstraint(
            "population BETWEEN 0 AND 100000", name=op.f("ck_building_population_plausible")
        ),
        sa.CheckConstraint(
            "storeys_above BETWEEN 0 AND 200", name=op.f("ck_building_storeys_above_plausible")
        ),
        sa.CheckConstraint(
            "storeys_below BETWEEN 0 AND 20", name=op.f("ck_building_storeys_below_plausible")
        ),
        sa.CheckConstraint(
            "year_built BETWEEN 500 AND 2200", name=op.f("ck_building_year_built_plausible")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_building")),
    )
    op.create_index(op.f("ix_building_compound_code"), "building", ["compound_code"], unique=False)
    op.create_geospatial_index(
        "ix_building_geom",
        "building",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_building_geom_3857",
        "building",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_building_region_code"), "building", ["region_code"], unique=False)
    op.create_geospatial_table(
        "building_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=True),
        sa.Column("storeys_above", sa.SmallInteger(), nullable=True),
        sa.Column("storeys_below", sa.SmallInteger(), nullable=True),
        sa.Column("height_m", sa.Double(), nullable=True),
        sa.Column("structure", sa.Text(), nullable=True),
        sa.Column("fire_class", sa.SmallInteger(), nullable=True),
        sa.Column("year_built", sa.SmallInteger(), nullable=True),
        sa.Column("high_rise", sa.Boolean(), nullable=True),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=True),
        sa.Column("households_source", sa.Text(), nullable=True),
        sa.Column("compound_code", sa.Text(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
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
        "ix_building_history_code_valid_from",
        "building_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_building_history_geom",
        "building_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "building_unit_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("storeys", sa.SmallInteger(), nullable=True),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=True),
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
        "ix_building_unit_history_code_valid_from",
        "building_unit_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_building_unit_history_geom",
        "building_unit_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "compound",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("gated", sa.Boolean(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
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
        sa.PrimaryKeyConstraint("code", name=op.f("pk_compound")),
    )
    op.create_geospatial_index(
        "ix_compound_geom",
        "compound",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_compound_geom_3857",
        "compound",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_compound_region_code"), "compound", ["region_code"], unique=False)
    op.create_geospatial_table(
        "compound_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("gated", sa.Boolean(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
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
        "ix_compound_history_code_valid_from",
        "compound_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_compound_history_geom",
        "compound_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "facility",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
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
            "GeometryType(geom) IN ('POINT', 'POLYGON', 'MULTIPOLYGON')",
            name=op.f("ck_facility_point_or_grounds"),
        ),
        sa.CheckConstraint(
            "category IN ('service_station', 'government', 'school', 'kindergarten', 'university', 'hospital', 'clinic', 'elderly_care', 'police', 'fire_station', 'shelter', 'market', 'park', 'sport', 'culture', 'worship', 'toilet', 'parking', 'transport', 'fuel', 'other')",
            name=op.f("ck_facility_category_known"),
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_facility")),
    )
    op.create_index(op.f("ix_facility_category"), "facility", ["category"], unique=False)
    op.create_geospatial_index(
        "ix_facility_geom",
        "facility",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_facility_geom_3857",
        "facility",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_facility_region_code"), "facility", ["region_code"], unique=False)
    op.create_geospatial_table(
        "facility_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
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
        "ix_facility_history_code_valid_from",
        "facility_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_facility_history_geom",
        "facility_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_table(
        "grid_informant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("grid_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("households", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "grid_code ~ '^[0-9]{15}$'", name=op.f("ck_grid_informant_grid_code_15_digits")
        ),
        sa.CheckConstraint(
            "households BETWEEN 0 AND 10000", name=op.f("ck_grid_informant_households_plausible")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_informant")),
    )
    op.create_index(
        op.f("ix_grid_informant_grid_code"), "grid_informant", ["grid_code"], unique=False
    )
    op.create_table(
        "grid_manager",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("grid_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("photo", sa.LargeBinary(), nullable=True),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("duties", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "grid_code ~ '^[0-9]{15}$'", name=op.f("ck_grid_manager_grid_code_15_digits")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_manager")),
    )
    op.create_index(
        "uq_grid_manager_current",
        "grid_manager",
        ["grid_code"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "import_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "timings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "report",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('running', 'published', 'unchanged', 'held', 'rejected', 'failed', 'rolled_back')",
            name=op.f("ck_import_run_status_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_index(
        op.f("ix_import_run_layer_started_at"), "import_run", ["layer", "started_at"], unique=False
    )
    op.create_geospatial_table(
        "pipe_node",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=True),
        sa.Column("in_service", sa.Boolean(), nullable=True),
        sa.Column("flow_l_s", sa.Double(), nullable=True),
        sa.Column("pressure_mpa", sa.Double(), nullable=True),
        sa.Column("burial_depth_m", sa.Double(), nullable=True),
        sa.Column("building_code", sa.Text(), nullable=True),
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
            "kind IN ('source', 'junction', 'valve', 'check_valve', 'regulator', 'hydrant', 'manhole', 'pump', 'substation', 'cabinet', 'outfall', 'consumer', 'end')",
            name=op.f("ck_pipe_node_kind_known"),
        ),
        sa.CheckConstraint(
            "network IN ('water', 'sewage', 'storm', 'gas', 'heat', 'power', 'telecom')",
            name=op.f("ck_pipe_node_network_known"),
        ),
        sa.CheckConstraint(
            "burial_depth_m BETWEEN -10 AND 100", name=op.f("ck_pipe_node_burial_depth_m_plausible")
        ),
        sa.CheckConstraint(
            "flow_l_s BETWEEN 0 AND 10000", name=op.f("ck_pipe_node_flow_l_s_plausible")
        ),
        sa.CheckConstraint(
            "pressure_mpa BETWEEN 0 AND 20", name=op.f("ck_pipe_node_pressure_mpa_plausible")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_pipe_node")),
    )
    op.create_index(
        op.f("ix_pipe_node_building_code"), "pipe_node", ["building_code"], unique=False
    )
    op.create_geospatial_index(
        "ix_pipe_node_geom",
        "pipe_node",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_pipe_node_geom_3857",
        "pipe_node",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(
        op.f("ix_pipe_node_network_kind"), "pipe_node", ["network", "kind"], unique=False
    )
    op.create_geospatial_table(
        "pipe_node_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=True),
        sa.Column("in_service", sa.Boolean(), nullable=True),
        sa.Column("flow_l_s", sa.Double(), nullable=True),
        sa.Column("pressure_mpa", sa.Double(), nullable=True),
        sa.Column("burial_depth_m", sa.Double(), nullable=True),
        sa.Column("building_code", sa.Text(), nullable=True),
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
        "ix_pipe_node_history_code_valid_from",
        "pipe_node_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_pipe_node_history_geom",
        "pipe_node_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "pipe_segment_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("from_node", sa.Text(), nullable=True),
        sa.Column("to_node", sa.Text(), nullable=True),
        sa.Column("diameter_mm", sa.Double(), nullable=True),
        sa.Column("material", sa.Text(), nullable=True),
        sa.Column("burial_depth_m", sa.Double(), nullable=True),
        sa.Column("pressure_mpa", sa.Double(), nullable=True),
        sa.Column("year_built", sa.SmallInteger(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
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
        "ix_pipe_segment_history_code_valid_from",
        "pipe_segment_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_pipe_segment_history_geom",
        "pipe_segment_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "railway",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("bridge", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tunnel", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
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
        sa.PrimaryKeyConstraint("code", name=op.f("pk_railway")),
    )
    op.create_geospatial_index(
        "ix_railway_geom",
        "railway",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_railway_geom_3857",
        "railway",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "railway_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bridge", sa.Boolean(), nullable=False),
        sa.Column("tunnel", sa.Boolean(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
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
        "ix_railway_history_code_valid_from",
        "railway_history",
        ["code", "valid_from"],
        unique=False,
    )
    op.create_geospatial_index(
        "ix_railway_history_geom",
        "railway_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "region",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("parent_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
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
            "(level = 'city') = (parent_code IS NULL)", name=op.f("ck_region_parent_above_city")
        ),
        sa.CheckConstraint("code ~ '^[0-9]{12}$'", name=op.f("ck_region_code_12_digits")),
        sa.CheckConstraint(
            "level IN ('city', 'district', 'street', 'community')",
            name=op.f("ck_region_level_known"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_code"],
            ["region.code"],
            name=op.f("fk_region_parent_code"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_region")),
    )
    op.create_geospatial_index(
        "ix_region_geom",
        "region",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_region_geom_3857",
        "region",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_region_parent_code"), "region", ["parent_code"], unique=False)
    op.create_geospatial_table(
        "region_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("parent_code", sa.Text(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "ix_region_history_code_valid_from", "region_history", ["code", "valid_from"], unique=False
    )
    op.create_geospatial_index(
        "ix_region_history_geom",
        "region_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "road",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("road_class", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("width_m", sa.Double(), nullable=True),
        sa.Column("clear_height_m", sa.Double(), nullable=True),
        sa.Column("max_weight_t", sa.Double(), nullable=True),
        sa.Column("slope_percent", sa.Double(), nullable=True),
        sa.Column("lanes", sa.SmallInteger(), nullable=True),
        sa.Column("oneway", sa.Text(), server_default="no", nullable=False),
        sa.Column("surface", sa.Text(), nullable=True),
        sa.Column("fire_lane", sa.Boolean(), nullable=True),
        sa.Column("bridge", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tunnel", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
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
            "oneway IN ('no', 'forward', 'backward')", name=op.f("ck_road_oneway_known")
        ),
        sa.CheckConstraint(
            "road_class IN ('expressway', 'arterial', 'secondary', 'local', 'alley', 'internal', 'path')",
            name=op.f("ck_road_road_class_known"),
        ),
        sa.CheckConstraint(
            "surface IN ('asphalt', 'concrete', 'paving', 'gravel', 'earth', 'other')",
            name=op.f("ck_road_surface_known"),
        ),
        sa.CheckConstraint(
            "clear_height_m BETWEEN 0 AND 100", name=op.f("ck_road_clear_height_m_plausible")
        ),
        sa.CheckConstraint("lanes BETWEEN 0 AND 30", name=op.f("ck_road_lanes_plausible")),
        sa.CheckConstraint(
            "max_weight_t BETWEEN 0 AND 1000", name=op.f("ck_road_max_weight_t_plausible")
        ),
        sa.CheckConstraint(
            "slope_percent BETWEEN -100 AND 100", name=op.f("ck_road_slope_percent_plausible")
        ),
        sa.CheckConstraint("width_m BETWEEN 0 AND 200", name=op.f("ck_road_width_m_plausible")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_road")),
    )
    op.create_geospatial_index(
        "ix_road_geom", "road", ["geom"], unique=False, postgresql_using="gist", postgresql_ops={}
    )
    op.create_geospatial_index(
        "ix_road_geom_3857",
        "road",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "road_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("road_class", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("width_m", sa.Double(), nullable=True),
        sa.Column("clear_height_m", sa.Double(), nullable=True),
        sa.Column("max_weight_t", sa.Double(), nullable=True),
        sa.Column("slope_percent", sa.Double(), nullable=True),
        sa.Column("lanes", sa.SmallInteger(), nullable=True),
        sa.Column("oneway", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=True),
        sa.Column("fire_lane", sa.Boolean(), nullable=True),
        sa.Column("bridge", sa.Boolean(), nullable=False),
        sa.Column("tunnel", sa.Boolean(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
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
        "ix_road_history_code_valid_from", "road_history", ["code", "valid_from"], unique=False
    )
    op.create_geospatial_index(
        "ix_road_history_geom",
        "road_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "water",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("width_m", sa.Double(), nullable=True),
        sa.Column("covered", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "geom",
            Geometry(
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
            "GeometryType(geom) IN ('LINESTRING', 'POLYGON', 'MULTIPOLYGON')",
            name=op.f("ck_water_centreline_or_surface"),
        ),
        sa.CheckConstraint(
            "kind IN ('river', 'canal', 'stream', 'lake', 'pond', 'sea')",
            name=op.f("ck_water_kind_known"),
        ),
        sa.CheckConstraint("width_m BETWEEN 0 AND 10000", name=op.f("ck_water_width_m_plausible")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_water")),
    )
    op.create_geospatial_index(
        "ix_water_geom", "water", ["geom"], unique=False, postgresql_using="gist", postgresql_ops={}
    )
    op.create_geospatial_index(
        "ix_water_geom_3857",
        "water",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_water_kind"), "water", ["kind"], unique=False)
    op.create_geospatial_table(
        "water_history",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("width_m", sa.Double(), nullable=True),
        sa.Column("covered", sa.Boolean(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
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
        "ix_water_history_code_valid_from", "water_history", ["code", "valid_from"], unique=False
    )
    op.create_geospatial_index(
        "ix_water_history_geom",
        "water_history",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "building_unit",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("storeys", sa.SmallInteger(), nullable=True),
        sa.Column("households", sa.Integer(), server_default="0", nullable=False),
        sa.Column("population", sa.Integer(), nullable=True),
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
            "households BETWEEN 0 AND 5000", name=op.f("ck_building_unit_households_plausible")
        ),
        sa.CheckConstraint(
            "population BETWEEN 0 AND 25000", name=op.f("ck_building_unit_population_plausible")
        ),
        sa.CheckConstraint(
            "storeys BETWEEN 0 AND 200", name=op.f("ck_building_unit_storeys_plausible")
        ),
        sa.ForeignKeyConstraint(
            ["building_code"],
            ["building.code"],
            name=op.f("fk_building_unit_building_code"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_building_unit")),
    )
    op.create_index(
        op.f("ix_building_unit_building_code"), "building_unit", ["building_code"], unique=False
    )
    op.create_geospatial_index(
        "ix_building_unit_geom",
        "building_unit",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_building_unit_geom_3857",
        "building_unit",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_table(
        "grid_plan",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("community_code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "score",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "stale", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status = 'draft' OR published_at IS NOT NULL OR archived_at IS NOT NULL",
            name=op.f("ck_grid_plan_status_dated"),
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'published', 'archived')", name=op.f("ck_grid_plan_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["community_code"],
            ["region.code"],
            name=op.f("fk_grid_plan_community_code"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["grid_plan.id"],
            name=op.f("fk_grid_plan_parent_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_plan")),
        sa.UniqueConstraint(
            "community_code", "version", name=op.f("uq_grid_plan_community_code_version")
        ),
    )
    op.create_index(op.f("ix_grid_plan_parent_id"), "grid_plan", ["parent_id"], unique=False)
    op.create_index(
        "uq_grid_plan_published",
        "grid_plan",
        ["community_code"],
        unique=True,
        postgresql_where=sa.text("status = 'published'"),
    )
    op.create_table(
        "layer_revision",
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["import_run.id"],
            name=op.f("fk_layer_revision_run_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("layer", name=op.f("pk_layer_revision")),
    )
    op.create_geospatial_table(
        "pipe_segment",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("from_node", sa.Text(), nullable=True),
        sa.Column("to_node", sa.Text(), nullable=True),
        sa.Column("diameter_mm", sa.Double(), nullable=True),
        sa.Column("material", sa.Text(), nullable=True),
        sa.Column("burial_depth_m", sa.Double(), nullable=True),
        sa.Column("pressure_mpa", sa.Double(), nullable=True),
        sa.Column("year_built", sa.SmallInteger(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="LINESTRING",
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
            "material IN ('ductile_iron', 'cast_iron', 'steel', 'pe', 'pvc', 'concrete', 'copper', 'aluminium', 'fibre', 'other')",
            name=op.f("ck_pipe_segment_material_known"),
        ),
        sa.CheckConstraint(
            "network IN ('water', 'sewage', 'storm', 'gas', 'heat', 'power', 'telecom')",
            name=op.f("ck_pipe_segment_network_known"),
        ),
        sa.CheckConstraint(
            "burial_depth_m BETWEEN -10 AND 100",
            name=op.f("ck_pipe_segment_burial_depth_m_plausible"),
        ),
        sa.CheckConstraint(
            "diameter_mm BETWEEN 0 AND 10000", name=op.f("ck_pipe_segment_diameter_mm_plausible")
        ),
        sa.CheckConstraint(
            "pressure_mpa BETWEEN 0 AND 20", name=op.f("ck_pipe_segment_pressure_mpa_plausible")
        ),
        sa.CheckConstraint(
            "year_built BETWEEN 1800 AND 2200", name=op.f("ck_pipe_segment_year_built_plausible")
        ),
        sa.ForeignKeyConstraint(
            ["from_node"],
            ["pipe_node.code"],
            name=op.f("fk_pipe_segment_from_node"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["to_node"],
            ["pipe_node.code"],
            name=op.f("fk_pipe_segment_to_node"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_pipe_segment")),
    )
    op.create_index(op.f("ix_pipe_segment_from_node"), "pipe_segment", ["from_node"], unique=False)
    op.create_geospatial_index(
        "ix_pipe_segment_geom",
        "pipe_segment",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "ix_pipe_segment_geom_3857",
        "pipe_segment",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_pipe_segment_network"), "pipe_segment", ["network"], unique=False)
    op.create_index(op.f("ix_pipe_segment_to_node"), "pipe_segment", ["to_node"], unique=False)
    op.create_geospatial_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "properties",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("original", sa.LargeBinary(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["import_run.id"], name=op.f("fk_quarantine_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_geospatial_index(
        "ix_quarantine_geom",
        "quarantine",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_quarantine_layer_code"), "quarantine", ["layer", "code"], unique=False)
    op.create_index(op.f("ix_quarantine_run_id"), "quarantine", ["run_id"], unique=False)
    op.create_geospatial_table(
        "grid",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="general", nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
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
        sa.CheckConstraint("code ~ '^[0-9]{15}$'", name=op.f("ck_grid_code_15_digits")),
        sa.CheckConstraint("kind IN ('general', 'dedicated')", name=op.f("ck_grid_kind_known")),
        sa.CheckConstraint(
            "households BETWEEN 0 AND 1000000", name=op.f("ck_grid_households_plausible")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["grid_plan.id"], name=op.f("fk_grid_plan_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid")),
        sa.UniqueConstraint("plan_id", "code", name=op.f("uq_grid_plan_id_code")),
    )
    op.create_index(op.f("ix_grid_code"), "grid", ["code"], unique=False)
    op.create_geospatial_index(
        "ix_grid_geom", "grid", ["geom"], unique=False, postgresql_using="gist", postgresql_ops={}
    )
    op.create_geospatial_index(
        "ix_grid_geom_3857",
        "grid",
        ["geom_3857"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "grid_member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("grid_id", sa.BigInteger(), nullable=False),
        sa.Column("building_code", sa.Text(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "building_code IS NOT NULL OR households = 0",
            name=op.f("ck_grid_member_empty_cell_is_empty"),
        ),
        sa.CheckConstraint(
            "unit_code IS NULL OR building_code IS NOT NULL",
            name=op.f("ck_grid_member_unit_in_building"),
        ),
        sa.ForeignKeyConstraint(
            ["grid_id"], ["grid.id"], name=op.f("fk_grid_member_grid_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["grid_plan.id"], name=op.f("fk_grid_member_plan_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_member")),
        sa.UniqueConstraint(
            "plan_id",
            "building_code",
            "unit_code",
            name=op.f("uq_grid_member_plan_id_building_code_unit_code"),
        ),
    )
    op.create_index(
        op.f("ix_grid_member_building_code"), "grid_member", ["building_code"], unique=False
    )
    op.create_geospatial_index(
        "ix_grid_member_geom",
        "grid_member",
        ["geom"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("ix_grid_member_grid_id"), "grid_member", ["grid_id"], unique=False)
    op.execute(Path(__file__).with_name("0001_keep_history.sql").read_text(encoding="utf-8"))
    for layer in LAYERS:
        op.execute(f"SELECT keep_history('{layer}')")


def downgrade() -> None:
    op.drop_index(op.f("ix_grid_member_grid_id"), table_name="grid_member")
    op.drop_geospatial_index(
        "ix_grid_member_geom", table_name="grid_member", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_grid_member_building_code"), table_name="grid_member")
    op.drop_geospatial_table("grid_member")
    op.drop_geospatial_index(
        "ix_grid_geom_3857", table_name="grid", postgresql_using="gist", column_name="geom_3857"
    )
    op.drop_geospatial_index(
        "ix_grid_geom", table_name="grid", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_grid_code"), table_name="grid")
    op.drop_geospatial_table("grid")
    op.drop_index(op.f("ix_quarantine_run_id"), table_name="quarantine")
    op.drop_index(op.f("ix_quarantine_layer_code"), table_name="quarantine")
    op.drop_geospatial_index(
        "ix_quarantine_geom", table_name="quarantine", postgresql_using="gist", column_name="geom"
    )
    op.drop_geospatial_table("quarantine")
    op.drop_index(op.f("ix_pipe_segment_to_node"), table_name="pipe_segment")
    op.drop_index(op.f("ix_pipe_segment_network"), table_name="pipe_segment")
    op.drop_geospatial_index(
        "ix_pipe_segment_geom_3857",
        table_name="pipe_segment",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_pipe_segment_geom",
        table_name="pipe_segment",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index(op.f("ix_pipe_segment_from_node"), table_name="pipe_segment")
    op.drop_geospatial_table("pipe_segment")
    op.drop_table("layer_revision")
    op.drop_index(
        "uq_grid_plan_published",
        table_name="grid_plan",
        postgresql_where=sa.text("status = 'published'"),
    )
    op.drop_index(op.f("ix_grid_plan_parent_id"), table_name="grid_plan")
    op.drop_table("grid_plan")
    op.drop_geospatial_index(
        "ix_building_unit_geom_3857",
        table_name="building_unit",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_building_unit_geom",
        table_name="building_unit",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index(op.f("ix_building_unit_building_code"), table_name="building_unit")
    op.drop_geospatial_table("building_unit")
    op.drop_geospatial_index(
        "ix_water_history_geom",
        table_name="water_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_water_history_code_valid_from", table_name="water_history")
    op.drop_geospatial_table("water_history")
    op.drop_index(op.f("ix_water_kind"), table_name="water")
    op.drop_geospatial_index(
        "ix_water_geom_3857", table_name="water", postgresql_using="gist", column_name="geom_3857"
    )
    op.drop_geospatial_index(
        "ix_water_geom", table_name="water", postgresql_using="gist", column_name="geom"
    )
    op.drop_geospatial_table("water")
    op.drop_geospatial_index(
        "ix_road_history_geom",
        table_name="road_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_road_history_code_valid_from", table_name="road_history")
    op.drop_geospatial_table("road_history")
    op.drop_geospatial_index(
        "ix_road_geom_3857", table_name="road", postgresql_using="gist", column_name="geom_3857"
    )
    op.drop_geospatial_index(
        "ix_road_geom", table_name="road", postgresql_using="gist", column_name="geom"
    )
    op.drop_geospatial_table("road")
    op.drop_geospatial_index(
        "ix_region_history_geom",
        table_name="region_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_region_history_code_valid_from", table_name="region_history")
    op.drop_geospatial_table("region_history")
    op.drop_index(op.f("ix_region_parent_code"), table_name="region")
    op.drop_geospatial_index(
        "ix_region_geom_3857", table_name="region", postgresql_using="gist", column_name="geom_3857"
    )
    op.drop_geospatial_index(
        "ix_region_geom", table_name="region", postgresql_using="gist", column_name="geom"
    )
    op.drop_geospatial_table("region")
    op.drop_geospatial_index(
        "ix_railway_history_geom",
        table_name="railway_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_railway_history_code_valid_from", table_name="railway_history")
    op.drop_geospatial_table("railway_history")
    op.drop_geospatial_index(
        "ix_railway_geom_3857",
        table_name="railway",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_railway_geom", table_name="railway", postgresql_using="gist", column_name="geom"
    )
    op.drop_geospatial_table("railway")
    op.drop_geospatial_index(
        "ix_pipe_segment_history_geom",
        table_name="pipe_segment_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_pipe_segment_history_code_valid_from", table_name="pipe_segment_history")
    op.drop_geospatial_table("pipe_segment_history")
    op.drop_geospatial_index(
        "ix_pipe_node_history_geom",
        table_name="pipe_node_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_pipe_node_history_code_valid_from", table_name="pipe_node_history")
    op.drop_geospatial_table("pipe_node_history")
    op.drop_index(op.f("ix_pipe_node_network_kind"), table_name="pipe_node")
    op.drop_geospatial_index(
        "ix_pipe_node_geom_3857",
        table_name="pipe_node",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_pipe_node_geom", table_name="pipe_node", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_pipe_node_building_code"), table_name="pipe_node")
    op.drop_geospatial_table("pipe_node")
    op.drop_index(op.f("ix_import_run_layer_started_at"), table_name="import_run")
    op.drop_table("import_run")
    op.drop_index(
        "uq_grid_manager_current",
        table_name="grid_manager",
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.drop_table("grid_manager")
    op.drop_index(op.f("ix_grid_informant_grid_code"), table_name="grid_informant")
    op.drop_table("grid_informant")
    op.drop_geospatial_index(
        "ix_facility_history_geom",
        table_name="facility_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_facility_history_code_valid_from", table_name="facility_history")
    op.drop_geospatial_table("facility_history")
    op.drop_index(op.f("ix_facility_region_code"), table_name="facility")
    op.drop_geospatial_index(
        "ix_facility_geom_3857",
        table_name="facility",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_facility_geom", table_name="facility", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_facility_category"), table_name="facility")
    op.drop_geospatial_table("facility")
    op.drop_geospatial_index(
        "ix_compound_history_geom",
        table_name="compound_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_compound_history_code_valid_from", table_name="compound_history")
    op.drop_geospatial_table("compound_history")
    op.drop_index(op.f("ix_compound_region_code"), table_name="compound")
    op.drop_geospatial_index(
        "ix_compound_geom_3857",
        table_name="compound",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_compound_geom", table_name="compound", postgresql_using="gist", column_name="geom"
    )
    op.drop_geospatial_table("compound")
    op.drop_geospatial_index(
        "ix_building_unit_history_geom",
        table_name="building_unit_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_building_unit_history_code_valid_from", table_name="building_unit_history")
    op.drop_geospatial_table("building_unit_history")
    op.drop_geospatial_index(
        "ix_building_history_geom",
        table_name="building_history",
        postgresql_using="gist",
        column_name="geom",
    )
    op.drop_index("ix_building_history_code_valid_from", table_name="building_history")
    op.drop_geospatial_table("building_history")
    op.drop_index(op.f("ix_building_region_code"), table_name="building")
    op.drop_geospatial_index(
        "ix_building_geom_3857",
        table_name="building",
        postgresql_using="gist",
        column_name="geom_3857",
    )
    op.drop_geospatial_index(
        "ix_building_geom", table_name="building", postgresql_using="gist", column_name="geom"
    )
    op.drop_index(op.f("ix_building_compound_code"), table_name="building")
    op.drop_geospatial_table("building")
    op.drop_index(op.f("ix_audit_event_object_type_object_code"), table_name="audit_event")
    op.drop_index(op.f("ix_audit_event_at"), table_name="audit_event")
    op.drop_table("audit_event")
    for layer in LAYERS:
        op.execute(f"DROP FUNCTION keep_{layer}_history")
    op.execute("DROP FUNCTION keep_history")
    op.execute("DROP FUNCTION written_here")
