"""Counts of the register against a recount, and what the public can work out from its figures."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from geo.db import security
from geo.model.register import AGE_BANDS, Occupancy
from tests import town as t
from tests.waiting import Task, wait_for_waiting

COUNTS = ("residents", "registered", "floating", *AGE_BANDS, "alone_60_up", "need_help")
BUILDINGS = tuple(f"b{block:03d}-{n:03d}" for block in (1, 2) for n in (1, 2, 3))
REGIONS = (*t.COMMUNITIES, None)
KEPT = "SELECT code, geom, region_code FROM building WHERE code = :b"
BUILDING_CHANGES = {
    "relocate": "UPDATE building SET region_code = :region WHERE code = :b",
    "rename": "UPDATE building SET code = code || '-x' WHERE code = :b",
    "vanish": "DELETE FROM building WHERE code = :b",
    "come back": f"WITH kept AS ({KEPT}) INSERT INTO building (code, geom, region_code) "
    "SELECT 'new', geom, region_code FROM kept ON CONFLICT DO NOTHING",
}
"""Statements that change which buildings the rows of the register are counted in."""

UPSERT_ENTITY = text(
    "INSERT INTO entity (code, name, building_code, staff_count, key_unit, geom) "
    "SELECT :c, 'x', :b, :n, :k, ST_PointOnSurface(geom) FROM building LIMIT 1 "
    "ON CONFLICT (code) DO UPDATE SET building_code = :b, staff_count = :n, key_unit = :k"
)
ADD_EVERYWHERE = (
    "INSERT INTO dwelling (code, building_code, residents, geom) "
    "SELECT 'm' || code, code, 3, ST_PointOnSurface(geom) FROM building ON CONFLICT (code)"
)
MANY_ROWS = {
    "upsert": f"{ADD_EVERYWHERE} DO UPDATE SET residents = 4",
    "insert and update": f"WITH added AS ({ADD_EVERYWHERE} DO NOTHING) "
    "UPDATE dwelling SET registered = 2 WHERE building_code = :b",
    "to the new building": "UPDATE dwelling SET building_code = 'new' WHERE building_code = :b",
    "organisations": "UPDATE entity SET building_code = :b, staff_count = 7",
    "delete all": "DELETE FROM dwelling WHERE building_code <= :b",
    "truncate": "TRUNCATE entity",
}
"""Statements that change many rows of the register, in several ways at once."""


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    return shared_database


counts = st.one_of(st.none(), st.integers(0, 4))
dwellings = st.fixed_dictionaries(
    {
        "residents": st.one_of(st.none(), st.integers(30, 40)),
        "occupancy": st.one_of(st.none(), st.sampled_from(["owner", "rented", "business"])),
        "age_days": st.one_of(st.none(), st.integers(0, 800), st.integers(363, 368)),
        **dict.fromkeys(COUNTS[1:], counts),
    }
)
changes = st.lists(
    st.tuples(
        st.sampled_from(
            [*("set", "set", "delete", "move", "entity", "close"), *BUILDING_CHANGES, *MANY_ROWS]
        ),
        st.integers(0, 5),
        st.integers(0, 40),
        dwellings,
        st.booleans(),
    ),
    max_size=12,
)


def change(connection, buildings, action, number, place, values) -> None:
    code, building = f"d{number}", buildings[place % len(buildings)]
    if statement := (BUILDING_CHANGES | MANY_ROWS).get(action):
        region = {"region": REGIONS[number % len(REGIONS)]} if ":region" in statement else {}
        connection.execute(text(statement), {"b": building} | region if ":b" in statement else {})
    elif action == "entity":
        row = {"c": f"e{number}", "b": building, "n": values["need_help"], "k": number > 2}
        connection.execute(UPSERT_ENTITY, row)
    elif action == "close":
        connection.execute(text("DELETE FROM entity WHERE code = :c"), {"c": f"e{number}"})
    elif action == "delete":
        connection.execute(text("DELETE FROM dwelling WHERE code = :c"), {"c": code})
    elif action == "move":
        connection.execute(
            text("UPDATE dwelling SET building_code = :b WHERE code = :c"),
            {"b": building, "c": code},
        )
    else:
        row = {**values, "code": code, "building_code": building}
        age = row.pop("age_days")
        row["verified_on"] = None if age is None else today() - timedelta(age)
        names = ", ".join(row)
        given = ", ".join(f":{name}" for name in row)
        updated = ", ".join(f"{name} = excluded.{name}" for name in row)
        connection.execute(
            text(
                f"INSERT INTO dwelling ({names}, geom) SELECT {given}, ST_PointOnSurface(geom) "
                "FROM building WHERE code = :building_code "
                f"ON CONFLICT (code) DO UPDATE SET {updated}"
            ),
            row,
        )


@given(steps=changes)
@settings(max_examples=40)
def test_counts_are_those_of_a_recount_after_every_change(town, steps):
    with town.connect() as connection, connection.begin() as transaction:
        codes = sorted(connection.execute(text("SELECT code FROM building")).scalars())
        for *step, is_undone in steps:
            with connection.begin_nested() as savepoint:
                change(connection, codes, *step)
                if is_undone:
                    savepoint.rollback()
        buildings = {
            row.code: row.region_code
            for row in connection.execute(text("SELECT code, region_code FROM building"))
        }
        rows = [row._mapping for row in connection.execute(text("SELECT * FROM dwelling"))]
        grids = grids_of_buildings(connection)
        keys = {
            "building": lambda code: code if code in buildings else None,
            "grid": lambda code: grids.get(code),
            "region": lambda code: buildings.get(code),
        }
        for view, key in keys.items():
            found = read_counts(connection, view)
            assert found == recount(rows, key), view
        whole = recount(rows, lambda code: t.CITY if buildings.get(code) else None).get(t.CITY)
        city = connection.execute(
            text("SELECT * FROM published.register_by_region WHERE code = :c"), {"c": t.CITY}
        ).one()
        assert (figures(city._mapping) if city.dwellings else None) == whole
        assert_sums_are_those_of_a_recount(connection)
        transaction.rollback()


RECOUNT = """
SELECT b.region_code AS code, count(DISTINCT d.code) AS dwellings,
    min(d.verified_on) AS oldest_verification, max(d.valid_from) AS changed_at,
    (SELECT count(*) FROM entity JOIN building o ON o.code = building_code
     WHERE o.region_code = b.region_code) AS entities,
    (SELECT sum(staff_count) FROM entity JOIN building o ON o.code = building_code
     WHERE o.region_code = b.region_code) AS staff,
    (SELECT count(*) FROM entity JOIN building o ON o.code = building_code
     WHERE o.region_code = b.region_code AND key_unit) AS key_units
FROM building b LEFT JOIN dwelling d ON d.building_code = b.code
WHERE b.region_code IS NOT NULL GROUP BY b.region_code ORDER BY 1
"""


def assert_sums_are_those_of_a_recount(connection) -> None:
    """Compare the age of the data and the organisations of communities, which sums keep."""
    expected = [row for row in connection.execute(text(RECOUNT)) if row.dwellings + row.entities]
    names = ", ".join(expected[0]._fields) if expected else "code"
    found = connection.execute(
        text(
            f"SELECT {names} FROM published.register_by_region "
            "WHERE level = 'community' AND dwellings + entities > 0 ORDER BY code"
        )
    )
    assert [tuple(row) for row in found] == [tuple(row) for row in expected]


def grids_of_buildings(connection) -> dict[str, str]:
    rows = connection.execute(
        text(
            "SELECT m.building_code, g.code FROM grid_member m JOIN grid g ON g.id = m.grid_id "
            "JOIN grid_plan p ON p.id = g.plan_id WHERE p.status = 'published'"
        )
    )
    return {building: grid for building, grid in rows if building}


def read_counts(connection, view):
    lowest = " AND level = 'community'" if view == "region" else ""
    rows = connection.execute(
        text(f"SELECT * FROM published.register_by_{view} WHERE dwellings > 0{lowest}")
    )
    return {row.code: figures(row._mapping) for row in rows}


def figures(row):
    return {
        **{name: row[name] for name in (*COUNTS, "dwellings", "uncounted", "verified")},
        **{str(use): row[use] for use in Occupancy},
    }


def recount(rows, key):
    groups = {}
    for row in rows:
        groups.setdefault(key(row["building_code"]), []).append(row)
    groups.pop(None, None)
    return {code: recounted(group) for code, group in groups.items()}


def today():
    """Return the date in the database, which is not that of the machine's zone."""
    return datetime.now(UTC).date()


def recounted(group):
    def total(name):
        known = [row[name] for row in group if row[name] is not None]
        return sum(known) if known else None

    a_year_ago = (pd.Timestamp(today()) - pd.DateOffset(months=12)).date()
    return {
        **{name: total(name) for name in COUNTS},
        "dwellings": len(group),
        "uncounted": sum(row["residents"] is None for row in group),
        "verified": sum(
            row["verified_on"] is not None and row["verified_on"] > a_year_ago for row in group
        ),
        **{str(use): sum(row["occupancy"] == use for row in group) for use in Occupancy},
    }


@pytest.fixture
def register(database):
    t.build(database)
    with database.begin() as connection:
        building = f"b{t.NORTH_GATE[-3:]}-001"
        values = {"residents": 3, "occupancy": "owner", "age_days": 1}
        for number in range(3):
            change(connection, [building], "set", number, 0, values)
    return database


def test_dwelling_and_the_move_of_its_building_wait_for_each_other(register):
    where = {"b": f"b{t.NORTH_GATE[-3:]}-001", "region": t.RIVERSIDE}

    def move():
        with register.begin() as other:
            other.execute(text(BUILDING_CHANGES["relocate"]), where)

    with register.begin() as connection:
        connection.execute(text("UPDATE dwelling SET residents = 4 WHERE code = 'd1'"))
        moving = Task(move)
        wait_for_waiting(register)
    moving.end()
    with register.connect() as connection:
        sums = connection.execute(
            text(
                "SELECT code, dwellings, residents FROM published.register_by_region "
                "WHERE level = 'community' AND dwellings > 0"
            )
        )
        assert [tuple(row) for row in sums] == [(t.RIVERSIDE, 3, 10)]


def test_sums_are_recounted_when_the_rights_are_applied_after_a_migration(register):
    with register.begin() as connection:
        security.withdraw_rights(connection)
        connection.execute(text("ALTER TABLE dwelling NO FORCE ROW LEVEL SECURITY"))
        connection.execute(text("DELETE FROM dwelling WHERE code = 'd2'"))
        security.apply_rules(connection)
        counts = text("SELECT dwellings FROM published.register_by_region WHERE code = :c")
        assert connection.execute(counts, {"c": t.CITY}).scalar_one() == 2


BREAKDOWNS = {
    "dwellings": tuple(map(str, Occupancy)),
    "residents": tuple(AGE_BANDS),
}


@given(
    ages=st.lists(st.integers(0, 5), min_size=5, max_size=5),
    uses=st.lists(st.sampled_from(list(Occupancy)), min_size=1, max_size=8),
)
@settings(max_examples=60)
def test_figure_of_one_or_two_neither_shows_nor_follows_from_others(town, ages, uses):
    with town.connect() as connection, connection.begin() as transaction:
        building = connection.execute(
            text("SELECT min(code) FROM building WHERE region_code = :c"), {"c": t.NORTH_GATE}
        ).scalar_one()
        for number, use in enumerate(uses):
            bands = ages if number == 0 else [0] * 5
            if use == Occupancy.VACANT:
                bands = [0] * 5
            row = dict(zip(AGE_BANDS, bands, strict=True)) | {"residents": sum(bands)}
            change(
                connection, [building], "set", number, 0, {**row, "occupancy": use, "age_days": 1}
            )
        secret = (
            connection.execute(
                text("SELECT * FROM published.register_by_region WHERE code = :c"),
                {"c": t.NORTH_GATE},
            )
            .one()
            ._mapping
        )
        shown = (
            connection.execute(
                text("SELECT * FROM published.register_public WHERE code = :c"), {"c": t.NORTH_GATE}
            )
            .one()
            ._mapping
        )
        for total, cells in BREAKDOWNS.items():
            for name in (total, *cells):
                assert shown[name] is None or shown[name] not in (1, 2)
                assert shown[name] in (None, secret[name])
            for name, possible in possible_values(shown, total, cells).items():
                if secret[name] in (1, 2):
                    assert len(possible) > 1, (name, dict(shown))
        transaction.rollback()


def possible_values(shown, total, cells):
    """Return the values that somebody who knows the rule can still believe of each cell."""
    if shown[total] is None:
        return {name: {1, 2} for name in cells}
    hidden = [name for name in cells if shown[name] is None]
    rest = shown[total] - sum(shown[name] for name in cells if shown[name] is not None)
    worlds = [
        world
        for world in product(range(rest + 1), repeat=len(hidden))
        if sum(world) == rest and (not hidden or any(value in (1, 2) for value in world))
    ]
    return {name: {world[i] for world in worlds} for i, name in enumerate(hidden)}
