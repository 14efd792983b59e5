"""The endpoints of ``/fire`` over the little town."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import insert, text

from geo import clock
from geo.fire.rules import Overlay
from geo.model import Building, BuildingUnit, Facility, PipeNode, Road
from geo.model.fire import FireItem
from tests import town as little_town
from tests.api.conformance import hold_to_description
from tests.waiting import TIMEOUT_S


@pytest.fixture(scope="module")
def town(shared_database):
    little_town.build(shared_database)
    with shared_database.begin() as connection:
        connection.execute(insert(PipeNode), [hydrant("h1", 30, 394), hydrant("h2", 250, 394)])
        connection.execute(
            insert(Facility), {"code": "fs", "category": "fire_station", "geom": point(400, 396)}
        )
        connection.execute(
            insert(BuildingUnit),
            {"code": "u1", "building_code": "b001-001", "households": 12, "geom": point(20, 30)},
        )
    return shared_database


def point(x: float, y: float) -> str:
    return "SRID=4490;POINT({} {})".format(*little_town.degrees(x, y))


def hydrant(code: str, x: float, y: float) -> dict[str, object]:
    row = {"code": code, "network": "water", "kind": "hydrant", "in_service": True}
    return row | {"flow_l_s": 20.0, "pressure_mpa": 0.2, "geom": point(x, y)}


@pytest.fixture(scope="module")
def client(signed_in) -> httpx.Client:
    http_client = signed_in("fire")
    hold_to_description(http_client)
    return http_client


@pytest.fixture(scope="module")
def checked(client: httpx.Client) -> httpx.Client:
    answer = client.post("/fire/findings/refresh")
    assert answer.status_code == 200
    assert answer.json()["recomputed"].keys() == {
        *("hydrant_coverage", "hydrant_spacing", "hydrant_standing", "hydrant_supply"),
        *("fire_lane", "fire_reach", "separation", "ladder", "response", "micro_station"),
    }
    return client


def test_briefing_holds_all_that_a_crew_needs(checked):
    code = "b001-025"
    shown = checked.get(f"/fire/buildings/{code}").json()
    assert shown["code"] == code
    assert shown["attributes"]["storeys_above"] == 6
    assert [h["code"] for h in shown["hydrants"]] == ["h2", "h1"]
    assert shown["hydrants"][0]["route_m"] >= shown["hydrants"][0]["straight_m"]
    assert shown["stations"][0]["code"] == "fs"
    assert shown["stations"][0]["response_s"] == pytest.approx(
        shown["stations"][0]["drive_s"] + 60, abs=0.2
    )
    assert shown["grids"][0]["code"].startswith(little_town.NORTH_GATE)
    assert shown["review"]["state"] == "draft"
    assert {one["key"] for one in shown["missing"]} >= {
        *("no_fire_class", "no_population", "never_inspected", "station_no_phone"),
    }
    assert shown["data"].keys() == {"revision", "published_at", "age_s", "layers"}
    assert shown["geometry"]["type"] == "MultiPolygon"


def test_units_of_a_building_are_its_entrances(checked):
    units = checked.get("/fire/buildings/b001-001").json()["units"]
    assert [(u["code"], u["households"]) for u in units] == [("u1", 12)]
    assert units[0]["lon"] == pytest.approx(little_town.degrees(20, 30)[0], abs=1e-6)


def test_wide_engine_is_stopped_where_a_narrow_one_passes(checked, town):
    with town.begin() as connection:
        connection.execute(text("UPDATE road SET width_m = 3 WHERE code IN ('r6', 'r3', 'r2')"))
    narrow = checked.get("/fire/reach", params={"width_m": 1.9}).json()
    wide = checked.get("/fire/reach", params={"width_m": 2.6, "limit": 5}).json()
    assert (
        narrow["unreached"]["buildings"] < wide["unreached"]["buildings"] == wide["numberMatched"]
    )
    assert wide["engine"]["width_m"] == 2.6
    assert wide["stopped_by"]["too_narrow"] > 0
    one = next(f for f in wide["features"] if f["properties"]["stopped_by"] == "too_narrow")
    assert one["properties"]["obstacle"]["measured"] == 3
    shown = checked.get(f"/fire/buildings/{one['properties']['feature']}").json()
    obstacle = shown["fire_lane"]["obstacles"][0]
    assert {"lon", "lat", "text", "kind"} <= obstacle.keys()
    assert wide["data"]["published_at"] is None
    with town.begin() as connection:
        connection.execute(text("UPDATE road SET width_m = NULL"))
    assert checked.post("/fire/findings/refresh").status_code == 200


def test_unknown_building_is_a_problem_in_both_languages(client):
    answer = client.get("/fire/buildings/nothing", headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert "no building with the code nothing" in answer.json()["detail"]


@pytest.fixture
def cut_off(town, checked):
    """Yield the code of a tower on a road that is connected to no other road."""
    tower = {"code": "cut-off", "name": "", "address": "", "households": 80, "storeys_above": 33}
    lane = {"code": "cut-off-lane", "name": "", "road_class": "internal"}
    lane["geom"] = little_town.line((900, 505), (1000, 505))
    with town.begin() as connection:
        geometry = little_town.box(940, 510, 960, 525)
        connection.execute(insert(Building), tower | {"geom": geometry})
        connection.execute(insert(Road), lane)
    yield tower["code"]
    with town.begin() as connection:
        connection.execute(text("DELETE FROM building WHERE code = 'cut-off'"))
        connection.execute(text("DELETE FROM road WHERE code = 'cut-off-lane'"))
    assert checked.post("/fire/findings/refresh").status_code == 200


def test_hydrants_without_a_known_route_are_listed_by_distance(client, cut_off):
    tower = client.get(f"/fire/buildings/{cut_off}").json()
    around = {"lon": tower["lon"], "lat": tower["lat"], "radius": 1000}
    incident = client.get("/fire/incident", params=around).json()
    for hydrants in (tower["hydrants"], incident["hydrants"]):
        assert [one["code"] for one in hydrants] == ["h2", "h1"]
        assert [one["route_m"] for one in hydrants] == [None, None]
        assert hydrants[0]["straight_m"] < hydrants[1]["straight_m"]
    sheet = client.get(f"/fire/buildings/{cut_off}/sheet.pdf")
    assert sheet.content.startswith(b"%PDF")


def test_incident_counts_the_people_of_each_grid(checked):
    lon, lat = little_town.degrees(300, 200)
    shown = checked.get("/fire/incident", params={"lon": lon, "lat": lat, "radius": 150}).json()
    assert shown["totals"]["buildings"] == len(shown["buildings"]) > 10
    assert sum(g["households"] for g in shown["grids"]) == shown["totals"]["households"]
    distances = [b["distance_m"] for b in shown["buildings"]]
    assert distances == sorted(distances)
    assert max(distances) <= 150


def test_people_that_are_not_on_record_are_unknown_not_none(checked, town):
    lon, lat = little_town.degrees(300, 200)
    params = {"lon": lon, "lat": lat, "radius": 150}
    shown = checked.get("/fire/incident", params=params).json()
    assert shown["totals"]["households"] > 0
    assert shown["totals"]["population"] is None
    assert {grid["population"] for grid in shown["grids"]} == {None}
    code = shown["buildings"][0]["code"]
    count = text("UPDATE building SET population = :people WHERE code = :code")
    with town.begin() as connection:
        connection.execute(count, {"people": 30, "code": code})
    checked.post("/fire/findings/refresh")
    shown = checked.get("/fire/incident", params=params).json()
    assert shown["totals"]["population"] == 30
    assert sum(grid["population"] or 0 for grid in shown["grids"]) == 30
    with town.begin() as connection:
        connection.execute(count, {"people": None, "code": code})
    checked.post("/fire/findings/refresh")


def test_incident_lists_water_intakes_beside_the_hydrants(town, checked):
    lon, lat = little_town.degrees(300, 200)
    place = f"SRID=4490;POINT({lon} {lat})"
    with town.begin() as connection:
        for code, category in (("pond", "intake"), ("lamp", "other")):
            connection.execute(
                text(
                    "INSERT INTO facility (code, category, name, geom, source) "
                    "VALUES (:code, :category, '', ST_GeomFromEWKT(:place), 'test')"
                ),
                {"code": code, "category": category, "place": place},
            )
    shown = checked.get("/fire/incident", params={"lon": lon, "lat": lat, "radius": 150}).json()
    assert [(one["code"], one["distance_m"]) for one in shown["intakes"]] == [("pond", 0.0)]
    with town.begin() as connection:
        connection.execute(text("DELETE FROM facility WHERE source = 'test'"))
    checked.post("/fire/findings/refresh")


def test_building_is_found_by_name_and_by_place(client):
    by_name = client.get("/fire/buildings", params={"q": "12号楼"}).json()["buildings"]
    assert {one["name"] for one in by_name} == {"12号楼"}
    lon, lat = little_town.degrees(30, 30)
    by_place = client.get("/fire/buildings", params={"lon": lon, "lat": lat}).json()["buildings"]
    assert [one["code"] for one in by_place] == ["b001-001"]
    assert client.get("/fire/buildings", params={"lon": 1, "lat": 1}).status_code == 404


def test_findings_are_listed_by_region_and_building(checked):
    everything = checked.get("/fire/findings", params={"limit": 1}).json()["numberMatched"]
    assert everything > 0
    parts = sum(
        checked.get("/fire/findings", params={"region": code, "limit": 1}).json()["numberMatched"]
        for code in (*little_town.COMMUNITIES,)
    )
    assert 0 < parts <= everything
    one = checked.get("/fire/findings", params={"limit": 1, "overlay": "hydrant_coverage"}).json()
    properties = one["features"][0]["properties"]
    assert properties["clause"] == "7.2.5"
    own = {"building": properties["feature"]}
    listed = checked.get("/fire/findings", params=own).json()["features"]
    assert properties["text"] in [f["properties"]["text"] for f in listed]


def test_checked_overlays_are_not_stale(checked):
    listed = checked.get("/fire/overlays", params={"region": little_town.STREET}).json()
    assert [one["stale"] for one in listed["overlays"]] == [False] * len(Overlay)
    assert "no_fire_class" in {one["key"] for one in listed["missing"]}


def test_close_houses_form_one_fire_block(checked, town):
    parameters = {"region": little_town.NORTH_GATE}
    before = checked.get("/fire/separation/blocks", params=parameters).json()["numberMatched"]
    beside = "INSERT INTO building (code, geom, fire_class, region_code, households) SELECT "
    beside += "'row' || n, ST_Translate(geom, n * 0.00025, 0), 3, region_code, 7 "
    beside += "FROM building, generate_series(1, 2) n WHERE code = 'b001-001'"
    with town.begin() as connection:
        connection.execute(text("UPDATE building SET fire_class = 3 WHERE code = 'b001-001'"))
        connection.execute(text(beside))
    checked.post("/fire/findings/refresh")
    listed = checked.get("/fire/separation/blocks", params=parameters).json()
    assert listed["numberMatched"] == before + 1
    block = next(one for one in listed["blocks"] if "row1" in one["codes"])
    assert set(block["codes"]) >= {"b001-001", "row1", "row2"}
    assert block["geometry"]["type"] == "Polygon"
    assert block["pairs"] >= 2


def test_unchanged_answer_is_not_sent_again(client):
    first = client.get("/fire/rules")
    again = client.get("/fire/rules", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_checked_sheet_is_signed_and_due_after_a_year(client):
    refused = client.put("/fire/reviews/b002-001", json={"state": "checked"})
    assert refused.status_code == 400
    checked_review = client.put(
        "/fire/reviews/b002-001", json={"state": "checked", "checker": "李四"}
    ).json()
    assert checked_review["state"] == "checked"
    assert checked_review["due_on"] == str(clock.today() + timedelta(days=365))
    listed = client.get("/fire/reviews", params={"state": "checked"}).json()
    assert [one["building"] for one in listed["reviews"]] == ["b002-001"]
    assert client.get("/fire/reviews", params={"state": "due"}).json()["numberMatched"] == 0


def test_failed_hydrant_no_longer_counts(checked):
    report = {"hydrant": "h1", "passed": False, "inspector": "王五", "inspected_on": "2026-01-05"}
    assert checked.post("/fire/inspections", json=report).status_code == 400
    created = checked.post("/fire/inspections", json=report | {"reason": "阀杆锈死"})
    assert created.status_code == 201
    assert created.json()["due_on"] == "2026-04-05"  # 90 days later
    shown = checked.get("/fire/buildings/b001-025").json()
    assert [h["code"] for h in shown["hydrants"]] == ["h2"]
    overlays = checked.get("/fire/overlays").json()["overlays"]
    stale = {one["id"] for one in overlays if one["stale"]}
    subjects = "coverage", "spacing", "standing", "supply"
    assert stale == {f"hydrant_{subject}" for subject in subjects}


def test_response_areas_are_nested(checked):
    shown = checked.get("/fire/response", params={"minutes": "2,5"}).json()
    small, large = (f["properties"] for f in shown["features"])
    assert small["buildings"] <= large["buildings"]
    lon, lat = little_town.degrees(900, 300)
    parameters = {"candidates": [{"name": "东", "lon": lon, "lat": lat}]}
    answer = checked.post("/fire/response/candidates", json=parameters).json()
    assert answer["candidates"][0]["on_network"]


@pytest.mark.parametrize("path", ["/fire/rules", "/fire/overlays", "/fire/buildings/b001-001"])
def test_fire_data_is_not_public(address, signed_in, path):
    assert httpx.get(f"{address}{path}", timeout=TIMEOUT_S).status_code == 401
    assert signed_in("planner").get(path).status_code == 403


def test_reading_a_briefing_is_audited(checked, town):
    checked.get("/fire/buildings/b001-002")
    with town.connect() as connection:
        statement = (
            "SELECT actor FROM audit_event WHERE object_code = 'b001-002' AND action = 'read'"
        )
        assert connection.execute(text(statement)).scalars().all() == ["fire"]


def test_items_found_on_site_are_stored_by_item_and_shown_where_crews_look(client):
    path = "/fire/buildings/b002-002/items"
    blank = client.get(path).json()["items"]
    assert len(blank) == len(FireItem)
    assert {item["value"] for item in blank} == {None}
    signed = {"checked_by": "王五", "checked_on": "2026-03-01"}
    items = {
        "power_cut_off": {"value": "总闸", "place": "东侧配电间"},
        "exits": {"value": "2 个"},
    }
    stored = client.put(path, json=signed | {"items": items})
    assert stored.status_code == 200, stored.text
    again = {"exits": {"value": " "}}
    stored = client.put(path, json=signed | {"items": again}).json()
    known = [item for item in stored["items"] if item["value"] is not None]
    assert [(item["item"], item["place"], item["checked_by"]) for item in known] == [
        ("power_cut_off", "东侧配电间", "王五")
    ]
    shown = client.get("/fire/buildings/b002-002").json()
    assert shown["items"] == stored["items"]
    place = {"lon": shown["lon"], "lat": shown["lat"], "radius": 200}
    nearby = {
        one["code"]: one for one in client.get("/fire/incident", params=place).json()["buildings"]
    }
    assert nearby["b002-002"]["items"] == known
    assert nearby["b002-001"]["items"] == []


EXITS = {"exits": {"value": "2"}}


@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        ({"items": EXITS, "checked_by": " "}, 400),
        ({"items": {"exits": {"value": "", "place": "北"}}, "checked_by": "王五"}, 400),
        (
            {"items": {"exits": {"value": "2"}}, "checked_by": "王五", "checked_on": "2999-01-01"},
            400,
        ),
        ({"items": {"lions": {"value": "2"}}, "checked_by": "王五"}, 422),
        ({"items": {"exits": {"value": "2" * 501}}, "checked_by": "王五"}, 422),
        ({"items": {}, "checked_by": "王五"}, 422),
    ],
)
def test_items_that_are_unsigned_unknown_or_without_value_are_refused(client, request_body, status):
    body = {"checked_on": "2026-03-01"} | request_body
    answer = client.put("/fire/buildings/b002-002/items", json=body)
    assert answer.status_code == status
    missing = client.put(
        "/fire/buildings/none/items",
        json={"items": {"exits": {"value": "2"}}, "checked_by": "王", "checked_on": "2026-03-01"},
    )
    assert missing.status_code == 404
