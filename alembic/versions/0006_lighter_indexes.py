"""Display geometry without an index of its own: tiles find their rows by ``geom``.

The index of buildings' compounds leaves out those that have none.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COMPOUND = "ix_building_compound_code"


def upgrade() -> None:
    connection = op.get_bind()
    names = connection.scalars(
        sa.text(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' "
            "AND indexdef LIKE '%USING gist (geom_3857)'"
        )
    ).all()
    for name in names:
        op.execute(f'DROP INDEX "{name}"')
    op.drop_index(_COMPOUND, table_name="building")
    filled = sa.text("compound_code IS NOT NULL")
    op.create_index(_COMPOUND, "building", ["compound_code"], postgresql_where=filled)


def downgrade() -> None:
    op.drop_index(_COMPOUND, table_name="building")
    op.create_index(_COMPOUND, "building", ["compound_code"])
    tables = op.get_bind().scalars(
        sa.text(
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_name = 'geom_3857'"
        )
    )
    for table in tables.all():
        op.create_index(f"ix_{table}_geom_3857", table, ["geom_3857"], postgresql_using="gist")
