"""Workload of grids and their members.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grid", sa.Column("workload", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_grid_workload_plausible"), "grid", "workload BETWEEN 0 AND 10000000"
    )
    op.add_column("grid_member", sa.Column("workload", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("grid_member", "workload")
    op.drop_column("grid", "workload")
