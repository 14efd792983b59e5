"""Cases over HTTP: filing, the two flows, hand-over, permissions, files."""

import io
import json
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_from_bytes

import httpx
import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.core.caller import ACT_AS, Caller
from geo.casework.case_store import read_steps, status_of
from tests import town as t
from tests.api.casework.conftest import HERE, OTHER_GRID, OWN_GRID, THERE, picture, take
from tests.api.conftest import bearer
from tests.conftest import on_server
from tests.geo.casework.test_workflow import replay
from tests.waiting import TIMEOUT_S

EN = {"Accept-Language": "en"}


def row_of(town, number):
    with town.connect() as connection:
        query = text("SELECT * FROM service_case WHERE number = :number")
        return connection.execute(query, {"number": number}).one()


def count(town, table="service_case"):
    with town.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


@pytest.fixture(scope="module")
def manager(signed_in):
    return signed_in("grid_manager")


@pytest.fixture(scope="module")
def street(signed_in):
    return signed_in("street")


def test_service_goes_through_its_flow(town, client, manager, office, report):
    filed = report(address="1号楼2单元", contact="13800000000")
    number = filed["number"]
    case = manager.get(f"/casework/cases/{number}", headers=EN).json()
    assert (case["grid"], case["handler"], case["level"]) == (OWN_GRID, OWN_GRID, "grid")
    assert case["kind_name"] == "Burst pipe"
    assert case["plan"] == row_of(town, number).plan_id is not None
    assert [one["action"] for one in case["actions"]] == ["accept", "note"]
    steps = (
        (manager, "accept", {}, "accepted"),
        (manager, "register", {"kind": "flooding"}, "registered"),
        (manager, "handle", {}, "handling"),
        (manager, "report_back", {"note": "已抢修"}, "reported"),
    )
    for who, action, values, state in steps:
        answer = take(who, number, action, **values)
        assert (answer.status_code, answer.json().get("state")) == (200, state), answer.text
    secret = {"Case-Secret": filed["secret"]}
    seen = client.get(f"/reports/{number}", headers=secret).json()
    assert (seen["state"], seen["can_rate"]) == ("reported", True)
    assert [one["note"] for one in seen["events"]][-1] == "已抢修"
    rated = client.post(f"/reports/{number}/rating", data={"rating": 5}, headers=secret)
    assert (rated.json()["state"], rated.json()["rating"]) == ("rated", 5)
    assert (
        client.post(f"/reports/{number}/rating", data={"rating": 1}, headers=secret).status_code
        == 409
    )
    assert take(manager, number, "archive").status_code == 403
    assert take(office, number, "archive").json()["state"] == "archived"
    with town.connect() as connection:
        row = row_of(town, number)
        assert replay(read_steps(connection, row.id)) == status_of(row)


def test_dispute_is_handed_over_and_the_first_asked_stays_responsible(
    town, manager, office, street, report
):
    number = report("neighbour_dispute", description="楼上漏水")["number"]
    assert take(manager, number, "register", kind="neighbour_dispute").status_code in (403, 409)
    assert take(manager, number, "accept").json()["state"] == "accepted"
    handed = take(manager, number, "transfer", to=t.NORTH_GATE, note="请社区调解").json()
    assert (handed["handler"], handed["offered"]) == (OWN_GRID, t.NORTH_GATE)
    assert take(manager, number, "accept_transfer").status_code == 403
    assert take(office, number, "refuse_transfer", note="先了解情况").json()["offered"] is None
    assert take(manager, number, "transfer", to=t.NORTH_GATE, note="双方要求").status_code == 200
    accepted = take(office, number, "accept_transfer", department="justice").json()
    assert (accepted["handler"], accepted["level"]) == (t.NORTH_GATE, "community")
    refused = take(manager, number, "handle", headers=EN)
    assert refused.status_code == 403
    assert t.NORTH_GATE in refused.json()["detail"]
    assert take(office, number, "supervise", note="快").status_code == 403
    assert take(street, number, "supervise", note="三日内办结").json()["supervised_at"]
    assert take(office, number, "handle").json()["state"] == "handling"
    assert take(office, number, "report_back", note="已达成协议").json()["state"] == "reported"
    again = take(office, number, "rework", note="又漏了").json()
    assert (again["state"], again["reworks"], again["reported_at"]) == ("handling", 1, None)
    with town.connect() as connection:
        row = row_of(town, number)
        assert replay(read_steps(connection, row.id)) == status_of(row)


def test_case_of_another_grid_or_office_is_as_if_it_were_none(signed_in, report):
    number = report(place=THERE)["number"]
    for name in ("grid_manager", "office"):
        who = signed_in(name)
        assert who.get(f"/casework/cases/{number}").status_code == 404
        assert take(who, number, "accept").status_code == 404
        assert number not in who.get("/casework/cases?limit=500").text
    for name in ("other_manager", "drum_tower", "street", "admin"):
        assert signed_in(name).get(f"/casework/cases/{number}").status_code == 200


def test_case_that_is_handed_to_another_community_is_seen_there(signed_in, office, report):
    number = report("minimum_living")["number"]
    assert take(office, number, "accept").json()["handler"] == t.NORTH_GATE
    other = signed_in("drum_tower")
    assert other.get(f"/casework/cases/{number}").status_code == 404
    take(office, number, "transfer", to=t.DRUM_TOWER, note="户籍在钟鼓楼")
    assert take(other, number, "accept_transfer").json()["handler"] == t.DRUM_TOWER
    assert office.get(f"/casework/cases/{number}").status_code == 200


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"kind": "unicorn"}, 404, "no kind of case “unicorn”"),
        ({"lon": 0, "lat": 0}, 400, "outside the city"),
        ({"lon": 181}, 422, "at most 180"),
        ({"lon": "nan"}, 422, "lon"),
        ({"description": ""}, 422, "description"),
        ({"description": " \n "}, 422, "description"),
        ({"description": "x" * 2001}, 422, "2000"),
        ({"description": "<script>alert(1)</script>"}, 400, "looks like web code"),
        ({"description": "a\x00b"}, 422, "description"),
        ({"description": "\u200b\ufeff"}, 422, "description"),
        ({"description": "a\u202eb"}, 422, "direction"),
        ({"description": "a\u2028b"}, 422, "direction"),
        ({"description": "a\ufffdb"}, 422, "unreadable"),
        ({"description": "a\uffffb"}, 422, "unreadable"),
        ({"description": "<?php"}, 400, "looks like web code"),
        ({"description": "水管裂了".encode("gb18030").decode("latin-1")}, 400, "UTF-8"),
        ({"kind": "a\x1b[31m\r\nb"}, 422, "control"),
        ({"kind": "a\u202eb"}, 422, "direction"),
        ({"address": "x" * 201}, 422, "200"),
        ({"contact": "a\nb"}, 422, "contact"),
        ({"channel": "pigeon"}, 422, "channel"),
        ({"surprise": "x"}, 422, "surprise"),
    ],
)
def test_unfit_report_is_refused_in_one_line_and_nothing_is_kept(
    client, town, values, status, said
):
    before = count(town)
    form = {"kind": "burst_pipe", "lon": HERE[0], "lat": HERE[1], "description": "x"} | values
    answer = client.post("/reports", data=form, headers=EN)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert count(town) == before


@pytest.mark.parametrize("encoded", [b"\xed\xa0\x80", b"\xcb\xae\xb9\xdc", b"\xff\xfe"])
def test_bytes_that_are_no_utf_8_are_not_stored_as_other_words(client, town, encoded):
    before = count(town)
    words = quote_from_bytes(encoded)
    body = f"kind=burst_pipe&lon={HERE[0]}&lat={HERE[1]}&description={words}"
    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"} | EN
    answer = client.post("/reports", content=body, headers=urlencoded)
    assert answer.status_code == 422
    assert "unreadable characters" in answer.json()["detail"]
    assert count(town) == before


def test_contact_copied_from_a_telephone_is_kept_without_its_marks(manager, report):
    number = report(contact="\u202a138 0000 0000\u202c")["number"]
    contact = manager.get(f"/casework/cases/{number}/contact").json()["contact"]
    assert contact == "138 0000 0000"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["captured_at", "device_at"])
def test_time_of_capture_that_no_clock_shows_is_refused(town, manager, name, moment):
    before = count(town)
    form = {"kind": "noise", "lon": HERE[0], "lat": HERE[1], "description": "x", name: moment}
    answer = manager.post("/casework/cases", data=form | {"channel": "field"}, headers=EN)
    assert answer.status_code in (400, 422), answer.text
    assert count(town) == before


@pytest.mark.parametrize("field", ["kind", "department"])
def test_text_of_a_step_is_not_repeated_with_control_characters(manager, report, field):
    number = report()["number"]
    take(manager, number, "accept")
    action = "register" if field == "kind" else "transfer"
    answer = take(manager, number, action, note="x", **{field: "a\x1b[31m\u202eb"}, headers=EN)
    assert answer.status_code == 422
    assert "\x1b" not in answer.json()["detail"]


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"<svg/>", b"%PDF-1.7", picture("PNG")[:60], b"\xff\xd8\xff" * 9]
)
def test_photo_that_is_no_photo_is_refused_and_nothing_is_kept(client, town, content):
    before = count(town), count(town, "case_photo")
    form = {"kind": "burst_pipe", "lon": HERE[0], "lat": HERE[1], "description": "x"}
    files = [("photos", ("a.jpg", picture())), ("photos", ("b.jpg", content))]
    answer = client.post("/reports", data=form, files=files, headers=EN)
    assert answer.status_code in (400, 422), answer.text
    assert (count(town), count(town, "case_photo")) == before
    too_many = [("photos", ("a.jpg", picture()))] * 5
    assert client.post("/reports", data=form, files=too_many).status_code == 422


def test_photos_are_kept_without_metadata_for_those_who_see_the_case(
    client, signed_in, manager, report
):
    files = [("photos", ("a.png", picture("PNG", 3000))), ("photos", ("b.jpg", picture()))]
    number = report(files=files)["number"]
    event = manager.get(f"/casework/cases/{number}").json()["events"][0]
    assert len(event["photos"]) == 2
    content = manager.get(event["photos"][0])
    assert content.headers["content-type"] == "image/jpeg"
    image = Image.open(io.BytesIO(content.content))
    assert max(image.size) <= 1600
    assert not image.getexif()
    assert b"secret place" not in content.content
    assert signed_in("other_manager").get(event["photos"][0]).status_code == 404
    assert client.get(event["photos"][0]).status_code == 401


def test_same_key_files_once_and_takes_a_step_once(town, manager, client, report):
    headers = {"Idempotency-Key": "0d5b1c7e-9a52-4d6f-8a1b-000000000001"}
    first = report(headers=headers)
    assert report(headers=headers) == first
    other = {"kind": "flooding", "lon": HERE[0], "lat": HERE[1], "description": "x"}
    assert client.post("/reports", data=other, headers=headers).status_code == 409
    for _ in range(2):
        assert take(manager, first["number"], "accept", headers=headers).status_code == 200
    events = manager.get(f"/casework/cases/{first['number']}").json()["events"]
    assert [one["action"] for one in events] == ["file", "accept"]
    second = report()["number"]
    assert take(manager, second, "accept", headers=headers).status_code == 409
    results, before = [], count(town)
    again = {"Idempotency-Key": "0d5b1c7e-9a52-4d6f-8a1b-000000000002"}
    threads = [
        threading.Thread(target=lambda: results.append(report(headers=again))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert len({one["number"] for one in results}) == 1
    assert count(town) == before + 1


def test_step_from_an_older_state_is_refused(manager, report):
    number = report()["number"]
    assert take(manager, number, "accept", revision=1).json()["revision"] == 2
    stale = take(manager, number, "note", note="x", revision=1)
    assert (stale.status_code, stale.json()["revision"]) == (412, 2)


def test_forbidden_steps_are_told_in_the_callers_language(manager, office, street, report):
    number = report()["number"]
    told = take(manager, number, "archive", headers={"Accept-Language": "zh"})
    assert (told.status_code, told.json()["detail"]) == (
        403,
        "角色 grid_manager 无权“归档”。",
    )
    told = take(office, number, "archive", headers=EN)
    assert told.status_code == 409
    assert "while the case is “filed”" in told.json()["detail"]
    assert take(office, number, "escalate").status_code == 403
    assert take(office, number, "file").status_code in (403, 409)
    assert take(office, number, "decline").status_code == 400
    assert take(manager, number, "accept").status_code == 200
    for values, status in (
        ({"to": OWN_GRID, "note": "x"}, 400),
        ({"to": f"{t.RIVERSIDE}001", "note": "x"}, 400),  # only in a draft
        ({"to": "420602009009", "note": "x"}, 400),
        ({"department": "moon", "note": "x"}, 400),
        ({"to": "4206", "note": "x"}, 422),
        ({"to": OTHER_GRID}, 400),
    ):
        assert take(manager, number, "transfer", **values).status_code == status, values
    assert take(manager, number, "register", kind="family_dispute").status_code == 400
    assert take(manager, number, "register").status_code == 400
    assert take(street, "2026010100000000", "accept").status_code == 404


def test_events_and_photos_cannot_be_changed_by_anybody(town, report):
    number = report(files=[("photos", ("a.jpg", picture()))])["number"]
    case = row_of(town, number).id
    for table in ("case_event", "case_photo"):
        for change in (f"UPDATE {table} SET case_id = case_id", f"DELETE FROM {table}"):
            with town.connect() as owner, pytest.raises(DBAPIError, match="cannot be changed"):
                owner.execute(text(f"{change} WHERE case_id = {case}"))
            for role in ("grid_manager", "office", "admin", "keeper"):
                with town.connect() as connection:
                    caller = Caller(role, t.NORTH_GATE, (), role, grids=(OWN_GRID,))
                    connection.execute(ACT_AS, caller.settings())
                    refusal = "cannot be changed|permission denied"  # the keeper's by the trigger
                    with pytest.raises(DBAPIError, match=refusal):
                        connection.execute(text(f"{change} WHERE case_id = {case}"))


def test_rows_of_cases_follow_the_role(town, report):
    mine, other = report()["number"], report(place=THERE)["number"]
    sees = {
        "grid_manager": {mine},
        "office": {mine},
        "admin": {mine, other},
        "keeper": {mine, other},
    }
    for role in ("public", "planner", "fire", "utility", "importer", *sees):
        for table, column in (("service_case", "id"), ("case_event", "case_id")):
            with town.connect() as connection:
                caller = Caller(role, t.NORTH_GATE, (), role, grids=(OWN_GRID,))
                connection.execute(ACT_AS, caller.settings())
                query = text(f"SELECT {column} FROM {table}")
                if role not in sees:
                    with pytest.raises(DBAPIError, match="permission denied"):
                        connection.execute(query)
                    continue
                seen = set(connection.execute(query).scalars())
            expected = {number: row_of(town, number).id in seen for number in (mine, other)}
            assert expected == {number: number in sees[role] for number in (mine, other)}, role


def test_contact_is_shown_to_the_handler_only_and_nowhere_else(
    town, home, signed_in, manager, office, report
):
    contact = "13912345678 王先生"
    number = report(contact=contact)["number"]
    assert manager.get(f"/casework/cases/{number}/contact").json() == {"contact": contact}
    assert office.get(f"/casework/cases/{number}/contact").status_code == 403
    assert signed_in("admin").get(f"/casework/cases/{number}/contact").status_code == 403
    assert contact not in manager.get(f"/casework/cases/{number}").text
    take(manager, number, "accept")
    take(manager, number, "transfer", to=t.NORTH_GATE, note="x")
    take(office, number, "accept_transfer")
    assert office.get(f"/casework/cases/{number}/contact").json() == {"contact": contact}
    assert manager.get(f"/casework/cases/{number}/contact").status_code == 403
    with town.connect() as connection:
        trail = text("SELECT actor FROM audit_event WHERE object_type = 'case_contact'")
        assert set(connection.execute(trail).scalars()) == {"grid_manager", "office"}
        found = text("SELECT sealed FROM case_contact LIMIT 1")
        assert contact.encode() not in connection.execute(found).scalar_one()
    on_server(home, "CHECKPOINT")
    assert files_with(home, "水管裂了") != []
    assert files_with(home, "13912345678", "王先生") == []


def files_with(folder, *words):
    """Return the files that contain one of some words; other tests drop databases meanwhile."""
    found = []
    for parent, _, names in os.walk(folder):  # passes over folders that vanish
        for file in (Path(parent, name) for name in names):
            with suppress(FileNotFoundError):
                content = file.read_bytes() if file.is_file() else b""
                found += [file] if any(word.encode() in content for word in words) else []
    return found


def test_secret_alone_opens_a_case_to_its_reporter(client, report):
    filed, other = report(), report()
    address = f"/reports/{filed['number']}"
    for secret in ("", "x", other["secret"], filed["secret"][:-1]):
        assert client.get(address, headers={"Case-Secret": secret}).status_code == 404
    spaced = " ".join((filed["secret"][:4], filed["secret"][4:])).lower()
    seen = client.get(address, headers={"Case-Secret": spaced})
    assert seen.json()["number"] == filed["number"]
    unknown = client.get("/reports/2020010100000000", headers={"Case-Secret": filed["secret"]})
    assert unknown.status_code == 404
    noted = client.post(
        f"{address}/notes", data={"note": "还在漏"}, headers={"Case-Secret": filed["secret"]}
    )
    assert noted.json()["events"][-1]["note"] == "还在漏"


def test_released_case_registered_as_a_private_kind_is_public_no_more(client, office, report):
    number = report()["number"]
    take(office, number, "accept")
    assert take(office, number, "release").json()["released_at"]
    registered = take(office, number, "register", kind="minimum_living")
    assert registered.status_code == 200, registered.text
    assert registered.json()["released_at"] is None
    near = {"lon": HERE[0], "lat": HERE[1]}
    listed = client.get("/reports/nearby", params=near).json()["items"]
    assert number not in [one["number"] for one in listed]


def test_only_released_cases_are_public_and_their_place_is_rounded(client, office, report):
    def nearby():
        place = {"lon": HERE[0], "lat": HERE[1]}
        return client.get("/reports/nearby", params=place).json()["items"]

    number = report("exposed_waste", description="垃圾 13900001111")["number"]
    assert "exposed_waste" not in {one["kind"] for one in nearby()}
    assert take(office, number, "release").json()["released_at"]
    (shown,) = [one for one in nearby() if one["kind"] == "exposed_waste"]
    assert shown["lon"] == pytest.approx(round(HERE[0], 3), abs=1e-9)
    assert shown["number"] == number
    assert not {"description", "address", "contact"} & set(shown)
    assert take(office, number, "retract").json()["released_at"] is None
    assert "exposed_waste" not in {one["kind"] for one in nearby()}
    private = report("neighbour_dispute")["number"]
    assert take(office, private, "release").status_code == 403


def test_offered_are_only_steps_that_change_something(office, report):
    def offered(number):
        actions = office.get(f"/casework/cases/{number}").json()["actions"]
        return {one["action"] for one in actions} & {"release", "retract"}

    number = report("exposed_waste")["number"]
    assert offered(number) == {"release"}
    take(office, number, "release")
    assert offered(number) == {"retract"}
    assert offered(report("neighbour_dispute")["number"]) == set()


def test_case_handed_over_is_seen_by_the_offices_of_both_places(signed_in, report):
    number = report("neighbour_dispute", THERE)["number"]

    def seen():
        offices = (signed_in(name) for name in ("office", "drum_tower", "street"))
        return [one.get(f"/casework/cases/{number}").status_code for one in offices]

    assert seen() == [404, 200, 200]
    assert take(signed_in("drum_tower"), number, "accept").status_code == 200
    handed = take(signed_in("drum_tower"), number, "transfer", to=t.NORTH_GATE, note="x")
    assert handed.status_code == 200, handed.text
    assert seen() == [200, 200, 200]


def events_of(address, name, until):
    """Yield the events of a stream, to the first of a kind."""
    with (
        httpx.Client(base_url=address, timeout=TIMEOUT_S) as client,
        client.stream("GET", "/casework/events", headers=bearer(address, name)) as stream,
    ):
        kind = ""
        for line in stream.iter_lines():
            if line.startswith("event:"):
                kind = line.partition(":")[2].strip()
            elif line.startswith("data:"):
                yield kind, json.loads(line.partition(":")[2])
                if kind == until:
                    return


def test_new_case_reaches_the_managers_screen_and_no_others(address, report):
    arrived, ready = {}, threading.Barrier(3)

    def listen(name):
        stream = events_of(address, name, "case")
        assert next(stream)[0] == "reset"
        ready.wait(TIMEOUT_S)
        arrived[name] = next(stream)[1]

    threads = [
        threading.Thread(target=listen, args=(name,), daemon=True)
        for name in ("grid_manager", "other_manager")
    ]
    for thread in threads:
        thread.start()
    ready.wait(TIMEOUT_S)
    number = report()["number"]
    threads[0].join(TIMEOUT_S)
    assert arrived["grid_manager"]["number"] == number
    assert "other_manager" not in arrived
    theirs = report(place=THERE)["number"]
    threads[1].join(TIMEOUT_S)
    assert arrived["other_manager"]["number"] == theirs


def test_office_files_for_a_resident_and_hands_over_the_secret(client, office, report):
    form = {"kind": "lift_fault", "lon": HERE[0], "lat": HERE[1], "description": "电梯停运"}
    filed = office.post("/casework/cases", data=form).json()
    events = office.get(f"/casework/cases/{filed['number']}").json()["events"]
    assert (events[0]["actor"], events[0]["role"]) == ("office", "office")
    seen = client.get(f"/reports/{filed['number']}", headers={"Case-Secret": filed["secret"]})
    assert seen.json()["kind"] == "lift_fault"
    assert datetime.fromisoformat(filed["due_at"]) > datetime.now(UTC)


def test_kinds_are_told_in_the_callers_language(client, office):
    english = client.get("/reports/kinds", headers=EN).json()
    permit = next(one for one in english["kinds"] if one["key"] == "residence_permit")
    assert permit["documents"][0] == "Identity card"
    chinese = office.get("/casework/kinds").json()
    assert {one["group_name"] for one in chinese["kinds"]} >= {"矛盾纠纷", "公共服务"}


def test_grid_manager_does_not_rate_a_case_of_its_own(client, signed_in):
    manager = signed_in("grid_manager")
    form = {"kind": "burst_pipe", "lon": HERE[0], "lat": HERE[1], "description": "路灯不亮"}
    filed = manager.post("/casework/cases", data=form | {"channel": "field"}).json()
    for action in ("accept", "register", "handle", "report_back"):
        step = take(manager, filed["number"], action, note="已修好", kind="burst_pipe")
        assert step.status_code == 200, step.text
    secret = {"Case-Secret": filed["secret"]}
    assert not client.get(f"/reports/{filed['number']}", headers=secret).json()["can_rate"]
    rating = client.post(f"/reports/{filed['number']}/rating", data={"rating": 5}, headers=secret)
    assert rating.status_code == 403
