"""Marks of the rows that passed every check.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passed_rows",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "layer", "part", name=op.f("pk_passed_rows")),
    )
    # Digests can't be compressed.
    op.execute("ALTER TABLE passed_rows ALTER COLUMN marks SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("passed_rows")
