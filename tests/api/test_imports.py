"""The data desk: runs, what is held and refused, and what people corrected."""

import io

import geopandas as gpd
import pytest

from etl.imports import Request, import_file
from geo.settings import Settings
from tests.api.conformance import hold_to_description
from tests.etl.delivery import houses, mapping, rows, write


@pytest.fixture(scope="module")
def desk(signed_in):
    client = signed_in("importer")
    hold_to_description(client)
    return client


@pytest.fixture(scope="module")
def published(town, tmp_path_factory):
    """Return the run that brought some buildings, two of which were refused."""
    folder = tmp_path_factory.mktemp("desk")
    data = houses(40, code=[f"d{i:03d}" for i in range(40)])
    data.loc[3, "households"], data.loc[5, "households"] = -1, -2
    file = write(data, folder / "houses.gpkg")
    outcome = import_file(town, Request("building", file, mapping(source="desk")), Settings())
    assert outcome.status == "published"
    return outcome.run


def delivered(town, tmp_path, count):
    data = houses(count, code=[f"d{i:03d}" for i in range(count)])
    file = write(data, tmp_path / f"{count}.gpkg")
    return import_file(town, Request("building", file, mapping(source="desk")), Settings())


@pytest.mark.parametrize("path", ["/imports/runs", "/imports/quarantine", "/imports/corrections"])
def test_only_the_data_desk_comes_in(client, signed_in, path):
    assert client.get(path).status_code == 401
    for role in ("planner", "fire", "utility"):
        assert signed_in(role).get(path).status_code == 403


def test_runs_are_listed_and_told(desk, published):
    listed = desk.get("/imports/runs", params={"source": "desk", "status": "published"}).json()
    found = {run["id"]: run for run in listed["items"]}
    assert found[published]["counts"]["building"]["added"] == 38
    told = desk.get(f"/imports/runs/{published}").json()
    assert len(told["refused"]) == 2
    assert told["report"]["differences"]["building"][0]["shape"]["coordinates"]
    page = desk.get(f"/imports/runs/{published}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "<svg" in page.text
    assert desk.get("/imports/runs/999999").status_code == 404


def test_refused_features_are_seen_mended_and_brought_again(desk, town, published):
    listed = desk.get("/imports/quarantine", params={"run": published}).json()
    assert listed["numberMatched"] == 2
    assert listed["items"][0]["geometry"]["type"] in ("Polygon", "MultiPolygon")
    asked = {"run": published, "format": "geojson"}
    sent = desk.get("/imports/quarantine/export", params=asked)
    data = gpd.read_file(io.BytesIO(sent.content))
    data.loc[0, "households"] = 31
    mended = {"file": ("q.geojson", data.to_json(to_wgs84=False).encode())}
    answer = desk.post("/imports/quarantine/replay", files=mended)
    assert answer.status_code == 200, answer.text
    assert rows(town, "SELECT households FROM building WHERE code = 'd003'") == [(31,)]
    [replayed] = answer.json()["runs"]
    assert replayed["waiting"] == 1
    again = desk.post("/imports/quarantine/replay", json={"run": replayed["id"]})
    assert [run["status"] for run in again.json()["runs"]] == ["unchanged"]


def test_held_run_is_approved_and_taken_back(desk, town, published, tmp_path):
    held = delivered(town, tmp_path, 20)
    assert held.status == "held"
    concerns = desk.get(f"/imports/runs/{held.run}").json()["concerns"]
    assert concerns[0]["key"] == "too_many_removed"
    for lang, words in (("zh", "移除"), ("en", "would be removed")):
        told = desk.get(f"/imports/runs/{held.run}", headers={"Accept-Language": lang}).json()
        assert words in told["concerns"][0]["said"]
    assert desk.post(f"/imports/runs/{held.run}/approve").json()["status"] == "published"
    assert desk.post(f"/imports/runs/{held.run}/approve").status_code == 409
    assert desk.post(f"/imports/runs/{published}/rollback").status_code == 409
    back = desk.post(f"/imports/runs/{held.run}/rollback", json={"with_later": False})
    assert back.json()["status"] == "published"
    assert rows(town, "SELECT count(*) FROM building WHERE source = 'desk'")[0][0] >= 38
    actions = rows(town, "SELECT action FROM audit_event WHERE object_type = 'import_run'")
    assert {"approve", "roll_back"} <= {action for (action,) in actions}


def test_correction_is_kept_from_imports(desk, town, published):
    path = "/imports/corrections/building/d001"
    assert desk.put(path, json={"households": 77}).status_code == 200
    assert rows(town, "SELECT households FROM building WHERE code = 'd001'") == [(77,)]
    listed = desk.get("/imports/corrections").json()["items"]
    assert [(one["code"], one["value"], one["actor"]) for one in listed] == [
        ("d001", "77", "importer")
    ]
    assert desk.put(path, json={"households": -5}).status_code in (400, 422)
    assert desk.put(path, json={"source": "x"}).status_code in (400, 422)
    assert desk.delete(path).status_code == 204
    assert desk.delete(path).status_code == 404
