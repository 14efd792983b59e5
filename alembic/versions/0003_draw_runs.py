"""Runs that draw many communities, so that one broken off can go on.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "draw_run",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draw_run")),
    )
    op.add_column("grid_plan", sa.Column("run_id", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_grid_plan_run_id_draw_run"),
        "grid_plan",
        "draw_run",
        ["run_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_unique_constraint(
        op.f("uq_grid_plan_run_id_community_code"), "grid_plan", ["run_id", "community_code"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("uq_grid_plan_run_id_community_code"), "grid_plan", type_="unique")
    op.drop_constraint(op.f("fk_grid_plan_run_id_draw_run"), "grid_plan", type_="foreignkey")
    op.drop_column("grid_plan", "run_id")
    op.drop_table("draw_run")
