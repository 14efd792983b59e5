"""The register over HTTP: sums against a recount, by role, and what the public can work out."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests import town as t

PREFIX = f"b{t.NORTH_GATE[-3:]}-"
OTHER = f"b{t.RIVERSIDE[-3:]}-"
OWN_GRID = f"{t.NORTH_GATE}002"
INSERT = text(
    "INSERT INTO dwelling (code, building_code, occupancy, residents, age_18_59, need_help, "
    "verified_on, geom) SELECT :code, code, 'owner', :residents, :residents, 1, current_date, "
    "ST_PointOnSurface(geom) FROM building WHERE code = :building"
)


@pytest.fixture(scope="module")
def register(town, address):
    with town.begin() as connection:
        buildings = connection.execute(text("SELECT code FROM building ORDER BY code")).scalars()
        for number, building in enumerate(buildings):
            values = {"code": f"{building}-101", "building": building}
            connection.execute(INSERT, values | {"residents": 3 + number % 4})
        entity = text(
            "INSERT INTO entity (code, name, building_code, staff_count, geom) "
            "SELECT 'e-' || code, 'x', code, 4, ST_PointOnSurface(geom) FROM building "
            "WHERE code LIKE :prefix || '%'"
        )
        connection.execute(entity, {"prefix": PREFIX})
        manager = text(
            "INSERT INTO grid_manager (grid_code, name, account_id) "
            "SELECT :grid, 'x', id FROM account WHERE name = 'grid_manager' ON CONFLICT DO NOTHING"
        )
        connection.execute(manager, {"grid": OWN_GRID})
    return town


def counts(client, area, **params):
    answer = client.get(f"/register/counts/{area}", params={"limit": 1000} | params)
    return {one["code"]: one for one in answer.raise_for_status().json()["items"]}


def recount(town, key, where="true"):
    statement = (
        f"SELECT {key} AS code, count(*) AS dwellings, sum(d.residents) AS residents "
        "FROM dwelling d JOIN building b ON b.code = d.building_code "
        "LEFT JOIN (grid_member m JOIN grid g ON g.id = m.grid_id JOIN grid_plan p ON "
        "p.id = g.plan_id AND p.status = 'published') ON m.building_code = b.code "
        f"WHERE {where} GROUP BY 1"
    )
    with town.connect() as connection:
        rows = connection.execute(text(statement)).all()
    return {row.code: (row.dwellings, row.residents) for row in rows if row.code}


KEYS = {
    "building": "b.code",
    "grid": "g.code",
    "community": "b.region_code",
    "street": "rpad(left(b.region_code, 9), 12, '0')",
    "district": "rpad(left(b.region_code, 6), 12, '0')",
    "city": "rpad(left(b.region_code, 4), 12, '0')",
}


def test_sums_of_all_areas_are_those_of_a_recount_after_a_change(register, signed_in):
    admin = signed_in("admin")
    for residents in (None, 9):
        if residents:
            with register.begin() as connection:
                change = text("UPDATE dwelling SET residents = :n WHERE code = :code")
                connection.execute(change, {"n": residents, "code": f"{PREFIX}001-101"})
        for area, key in KEYS.items():
            found = {
                code: (one["dwellings"], one["residents"])
                for code, one in counts(admin, area).items()
                if one["dwellings"]
            }
            assert found == recount(register, key), area


def test_each_role_gets_the_sums_of_what_it_answers_for(register, signed_in):
    buildings = {code for code in recount(register, "b.code") if code.startswith(PREFIX)}
    assert set(counts(signed_in("office"), "building")) == buildings
    assert set(counts(signed_in("office"), "community")) == {t.NORTH_GATE}
    assert counts(signed_in("office"), "city") == {}
    assert set(counts(signed_in("grid_manager"), "grid")) == {OWN_GRID}
    assert signed_in("grid_manager").get("/register/counts/building").status_code == 403
    planner = counts(signed_in("planner"), "street")
    assert set(planner) == {t.STREET}
    assert planner[t.STREET]["verified_share"] == 1
    assert planner[t.STREET]["changed_at"]


def test_fire_service_gets_residents_and_who_needs_help_by_unit_and_nothing_else(
    register, signed_in
):
    fire, building = signed_in("fire"), f"{PREFIX}001"
    units = fire.get("/register/units", params={"building": building}).json()["items"]
    [unit] = units
    assert unit["unit_code"] is None
    assert (unit["dwellings"], unit["need_help"]) == (1, 1)
    [one] = counts(fire, "community", region=t.NORTH_GATE).values()
    assert one["residents"] > 0
    hidden = ("registered", "floating", "age_0_6", "age_80_up", "alone_60_up", "owner", "entities")
    assert {one[name] for name in hidden} == {unit.get(name) for name in hidden} == {None}
    for role in ("planner", "office", "grid_manager"):
        asked = signed_in(role).get("/register/units", params={"building": building})
        assert asked.status_code == 403


def test_rows_of_a_building_are_for_those_who_may_read_rows(register, signed_in, client):
    path = f"/register/buildings/{PREFIX}001"
    assert len(signed_in("importer").get(path).json()["dwellings"]) == 1
    planner = signed_in("planner").get(path).json()
    assert planner["dwellings"] is None
    assert [one["staff_count"] for one in planner["entities"]] == [4]
    own = counts(signed_in("admin"), "building")
    manager = signed_in("grid_manager")
    seen = {
        code: manager.get(f"/register/buildings/{code}")
        for code in own
        if code.startswith((PREFIX, OTHER))
    }
    shown = {code for code, answer in seen.items() if answer.status_code == 200}
    assert shown == set(recount(register, "b.code", f"g.code = '{OWN_GRID}'"))
    assert all(seen[code].json()["dwellings"] for code in shown)
    assert {seen[code].status_code for code in seen.keys() - shown} == {404}
    assert client.get(path).status_code == 401


def test_public_sees_communities_and_no_figure_of_one_or_two(register, client):
    with register.begin() as connection:
        few = text(
            "UPDATE dwelling SET need_help = 0 WHERE building_code LIKE :prefix || '%' "
            "AND code <> :kept"
        )
        connection.execute(few, {"prefix": PREFIX, "kept": f"{PREFIX}001-101"})
        ages = text("UPDATE dwelling SET age_18_59 = residents - 1, age_0_6 = 1 WHERE code = :c")
        connection.execute(ages, {"c": f"{PREFIX}001-101"})
    items = client.get("/register/communities", params={"region": t.NORTH_GATE}).json()["items"]
    [one] = items
    assert one["code"] == t.NORTH_GATE
    assert one["residents"] > 2
    assert one["need_help"] is None
    bands = ("age_0_6", "age_7_17", "age_18_59", "age_60_79", "age_80_up")
    assert {one[band] for band in bands} == {None}, "no band follows from the total"
    assert one["suppressed"]
    assert client.get("/register/counts/community").status_code == 401


def test_public_counts_are_not_sent_again_until_they_change(register, client):
    path = "/register/communities"
    first = client.get(path).raise_for_status()
    known = {"If-None-Match": first.headers["ETag"]}
    unchanged = client.get(path, headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["Cache-Control"] == first.headers["Cache-Control"] == "no-cache"
    with register.begin() as connection:
        change = text("UPDATE dwelling SET residents = 20, age_18_59 = 20 WHERE code = :code")
        connection.execute(change, {"code": f"{PREFIX}002-101"})
    changed = client.get(path, headers=known)
    assert changed.status_code == 200
    assert changed.json() != first.json()


def test_rows_of_a_vanished_building_are_listed(register, signed_in):
    with register.begin() as connection:
        lost = text(
            "INSERT INTO dwelling (code, building_code, geom) SELECT 'lost', 'vanished', "
            "ST_PointOnSurface(geom) FROM building LIMIT 1"
        )
        connection.execute(lost)
    listed = signed_in("importer").get("/register/without-building").json()["items"]
    assert listed == [{"building": "vanished", "dwellings": 1, "entities": 0}]
    assert signed_in("planner").get("/register/without-building").status_code == 403


def test_outlook_states_a_trend_only_where_two_years_are_on_record(register, signed_in):
    planner = signed_in("planner")
    path = f"/regions/{t.STREET}/outlook"
    by_code = {one["code"]: one for one in planner.get(path).raise_for_status().json()["items"]}
    assert {one["next_year"] for one in by_code.values()} == {None}
    assert by_code[t.RIVERSIDE]["fit_next_year"] == "no_plan"
    assert by_code[t.NORTH_GATE]["fit_next_year"] == "no_trend"
    before = by_code[t.NORTH_GATE]["households"]
    year = datetime.now(UTC).year
    with register.begin() as connection:
        connection.execute(text("ALTER TABLE building DISABLE TRIGGER USER"))
        early = text(
            "UPDATE building SET valid_from = make_timestamptz(:year, 6, 1, 0, 0, 0, 'UTC') "
            "WHERE region_code = :code"
        )
        connection.execute(early, {"year": year - 1, "code": t.NORTH_GATE})
        connection.execute(text("ALTER TABLE building ENABLE TRIGGER USER"))
    by_code = {one["code"]: one for one in planner.get(path).json()["items"]}
    north = by_code[t.NORTH_GATE]
    assert (north["years"], north["households"], north["next_year"]) == (2, before, before)
    assert north["fit"] == north["fit_next_year"]
    assert north["fit"] == ("too_few" if before < north["grids"] * 300 else "fits")
    assert planner.get(f"/regions/{t.CITY}/outlook").json() == planner.get(path).json()
