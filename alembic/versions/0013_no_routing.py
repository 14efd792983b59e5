"""Drop the roads for pgRouting, and the extension where nothing else uses it.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

DROP_EXTENSION = """
DO $$ BEGIN
    DROP EXTENSION IF EXISTS pgrouting;
EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
    RAISE NOTICE 'pgrouting stays: it belongs to somebody else, or is used';
END $$
"""


def upgrade() -> None:
    op.drop_table("road_edge")
    op.execute("DELETE FROM fire_overlay WHERE overlay = 'road_edge'")
    op.execute(DROP_EXTENSION)


def downgrade() -> None:
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
        sa.Column("geom", Geometry("LINESTRING", srid=4490, spatial_index=False), nullable=False),
        sa.PrimaryKeyConstraint("id", "city", name=op.f("pk_road_edge")),
    )
    op.create_index(op.f("ix_road_edge_source"), "road_edge", ["source"])
    op.create_index(op.f("ix_road_edge_target"), "road_edge", ["target"])
    op.create_index(op.f("ix_road_edge_geom"), "road_edge", ["geom"], postgresql_using="gist")
