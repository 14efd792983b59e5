"""Comments at places of a plan.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_geospatial_table(
        "plan_comment",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), server_default="", nullable=False),
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
        sa.CheckConstraint(
            "length(words) BETWEEN 1 AND 2000", name=op.f("ck_plan_comment_words_given")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["grid_plan.id"], name=op.f("fk_plan_comment_plan_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_comment")),
    )
    op.create_index(op.f("ix_plan_comment_plan_id_id"), "plan_comment", ["plan_id", "id"])
    op.create_index("ix_plan_comment_geom", "plan_comment", ["geom"], postgresql_using="gist")


def downgrade() -> None:
    op.drop_geospatial_table("plan_comment")
