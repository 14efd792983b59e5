"""Cases when time passes or plans change, and many reports at once."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from api.background.case_deadlines import process_deadlines
from api.core.caller import SERVICE_CALLER, transaction_as
from geo.casework.retention import remove_expired
from geo.model import Base
from geo.settings import settings
from tests import town as t
from tests.api.casework.conftest import HERE, OWN_GRID, THERE, picture, take
from tests.waiting import TIMEOUT_S


@pytest.fixture
def run_due(town):
    """Return a function that does everything that is due."""
    return lambda: process_deadlines(town, threading.Event())


def change(town, statement, **values):
    with town.begin() as connection:
        connection.execute(text(statement), values)


def test_overdue_case_goes_up_level_by_level_to_the_city(town, signed_in, report, run_due):
    number = report()["number"]
    admin = signed_in("admin")
    overdue = "UPDATE service_case SET due_at = now() - interval '1 minute' WHERE number = :number"
    levels = []
    for _ in range(5):
        change(town, overdue, number=number)
        assert admin.get(f"/casework/cases/{number}").json()["is_overdue"]
        run_due()
        case = admin.get(f"/casework/cases/{number}").json()
        levels.append(case["level"])
    assert levels == ["community", "street", "district", "city", "city"]
    assert (case["escalations"], case["handler"], case["is_overdue"]) == (4, t.CITY, True)
    assert [one["actor"] for one in case["events"][1:]] == ["gridatlas"] * 4
    assert signed_in("grid_manager").get(f"/casework/cases/{number}").status_code == 200
    assert take(signed_in("grid_manager"), number, "accept").status_code == 403


def test_case_that_is_reported_back_is_not_escalated(town, signed_in, report, run_due):
    number = report("neighbour_dispute")["number"]
    manager = signed_in("grid_manager")
    for action in ("accept", "handle", "report_back"):
        take(manager, number, action, note="x")
    change(town, "UPDATE service_case SET due_at = now() - interval '1 day'")
    run_due()
    assert manager.get(f"/casework/cases/{number}").json()["level"] == "grid"


def test_case_keeps_its_grid_and_plan_when_a_redraw_removes_the_grid(
    town, signed_in, report, run_due
):
    number = report()["number"]
    office = signed_in("office")
    before = office.get(f"/casework/cases/{number}").json()
    archive = "UPDATE grid_plan SET status = 'archived', archived_at = now() WHERE id = :plan"
    restore = "UPDATE grid_plan SET status = 'published', archived_at = NULL WHERE id = :plan"
    change(town, archive, plan=before["plan"])
    try:
        run_due()
        after = office.get(f"/casework/cases/{number}").json()
        assert (after["grid"], after["plan"]) == (OWN_GRID, before["plan"])
        assert (after["handler"], after["events"][-1]["action"]) == (t.NORTH_GATE, "reroute")
        fresh = office.get(f"/casework/cases/{report()['number']}").json()
        assert (fresh["grid"], fresh["handler"]) == (None, t.NORTH_GATE)
    finally:
        change(town, restore, plan=before["plan"])
    assert office.get(f"/casework/cases/{report()['number']}").json()["grid"] == OWN_GRID


def test_grid_without_a_manager_leaves_its_cases_to_the_community(town, signed_in, report, run_due):
    place = t.degrees(100, 350)
    number = report(place=place)["number"]
    case = signed_in("office").get(f"/casework/cases/{number}").json()
    assert (case["grid"], case["handler"]) == (f"{t.NORTH_GATE}001", t.NORTH_GATE)
    theirs = report(place=THERE)["number"]
    change(town, "UPDATE grid_manager SET valid_to = now() WHERE name = 'other_manager'")
    run_due()
    case = signed_in("drum_tower").get(f"/casework/cases/{theirs}").json()
    assert case["handler"] == t.DRUM_TOWER
    change(town, "UPDATE grid_manager SET valid_to = NULL WHERE name = 'other_manager'")


def test_contact_is_deleted_some_days_after_the_case_is_closed(town, signed_in, report, run_due):
    number = report("minimum_living", contact="13800000000")["number"]
    office = signed_in("office")
    take(office, number, "decline", note="重复")
    run_due()
    assert office.get(f"/casework/cases/{number}/contact").json()["contact"] == "13800000000"
    days = settings().case_contact_days + 1
    closed = "UPDATE service_case SET closed_at = now() - make_interval(days => :days)"
    change(town, f"{closed} WHERE number = :number", days=days, number=number)
    run_due()
    assert office.get(f"/casework/cases/{number}/contact").json() == {"contact": None}


@pytest.fixture
def at_year(town):
    """Return a function that removes what has expired when so many years have passed."""

    def run(years):
        with transaction_as(town, SERVICE_CALLER) as connection:
            remove_expired(connection, datetime.now(UTC) + timedelta(days=365.25 * years))

    return run


def test_closed_case_is_anonymized_after_its_period_and_still_counts(
    town, signed_in, report, at_year
):
    photo = ("photos", ("a.jpg", picture(), "image/jpeg"))
    words = {"description": "张三家漏水", "address": "前进路7号", "contact": "13800000000"}
    number = report("minimum_living", files=[photo], **words)["number"]
    unclosed = report("minimum_living", files=[photo], **words)["number"]
    office = signed_in("office")
    take(office, number, "decline", note="张三已搬走")

    def stored(number):
        query = text(
            "SELECT (SELECT string_agg(e.note, '') FROM case_event e WHERE e.case_id = c.id), "
            "(SELECT count(*) FROM case_photo p WHERE p.case_id = c.id), "
            "(SELECT count(*) FROM case_contact t WHERE t.case_id = c.id), "
            "description || address, ST_X(geom) FROM service_case c WHERE number = :number"
        )
        with town.connect() as connection:
            return tuple(connection.execute(query, {"number": number}).one())

    at_year(settings().case_years - 0.1)
    assert stored(number)[:2] == ("张三已搬走", 1)
    events = office.get(f"/casework/cases/{number}").json()["events"]
    at_year(settings().case_years + 0.1)
    assert stored(number) == ("", 0, 0, "", round(HERE[0], 3))
    assert stored(unclosed) == stored(number)
    last = office.get(f"/casework/cases/{unclosed}").json()["events"][-1]
    assert (last["actor"], last["action"], last["state"]) == ("gridatlas", "archive", "archived")
    case = office.get(f"/casework/cases/{number}").json()
    assert (case["state"], case["grid"]) == ("declined", OWN_GRID)
    assert case["anonymized_at"]
    steps = [(one["at"], one["actor"], one["action"]) for one in events]
    assert [(one["at"], one["actor"], one["action"]) for one in case["events"]] == steps


def test_nobody_adds_words_to_an_anonymized_case(town, client, signed_in, report, at_year):
    filed = report("noise")
    number, office = filed["number"], signed_in("office")
    closed = "UPDATE service_case SET state = 'archived', closed_at = now() WHERE number = :number"
    change(town, closed, number=number)
    at_year(settings().case_years + 0.1)
    secret, rating = {"Case-Secret": filed["secret"]}, {"rating": 5}

    def rate(**values):
        return client.post(f"/reports/{number}/rating", data=rating | values, headers=secret)

    refused = rate(note="张三很满意")
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("case_anonymized")
    assert take(office, number, "release", note="张三").status_code == 409
    assert take(office, number, "release").status_code == 200
    assert take(office, number, "retract").status_code == 200
    assert rate().status_code == 200


def test_case_that_is_reported_back_and_not_rated_closes_by_itself(
    town, client, signed_in, report, run_due
):
    filed = report("neighbour_dispute", contact="13800000000")
    number, manager = filed["number"], signed_in("grid_manager")
    for action in ("accept", "handle", "report_back"):
        take(manager, number, action, note="x")
    run_due()
    assert manager.get(f"/casework/cases/{number}").json()["state"] == "reported"
    days = {"days": settings().case_rating_days + 1, "number": number}
    earlier = "changed_at = now() - make_interval(days => :days) WHERE number = :number"
    change(town, f"UPDATE service_case SET {earlier}", **days)
    run_due()
    case = manager.get(f"/casework/cases/{number}").json()
    assert (case["state"], case["events"][-1]["actor"]) == ("archived", "gridatlas")
    assert case["closed_at"]
    secret = {"Case-Secret": filed["secret"]}
    assert client.get(f"/reports/{number}", headers=secret).json()["can_rate"]
    assert take(signed_in("admin"), number, "archive").status_code == 409


def test_office_cannot_archive_a_running_case_as_the_system_does(signed_in, report):
    number = report()["number"]
    assert take(signed_in("office"), number, "archive").status_code == 409


@pytest.fixture
def dwelling(town):
    """Add a dwelling to the manager's grid; return its code."""
    with town.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dwelling (code, building_code, residents, geom) "
                "SELECT 'kept', building_code, 136, ST_PointOnSurface(m.geom) FROM grid_member m "
                "JOIN grid g ON g.id = m.grid_id WHERE g.code = :grid "
                "AND building_code IS NOT NULL LIMIT 1"
            ),
            {"grid": OWN_GRID},
        )
    yield "kept"
    change(town, "DELETE FROM dwelling WHERE code = 'kept'")


def test_nothing_that_was_said_of_persons_is_left_after_the_periods(
    town, client, signed_in, report, at_year, dwelling
):
    manager, said = signed_in("grid_manager"), "王小明 13912345678"
    words = {"description": said, "address": said, "contact": said}
    filed = report("minimum_living", files=[("photos", ("a.jpg", picture()))], **words)
    note = {"note": said}
    secret = {"Case-Secret": filed["secret"]}
    assert client.post(f"/reports/{filed['number']}/notes", data=note, headers=secret).is_success
    now = datetime.now(UTC).isoformat()
    visit = {"dwelling": dwelling, "visited_at": now, "topic": "help", "said": said}
    visit |= {"advice": said, "result": said, "case": ""}
    assert manager.post("/casework/visits", json=visit).status_code == 201
    seen = next(
        one["version"]
        for one in manager.get("/field/bundle").json()["dwellings"]
        if one["code"] == dwelling
    )
    verified = {"seen": seen, "verified_at": now, "changes": {"residents": 137}}
    address = f"/field/dwellings/{dwelling}/verification"
    assert manager.post(address, json=verified).status_code == 200
    with town.begin() as connection:
        for table in ("grid_manager", "grid_informant"):
            ended = f"INSERT INTO {table} (grid_code, name, phone, valid_to) "
            values = {"grid": OWN_GRID, "said": said}
            connection.execute(text(f"{ended} VALUES (:grid, :said, :said, now())"), values)

    def tables_with(words):
        with town.connect() as connection:
            return {
                table
                for table in Base.metadata.tables
                if connection.execute(
                    text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE :words"),
                    {"words": f"%{words}%"},
                ).scalar_one()
            }

    assert tables_with(said) == {
        *("service_case", "case_event", "visit", "grid_manager", "grid_informant")
    }
    assert {"dwelling_verification", "dwelling_history"} <= tables_with(dwelling)
    at_year(max(settings().case_years, settings().visit_years, settings().staff_years) + 0.1)
    assert tables_with(said) == set()
    assert tables_with(dwelling) == {"dwelling", "dwelling_history"}  # where it is, no counts
    with town.connect() as connection:
        left = text(
            "SELECT (SELECT count(*) FROM case_photo), (SELECT count(*) FROM case_contact), "
            "(SELECT count(residents) FROM dwelling_history), "
            "(SELECT count(*) FROM dwelling_verification WHERE changes <> '{}')"
        )
        assert tuple(connection.execute(left).one()) == (0, 0, 0, 0)
        counted = text("SELECT count(*) FROM dwelling_verification WHERE grid_code = :grid")
        assert connection.execute(counted, {"grid": OWN_GRID}).scalar_one() == 1


def test_visit_is_anonymized_after_its_period_and_still_counts(town, signed_in, at_year, dwelling):
    manager = signed_in("grid_manager")
    visit = {"dwelling": dwelling, "visited_at": datetime.now(UTC).isoformat(), "topic": "help"}
    assert manager.post("/casework/visits", json=visit | {"said": "腿脚不便"}).status_code == 201
    at_year(settings().visit_years - 0.1)
    assert [one["said"] for one in manager.get("/casework/visits").json()["items"]] == ["腿脚不便"]
    at_year(settings().visit_years + 0.1)
    assert manager.get("/casework/visits").json()["items"] == []
    with town.connect() as connection:
        left = text("SELECT grid_code, dwelling_code, said FROM visit ORDER BY id DESC LIMIT 1")
        assert connection.execute(left).all() == [(OWN_GRID, "", "")]


def test_provisional_deadline_is_counted_again_when_the_calendar_is_known(
    town, signed_in, report, run_due
):
    number = report()["number"]
    with town.begin() as connection:
        # As a library without the holidays of Spring Festival 2026 would have counted.
        event = (
            "INSERT INTO case_event (case_id, role, action, state, data) SELECT id, 'system', "
            "'recount', 'filed', :data FROM service_case WHERE number = :number"
        )
        data = (
            '{"due_at": "2026-02-16T16:00:00+00:00", "is_provisional": true, '
            '"due_from": "2026-02-12T01:00:00+00:00", "due_days": 3}'
        )
        connection.execute(text(event), {"data": data, "number": number})
        provisional = (
            "UPDATE service_case SET is_provisional = true, due_at = '2026-02-16T16:00:00+00:00', "
            "revision = 2 WHERE number = :number"
        )
        connection.execute(text(provisional), {"number": number})
    run_due()
    events = signed_in("admin").get(f"/casework/cases/{number}").json()["events"]
    recounted = next(one for one in events[2:] if one["action"] == "recount")
    assert recounted["data"]["due_at"] == "2026-02-24T16:00:00+00:00"


def test_burst_of_reports_is_accepted_or_refused_and_none_is_lost(town, address, monkeypatch):
    monkeypatch.setattr(settings(), "reports_per_minute", 150)
    with town.begin() as connection:
        connection.execute(text("DELETE FROM report_count"))
        before = connection.execute(text("SELECT count(*) FROM service_case")).scalar_one()
    statuses, numbers, lock = Counter(), [], threading.Lock()

    def send(count):
        with httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
            for _ in range(count):
                form = {"kind": "noise", "lon": HERE[0], "lat": HERE[1], "description": "吵"}
                answer = client.post("/reports", data=form)
                with lock:
                    statuses[answer.status_code] += 1
                    if answer.status_code == 201:
                        numbers.append(answer.json()["number"])
                    else:
                        assert int(answer.headers["Retry-After"]) > 0

    threads = [threading.Thread(target=send, args=(30,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(statuses.values()) == 300
    assert set(statuses) <= {201, 429}
    assert statuses[201] >= 150
    assert len(set(numbers)) == statuses[201]
    with town.connect() as connection:
        after = connection.execute(text("SELECT count(*) FROM service_case")).scalar_one()
    assert after - before == statuses[201]


def test_refused_reports_count_as_well(client, town, monkeypatch):
    monkeypatch.setattr(settings(), "reports_per_minute", 3)
    with town.begin() as connection:
        connection.execute(text("DELETE FROM report_count"))
    form = {"kind": "unicorn", "lon": HERE[0], "lat": HERE[1], "description": "x"}
    statuses = [client.post("/reports", data=form).status_code for _ in range(10)]
    assert set(statuses) == {404, 429}
    assert 3 <= statuses.count(404) <= 6  # a minute may end among them


def test_reports_of_a_device_are_limited_wherever_it_is(client, town, monkeypatch):
    monkeypatch.setattr(settings(), "reports_per_device", 2)
    form = {"kind": "noise", "lon": HERE[0], "lat": HERE[1], "description": "吵"}

    def send(**headers):
        return client.post("/reports", data=form, headers=headers)

    token = {"Device-Token": "a-random-token-of-a-browser"}
    answers = [send(**token) for _ in range(6)]  # a minute may end among them
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json()["type"].endswith("reports_of_device")
    assert [answer.status_code for answer in answers].count(201) in (2, 4)
    assert send().status_code == 201
    assert send(**{"Device-Token": "the-token-of-another-browser"}).status_code == 201
    assert send(**{"Device-Token": "short"}).status_code == 422
    with town.connect() as connection:
        origins = connection.execute(text("SELECT string_agg(origin, ' ') FROM report_count"))
        assert "browser" not in origins.scalar_one()


def test_guessing_secrets_is_slowed_down(client, report, monkeypatch):
    number = report()["number"]
    monkeypatch.setattr(settings(), "follow_ups_per_minute", 5)
    statuses = {client.get(f"/reports/{number}").status_code for _ in range(80)}
    assert 429 in statuses
