"""Results of what-ifs with their jobs.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_JOB_KINDS = "ck_job_kind_known"
_BEFORE = (
    "'draw', 'alternatives', 'complete', 'score', 'approve', 'roll_back', 'replay', "
    "'dry_run', 'import', 'micro'"
)


def upgrade() -> None:
    op.add_column("job", sa.Column("result", postgresql.JSONB(), nullable=True))
    _constrain(f"{_BEFORE}, 'what_if'")


def downgrade() -> None:
    # Without FORCE the owner, who need not be a superuser, sees all rows.
    op.execute("ALTER TABLE job NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM job WHERE kind = 'what_if'")
    _constrain(_BEFORE)
    op.drop_column("job", "result")


def _constrain(kinds: str) -> None:
    op.execute(f"ALTER TABLE job DROP CONSTRAINT {_JOB_KINDS}")
    op.execute(f"ALTER TABLE job ADD CONSTRAINT {_JOB_KINDS} CHECK (kind IN ({kinds}))")
