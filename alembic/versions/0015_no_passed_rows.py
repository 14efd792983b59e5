"""Drop the digests of rows that passed every check: imports no longer skip single rows.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("passed_rows")


def downgrade() -> None:
    op.create_table(
        "passed_rows",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "layer", "part", name=op.f("pk_passed_rows")),
    )
    op.execute("ALTER TABLE passed_rows ALTER COLUMN marks SET STORAGE EXTERNAL")
