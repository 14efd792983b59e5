"""What-ifs over HTTP: changes of communities that are compared by a job, and stored as no plan."""

import geopandas as gpd
import pyogrio
import pytest
from sqlalchemy import insert, text

from api.core.read_audit import ReadAudit
from geo import locks
from geo.locks import Lock
from geo.model import Building, Job, Region
from tests import accounts
from tests import town as t
from tests.waiting import wait_for_job

BOTH = [t.NORTH_GATE, t.DRUM_TOWER]
FAR, ELSEWHERE, OTHER_STREET = "420602001009", "420602009001", "420602009000"
"""A community of the planner's street that touches none, and one of another street."""
PLANS = ("region", "building", "grid_plan", "grid", "grid_member")


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    with shared_database.begin() as connection:
        street = {"code": OTHER_STREET, "level": "street", "name": "", "parent_code": t.DISTRICT}
        connection.execute(insert(Region), street)
        for number, code in enumerate((FAR, ELSEWHERE), 1):
            west = 3000 * number
            region = {"code": code, "level": "community", "name": code[-4:]}
            region |= {"parent_code": t.STREET if code == FAR else OTHER_STREET}
            land = t.box(west, 0, west + 200, 200)
            connection.execute(insert(Region), region | {"geom": land})
            building = {"code": f"far{number}", "region_code": code, "households": 400}
            house = t.box(west + 50, 50, west + 90, 90)
            connection.execute(insert(Building), building | {"geom": house, "use": "residential"})
        accounts.add(connection, "north", "planner", scope=t.NORTH_GATE)
    return shared_database


def start(caller, **change):
    return caller.post(
        "/what-if", json={"kind": "merge", "communities": BOTH, "seconds": 1} | change
    )


def line(*places):
    return {"type": "LineString", "coordinates": [list(t.degrees(*place)) for place in places]}


def finish(caller, **change):
    started = start(caller, **change)
    assert started.status_code == 202, started.text
    return wait_for_job(caller, started.headers["location"], "done", "failed", "cancelled")


@pytest.fixture(scope="module")
def moved(planner):
    """Return the job of a moved border, done."""
    job = finish(planner, kind="move", street="800路")
    assert job["status"] == "done", job
    return job


def contents(town):
    with town.connect() as connection:
        return {
            table: connection.execute(
                text(f"SELECT md5(string_agg(one::text, ',' ORDER BY one::text)) FROM {table} one")
            ).scalar_one()
            for table in PLANS
        }


def test_moved_border_is_compared_and_stores_no_plan(town, planner, moved):
    before = contents(town)
    assert (moved["kind"], moved["plans"], moved["done"], moved["total"]) == ("what_if", [], 4, 4)
    result = planner.get(f"/what-if/{moved['id']}").json()
    figures = result["figures"]
    assert figures["total_before"]["households"] == figures["total_after"]["households"]
    assert figures["border"]["street"] == "800路"
    buildings = [one["properties"] for one in result["after"]["building"]["features"]]
    changed = [one for one in buildings if one["community_before"] != one["community_after"]]
    assert figures["changed_community_buildings"] == len({one["code"] for one in changed}) > 0
    assert sum(one["households"] for one in changed) == figures["changed_community_households"]
    for state in ("before", "after"):
        grids = [one["properties"] for one in result[state]["grid"]["features"]]
        households = sum(one["households"] for one in grids)
        assert households == figures[f"total_{state}"]["households"]
        assert {one["community_code"] for one in grids} == set(BOTH)
    assert any("800路" in sentence for sentence in result["sentences"])
    finish(planner, kind="merge")
    assert contents(town) == before


def test_export_is_what_the_command_writes(planner, moved, tmp_path):
    address = f"/what-if/{moved['id']}/export"
    result = planner.get(f"/what-if/{moved['id']}").json()
    answers = {
        name: planner.get(address, params={"format": name})
        for name in ("gpkg", "geojson", "json", "html")
    }
    for name, answer in answers.items():
        assert answer.status_code == 200, (name, answer.text)
        assert answer.headers["content-disposition"].endswith(f'.{name}"')
    file = tmp_path / "moved.gpkg"
    file.write_bytes(answers["gpkg"].content)
    layers = {name: gpd.read_file(file, layer=name) for name, _ in pyogrio.list_layers(file)}
    assert list(layers) == ["grid", "community", "building", "border"]
    assert list(layers["building"].columns) == [
        *("code", "unit_code", "name", "households", "community_before", "community_after"),
        *("grid_before", "grid_after", "grid_changed", "geometry"),
    ]
    assert layers["grid"].crs.to_epsg() == 4490
    for name, frame in layers.items():
        assert len(frame) == len(result["after"][name]["features"])
    assert answers["json"].json() == result["figures"]
    assert len(answers["geojson"].json()["features"]) == len(layers["grid"])
    assert "钟鼓楼社区" in answers["html"].text
    assert planner.get(address, params={"format": "shp"}).status_code == 422


def test_reads_of_a_result_and_requests_are_audited(town, planner, moved, monkeypatch):
    noted = []
    monkeypatch.setattr(ReadAudit, "note", lambda _, caller, layers, box=None: noted.extend(layers))
    for path in ("", "/export?format=json"):
        assert planner.get(f"/what-if/{moved['id']}{path}").status_code == 200
    assert noted == ["grid_member"] * 2
    asked = text("SELECT detail FROM audit_event WHERE action = 'ask_what_if' ORDER BY id LIMIT 1")
    with town.connect() as connection:
        assert connection.scalar(asked)["communities"] == BOTH


def test_drawn_line_moves_the_border_as_the_street_does(planner, moved):
    drawn = finish(planner, kind="move", line=line((800, -20), (800, 420)))
    by_line = planner.get(f"/what-if/{drawn['id']}").json()["figures"]
    by_street = planner.get(f"/what-if/{moved['id']}").json()["figures"]
    assert by_line["total_after"] == pytest.approx(by_street["total_after"])
    assert by_line["border"]["street"] == ""


def test_streets_are_listed_once_with_a_code_that_names_them(planner):
    answer = planner.get("/what-if/streets", params={"community": BOTH})
    streets = [one["properties"] for one in answer.json()["features"]]
    names = [one["name"] for one in streets if one["name"]]
    assert len(names) == len(set(names))
    assert {"200路", "800路"} <= set(names)
    code = next(one["code"] for one in streets if one["name"] == "200路")
    job = finish(planner, kind="divide", communities=[t.NORTH_GATE], street=code)
    assert planner.get(f"/what-if/{job['id']}").json()["figures"]["border"]["street"] == "200路"
    only = planner.get("/what-if/streets", params={"community": t.NORTH_GATE}).json()
    through = {one["properties"]["name"] for one in only["features"]}
    assert "200路" in through
    assert not {"800路", "鼓楼巷", "胜利街"} & through
    for apart, status in (([t.NORTH_GATE, FAR], 400), (["420602001099"], 404)):
        refused = planner.get("/what-if/streets", params={"community": apart})
        assert refused.status_code == status


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"communities": [t.NORTH_GATE, "420602001099"]}, 404, "420602001099"),
        ({"communities": [t.NORTH_GATE, ELSEWHERE]}, 404, ELSEWHERE),
        ({"communities": [t.NORTH_GATE]}, 400, t.NORTH_GATE),
        ({"communities": [t.NORTH_GATE] * 2}, 400, t.NORTH_GATE),
        ({"communities": []}, 422, ""),
        ({"communities": ["北门"]}, 422, ""),
        ({"kind": "divide", "street": "200路"}, 400, "2"),
        ({"kind": "move", "communities": [t.NORTH_GATE], "street": "200路"}, 400, "1"),
        ({"kind": "move"}, 400, "street"),
        ({"kind": "move", "street": "800路", "line": line((800, -9), (800, 409))}, 400, "line"),
        ({"kind": "move", "line": {"type": "Point", "coordinates": [112, 32]}}, 400, "LineString"),
        ({"kind": "move", "line": {"type": "LineString", "coordinates": "all"}}, 400, ""),
        ({"kind": "move", "line": line((800, 0), (800, 0))}, 400, ""),
        (
            {"kind": "move", "line": {**line(), "coordinates": [[500, 1], [500, 2]]}},
            400,
            "LineString",
        ),
        ({"kind": "move", "line": line(*[(800, y) for y in range(2001)])}, 400, "2000"),
        ({"kind": "swap"}, 422, ""),
        ({"target": 9, "lower": 300}, 400, "300"),
        ({"before": 1}, 422, ""),
    ],
)
def test_change_that_cannot_be_is_refused_at_once(planner, change, status, words):
    refused = start(planner, **change)
    assert refused.status_code == status, refused.text
    assert words in refused.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"communities": [t.NORTH_GATE, FAR]}, "不相邻"),
        ({"kind": "move", "line": line((800, 100), (800, 300))}, "一侧"),
        ({"kind": "divide", "communities": [t.NORTH_GATE], "street": "外滩"}, "外滩"),
        ({"kind": "divide", "communities": [t.NORTH_GATE], "street": "鼓楼巷"}, "鼓楼巷"),
    ],
)
def test_change_that_the_city_does_not_allow_fails_with_the_reason(planner, change, words):
    failed = finish(planner, **change)
    assert failed["status"] == "failed"
    assert words in failed["problem"]["detail"]
    assert planner.get(f"/what-if/{failed['id']}").status_code == 409


def test_second_comparison_waits_for_the_first(town, planner):
    account = text("SELECT id FROM account WHERE name = 'planner'")
    with town.connect() as other_worker:
        caller = {"role": "planner", "scope": t.STREET[:9], "networks": [], "name": "planner"}
        caller["account"] = other_worker.execute(account).scalar_one()
        row = {"kind": "what_if", "status": "running", "community_code": t.NORTH_GATE}
        add = insert(Job).values(row | {"caller": caller}).returning(Job.id)
        job = other_worker.execute(add).scalar_one()
        locks.acquire_for_session(other_worker, Lock.JOB, job)
        other_worker.commit()
        refused = start(planner)
        assert refused.status_code == 409
        assert str(job) in refused.json()["detail"]
        assert planner.delete(f"/jobs/{job}").json()["status"] == "cancelled"
        locks.release(other_worker, Lock.JOB, job)
    assert finish(planner)["status"] == "done"


def test_result_is_read_only_by_planners_of_all_its_communities(client, signed_in, planner, moved):
    address = f"/what-if/{moved['id']}"
    assert client.get(address).status_code == 401
    for name in ("fire", "office", "importer"):
        assert signed_in(name).get(address).status_code == 403
    north = signed_in("north")
    for path in (address, f"{address}/export", f"/jobs/{moved['id']}"):
        assert north.get(path).status_code == 404
    assert start(north).status_code == 404
    assert signed_in("admin").get(address).status_code == 200


def test_only_the_newest_results_of_an_account_are_kept(town, planner, signed_in, moved):
    copied = text(
        "INSERT INTO job (kind, status, community_code, caller, parameters, result) SELECT kind, "
        "status, community_code, caller, parameters, result FROM job, generate_series(1, 9) "
        "WHERE id = :job RETURNING id"
    )
    north, change = signed_in("north"), {"kind": "divide", "street": "200路"}
    change["communities"] = [t.NORTH_GATE]
    first = finish(north, **change)["id"]
    assert north.get(f"/what-if/{first}").status_code == 200
    with town.begin() as connection:
        copies = connection.scalars(copied, {"job": first}).all()
    finish(north, **change)
    assert north.get(f"/what-if/{first}").status_code == 404
    assert [north.get(f"/what-if/{copy}").status_code for copy in copies] == [200] * 9
    assert planner.get(f"/what-if/{moved['id']}").status_code == 200
