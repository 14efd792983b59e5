"""Jobs that score an edited plan anew.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NAME = "ck_job_kind_known"


def upgrade() -> None:
    _allow("'draw', 'alternatives', 'complete', 'score'")


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind = 'score'")
    _allow("'draw', 'alternatives', 'complete'")


def _allow(kinds: str) -> None:
    op.execute(f"ALTER TABLE job DROP CONSTRAINT {_NAME}")
    op.execute(f"ALTER TABLE job ADD CONSTRAINT {_NAME} CHECK (kind IN ({kinds}))")
