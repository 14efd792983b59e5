"""The tables: one history of migrations, constraints that hold, and the past of every layer."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import CheckConstraint, Engine, inspect, select, text
from sqlalchemy.exc import IntegrityError

from alembic import command
from geo import db
from geo.db.engine import MIGRATIONS
from geo.model import LAYERS, Base
from geo.model.history import HISTORY, as_of

SQUARE = "SRID=4490;MULTIPOLYGON(((112 32,112.1 32,112.1 32.1,112 32.1,112 32)))"


def test_migrations_make_the_tables_of_the_model_and_go_back(database: Engine):
    with database.begin() as connection:
        command.check(db.alembic_config(connection))
    db.downgrade(database, "base")
    left = set(inspect(database).get_table_names()) - {"spatial_ref_sys", "alembic_version"}
    assert left == set()
    db.upgrade(database)
    assert db.is_current(database)


def test_database_holds_every_check_constraint_of_the_model(shared_database: Engine):
    inspector = inspect(shared_database)
    for table in Base.metadata.tables.values():
        declared = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        found = {c["name"] for c in inspector.get_check_constraints(table.name)}
        assert found == declared, table.name


def test_every_stored_geometry_has_a_gist_index_and_the_drawn_one_none(shared_database: Engine):
    with shared_database.connect() as connection:
        columns = connection.execute(
            text(
                "SELECT f_table_name, f_geometry_column FROM geometry_columns "
                "WHERE f_table_schema = 'public'"
            )
        ).all()
        indexed = connection.execute(text("SELECT tablename, indexdef FROM pg_indexes")).all()
    definitions = [(i.tablename, i.indexdef) for i in indexed]
    for table, column in columns:
        pattern = re.compile(rf"USING gist \({column}\)")
        found = any(t == table and pattern.search(d) for t, d in definitions)
        assert found == (column != "geom_3857"), (table, column)


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("use", "'castle'", "ck_building_use_known"),
        ("fire_class", "5", "ck_building_fire_class_plausible"),
        ("households", "-1", "ck_building_households_plausible"),
        ("height_m", "28000", "ck_building_height_m_plausible"),
    ],
)
def test_value_outside_its_domain_is_refused(shared_database, column, value, constraint):
    statement = text(
        f"INSERT INTO building (code, geom, {column}) VALUES ('b', '{SQUARE}', {value})"
    )
    with pytest.raises(IntegrityError, match=constraint), shared_database.begin() as connection:
        connection.execute(statement)


def test_display_geometry_follows_the_stored_one(database: Engine):
    with database.begin() as connection:
        connection.execute(text(f"INSERT INTO compound (code, geom) VALUES ('c', '{SQUARE}')"))
        west = connection.execute(text("SELECT ST_XMin(geom_3857) FROM compound")).scalar_one()
    assert west == pytest.approx(112 / 180 * 20037508.342789244)


changes = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "same", "delete"]), st.sampled_from("ab"), st.integers(0, 3)
        ),
        min_size=1,
        max_size=4,
    ),
    max_size=6,
)


@given(transactions=changes)
@settings(max_examples=30)
def test_any_past_state_can_be_read_back(shared_database: Engine, transactions):
    with shared_database.begin() as connection:
        connection.execute(text("DELETE FROM facility"))
    states = [(now(shared_database), state(shared_database))]
    for steps in transactions:
        with shared_database.begin() as connection:
            for action, code, number in steps:
                change(connection, action, code, number)
        states.append((now(shared_database), state(shared_database)))
    for moment, expected in states:
        with shared_database.connect() as connection:
            past = as_of("facility", moment).subquery()
            rows = connection.execute(select(past.c.code, past.c.name)).all()
        assert sorted(map(tuple, rows)) == expected


def change(connection, action: str, code: str, number: int) -> None:
    if action == "delete":
        connection.execute(text("DELETE FROM facility WHERE code = :c"), {"c": code})
    else:
        name = "name" if action == "same" else ":n"
        connection.execute(
            text(
                "INSERT INTO facility (code, category, name, geom) VALUES "
                "(:c, 'park', :n, 'SRID=4490;POINT(112 32)') "
                f"ON CONFLICT (code) DO UPDATE SET name = "
                f"{'facility.name' if name == 'name' else 'excluded.name'}"
            ),
            {"c": code, "n": f"park {number}"},
        )


def state(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT code, name FROM facility ORDER BY 1")).all()
    return [tuple(row) for row in rows]


def now(engine: Engine) -> datetime:
    with engine.connect() as connection:
        moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def test_history_leaves_no_trace_of_what_stayed_or_nobody_saw(database: Engine):
    insert = f"INSERT INTO compound (code, name, geom) VALUES ('c', 'old', '{SQUARE}')"
    with database.begin() as connection:
        connection.execute(text(insert))
        connection.execute(text("UPDATE compound SET name = 'newer'"))
    with database.begin() as connection:
        connection.execute(text("UPDATE compound SET name = name, revision = revision + 1"))
    with database.connect() as connection:
        assert connection.execute(select(HISTORY["compound"])).all() == []
        row = connection.execute(text("SELECT name, revision FROM compound")).one()
    assert tuple(row) == ("newer", 0)


def test_savepoints_are_part_of_their_transaction(database: Engine):
    insert = f"INSERT INTO compound (code, name, geom) VALUES ('c', 'first', '{SQUARE}')"
    with database.begin() as connection:
        with connection.begin_nested():
            connection.execute(text(insert))
        with connection.begin_nested():
            connection.execute(text("UPDATE compound SET name = 'second'"))
        connection.execute(text("UPDATE compound SET name = 'third'"))
    with database.begin() as connection:
        assert connection.execute(select(HISTORY["compound"])).all() == []
        for name in ("fourth", "fifth"):
            with connection.begin_nested():
                connection.execute(text(f"UPDATE compound SET name = '{name}'"))
        with connection.begin_nested() as savepoint:
            connection.execute(text("DELETE FROM compound"))
            savepoint.rollback()
    with database.connect() as connection:
        assert [row.name for row in connection.execute(select(HISTORY["compound"]))] == ["third"]
        assert connection.execute(text("SELECT name FROM compound")).scalar_one() == "fifth"


def test_time_runs_forward_even_when_the_clock_does_not(database: Engine):
    future = datetime(2200, 1, 1, tzinfo=UTC)
    with database.begin() as connection:
        connection.execute(
            text(f"INSERT INTO compound (code, geom, valid_from) VALUES ('c', '{SQUARE}', :at)"),
            {"at": future},
        )
    with database.begin() as connection:
        connection.execute(text("UPDATE compound SET name = 'after'"))
    with database.connect() as connection:
        old = connection.execute(select(HISTORY["compound"])).one()
        live = connection.execute(text("SELECT valid_from FROM compound")).scalar_one()
    assert old.valid_from < old.valid_to == live


def test_every_layer_has_a_history():
    assert set(HISTORY) == set(LAYERS)


def test_migrations_are_named_by_their_revisions_in_order():
    """So that no installation at the newest one has to load Alembic to know it."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    history = [script.revision for script in scripts.walk_revisions()]
    assert history == sorted(history, reverse=True)
    assert all(Path(one.path).name[:4] == one.revision for one in scripts.walk_revisions())


def test_fresh_database_has_postgis_and_extensions_of_postgresql_itself_alone(
    shared_database: Engine,
):
    with shared_database.connect() as connection:
        names = connection.execute(text("SELECT extname FROM pg_extension")).scalars().all()
    assert set(names) == {"plpgsql", "postgis", "pg_trgm", "btree_gist"}
