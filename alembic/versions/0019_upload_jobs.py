"""Jobs that import files uploaded to the data desk, or report what an import would change.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_NAME = "ck_job_kind_known"
_BEFORE = "'draw', 'alternatives', 'complete', 'score', 'approve', 'roll_back', 'replay'"


def upgrade() -> None:
    _constrain(f"{_BEFORE}, 'dry_run', 'import'")


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind IN ('dry_run', 'import')")
    _constrain(_BEFORE)


def _constrain(kinds: str) -> None:
    op.execute(f"ALTER TABLE job DROP CONSTRAINT {_NAME}")
    op.execute(f"ALTER TABLE job ADD CONSTRAINT {_NAME} CHECK (kind IN ({kinds}))")
