"""Facilities from which a fire engine takes water that is no hydrant.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BEFORE = "category IN ('service_station', 'government', 'school', 'kindergarten', 'university', 'hospital', 'clinic', 'elderly_care', 'police', 'fire_station', 'shelter', 'market', 'park', 'sport', 'culture', 'worship', 'toilet', 'parking', 'transport', 'fuel', 'other')"
AFTER = "category IN ('service_station', 'government', 'school', 'kindergarten', 'university', 'hospital', 'clinic', 'elderly_care', 'police', 'fire_station', 'shelter', 'intake', 'market', 'park', 'sport', 'culture', 'worship', 'toilet', 'parking', 'transport', 'fuel', 'other')"


def upgrade() -> None:
    _replace(AFTER)


def downgrade() -> None:
    op.execute("UPDATE facility SET category = 'other' WHERE category = 'intake'")
    _replace(BEFORE)


def _replace(condition: str) -> None:
    name = op.f("ck_facility_category_known")
    op.drop_constraint(name, "facility", type_="check")
    op.create_check_constraint(name, "facility", condition)
