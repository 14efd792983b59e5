"""Names and addresses are found by their signs, codes by how they begin and end.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Built-in alone, so that it is written out wherever it is called: a delivery calls it for every row.
_SIGNS = """
CREATE FUNCTION signs_of(said text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN string_to_array(lower(said), NULL)
"""

_SAID = {"road": "name", "compound": "name"} | dict.fromkeys(
    ("building", "facility"), "(name || ' '::text) || address"
)

_KEYS = {
    "name_begins": "name",
    "code_begins": "lower(code)",
    "code_ends": "reverse(lower(code))",
}


def upgrade() -> None:
    op.execute(_SIGNS)
    for table, said in _SAID.items():
        signs = sa.text(f"signs_of({said})")
        op.create_index(f"ix_{table}_signs", table, [signs], postgresql_using="gin")
    for name, key in _KEYS.items():
        op.create_index(f"ix_building_{name}", "building", [sa.text(f"{key} text_pattern_ops")])


def downgrade() -> None:
    for name in _KEYS:
        op.drop_index(f"ix_building_{name}", table_name="building")
    for table in _SAID:
        op.drop_index(f"ix_{table}_signs", table_name=table)
    op.execute("DROP FUNCTION signs_of(text)")
