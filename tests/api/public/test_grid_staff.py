"""Managers, informants, photos, and what the contact card tells anyone."""

import io

import openpyxl
import pytest
from PIL import Image
from sqlalchemy import text

from geo import locks
from geo.locks import Lock
from tests import town as t
from tests.waiting import Task, wait_for_waiting

GRID = f"{t.NORTH_GATE}001"
MANAGER = {"name": "王芳", "phone": "0710-1234567", "tasks": "信息采录", "duties": "走访"}


def picture(size=(1200, 900), kind="PNG", **more):
    out = io.BytesIO()
    Image.new("RGB", size, "navy").save(out, kind, **more)
    return out.getvalue()


def send(planner, content, grid=GRID):
    return planner.put(f"/grids/{grid}/manager/photo", files={"photo": ("p.png", content)})


@pytest.fixture(autouse=True)
def manager(planner):
    assert planner.put(f"/grids/{GRID}/manager", json=MANAGER).status_code == 200


def test_public_card_has_printed_fields_only(client, planner):
    told = client.get(f"/grids/{GRID}").json()["properties"]["manager"]
    assert told == MANAGER | {"photo": None}
    assert client.get(f"/grids/{GRID}/manager").status_code == 401
    assert client.get(f"/grids/{GRID}/informants").status_code == 401
    assert client.get(f"/grids/{t.RIVERSIDE}001").status_code == 404
    assert client.get("/grids/search", params={"q": MANAGER["phone"]}).json()["items"] == []


def test_new_manager_replaces_the_previous_who_stays_in_history(planner, town):
    planner.put(f"/grids/{GRID}/manager", json=MANAGER | {"name": "李强"})
    assert planner.get(f"/grids/{GRID}/manager").json()["name"] == "李强"
    with town.connect() as connection:
        names = connection.execute(
            text("SELECT name FROM grid_manager WHERE grid_code = :c AND valid_to IS NOT NULL"),
            {"c": GRID},
        ).scalars()
        assert "王芳" in names.all()


def test_photo_stays_when_the_details_of_a_manager_change(planner):
    assert send(planner, picture()).status_code == 204
    planner.put(f"/grids/{GRID}/manager", json=MANAGER | {"phone": "110"})
    assert planner.get(f"/grids/{GRID}/manager").json()["photo"]
    planner.put(f"/grids/{GRID}/manager", json=MANAGER | {"name": "李强"})
    assert planner.get(f"/grids/{GRID}/manager").json()["photo"] is None


def test_concurrent_appointments_are_serialized(planner, town):
    with town.begin() as connection:
        locks.acquire(connection, Lock.STAFF, GRID)
        tasks = []
        for waiting, name in enumerate(("王一", "王二", "王三"), 1):
            body = MANAGER | {"name": name}
            tasks.append(Task(lambda b=body: planner.put(f"/grids/{GRID}/manager", json=b)))
            wait_for_waiting(town, waiting)
    assert [task.end().status_code for task in tasks] == [200] * 3
    assert planner.get(f"/grids/{GRID}/manager").json()["name"] == "王三"


def test_photo_is_reencoded_small_upright_and_without_metadata(client, planner):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010E] = "secret place"
    sent = picture((1200, 900), "JPEG", exif=exif, comment=b"<script>")
    assert send(planner, sent).status_code == 204
    answer = client.get(f"/grids/{GRID}/manager/photo")
    assert answer.headers["content-type"] == "image/jpeg"
    kept = Image.open(io.BytesIO(answer.content))
    assert kept.size == (600, 800)
    assert not kept.getexif()
    assert b"<script>" not in answer.content
    assert client.get(f"/grids/{GRID}").json()["properties"]["manager"]["photo"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%PDF-1.7",
        picture(kind="BMP"),
        picture()[:500],
    ],
)
def test_invalid_photo_is_refused(planner, content):
    assert send(planner, content).status_code in (400, 422)


def test_decompression_bombs_are_refused(planner):
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 1_000_000
    assert send(planner, bomb.getvalue()).status_code in (400, 413)
    assert send(planner, bytes(5_000_001)).status_code == 413


def test_upload_file_names_are_ignored(planner):
    named = {"photo": ("../../etc/passwd\r\nX: y", picture())}
    assert planner.put(f"/grids/{GRID}/manager/photo", files=named).status_code == 204


def test_informants_are_added_changed_and_removed(planner):
    made = planner.post(f"/grids/{GRID}/informants", json={"name": "赵六", "households": 60})
    assert made.status_code == 201
    one = f"/informants/{made.json()['id']}"
    assert planner.put(one, json={"name": "赵六", "households": 70}).json()["households"] == 70
    listed = planner.get(f"/grids/{GRID}/informants").json()["items"]
    assert [other["households"] for other in listed if other["id"] == made.json()["id"]] == [70]
    assert planner.delete(one).status_code == 204
    assert planner.delete(one).status_code == 404
    assert planner.put(one, json={"name": "x"}).status_code == 404


def test_breaches_are_listed(planner):
    for other in planner.get(f"/grids/{GRID}/informants").json()["items"]:
        planner.delete(f"/informants/{other['id']}")
    for count in (40, 60, 120):
        planner.post(f"/grids/{GRID}/informants", json={"name": f"第{count}", "households": count})
    found = planner.get("/people/breaches", params={"region": t.NORTH_GATE}).json()["items"]
    own = {(one["kind"], one["figure"]) for one in found if one["grid"] == GRID}
    assert own == {
        ("too_few_informants", 3),
        ("too_few_households", 40),
        ("too_many_households", 120),
    }
    assert {one["grid"] for one in found if one["kind"] == "no_manager"} == {
        f"{t.NORTH_GATE}{serial:03d}" for serial in range(2, 7)
    }


def test_other_roles_cannot_change_staff(client, signed_in):
    for who, status in ((client, 401), (signed_in("fire"), 403), (signed_in("utility"), 403)):
        assert who.put(f"/grids/{GRID}/manager", json=MANAGER).status_code == status
        assert who.post(f"/grids/{GRID}/informants", json={"name": "x"}).status_code == status
    assert signed_in("fire").get(f"/grids/{GRID}/manager").status_code == 200


def test_planner_cannot_appoint_outside_their_scope(planner):
    outside = "420606007001001"
    assert planner.put(f"/grids/{outside}/manager", json=MANAGER).status_code == 403
    assert planner.post(f"/grids/{outside}/informants", json={"name": "x"}).status_code == 403


def test_appointment_in_unknown_grid_is_refused(planner, town):
    nowhere = f"{t.NORTH_GATE}899"
    informant = {"name": "李强", "households": 60}
    assert planner.put(f"/grids/{nowhere}/manager", json=MANAGER).status_code == 404
    assert planner.post(f"/grids/{nowhere}/informants", json=informant).status_code == 404
    with town.connect() as connection:
        people = "SELECT count(*) FROM grid_manager WHERE grid_code = :c"
        assert connection.execute(text(people), {"c": nowhere}).scalar() == 0


@pytest.mark.parametrize("name", ["王\t芳", "王\n芳", "王\x7f芳"])
def test_name_with_control_characters_is_refused(planner, name):
    answer = planner.put(f"/grids/{GRID}/manager", json=MANAGER | {"name": name})
    assert answer.status_code in (400, 422)


def upload(client, *rows, **query):
    book = openpyxl.Workbook()
    book.active.append(["网格编码", "姓名", "电话", "工作内容", "职责"])
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    files = {"workbook": ("staff.xlsx", content.getvalue())}
    return client.post("/staff/import", files=files, params=query)


def test_staff_is_imported_from_a_workbook_whole_or_not_at_all(planner):
    second = f"{t.NORTH_GATE}002"
    refused = upload(
        planner, [second, "李强", "139", "采录", "走访"], ["4206", "x", "", "", ""]
    ).json()
    assert [problem["row"] for problem in refused["problems"]] == [3]
    assert planner.get(f"/grids/{second}/manager").status_code == 404
    assert (
        upload(planner, [second, "李强", "139", "采录", "走访"], dry_run=True).json()["managers"]
        == 1
    )
    assert planner.get(f"/grids/{second}/manager").status_code == 404
    assert upload(planner, [second, "李强", "139", "采录", "走访"]).json()["changed"] == 1
    manager = planner.get(f"/grids/{second}/manager").json()
    assert (manager["name"], manager["tasks"], manager["duties"]) == ("李强", "采录", "走访")
    planner.delete(f"/grids/{second}/manager").raise_for_status()


def test_staff_lists_vacancies_and_stays_in_the_planners_region(planner, client):
    staff = planner.get("/staff", params={"region": t.NORTH_GATE}).json()
    assert staff["numberMatched"] == 6
    vacant = planner.get("/staff", params={"region": t.NORTH_GATE, "vacant": True}).json()["items"]
    assert [row["grid"] for row in vacant] == [f"{t.NORTH_GATE}{n:03d}" for n in range(2, 7)]
    assert planner.get("/staff/workbook.xlsx").content.startswith(b"PK")
    outside = "420606007001001"
    assert (
        outside in upload(planner, [outside, "李强", "", "", ""]).json()["problems"][0]["message"]
    )
    assert client.get("/staff").status_code == 401
    assert upload(client, [GRID, "李强", "", "", ""]).status_code == 401
