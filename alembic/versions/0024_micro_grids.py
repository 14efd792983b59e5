"""Micro-grids: parts of a grid, one per informant.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_JOB_KINDS = "ck_job_kind_known"
_BEFORE = (
    "'draw', 'alternatives', 'complete', 'score', 'approve', 'roll_back', 'replay', "
    "'dry_run', 'import'"
)


def upgrade() -> None:
    codes = postgresql.ARRAY(sa.Text())
    op.create_table(
        "micro_grid",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("grid_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column("buildings", codes, server_default="{}", nullable=False),
        sa.Column("units", codes, server_default="{}", nullable=False),
        sa.Column("geom", Geometry("MULTIPOLYGON", srid=4490, spatial_index=False), nullable=False),
        sa.CheckConstraint("code ~ '^[0-9]{17}$'", name=op.f("ck_micro_grid_code_17_digits")),
        sa.CheckConstraint(
            "households BETWEEN 0 AND 1000000", name=op.f("ck_micro_grid_households_plausible")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["grid_plan.id"],
            name=op.f("fk_micro_grid_plan_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["grid_id"], ["grid.id"], name=op.f("fk_micro_grid_grid_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_micro_grid")),
        sa.UniqueConstraint("plan_id", "code", name=op.f("uq_micro_grid_plan_id_code")),
    )
    op.create_index(op.f("ix_micro_grid_grid_id"), "micro_grid", ["grid_id"])
    op.create_index(op.f("ix_micro_grid_geom"), "micro_grid", ["geom"], postgresql_using="gist")
    op.add_column("grid", sa.Column("micro_reasons", postgresql.JSONB(), nullable=True))
    op.add_column("grid_informant", sa.Column("micro_grid", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_grid_informant_micro_grid_plausible"),
        "grid_informant",
        "micro_grid BETWEEN 1 AND 99",
    )
    _constrain(f"{_BEFORE}, 'micro'")


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind = 'micro'")
    _constrain(_BEFORE)
    op.drop_column("grid_informant", "micro_grid")
    op.drop_column("grid", "micro_reasons")
    op.drop_table("micro_grid")


def _constrain(kinds: str) -> None:
    op.execute(f"ALTER TABLE job DROP CONSTRAINT {_JOB_KINDS}")
    op.execute(f"ALTER TABLE job ADD CONSTRAINT {_JOB_KINDS} CHECK (kind IN ({kinds}))")
