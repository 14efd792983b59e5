"""Uses of buildings that follow the fire rules of public buildings: apartments and dormitories.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BEFORE = "use IN ('residential', 'mixed', 'commercial', 'office', 'industrial', 'warehouse', 'education', 'medical', 'culture', 'public', 'transport', 'utility', 'ancillary', 'other')"
AFTER = BEFORE.replace("'mixed'", "'apartment', 'dormitory', 'mixed'")


def upgrade() -> None:
    _replace(AFTER)


def downgrade() -> None:
    op.execute("UPDATE building SET use = 'residential' WHERE use IN ('apartment', 'dormitory')")
    _replace(BEFORE)


def _replace(condition: str) -> None:
    name = op.f("ck_building_use_known")
    op.drop_constraint(name, "building", type_="check")
    op.create_check_constraint(name, "building", condition)
