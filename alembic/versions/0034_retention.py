"""Find verifications and earlier counts of dwellings whose period of retention has ended.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

COUNTS = (
    *("occupancy", "residents", "registered", "floating", "age_0_6", "age_7_17", "age_18_59"),
    *("age_60_79", "age_80_up", "alone_60_up", "need_help"),
)


def upgrade() -> None:
    # Without FORCE the owner, who need not be a superuser, sees all rows.
    op.execute("ALTER TABLE visit NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE visit SET key = 'removed ' || id WHERE anonymized_at IS NOT NULL")
    op.create_check_constraint(
        op.f("ck_dwelling_verification_anonymized_empty"),
        "dwelling_verification",
        "dwelling_code <> '' OR changes = '{}'",
    )
    op.create_index(
        "ix_dwelling_verification_retained",
        "dwelling_verification",
        ["verified_at"],
        postgresql_where=sa.text("dwelling_code <> ''"),
    )
    op.create_index(
        "ix_dwelling_history_retained",
        "dwelling_history",
        ["valid_to"],
        postgresql_where=sa.text(f"num_nonnulls({', '.join(COUNTS)}) > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_dwelling_history_retained", "dwelling_history")
    op.drop_index("ix_dwelling_verification_retained", "dwelling_verification")
    op.drop_constraint("ck_dwelling_verification_anonymized_empty", "dwelling_verification")
