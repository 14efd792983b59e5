"""The field app's server side: the bundle of a grid manager, and verifying dwellings."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.api.casework.conftest import HERE, OTHER_GRID, OWN_GRID

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
