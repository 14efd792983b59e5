"""Anonymized cases, hydrant inspections of grid managers, repeated refreshes of a session.

Revision ID: 0032
Revises: 0030
"""

import sqlalchemy as sa

from alembic import op

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None

# Events and photos are only ever added. After the period of retention, which service_case.
# anonymized_at records, the words of an event may be emptied and photos deleted.
_REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM service_case WHERE id = OLD.case_id AND anonymized_at IS NOT NULL
    ) THEN
        IF TG_TABLE_NAME = 'case_photo' AND TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF TG_TABLE_NAME = 'case_event' AND TG_OP = 'UPDATE' THEN
            IF to_jsonb(NEW) = to_jsonb(OLD) || '{"note": ""}' THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'rows of % cannot be changed or deleted', TG_TABLE_NAME;
END
$$
"""
_REFUSE_CHANGE_BEFORE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % cannot be changed or deleted', TG_TABLE_NAME;
END
$$
"""


def upgrade() -> None:
    op.add_column("session", sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True))
    for name, kind in (
        ("grid_code", sa.Text()),
        ("device_at", sa.DateTime(timezone=True)),
        ("key", sa.Text()),
        ("request", sa.Text()),
    ):
        op.add_column("hydrant_inspection", sa.Column(name, kind, nullable=True))
    op.create_unique_constraint(op.f("uq_hydrant_inspection_key"), "hydrant_inspection", ["key"])
    op.create_check_constraint(
        op.f("ck_hydrant_inspection_grid_code_15_digits"),
        "hydrant_inspection",
        "grid_code ~ '^[0-9]{15}$'",
    )
    for table in ("service_case", "visit"):
        op.add_column(table, sa.Column("anonymized_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_service_case_anonymized_empty"),
        "service_case",
        "anonymized_at IS NULL OR closed_at IS NOT NULL AND description = '' AND address = ''",
    )
    op.create_check_constraint(
        op.f("ck_visit_anonymized_empty"),
        "visit",
        "anonymized_at IS NULL OR dwelling_code = '' AND said = '' AND advice = '' AND result = ''",
    )
    for table, column in (("service_case", "closed_at"), ("visit", "visited_at")):
        op.create_index(
            f"ix_{table}_retained",
            table,
            [column],
            postgresql_where=sa.text("anonymized_at IS NULL"),
        )
    op.execute(_REFUSE_CHANGE)


def downgrade() -> None:
    op.execute(_REFUSE_CHANGE_BEFORE)
    op.drop_constraint("ck_visit_anonymized_empty", "visit")
    op.drop_constraint("ck_service_case_anonymized_empty", "service_case")
    for table in ("service_case", "visit"):
        op.drop_column(table, "anonymized_at")
    op.drop_constraint("ck_hydrant_inspection_grid_code_15_digits", "hydrant_inspection")
    op.drop_constraint("uq_hydrant_inspection_key", "hydrant_inspection")
    for name in ("grid_code", "device_at", "key", "request"):
        op.drop_column("hydrant_inspection", name)
    op.drop_column("session", "rotated_at")
