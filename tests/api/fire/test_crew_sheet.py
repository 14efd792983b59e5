"""Plans, key units and the register's counts in the API of the fire page."""

import io

import httpx
import pypdfium2
import pytest
from PIL import Image
from sqlalchemy import insert, text

from geo.fire.register_extracts import read_people_by_unit
from geo.model import BuildingUnit, Dwelling, Entity, Facility, PipeNode, PipeSegment
from maps.paper.plan_files import MAX_PLAN_BYTES, MAX_PLAN_PAGES
from tests import town as little_town
from tests.api.conformance import hold_to_description

CODE = "b001-001"
PLANS = f"/fire/buildings/{CODE}/plans"


def point(x: float, y: float) -> str:
    return "SRID=4490;POINT({} {})".format(*little_town.degrees(x, y))


@pytest.fixture(scope="module")
def town(shared_database):
    little_town.build(shared_database)
    hydrant = {"network": "water", "kind": "hydrant", "in_service": True}
    nodes = [
        hydrant | {"code": "h1", "hydrant_type": "above_ground", "geom": point(30, 394)},
        hydrant | {"code": "h2", "hydrant_type": None, "geom": point(250, 394)},
    ]
    main = {"code": "w1", "network": "water", "from_node": "h1", "to_node": "h2"}
    main |= {"diameter_mm": 200.0, "geom": little_town.line((30, 394), (250, 394))}
    units = [
        {"code": f"u{n}", "building_code": CODE, "name": f"{n}单元", "geom": point(20 * n, 30)}
        for n in (1, 2)
    ]
    homes = [("u1", 3, 1), ("u1", 2, 0), ("u2", 4, None)]
    dwellings = [
        {"code": f"d{k}", "building_code": CODE, "unit_code": unit, "room": str(k)}
        | {"residents": residents, "need_help": need_help, "geom": point(20, 30)}
        for k, (unit, residents, need_help) in enumerate(homes)
    ]
    entities = [
        {"code": "e1", "name": "甲宾馆", "building_code": CODE, "floor": "3", "key_unit": True},
        {"code": "e2", "name": "乙商店", "building_code": CODE, "floor": "", "key_unit": False},
    ]
    with shared_database.begin() as connection:
        connection.execute(insert(PipeNode), nodes)
        connection.execute(insert(PipeSegment), main)
        connection.execute(insert(BuildingUnit), units)
        connection.execute(insert(Dwelling), dwellings)
        connection.execute(insert(Entity), [e | {"geom": point(20, 30)} for e in entities])
        intake = {"code": "pond", "category": "intake", "name": "东塘", "geom": point(60, 60)}
        connection.execute(insert(Facility), intake)
    return shared_database


@pytest.fixture(scope="module")
def client(town, signed_in) -> httpx.Client:
    http_client = signed_in("fire")
    hold_to_description(http_client)
    return http_client


def picture(kind: str, size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "secret"
    Image.new("RGB", size, "white").save(out, kind, exif=exif)
    return out.getvalue()


def pdf(pages: int) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(200, 100)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def attach(client: httpx.Client, content: bytes, title: str = "3 层", code: str = CODE):
    path = f"/fire/buildings/{code}/plans"
    return client.post(path, data={"title": title}, files={"plan": ("plan.exe", content)})


def test_briefing_has_people_by_unit_key_units_surroundings_and_mains(client):
    shown = client.get(f"/fire/buildings/{CODE}").json()
    assert [(u["unit"], u["residents"], u["need_help"]) for u in shown["people"]] == [
        ("1单元", 5, 1),
        ("2单元", 4, None),
    ]
    assert [(unit["name"], unit["floor"]) for unit in shown["key_units"]] == [("甲宾馆", "3")]
    hydrants = {hydrant["code"]: hydrant for hydrant in shown["hydrants"]}
    assert (hydrants["h1"]["hydrant_type"], hydrants["h1"]["main_dn"]) == ("above_ground", 200.0)
    assert hydrants["h2"]["hydrant_type"] is None
    sides = {side["side"]: side for side in shown["surroundings"]}
    assert sides["east"]["building"]["code"] == "b001-002"
    assert sides["east"]["building"]["distance_m"] == pytest.approx(20, abs=0.2)
    assert sides["south"]["building"] is None
    assert [site["name"] for site in shown["intakes"]] == ["东塘"]


def test_incident_has_people_who_need_help_and_key_units(client):
    lon, lat = little_town.degrees(30, 31)
    asked = {"lon": lon, "lat": lat, "radius": 100}
    shown = client.get("/fire/incident", params=asked).json()
    assert shown["totals"]["residents"] == 9
    assert shown["totals"]["need_help"] == 1
    building = next(one for one in shown["buildings"] if one["code"] == CODE)
    assert [unit["code"] for unit in building["key_units"]] == ["e1"]


@pytest.mark.parametrize(
    ("role", "is_shown"), [("fire", True), ("admin", True), ("planner", False), ("utility", False)]
)
def test_people_by_unit_are_hidden_from_roles_that_may_not_see_them(town, role, is_shown):
    with town.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE gridatlas_{role}"))
        people = read_people_by_unit(connection, [CODE])
    assert (people is not None) is is_shown


@pytest.mark.parametrize(
    ("content", "media_type", "pages"),
    [
        (pdf(1), "application/pdf", 1),
        (pdf(3), "application/pdf", 3),
        (picture("JPEG"), "image/jpeg", 1),
        (picture("PNG"), "image/png", 1),
        (picture("WEBP"), "image/jpeg", 1),
    ],
)
def test_plan_is_what_its_content_says_and_is_shown_as_that(client, content, media_type, pages):
    answer = attach(client, content, "3 层平面图")
    assert answer.status_code == 201, answer.text
    plan = max(answer.json()["plans"], key=lambda one: one["id"])
    assert (plan["media_type"], plan["pages"]) == (media_type, pages)
    shown = client.get(f"{PLANS}/{plan['id']}")
    assert shown.headers["content-type"] == media_type
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert b"secret" not in shown.content
    assert client.get(f"/fire/buildings/{CODE}").json()["plans"] != []
    assert client.delete(f"{PLANS}/{plan['id']}").status_code == 204
    assert client.get(f"{PLANS}/{plan['id']}").status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<html><script>alert(1)</script>", 400),
        (b"%PDF-1.7 and no more", 400),
        (pdf(1)[:200], 400),
        (picture("JPEG")[:100], 400),
        (picture("GIF"), 400),
        (b"", 400),
        (b"%PDF-" + b" " * MAX_PLAN_BYTES, 413),
        (pdf(MAX_PLAN_PAGES + 1), 413),
    ],
)
def test_file_that_is_no_plan_or_too_large_is_refused(client, content, status):
    assert attach(client, content).status_code == status
    assert client.get(PLANS).json()["plans"] == []


def test_plan_needs_a_building_and_a_title(client):
    assert attach(client, pdf(1), code="none").status_code == 404
    assert attach(client, pdf(1), title=" ").status_code == 400
    assert client.get(f"{PLANS}/1").status_code == 404


def test_plans_follow_the_sheet(client):
    attach(client, pdf(2), "1 层")
    attach(client, picture("PNG", (300, 200)), "总平面")
    sheet = client.get(f"/fire/buildings/{CODE}/sheet.pdf")
    document = pypdfium2.PdfDocument(sheet.content)
    pages = (page.get_textpage().get_text_bounded() for page in document)
    words = ["".join(page.split()) for page in pages]
    assert len(words) == 5
    assert "地上式DN200" in words[0]
    for said in ("方位图", "毗邻情况", "东塘", "甲宾馆", "1单元", "需协助疏散"):
        assert said in words[1], said
    assert [("1层" in page, "总平面" in page) for page in words[2:]] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    for plan in client.get(PLANS).json()["plans"]:
        client.delete(f"{PLANS}/{plan['id']}")


def test_key_units_are_listed_with_what_is_collected(client):
    items = {"items": {"exits": {"value": "2"}}, "checked_by": "王五", "checked_on": "2026-03-01"}
    assert client.put(f"/fire/buildings/{CODE}/items", json=items).status_code == 200
    listed = client.get("/fire/key-units", params={"region": little_town.NORTH_GATE}).json()
    assert [(unit["name"], unit["items"], unit["plans"]) for unit in listed["key_units"]] == [
        ("甲宾馆", 1, 0)
    ]
    assert (
        client.get("/fire/key-units", params={"region": "420602001002"}).json()["key_units"] == []
    )


def test_plans_and_key_units_are_for_the_fire_service(address, signed_in):
    for role in ("planner", "utility"):
        assert signed_in(role).get(PLANS).status_code == 403
        assert signed_in(role).get("/fire/key-units").status_code == 403
