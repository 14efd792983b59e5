"""Verifications of dwellings by grid managers; the device's clock at a visit.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("visit", sa.Column("device_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "dwelling_verification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("grid_code", sa.Text(), nullable=False),
        sa.Column("dwelling_code", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "grid_code ~ '^[0-9]{15}$'",
            name=op.f("ck_dwelling_verification_grid_code_15_digits"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dwelling_verification")),
        sa.UniqueConstraint("key", name=op.f("uq_dwelling_verification_key")),
    )
    op.create_index(
        op.f("ix_dwelling_verification_dwelling_code"), "dwelling_verification", ["dwelling_code"]
    )


def downgrade() -> None:
    op.drop_table("dwelling_verification")
    op.drop_column("visit", "device_at")
