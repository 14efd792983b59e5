"""Measures of grids in closed months.

Revision ID: 0029
Revises: 0027
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0029"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assessment_month",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("indicators", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "frozen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "extract(day FROM month) = 1", name=op.f("ck_assessment_month_month_first_day")
        ),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_assessment_month")),
    )
    op.create_table(
        "assessment_measure",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "area_code ~ '^([0-9]{12}|[0-9]{15})$'",
            name=op.f("ck_assessment_measure_area_code_digits"),
        ),
        sa.ForeignKeyConstraint(
            ["month"],
            ["assessment_month.month"],
            name=op.f("fk_assessment_measure_month_assessment_month"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "month", "area_code", "measure", name=op.f("pk_assessment_measure")
        ),
    )


def downgrade() -> None:
    op.drop_table("assessment_measure")
    op.drop_table("assessment_month")
