"""Attributes of pipes that surveying bureaus deliver, and combined sewers.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TEXTS = ("depth_of", "laying", "status", "pressure_class")
FIGURES = ("depth_from_m", "depth_to_m", "voltage_kv")

BEFORE = "network IN ('water', 'sewage', 'storm', 'gas', 'heat', 'power', 'telecom')"
AFTER = BEFORE.replace("'gas'", "'combined', 'gas'")

CHECKS = {
    "depth_of_known": "depth_of IN ('top', 'invert')",
    "laying_known": "laying IN ('direct', 'duct', 'duct_bank', 'trench', 'overhead', 'surface', "
    "'riser', 'in_drain', 'tunnel', 'shelter', 'in_manhole', 'trenchless', 'under_water')",
    "status_known": "status IN ('in_use', 'abandoned', 'empty', 'other')",
    "pressure_class_known": "pressure_class IN ('low', 'medium', 'medium_b', 'medium_a', "
    "'sub_high', 'sub_high_b', 'sub_high_a', 'high', 'high_b', 'high_a')",
    "depth_from_m_plausible": "depth_from_m BETWEEN -10 AND 100",
    "depth_to_m_plausible": "depth_to_m BETWEEN -10 AND 100",
    "voltage_kv_plausible": "voltage_kv BETWEEN 0 AND 1200",
    "ducts_plausible": "ducts BETWEEN 0 AND 500",
}


def upgrade() -> None:
    for table in ("pipe_segment", "pipe_segment_history"):
        for name in TEXTS:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
        for name in FIGURES:
            op.add_column(table, sa.Column(name, sa.Float(), nullable=True))
        op.add_column(table, sa.Column("ducts", sa.SmallInteger(), nullable=True))
        op.add_column(table, sa.Column("owner", sa.Text(), server_default="", nullable=False))
    op.alter_column("pipe_segment_history", "owner", server_default=None)
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_pipe_segment_{name}"), "pipe_segment", condition)
    _replace_networks(AFTER)
    op.execute("SELECT keep_history('pipe_segment')")


def downgrade() -> None:
    op.execute("UPDATE pipe_segment SET network = 'sewage' WHERE network = 'combined'")
    op.execute("UPDATE pipe_node SET network = 'sewage' WHERE network = 'combined'")
    _replace_networks(BEFORE)
    for table in ("pipe_segment", "pipe_segment_history"):
        for name in (*TEXTS, *FIGURES, "ducts", "owner"):
            op.drop_column(table, name)
    op.execute("SELECT keep_history('pipe_segment')")


def _replace_networks(condition: str) -> None:
    for table in ("pipe_segment", "pipe_node"):
        name = op.f(f"ck_{table}_network_known")
        op.drop_constraint(name, table, type_="check")
        op.create_check_constraint(name, table, condition)
