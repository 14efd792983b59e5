"""Cases with events, photos, contacts and keys; visits and duties of grid managers.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Events and photos are only ever added: whatever the role, even the owner's.
_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % cannot be changed or deleted', TG_TABLE_NAME;
END
$$
"""
_NOTIFY_CASE = """
CREATE FUNCTION notify_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gridatlas_cases', NEW.case_id::text);
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "duty_record",
        sa.Column("grid_code", sa.Text(), nullable=False),
        sa.Column("duty", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "grid_code ~ '^[0-9]{15}$'", name=op.f("ck_duty_record_grid_code_15_digits")
        ),
        sa.CheckConstraint(
            "extract(day FROM month) = 1", name=op.f("ck_duty_record_month_first_day")
        ),
        sa.PrimaryKeyConstraint("grid_code", "duty", "month", name=op.f("pk_duty_record")),
    )
    op.create_table(
        "report_count",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "minute", name=op.f("pk_report_count")),
    )
    op.create_index(op.f("ix_report_count_minute"), "report_count", ["minute"], unique=False)
    op.create_table(
        "service_case",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="filed", nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="POINT",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("grid_code", sa.Text(), nullable=True),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column("handler_code", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), server_default="", nullable=False),
        sa.Column("offered_code", sa.Text(), nullable=True),
        sa.Column("offered_department", sa.Text(), server_default="", nullable=False),
        sa.Column("involved", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "filed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_provisional", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("supervised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalations", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("reworks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "channel IN ('page', 'field', 'kiosk', 'office', 'open311')",
            name=op.f("ck_service_case_channel_known"),
        ),
        sa.CheckConstraint(
            "flow IN ('service', 'dispute')", name=op.f("ck_service_case_flow_known")
        ),
        sa.CheckConstraint(
            "handler_code ~ '^([0-9]{12}|[0-9]{15})$'",
            name=op.f("ck_service_case_handler_code_digits"),
        ),
        sa.CheckConstraint(
            "level IN ('grid', 'community', 'street', 'district', 'city')",
            name=op.f("ck_service_case_level_known"),
        ),
        sa.CheckConstraint(
            "region_code ~ '^[0-9]{12}$'", name=op.f("ck_service_case_region_code_12_digits")
        ),
        sa.CheckConstraint(
            "state IN ('filed', 'accepted', 'registered', 'handling', 'reported', 'rated', 'archived', 'declined')",
            name=op.f("ck_service_case_state_known"),
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_service_case_rating_plausible")),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["grid_plan.id"], name=op.f("fk_service_case_plan_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_case")),
        sa.UniqueConstraint("number", name=op.f("uq_service_case_number")),
    )
    op.create_index(
        "ix_service_case_due",
        "service_case",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('filed', 'accepted', 'registered', 'handling')"),
    )
    op.create_index(
        "ix_service_case_geom", "service_case", ["geom"], unique=False, postgresql_using="gist"
    )
    op.create_index(
        op.f("ix_service_case_involved"),
        "service_case",
        ["involved"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index(op.f("ix_service_case_plan_id"), "service_case", ["plan_id"], unique=False)
    op.create_index(
        op.f("ix_service_case_released_at"),
        "service_case",
        ["released_at"],
        unique=False,
        postgresql_where=sa.text("released_at IS NOT NULL"),
    )
    op.create_table(
        "case_contact",
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["service_case.id"], name=op.f("fk_case_contact_case_id")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_contact")),
    )
    op.create_table(
        "case_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("data", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint(
            "state IN ('filed', 'accepted', 'registered', 'handling', 'reported', 'rated', 'archived', 'declined')",
            name=op.f("ck_case_event_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["service_case.id"], name=op.f("fk_case_event_case_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_event")),
    )
    op.create_index(op.f("ix_case_event_at"), "case_event", ["at"], unique=False)
    op.create_index(op.f("ix_case_event_case_id"), "case_event", ["case_id"], unique=False)
    op.create_table(
        "case_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["case_id"], ["service_case.id"], name=op.f("fk_case_key_case_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_case_key")),
    )
    op.create_index(op.f("ix_case_key_at"), "case_key", ["at"], unique=False)
    op.create_index(op.f("ix_case_key_case_id"), "case_key", ["case_id"], unique=False)
    op.create_table(
        "visit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("grid_code", sa.Text(), nullable=False),
        sa.Column("dwelling_code", sa.Text(), nullable=False),
        sa.Column("visited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("advice", sa.Text(), server_default="", nullable=False),
        sa.Column("result", sa.Text(), server_default="", nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("visitor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("grid_code ~ '^[0-9]{15}$'", name=op.f("ck_visit_grid_code_15_digits")),
        sa.CheckConstraint(
            "topic IN ('greeting', 'conditions', 'opinion', 'dispute', 'safety', 'policy', 'help', 'other')",
            name=op.f("ck_visit_topic_known"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["service_case.id"], name=op.f("fk_visit_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
        sa.UniqueConstraint("key", name=op.f("uq_visit_key")),
    )
    op.create_index(op.f("ix_visit_case_id"), "visit", ["case_id"], unique=False)
    op.create_index(op.f("ix_visit_dwelling_code"), "visit", ["dwelling_code"], unique=False)
    op.create_index(
        op.f("ix_visit_grid_code_visited_at"), "visit", ["grid_code", "visited_at"], unique=False
    )
    op.create_table(
        "case_photo",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("photo", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["service_case.id"], name=op.f("fk_case_photo_case_id")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["case_event.id"], name=op.f("fk_case_photo_event_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_photo")),
    )
    op.create_index(op.f("ix_case_photo_case_id"), "case_photo", ["case_id"], unique=False)
    op.create_index(op.f("ix_case_photo_event_id"), "case_photo", ["event_id"], unique=False)
    op.execute(_REFUSE_CHANGE)
    op.execute(_NOTIFY_CASE)
    for table in ("case_event", "case_photo"):
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE TRIGGER notify_case AFTER INSERT ON case_event "
        "FOR EACH ROW EXECUTE FUNCTION notify_case()"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_case_photo_event_id"), table_name="case_photo")
    op.drop_index(op.f("ix_case_photo_case_id"), table_name="case_photo")
    op.drop_table("case_photo")
    op.drop_index(op.f("ix_visit_grid_code_visited_at"), table_name="visit")
    op.drop_index(op.f("ix_visit_dwelling_code"), table_name="visit")
    op.drop_index(op.f("ix_visit_case_id"), table_name="visit")
    op.drop_table("visit")
    op.drop_index(op.f("ix_case_key_case_id"), table_name="case_key")
    op.drop_index(op.f("ix_case_key_at"), table_name="case_key")
    op.drop_table("case_key")
    op.drop_index(op.f("ix_case_event_case_id"), table_name="case_event")
    op.drop_index(op.f("ix_case_event_at"), table_name="case_event")
    op.drop_table("case_event")
    op.drop_table("case_contact")
    op.drop_index(op.f("ix_service_case_released_at"), table_name="service_case")
    op.drop_index(op.f("ix_service_case_plan_id"), table_name="service_case")
    op.drop_index(
        op.f("ix_service_case_involved"), table_name="service_case", postgresql_using="gin"
    )
    op.drop_index("ix_service_case_geom", table_name="service_case", postgresql_using="gist")
    op.drop_index(
        "ix_service_case_due",
        table_name="service_case",
        postgresql_where=sa.text("state IN ('filed', 'accepted', 'registered', 'handling')"),
    )
    op.drop_table("service_case")
    op.drop_index(op.f("ix_report_count_minute"), table_name="report_count")
    op.drop_table("report_count")
    op.drop_table("duty_record")
    op.execute("DROP FUNCTION refuse_change, notify_case")
