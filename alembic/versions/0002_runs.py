"""What runs change, what people correct, and the schema where runs stage.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS staging")
    op.execute("CREATE SEQUENCE layer_revision_number")
    op.execute(
        "SELECT setval('layer_revision_number', coalesce(max(revision), 0) + 1, false) "
        "FROM layer_revision"
    )
    op.add_column(
        "quarantine",
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    codes = [
        sa.Column(
            name,
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        )
        for name in ("added", "changed", "removed")
    ]
    op.create_table(
        "run_change",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.Text()), nullable=False),
        *codes,
        sa.ForeignKeyConstraint(
            ["run_id"], ["import_run.id"], name=op.f("fk_run_change_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "layer", name=op.f("pk_run_change")),
    )
    op.create_table(
        "correction",
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("layer", "code", "field", name=op.f("pk_correction")),
    )


def downgrade() -> None:
    op.drop_table("correction")
    op.drop_table("run_change")
    op.drop_column("quarantine", "detail")
    op.execute("DROP SEQUENCE layer_revision_number")
    op.execute("DROP SCHEMA staging CASCADE")
