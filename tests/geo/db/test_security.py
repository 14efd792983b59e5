"""Rights of every role on every table, tried in SQL against the table of rules."""

import uuid

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from geo import db
from geo.db import security as db_security
from geo.db.access_rules import ROLES, RULES
from geo.model import Base
from tests import town as t

CALLERS = (*ROLES, "keeper", "publisher")
TABLES = sorted(Base.metadata.tables)
SCOPE = t.NORTH_GATE
OWN_GRID = f"{t.NORTH_GATE}002"


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    with shared_database.begin() as connection:
        for statement in MORE:
            connection.execute(text(statement))
    return shared_database


MORE = [
    *(
        "INSERT INTO pipe_node (code, network, kind, geom) VALUES "
        f"('{network}', '{network}', 'valve', 'SRID=4490;POINT(112.14 32.04)')"
        for network in ("water", "gas", "power")
    ),
    "INSERT INTO pipe_segment (code, network, geom) SELECT code, network, "
    "'SRID=4490;LINESTRING(112.14 32.04, 112.15 32.04)' FROM pipe_node",
    "INSERT INTO building_unit (code, building_code, geom) SELECT code || '-1', code, "
    "ST_PointOnSurface(geom) FROM building",
    "INSERT INTO building (code, geom) SELECT 'nowhere-' || code, geom FROM building "
    "WHERE code LIKE '%-001'",
    "INSERT INTO dwelling (code, building_code, unit_code, residents, need_help, geom) "
    "SELECT code || '-101', building_code, code, 3, 1, geom FROM building_unit",
    "INSERT INTO entity (code, name, building_code, staff_count, geom) "
    "SELECT 'e-' || code, code, code, 4, ST_PointOnSurface(geom) FROM building",
    *(
        f"INSERT INTO grid_{kind} (grid_code, name, phone) SELECT code, 'x', '1' FROM grid"
        for kind in ("manager", "informant")
    ),
    "INSERT INTO account (name, role) VALUES ('a', 'fire')",
    "INSERT INTO account (name, role) VALUES ('wang', 'grid_manager')",
    f"UPDATE grid_manager SET account_id = (SELECT id FROM account WHERE name = 'wang') "
    f"WHERE grid_code = '{OWN_GRID}'",
    "INSERT INTO session (id, account_id, token, expires_at) SELECT 's', id, 't', now() "
    "FROM account WHERE name = 'a'",
    "INSERT INTO job (kind, community_code, caller) SELECT 'draw', code, '{}' FROM region "
    "WHERE level = 'community'",
    "INSERT INTO plan_edit (plan_id, revision, kind) SELECT id, 1, 'lock' FROM grid_plan",
    "INSERT INTO micro_grid (plan_id, grid_id, code, households, geom) "
    "SELECT plan_id, id, code || '01', households, geom FROM grid",
    "INSERT INTO plan_comment (plan_id, words, geom) "
    "SELECT id, 'x', 'SRID=4490;POINT(112 32)' FROM grid_plan",
    "INSERT INTO audit_event (actor, action, object_type) VALUES ('x', 'y', 'z')",
    "INSERT INTO import_run (layer, source, status) VALUES ('road', 'osm:x', 'published')",
    "INSERT INTO quarantine (run_id, layer, reason) SELECT id, 'road', 'why' FROM import_run",
    "INSERT INTO layer_revision (layer, revision) VALUES ('road', 1)",
    "INSERT INTO service_case (number, kind, flow, channel, description, geom, region_code, "
    "grid_code, handler_code, level, involved, due_at) SELECT g.code, 'noise', 'service', "
    "'page', 'x', ST_PointOnSurface(g.geom), left(g.code, 12), g.code, g.code, 'grid', "
    "ARRAY[left(g.code, 12), g.code], now() FROM grid g",
    "INSERT INTO service_case (number, kind, flow, channel, description, geom, region_code, "
    "handler_code, level, involved, due_at) SELECT r.code, 'noise', 'service', 'page', 'x', "
    "ST_PointOnSurface(r.geom), r.code, r.code, 'community', ARRAY[r.code], now() "
    "FROM region r WHERE level = 'community'",
    "INSERT INTO case_event (case_id, role, action, state) SELECT id, 'x', 'file', 'filed' "
    "FROM service_case",
    "INSERT INTO case_photo (case_id, event_id, photo) SELECT case_id, id, '' FROM case_event",
    "INSERT INTO case_contact (case_id, sealed) SELECT id, '' FROM service_case",
    "INSERT INTO case_key (key, request, case_id, owner) SELECT number, '', id, "
    "CASE WHEN length(number) = 12 THEN 'me' ELSE '' END FROM service_case",
    "INSERT INTO report_count (origin, minute, requests) VALUES ('x', now(), 1)",
    "INSERT INTO visit (grid_code, dwelling_code, visited_at, topic, visitor, key) "
    "SELECT code, 'd', now(), 'other', 'x', code FROM grid",
    "INSERT INTO dwelling_verification (grid_code, dwelling_code, verified_at, verifier, changes, "
    "key, request) SELECT code, 'd', now(), 'x', '{}', code, '' FROM grid",
    "INSERT INTO duty_record (grid_code, duty, month, done_on, recorded_by) "
    "SELECT code, 'meeting', '2026-03-01', '2026-03-02', 'x' FROM grid",
    "UPDATE region SET name = name || '!' WHERE level = 'street'",
]

PLANNER_SEES = {
    "building": f"region_code = '{SCOPE}' OR code = 'nowhere-b001-001'",
    "building_unit": f"building_code IN (SELECT code FROM building WHERE region_code = '{SCOPE}')",
    "entity": f"building_code IN (SELECT code FROM building WHERE region_code = '{SCOPE}') "
    "OR building_code = 'nowhere-b001-001'",
    "grid_plan": f"status = 'published' OR community_code = '{SCOPE}'",
    "grid": "plan_id IN (SELECT id FROM grid_plan WHERE status = 'published')",
    "grid_member": f"plan_id IN (SELECT id FROM grid_plan WHERE community_code = '{SCOPE}')",
    "micro_grid": "plan_id IN (SELECT id FROM grid_plan WHERE status = 'published')",
    "plan_edit": f"plan_id IN (SELECT id FROM grid_plan WHERE community_code = '{SCOPE}')",
    "plan_comment": f"plan_id IN (SELECT id FROM grid_plan WHERE community_code = '{SCOPE}')",
    "grid_manager": f"grid_code LIKE '{SCOPE}%'",
    "grid_informant": f"grid_code LIKE '{SCOPE}%'",
    "job": f"community_code = '{SCOPE}'",
}
"""Rows of protected tables that a planner of one community may read, independent of the rules."""

IN_FORCE = {
    "grid_plan": "status = 'published'",
    "grid": "plan_id IN (SELECT id FROM grid_plan WHERE status = 'published')",
    "grid_member": "plan_id IN (SELECT id FROM grid_plan WHERE status = 'published')",
    "micro_grid": "plan_id IN (SELECT id FROM grid_plan WHERE status = 'published')",
}

OFFICE_SEES = IN_FORCE | {
    "building": PLANNER_SEES["building"],
    "building_unit": PLANNER_SEES["building_unit"],
    "entity": PLANNER_SEES["entity"],
    "grid_member": PLANNER_SEES["grid_member"],
    "grid_manager": PLANNER_SEES["grid_manager"],
    "grid_informant": PLANNER_SEES["grid_informant"],
}

_OFFICE_CASES = f"(SELECT id FROM service_case WHERE region_code = '{SCOPE}')"
OFFICE_SEES |= {
    "service_case": f"region_code = '{SCOPE}'",
    "case_event": f"case_id IN {_OFFICE_CASES}",
    "case_photo": f"case_id IN {_OFFICE_CASES}",
    "case_contact": f"case_id IN (SELECT id FROM service_case WHERE handler_code = '{SCOPE}')",
    "case_key": "owner = 'me'",
    "visit": f"grid_code LIKE '{SCOPE}%'",
    "dwelling_verification": f"grid_code LIKE '{SCOPE}%'",
    "duty_record": f"grid_code LIKE '{SCOPE}%'",
}

_OWN_CASES = f"(SELECT id FROM service_case WHERE grid_code = '{OWN_GRID}')"
_OWN_MEMBERS = f"grid_id IN (SELECT id FROM grid WHERE code = '{OWN_GRID}')"
_OWN_BUILDINGS = f"(SELECT building_code FROM grid_member WHERE {_OWN_MEMBERS})"
GRID_MANAGER_SEES = IN_FORCE | {
    "building": f"code IN {_OWN_BUILDINGS}",
    "building_unit": f"building_code IN {_OWN_BUILDINGS}",
    "dwelling": f"building_code IN {_OWN_BUILDINGS}",
    "entity": f"building_code IN {_OWN_BUILDINGS}",
    "grid_member": _OWN_MEMBERS,
    "grid_manager": f"grid_code = '{OWN_GRID}'",
    "grid_informant": f"grid_code = '{OWN_GRID}'",
    "service_case": f"grid_code = '{OWN_GRID}'",
    "case_event": f"case_id IN {_OWN_CASES}",
    "case_photo": f"case_id IN {_OWN_CASES}",
    "case_contact": f"case_id IN {_OWN_CASES}",
    "case_key": "owner = 'me'",
    "visit": f"grid_code = '{OWN_GRID}'",
    "dwelling_verification": f"grid_code = '{OWN_GRID}'",
    "duty_record": f"grid_code = '{OWN_GRID}'",
}

SEES = {
    "office": OFFICE_SEES,
    "grid_manager": GRID_MANAGER_SEES,
    "public": IN_FORCE,
    "fire": IN_FORCE | dict.fromkeys(("pipe_node", "pipe_segment"), "network IN ('water','gas')"),
    "importer": IN_FORCE | {"job": "kind IN ('approve', 'roll_back', 'replay')"},
    "utility": IN_FORCE | dict.fromkeys(("pipe_node", "pipe_segment"), "network = 'gas'"),
    "planner": PLANNER_SEES,
    "admin": {"case_key": "owner = 'me'"},
    "publisher": {"pipe_node": "network = 'water'"},
}


def act_as(connection, role, scope=SCOPE, networks="gas"):
    for name, value in {
        "role": db_security.database_role(role),
        "gridatlas.scope": scope,
        "gridatlas.networks": networks,
        "gridatlas.grids": OWN_GRID,
        "gridatlas.actor": "me",
    }.items():
        connection.execute(text("SELECT set_config(:n, :v, true)"), {"n": name, "v": value})


@pytest.mark.parametrize("table", TABLES)
def test_every_role_reads_the_rows_of_its_rule(town, table):
    assert table in RULES, "add its rule to geo/db/access_rules.py"
    rule = RULES[table]
    for role in CALLERS:
        with town.connect() as connection:
            condition = SEES.get(role, {}).get(table, "true")
            expected = connection.execute(
                text(f"SELECT count(*) FROM {table} WHERE {condition}")
            ).scalar()
            act_as(connection, role)
            if role in rule.read:
                seen = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
                assert seen == expected, role
            else:
                with pytest.raises(ProgrammingError, match="permission denied"):
                    connection.execute(text(f"SELECT 1 FROM {table} LIMIT 1"))


@pytest.mark.parametrize("table", TABLES)
def test_only_roles_with_a_rule_change_a_table(town, table):
    rule = RULES[table]
    column = next(iter(Base.metadata.tables[table].columns)).name
    statements = (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"INSERT INTO {table} SELECT * FROM {table} LIMIT 0",
        f"TRUNCATE {table}",
    )
    for role in CALLERS:
        for statement in statements:
            if role in rule.write and not statement.startswith("TRUNCATE"):
                continue
            if role in rule.add and statement.startswith("INSERT"):
                continue
            if role in rule.change and statement.startswith("UPDATE"):
                continue
            with town.connect() as connection:
                act_as(connection, role)
                with pytest.raises(DBAPIError, match=r"permission denied|read-only|cannot"):
                    connection.execute(text(statement))


def test_planner_changes_nothing_beyond_the_scope(town):
    changes = {
        "grid_plan": "UPDATE grid_plan SET author = 'me'",
        "grid": "UPDATE grid SET name = 'mine'",
        "grid_member": "UPDATE grid_member SET households = households",
        "micro_grid": "UPDATE micro_grid SET households = households",
        "grid_manager": "UPDATE grid_manager SET name = 'mine'",
        "grid_informant": "DELETE FROM grid_informant",
        "job": "UPDATE job SET step = 'mine'",
        "plan_edit": "DELETE FROM plan_edit",
        "plan_comment": "DELETE FROM plan_comment",
    }
    own = PLANNER_SEES | {
        "grid_plan": f"community_code = '{SCOPE}'",
        "grid": f"code LIKE '{SCOPE}%'",
        "micro_grid": f"code LIKE '{SCOPE}%'",
    }
    for table, statement in changes.items():
        with town.connect() as connection:
            count = text(f"SELECT count(*) FROM {table} WHERE {own[table]}")
            expected = connection.execute(count).scalar()
            act_as(connection, "planner")
            assert connection.execute(text(statement)).rowcount == expected > 0, table


def test_planner_moves_nothing_out_of_the_scope(town):
    for statement in (
        f"UPDATE grid_plan SET community_code = '{t.DRUM_TOWER}'",
        "UPDATE grid SET code = '420602001002999' WHERE id = (SELECT min(id) FROM grid)",
        f"INSERT INTO job (kind, community_code, caller) VALUES ('draw', '{t.RIVERSIDE}', '{{}}')",
        f"INSERT INTO grid_manager (grid_code, name) VALUES ('{t.RIVERSIDE}001', 'x')",
    ):
        with town.connect() as connection:
            act_as(connection, "planner")
            with pytest.raises(ProgrammingError, match="row-level security"):
                connection.execute(text(statement))


def test_grid_manager_changes_dwellings_of_the_own_grids_alone(town):
    with town.connect() as connection:
        expected = connection.execute(
            text(f"SELECT count(*) FROM dwelling WHERE {GRID_MANAGER_SEES['dwelling']}")
        ).scalar()
        act_as(connection, "grid_manager")
        changed = connection.execute(text("UPDATE dwelling SET residents = 4")).rowcount
        assert changed == expected > 0


def test_temporary_table_does_not_stand_in_for_one_of_the_register(town):
    sums = text("SELECT dwellings FROM published.register_by_region WHERE code = :code")
    other = {"code": t.DRUM_TOWER}
    with town.connect() as connection:
        before = connection.execute(sums, other).scalar_one()
        act_as(connection, "grid_manager")
        for statement in (
            "CREATE TEMP TABLE building AS SELECT building_code AS code, "
            f"'{t.DRUM_TOWER}' AS region_code FROM public.dwelling",
            "GRANT SELECT ON pg_temp.building TO PUBLIC",
            "UPDATE public.dwelling SET residents = 5",
            "RESET ROLE",
        ):
            connection.execute(text(statement))
        assert connection.execute(sums, other).scalar_one() == before > 0


def test_manager_whose_term_has_ended_or_who_has_no_grid_sees_none(town):
    with town.connect() as connection:
        act_as(connection, "grid_manager")
        connection.execute(text("SELECT set_config('gridatlas.grids', '', true)"))
        for table in ("building", "dwelling", "grid_member", "grid_manager", "grid_informant"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0, table


@pytest.mark.parametrize("scope", ["", "9", "%", "420602001001' OR '1'='1"])
def test_planner_without_a_scope_that_fits_sees_only_what_is_public(town, scope):
    with town.connect() as connection:
        act_as(connection, "planner", scope=scope)
        for table in PLANNER_SEES:
            seen = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
            if table not in IN_FORCE or table == "grid_member":
                assert seen == 0, table


def test_trail_takes_only_entries_in_ones_own_name_and_shows_none(town):
    with town.connect() as connection:
        act_as(connection, "fire")
        entry = "INSERT INTO audit_event (actor, action, object_type) VALUES (:who, 'read', 'x')"
        connection.execute(text(entry), {"who": "me"})
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(text(entry), {"who": "someone else"})


def test_published_views_hold_no_more_than_the_public_may_see(town):
    with town.connect() as connection:
        act_as(connection, "public")
        outline = connection.execute(text("SELECT * FROM published.building LIMIT 1")).keys()
        assert set(outline) == {
            *("code", "name", "address", "use", "storeys_above", "geom", "geom_3857")
        }
        plans = connection.execute(text("SELECT DISTINCT status FROM published.grid")).scalars()
        assert plans.all() == ["published"]
        card = "SELECT phone FROM published.contact_card(:code)"
        published, draft = f"{t.NORTH_GATE}001", f"{t.RIVERSIDE}001"
        assert connection.execute(text(card), {"code": published}).scalars().all() == ["1"]
        assert connection.execute(text(card), {"code": draft}).scalars().all() == []


REGISTER_VIEWS = ("unit", "building", "grid", "region", "public")
FIRE_COLUMNS = "dwellings, residents, need_help"
READS_COUNTS = {
    "public": {"public": "*"},
    "utility": {"public": "*"},
    "planner": dict.fromkeys(REGISTER_VIEWS[1:], "*"),
    "office": dict.fromkeys(REGISTER_VIEWS[1:], "*"),
    "grid_manager": {"grid": "*", "public": "*"},
    "fire": dict.fromkeys(REGISTER_VIEWS, FIRE_COLUMNS),
    "importer": dict.fromkeys(REGISTER_VIEWS, "*"),
    "admin": dict.fromkeys(REGISTER_VIEWS, "*"),
    "keeper": {},
}
"""Columns of the register's counts by role and view, independent of the rules."""


@pytest.mark.parametrize("role", READS_COUNTS)
@pytest.mark.parametrize("view", REGISTER_VIEWS)
def test_every_role_reads_the_counts_of_the_register_that_are_its_own(town, role, view):
    columns = READS_COUNTS[role].get(view)
    for wanted in (FIRE_COLUMNS, "*"):
        with town.connect() as connection:
            act_as(connection, role)
            query = text(f"SELECT {wanted} FROM published.register_by_{view}")
            if view == "public":
                query = text(f"SELECT {wanted} FROM published.register_public")
            if view == "public" and role != "keeper":
                connection.execute(query)
            elif columns is None or wanted not in (columns, FIRE_COLUMNS):
                with pytest.raises(ProgrammingError, match="permission denied"):
                    connection.execute(query)
            else:
                connection.execute(query)


def test_grid_manager_reads_the_counts_of_the_own_grids_alone(town):
    with town.connect() as connection:
        act_as(connection, "grid_manager")
        codes = connection.execute(text("SELECT code FROM published.register_by_grid")).scalars()
        assert codes.all() == [OWN_GRID]


@pytest.mark.parametrize("role", ["planner", "office"])
def test_planner_and_office_read_counts_of_the_own_region_alone(town, role):
    shares = {"building": "region_code", "grid": "community_code", "region": "code"}
    for view, column in shares.items():
        with town.connect() as connection:
            act_as(connection, role)
            seen = connection.execute(
                text(f"SELECT {column} FROM published.register_by_{view} WHERE dwellings > 0")
            )
            codes = set(seen.scalars())
            assert codes - {None} == {SCOPE}, view


def test_login_of_the_api_can_do_nothing_but_switch(town):
    login = create_engine(db.api_url(town.url))
    try:
        for statement in (
            "SELECT 1 FROM region",
            "SELECT 1 FROM account",
            "SELECT 1 FROM published.grid",
            "CREATE TABLE mine (id int)",
            "SET ROLE postgres",
            "SET ROLE gridatlas_publisher",
        ):
            with login.connect() as connection, pytest.raises(ProgrammingError, match="permission"):
                connection.execute(text(statement))
    finally:
        login.dispose()


def test_owner_who_is_no_superuser_sees_rows_only_when_the_session_says_so(town):
    """Row-level security is forced: an API that signs in as the owner by mistake leaks nothing."""
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    with town.begin() as connection:
        connection.execute(text(f"CREATE ROLE {owner} LOGIN"))
        connection.execute(text(f"GRANT ALL ON SCHEMA public TO {owner}"))
        connection.execute(text(f"ALTER TABLE facility OWNER TO {owner}"))
        connection.execute(
            text(
                f"CREATE POLICY mine ON facility TO {owner} "
                "USING (current_setting('gridatlas.owner', true) = 'on')"
            )
        )
    query = {key: value for key, value in town.url.query.items() if key != "options"}
    engine = create_engine(town.url.set(username=owner, query=query))
    try:
        with engine.connect() as connection:
            count = text("SELECT count(*) FROM facility")
            assert connection.execute(count).scalar() == 0
            connection.execute(text("SET gridatlas.owner = 'on'"))
            assert connection.execute(count).scalar() == 2
    finally:
        engine.dispose()
        with town.begin() as connection:
            connection.execute(text("DROP POLICY mine ON facility"))
            connection.execute(text("ALTER TABLE facility OWNER TO CURRENT_USER"))
            connection.execute(text(f"DROP OWNED BY {owner}"))
            connection.execute(text(f"DROP ROLE {owner}"))


def test_rules_are_applied_once(town):
    with town.begin() as connection:
        assert not db_security.apply_rules(connection)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE correction; CREATE TABLE correction AS SELECT * FROM fire_overlay WITH NO DATA",
        "REVOKE SELECT ON building FROM gridatlas_fire",
        "GRANT SELECT ON account TO gridatlas_public",
        "ALTER TABLE building NO FORCE ROW LEVEL SECURITY",
        'DROP POLICY "gridatlas planner select" ON building',
        'ALTER POLICY "gridatlas planner select" ON building USING (true)',
        "DROP TRIGGER count_change ON road",
        "GRANT EXECUTE ON FUNCTION published.card_photo(text) TO gridatlas_public",
        "DROP VIEW published.building",
    ],
    ids=lambda change: " ".join(change.split()[:3]),
)
def test_rights_that_a_migration_or_a_person_changed_are_restored(town, change):
    with town.connect() as connection:
        before = db_security.current_rights(connection)
        connection.exec_driver_sql(change)
        assert db_security.current_rights(connection) != before
        assert db_security.apply_rules(connection)
        assert db_security.current_rights(connection) == before
        connection.rollback()


def test_changes_are_counted_in_the_transaction_that_makes_them(town):
    count = text("SELECT changes FROM layer_change WHERE layer = :layer")
    change = {
        "road": "UPDATE road SET name = 'x'",
        "grid": f"UPDATE grid_plan SET author = 'x' WHERE community_code = '{t.NORTH_GATE}'",
    }
    for layer, statement in change.items():
        with town.connect() as connection:
            before = connection.execute(count, {"layer": layer}).scalar() or 0
            act_as(connection, "admin")
            connection.execute(text(statement))
            assert connection.execute(count, {"layer": layer}).scalar() == before + 1, layer
