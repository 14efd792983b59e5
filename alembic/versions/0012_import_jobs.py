"""Jobs that approve, roll back and replay imports.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NAME = "ck_job_kind_known"
_PLAN_KINDS = "'draw', 'alternatives', 'complete', 'score'"
_IMPORT_KINDS = "'approve', 'roll_back', 'replay'"


def upgrade() -> None:
    runs = postgresql.ARRAY(sa.BigInteger())
    op.add_column("job", sa.Column("runs", runs, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("job", sa.Column("upload", sa.LargeBinary(), nullable=True))
    _constrain(f"{_PLAN_KINDS}, {_IMPORT_KINDS}")


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind IN ('approve', 'roll_back', 'replay')")
    _constrain(_PLAN_KINDS)
    op.drop_column("job", "upload")
    op.drop_column("job", "runs")


def _constrain(kinds: str) -> None:
    op.execute(f"ALTER TABLE job DROP CONSTRAINT {_NAME}")
    op.execute(f"ALTER TABLE job ADD CONSTRAINT {_NAME} CHECK (kind IN ({kinds}))")
