"""The field app's server side: the bundle of a grid manager, and verifying dwellings."""

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from pmtiles.reader import MemorySource, Reader
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from api.tiles import tile_archive
from api.tiles.tile_pyramid import tile_at
from api.tiles.tiles import MAX_SOURCE_ZOOM
from geo.clock import today
from tests.api.casework.conftest import HERE, OTHER_GRID, OWN_GRID, THERE

EN = {"Accept-Language": "en"}
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def dwellings(town):
    """Add a dwelling to each building; return those of the own and of the other grid."""
    with town.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dwelling (code, building_code, residents, geom) "
                "SELECT 'd-' || code, code, 3, ST_PointOnSurface(geom) FROM building"
            )
        )
        query = text(
            "SELECT 'd-' || building_code FROM grid_member m JOIN grid g ON g.id = m.grid_id "
            "WHERE g.code = :grid ORDER BY 1"
        )
        return [
            connection.execute(query, {"grid": one}).scalars().all()
            for one in (OWN_GRID, OTHER_GRID)
        ]


@pytest.fixture
def verify(signed_in):
    """Return a function that verifies a dwelling, seen as it is now unless a version is given."""
    manager = signed_in("grid_manager")

    def send(code, key="", **values):
        known = {one["code"]: one for one in manager.get("/field/bundle").json()["dwellings"]}
        seen = {"seen": known[code]["version"]} if code in known else {"seen": NOW.isoformat()}
        body = seen | {"verified_at": (NOW - timedelta(hours=3)).isoformat()} | values
        path = f"/field/dwellings/{code}/verification"
        headers = EN | ({"Idempotency-Key": key} if key else {})
        return manager.post(path, json=body, headers=headers)

    return send


def test_bundle_holds_the_own_grid_and_nothing_of_others(signed_in, dwellings, report):
    own, _ = dwellings
    number = report()["number"]
    bundle = signed_in("grid_manager").get("/field/bundle").json()
    assert [grid["code"] for grid in bundle["grids"]] == [OWN_GRID]
    assert [one["code"] for one in bundle["dwellings"]] == own
    assert [f"d-{one['code']}" for one in bundle["buildings"]] == own
    assert number in {one["number"] for one in bundle["cases"]}
    assert {"geometry", "name"} <= set(bundle["roads"][0])
    assert bundle["duties"]["duties"]
    assert bundle["account"] == "grid_manager"
    other = signed_in("other_manager").get("/field/bundle").json()
    assert not {one["code"] for one in other["dwellings"]} & set(own)
    assert number not in {one["number"] for one in other["cases"]}
    assert other["device_key"] != bundle["device_key"]


def test_unchanged_bundle_is_not_sent_again(signed_in, dwellings):
    manager = signed_in("grid_manager")
    tag = manager.get("/field/bundle").headers["etag"]
    assert manager.get("/field/bundle", headers={"If-None-Match": tag}).status_code == 304


def test_map_of_the_surroundings_is_one_small_file(town, client, signed_in, verify, dwellings):
    manager = signed_in("grid_manager")
    assert manager.get("/field/bundle").json()["map"] == ""
    assert manager.get("/field/map.pmtiles").status_code == 204
    tile_archive.bake(town)
    version = manager.get("/field/bundle").json()["map"]
    answer = manager.get("/field/map.pmtiles")
    assert answer.headers["content-type"] == "application/vnd.pmtiles"
    reader = Reader(MemorySource(answer.content))
    header = reader.header()
    assert (header["min_zoom"], header["max_zoom"]) == (13, MAX_SOURCE_ZOOM)
    tile = tile_at(*HERE, MAX_SOURCE_ZOOM)
    content = gzip.decompress(reader.get(tile.z, tile.x, tile.y))
    assert content == client.get(f"/tiles/{tile.z}/{tile.x}/{tile.y}").content
    assert verify(dwellings[0][5]).status_code == 200
    assert manager.get("/field/bundle").json()["map"] == version
    assert signed_in("other_manager").get("/field/bundle").json()["map"] != version


def test_verification_sets_counts_and_keeps_the_history(town, verify, dwellings):
    code = dwellings[0][0]
    answer = verify(code, changes={"residents": 2, "need_help": 1})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["residents"], answer.json()["need_help"]) == (2, 1)
    assert answer.json()["verified_by"] == "grid_manager"
    with town.connect() as connection:
        of_code = {"code": code}
        past = text("SELECT residents FROM dwelling_history WHERE code = :code")
        assert connection.execute(past, of_code).scalars().all() == [3]
        record = text("SELECT changes FROM dwelling_verification WHERE dwelling_code = :code")
        assert connection.execute(record, of_code).scalars().all() == [
            {"residents": 2, "need_help": 1}
        ]


def test_verification_with_a_key_is_carried_out_once(town, verify, dwellings):
    code, key = dwellings[0][1], "verification-0000-0001"
    body = {"seen": verify(code).json()["version"], "changes": {"residents": 5}}
    answers = [verify(code, key, **body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert verify(code, key, **body | {"changes": {"residents": 6}}).status_code == 409
    with town.connect() as connection:
        count = text("SELECT count(*) FROM dwelling_verification WHERE dwelling_code = :code")
        assert connection.execute(count, {"code": code}).scalar() == 2


def test_verification_of_an_older_version_shows_the_current_one(verify, dwellings):
    code = dwellings[0][2]
    seen = verify(code).json()["version"]
    assert verify(code, changes={"residents": 4}).status_code == 200
    stale = verify(code, seen=seen, changes={"residents": 7})
    assert stale.status_code == 412
    assert stale.json()["current"]["residents"] == 4
    assert "Compare both versions" in stale.json()["detail"]
    again = verify(code, seen=stale.json()["current"]["version"], changes={"residents": 7})
    assert again.json()["residents"] == 7


@pytest.mark.parametrize(
    "values",
    [
        {"changes": {"residents": 501}},
        {"changes": {"residents": 1, "floating": 2}},
        {"changes": {"occupancy": "vacant", "residents": 2}},
        {"changes": {"occupancy": "empty"}},
        {"changes": {"verified_by": "somebody"}},
        {"verified_at": "2199-01-01T00:00:00Z"},
        {"verified_at": "2026-01-01T00:00:00"},
        {"device_at": "0001-01-01T00:00:00+14:00"},
        {"device_at": "9999-12-31T23:59:59-14:00"},
        {"seen": "yesterday"},
    ],
)
def test_unfit_verification_is_refused(verify, dwellings, values):
    answer = verify(dwellings[0][3], **values)
    assert answer.status_code in (400, 422), answer.text


def test_dwelling_of_another_grid_is_not_verified(verify, dwellings):
    assert verify(dwellings[1][0]).status_code == 404
    assert verify("nowhere").status_code == 404


def test_times_of_a_device_are_kept_beside_the_servers(town, signed_in, verify, dwellings):
    manager = signed_in("grid_manager")
    wrong = "1999-12-31T23:00:00Z"
    visited = {
        "dwelling": dwellings[0][0],
        "visited_at": NOW.isoformat(),
        "device_at": wrong,
        "topic": "greeting",
    }
    assert manager.post("/casework/visits", json=visited).status_code == 201
    assert verify(dwellings[0][4], device_at=wrong).status_code == 200
    with town.connect() as connection:
        for table in ("visit", "dwelling_verification"):
            query = text(f"SELECT device_at FROM {table} ORDER BY id DESC LIMIT 1")
            assert connection.execute(query).scalar() == datetime.fromisoformat(wrong)


def test_time_of_capture_is_kept_with_the_filing(signed_in):
    manager = signed_in("grid_manager")
    times = {"captured_at": NOW.isoformat(), "device_at": "1999-12-31T23:00:00+00:00"}
    form = {"kind": "burst_pipe", "lon": HERE[0], "lat": HERE[1], "description": "x"}
    key = {"Idempotency-Key": "capture-0000-0000-0001"}
    filed = [
        manager.post("/casework/cases", data=form | times | {"channel": "field"}, headers=key)
        for _ in range(2)
    ]
    assert filed[0].json()["number"] == filed[1].json()["number"]
    case = manager.get(f"/casework/cases/{filed[0].json()['number']}").json()
    assert times.items() <= case["events"][0]["data"].items()


@pytest.fixture(scope="module")
def hydrants(town):
    """Add a hydrant to both grids, and a valve beside the first."""
    with town.begin() as connection:
        for code, kind, place in (("h1", "hydrant", HERE), ("h2", "hydrant", THERE)):
            connection.execute(
                text(
                    "INSERT INTO pipe_node (code, network, kind, name, geom) VALUES "
                    "(:code, 'water', :kind, :code, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)), "
                    "('v' || :code, 'water', 'valve', '', "
                    "ST_SetSRID(ST_MakePoint(:lon, :lat), 4490))"
                ),
                {"code": code, "kind": kind, "lon": place[0], "lat": place[1]},
            )
        connection.execute(text("DELETE FROM hydrant_inspection"))


def own_hydrant(manager):
    [hydrant] = manager.get("/field/bundle").json()["hydrants"]
    return hydrant


@pytest.fixture
def inspect(signed_in, hydrants):
    """Return a function that inspects a hydrant, seen as it is now unless another is given."""
    manager = signed_in("grid_manager")

    def send(code="h1", key="", **values):
        body = {"seen": own_hydrant(manager)["inspection"], "passed": True}
        body |= {"inspected_at": NOW.isoformat()} | values
        headers = EN | ({"Idempotency-Key": key} if key else {})
        return manager.post(f"/field/hydrants/{code}/inspection", json=body, headers=headers)

    return send


def test_inspection_of_an_own_hydrant_reaches_the_fire_page(signed_in, inspect):
    manager, fire = signed_in("grid_manager"), signed_in("fire")
    before = own_hydrant(manager)
    assert (before["code"], before["grid_code"]) == ("h1", OWN_GRID)
    answer = inspect(passed=False, reason="无水", flow_l_s=0)
    assert answer.status_code == 200, answer.text
    assert answer.json()["due_on"] == (today() + timedelta(days=90)).isoformat()
    [last, *_] = fire.get("/fire/inspections", params={"hydrant": "h1"}).json()["inspections"]
    assert (last["passed"], last["reason"], last["inspector"]) == (False, "无水", "grid_manager")
    assert own_hydrant(manager)["inspection"] == last["id"]


def test_inspection_with_a_key_is_recorded_once(signed_in, inspect, town):
    trail = text("SELECT count(*) FROM audit_event WHERE (action, object_code) = ('inspect', 'h1')")
    with town.connect() as connection:
        before = connection.execute(trail).scalar_one()
    body = {"seen": own_hydrant(signed_in("grid_manager"))["inspection"], "reason": "once"}
    key = "inspection-0000-0001"
    answers = [inspect(key=key, **body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert inspect(key=key, passed=False, **body).status_code == 409
    listed = signed_in("fire").get("/fire/inspections", params={"hydrant": "h1"}).json()
    assert len([one for one in listed["inspections"] if one["reason"] == "once"]) == 1
    with town.connect() as connection:
        assert connection.execute(trail).scalar_one() == before + 1


def test_inspection_after_one_of_the_fire_service_shows_it(signed_in, inspect):
    seen = own_hydrant(signed_in("grid_manager"))["inspection"]
    by_fire = {"hydrant": "h1", "passed": True, "inspector": "赵队", "reason": ""}
    recorded = signed_in("fire").post(
        "/fire/inspections", json=by_fire | {"inspected_on": today().isoformat()}
    )
    assert recorded.status_code == 201
    stale = inspect(seen=seen)
    assert stale.status_code == 412
    current = stale.json()["current"]
    assert (current["inspection"], current["inspector"]) == (recorded.json()["id"], "赵队")
    assert inspect(seen=current["inspection"]).status_code == 200


@pytest.mark.parametrize(
    "values",
    [
        {"passed": False},
        {"flow_l_s": -1},
        {"flow_l_s": 10_001},
        {"reason": "<b>"},
        {"reason": "x" * 1001},
        {"inspected_at": "2199-01-01T00:00:00Z"},
        {"inspected_at": "2026-01-01T00:00:00"},
        {"device_at": "0001-01-01T00:00:00+14:00"},
        {"device_at": "9999-12-31T23:59:59-14:00"},
        {"seen": 0},
        {"inspector": "somebody"},
    ],
)
def test_unfit_inspection_is_refused(inspect, values):
    assert inspect(**values).status_code in (400, 422)


def test_hydrant_of_another_grid_and_other_pipes_are_not_inspected(signed_in, inspect, town):
    assert inspect("h2").status_code == 404
    assert inspect("vh1").status_code == 404
    assert signed_in("fire").get("/field/bundle").status_code == 403
    with town.connect() as connection:  # the database refuses it as well
        connection.execute(text("SET ROLE gridatlas_grid_manager"))
        connection.execute(
            text("SELECT set_config('gridatlas.grids', :own, false)"), {"own": OWN_GRID}
        )
        assert connection.execute(
            text("SELECT code FROM published.own_hydrant")
        ).scalars().all() == ["h1"]
        add = text(
            "INSERT INTO hydrant_inspection "
            "(hydrant_code, passed, inspector, inspected_on, due_on, grid_code) "
            "VALUES ('h2', true, 'x', current_date, current_date, :grid)"
        )
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(add, {"grid": OTHER_GRID})
