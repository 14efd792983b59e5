"""Accounts and their sessions, jobs, edits of plans, counted changes.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _accounts()
    _jobs()
    op.create_table(
        "layer_change",
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("layer", name=op.f("pk_layer_change")),
    )
    op.create_table(
        "plan_edit",
        _id(),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("members", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("grids", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("undone", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        _moment("at"),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["grid_plan.id"], name=op.f("fk_plan_edit_plan_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_edit")),
    )
    op.create_index(op.f("ix_plan_edit_plan_id_id"), "plan_edit", ["plan_id", "id"])
    op.add_column("grid", sa.Column("locked", sa.Boolean(), server_default="false", nullable=False))
    op.add_column(
        "grid_plan", sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("grid_plan", "revision")
    op.drop_column("grid", "locked")
    for table in ("plan_edit", "layer_change", "job", "session", "account"):
        op.drop_table(table)


def _accounts() -> None:
    op.create_table(
        "account",
        _id(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), server_default="", nullable=False),
        sa.Column("networks", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        _moment("created_at"),
        sa.CheckConstraint(
            "role <> 'planner' OR scope <> ''", name=op.f("ck_account_planner_has_scope")
        ),
        sa.CheckConstraint("role <> 'public'", name=op.f("ck_account_role_signs_in")),
        sa.CheckConstraint(
            "role IN ('public', 'planner', 'fire', 'utility', 'importer', 'admin')",
            name=op.f("ck_account_role_known"),
        ),
        sa.CheckConstraint("scope ~ '^[0-9]{0,12}$'", name=op.f("ck_account_scope_digits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_session_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"])
    op.create_index(op.f("ix_session_expires_at"), "session", ["expires_at"])


def _jobs() -> None:
    op.create_table(
        "job",
        _id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("community_code", sa.Text(), nullable=False),
        sa.Column("caller", JSONB(), nullable=False),
        sa.Column("parameters", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "plans", sa.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("problem", JSONB(), nullable=True),
        _moment("created_at"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('draw', 'alternatives', 'complete')", name=op.f("ck_job_kind_known")
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_job_status_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_community_code"), "job", ["community_code"])
    op.create_index(
        "ix_job_open", "job", ["id"], postgresql_where=sa.text("status IN ('queued', 'running')")
    )


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )
