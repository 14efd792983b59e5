"""Items of a building that a crew must know: exits, power cut-off, pump adapters and others.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ITEMS = (
    *("exits", "evacuation_stairs", "fire_lifts", "control_room", "duty_phone", "pump_adapters"),
    *("tanks", "power_cut_off", "cladding", "window_grilles", "ebike_charging", "bottled_gas"),
    "people_to_help",
)


def upgrade() -> None:
    listed = ", ".join(f"'{item}'" for item in ITEMS)
    op.create_table(
        "building_fire",
        sa.Column("building_code", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_on", sa.Date(), nullable=False),
        sa.Column("checked_by", sa.Text(), nullable=False),
        sa.CheckConstraint(f"item IN ({listed})", name=op.f("ck_building_fire_item_known")),
        sa.CheckConstraint(
            "value <> '' AND checked_by <> ''", name=op.f("ck_building_fire_signed")
        ),
        sa.PrimaryKeyConstraint("building_code", "item", name=op.f("pk_building_fire")),
    )


def downgrade() -> None:
    op.drop_table("building_fire")
