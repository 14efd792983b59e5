"""Tasks of grid managers apart from their duties, and the buildings of informants.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grid_manager", sa.Column("tasks", sa.Text(), server_default="", nullable=False))
    buildings = sa.Column(
        "buildings", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False
    )
    op.add_column("grid_informant", buildings)


def downgrade() -> None:
    op.drop_column("grid_informant", "buildings")
    op.drop_column("grid_manager", "tasks")
