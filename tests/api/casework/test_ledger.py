"""The ledger of visits and the monthly duties of grid managers."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.api.casework.conftest import OTHER_GRID, OWN_GRID

EN = {"Accept-Language": "en"}
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def dwellings(town):
    """Add a dwelling to each building; return one of the own and one of the other grid."""
    with town.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dwelling (code, building_code, geom) SELECT 'd-' || code, code, "
                "ST_PointOnSurface(geom) FROM building"
            )
        )
        query = text(
            "SELECT min('d-' || building_code) FROM grid_member m JOIN grid g ON g.id = m.grid_id "
            "WHERE g.code = :grid"
        )
        return [connection.execute(query, {"grid": one}).scalar() for one in (OWN_GRID, OTHER_GRID)]


def visit(dwelling, **values):
    return {
        "dwelling": dwelling,
        "visited_at": (NOW - timedelta(hours=2)).isoformat(),
        "topic": "opinion",
        "said": "楼道灯不亮",
        "advice": "已报修",
    } | values


def test_visit_is_entered_once_and_seen_by_the_grid_and_its_office(signed_in, dwellings):
    manager = signed_in("grid_manager")
    headers = {"Idempotency-Key": "visit-0000-0000-0001"}
    own, other = dwellings
    first = manager.post("/casework/visits", json=visit(own), headers=headers)
    again = manager.post("/casework/visits", json=visit(own), headers=headers)
    assert (first.status_code, again.json()) == (201, first.json())
    changed = manager.post("/casework/visits", json=visit(own, said="x"), headers=headers)
    assert changed.status_code == 409
    for name, seen in (("grid_manager", 1), ("office", 1), ("other_manager", 0), ("street", 1)):
        items = signed_in(name).get("/casework/visits").json()["items"]
        assert len(items) == seen, name
    assert items[0]["grid_code"] == OWN_GRID
    assert (items[0]["visitor"], items[0]["said"]) == ("grid_manager", "楼道灯不亮")
    assert manager.post("/casework/visits", json=visit(other)).status_code == 404
    assert signed_in("office").post("/casework/visits", json=visit(own)).status_code == 403


def test_ledger_is_paged(signed_in, dwellings):
    manager = signed_in("grid_manager")
    for _ in range(3):
        assert manager.post("/casework/visits", json=visit(dwellings[0])).status_code == 201
    whole = manager.get("/casework/visits", params={"dwelling": dwellings[0]}).json()
    page = manager.get("/casework/visits", params={"limit": 2}).json()
    rest = manager.get("/casework/visits", params={"before": page["next"]}).json()
    assert page["items"] + rest["items"] == whole["items"]
    assert (whole["next"], rest["next"]) == (None, None)


@pytest.mark.parametrize(
    "values",
    [
        {"topic": "gossip"},
        {"visited_at": "2199-01-01T00:00:00Z"},
        {"visited_at": "1900-01-01T00:00:00Z"},
        {"visited_at": "2026-01-01T00:00:00"},
        {"said": "x" * 2001},
        {"device_at": "0001-01-01T00:00:00+14:00"},
        {"device_at": "9999-12-31T23:59:59-14:00"},
        {"said": "<b>"},
        {"said": "a\u202eb"},
        {"dwelling": "a\u2028b"},
        {"name": "王某"},
        {"case": "2020010100000000"},
    ],
)
def test_unfit_visit_is_refused(signed_in, dwellings, values):
    manager = signed_in("grid_manager")
    answer = manager.post("/casework/visits", json=visit(dwellings[0]) | values, headers=EN)
    assert answer.status_code in (400, 404, 422), answer.text


@pytest.mark.parametrize("values", [{"duty": "a\r\n\u202eb"}, {"note": "\ufffd"}])
def test_unfit_duty_is_refused(signed_in, values):
    done = {"grid": OWN_GRID, "duty": "informant_meeting", "done_on": "2026-02-09"} | values
    answer = signed_in("grid_manager").put("/casework/duties", json=done, headers=EN)
    assert answer.status_code == 422, answer.text
    assert "\u202e" not in answer.json()["detail"]


def test_duties_of_a_month_and_what_is_done(signed_in):
    manager = signed_in("grid_manager")
    done = {"grid": OWN_GRID, "duty": "informant_meeting", "done_on": "2026-02-09"}
    for note in ("", "12人到会"):
        assert manager.put("/casework/duties", json=done | {"note": note}).status_code == 204
    told = manager.get("/casework/duties", params={"month": "2026-02"}, headers=EN).json()
    due = {one["key"]: one["due_on"] for one in told["duties"]}
    assert (due["informant_meeting"], due["household_visits"]) == ("2026-02-10", "2026-02-28")
    assert [(one["duty"], one["note"]) for one in told["done"]] == [
        ("informant_meeting", "12人到会")
    ]
    assert signed_in("other_manager").get("/casework/duties?month=2026-02").json()["done"] == []
    for values in ({"duty": "dance"}, {"grid": OTHER_GRID}, {"done_on": "2199-01-01"}):
        assert manager.put("/casework/duties", json=done | values).status_code in (400, 404)
    unknown = done | {"grid": "999999999999999"}
    assert signed_in("admin").put("/casework/duties", json=unknown).status_code == 404
