"""Roles of grid managers, bound to their appointments, and of offices.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_NAME = "ck_account_role_known"
_BEFORE = "'public', 'planner', 'fire', 'utility', 'importer', 'admin'"
_AFTER = "'public', 'planner', 'fire', 'utility', 'importer', 'grid_manager', 'office', 'admin'"


def upgrade() -> None:
    _constrain(_AFTER)
    op.create_check_constraint(
        op.f("ck_account_office_has_scope"), "account", "role <> 'office' OR scope <> ''"
    )
    op.add_column("grid_manager", sa.Column("account_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_grid_manager_account_id"),
        "grid_manager",
        "account",
        ["account_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(op.f("ix_grid_manager_account_id"), "grid_manager", ["account_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_grid_manager_account_id"), table_name="grid_manager")
    op.drop_constraint(op.f("fk_grid_manager_account_id"), "grid_manager", type_="foreignkey")
    op.drop_column("grid_manager", "account_id")
    op.drop_constraint(op.f("ck_account_office_has_scope"), "account", type_="check")
    op.execute("DELETE FROM account WHERE role IN ('grid_manager', 'office')")
    _constrain(_BEFORE)


def _constrain(roles: str) -> None:
    op.drop_constraint(op.f(_NAME), "account", type_="check")
    op.create_check_constraint(op.f(_NAME), "account", f"role IN ({roles})")
