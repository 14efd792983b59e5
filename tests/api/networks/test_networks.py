"""Networks over the little town: a water main with two valves, a gas main, a power line."""

from itertools import pairwise

import httpx
import pytest
from sqlalchemy import insert

from geo.model import PipeNode, PipeSegment
from geo.settings import settings
from tests import town as little_town
from tests.api.conformance import hold_to_description
from tests.waiting import TIMEOUT_S

DEGREES = little_town.degrees


@pytest.fixture(scope="module")
def town(shared_database):
    little_town.build(shared_database)
    with shared_database.begin() as connection:
        connection.execute(insert(PipeNode), [row for n in ("water", "gas") for row in nodes(n)])
        connection.execute(insert(PipeSegment), [*main("water", 380), *main("gas", 384), power()])
    return shared_database


@pytest.fixture(scope="module")
def client(signed_in) -> httpx.Client:
    return signed_in("admin")


@pytest.fixture(scope="module", autouse=True)
def held_to_description(client: httpx.Client) -> None:
    hold_to_description(client)


def at(x: float, y: float) -> str:
    return "SRID=4490;POINT({} {})".format(*DEGREES(x, y))


def nodes(network: str) -> list[dict[str, object]]:
    y = 380 if network == "water" else 384
    kinds = [("source", 0), ("valve", 100), ("junction", 200), ("valve", 300), ("end", 400)]
    defaults = {"network": network, "is_open": None, "building_code": None, "burial_depth_m": 1.0}
    rows = [
        defaults | {"code": f"{network}-{kind}{x}", "kind": kind, "geom": at(x, y)}
        for kind, x in kinds
    ]
    return [
        *rows,
        defaults | {"code": f"{network}-h", "kind": "hydrant", "geom": at(200, y + 6)},
        defaults
        | {"code": f"{network}-c", "kind": "consumer", "geom": at(200, 340)}
        | {"building_code": "b001-005"},
    ]


def main(network: str, y: float) -> list[dict[str, object]]:
    stops = ["source0", "valve100", "junction200", "valve300", "end400"]
    defaults = {"network": network, "diameter_mm": 200.0, "burial_depth_m": 1.0}
    rows = [
        defaults
        | {"code": f"{network}{k}", "from_node": f"{network}-{a}", "to_node": f"{network}-{b}"}
        | {"geom": little_town.line((k * 100, y), (k * 100 + 100, y))}
        for k, (a, b) in enumerate(pairwise(stops))
    ]
    tee = {"from_node": f"{network}-junction200"}
    return [
        *rows,
        defaults
        | tee
        | {"code": f"{network}-hs", "to_node": f"{network}-h"}
        | {"geom": little_town.line((200, y), (200, y + 6))},
        defaults
        | tee
        | {"code": f"{network}-cs", "to_node": f"{network}-c"}
        | {"geom": little_town.line((200, y), (200, 340))},
    ]


def power() -> dict[str, object]:
    defaults = {"network": "power", "diameter_mm": 100.0, "burial_depth_m": 0.8, "code": "p"}
    return defaults | {
        "from_node": None,
        "to_node": None,
        "geom": little_town.line((150, 300), (150, 395)),
    }


def test_isolation_names_valves_hydrants_buildings_and_grids(client: httpx.Client):
    shown = client.get("/networks/water/segments/water1/isolation").json()
    assert [v["code"] for v in shown["valves"]] == ["water-valve100"]
    assert shown["proven"]
    assert shown["valves"][0]["instead_isolable"] is False
    lost = shown["lost"]
    assert set(lost["segments"]) == {"water1", "water2", "water3", "water-hs", "water-cs"}
    assert [h["code"] for h in lost["hydrants"]] == ["water-h"]
    assert [b["code"] for b in lost["buildings"]] == ["b001-005"]
    assert lost["households"] == sum(g["households"] for g in lost["grids"]) > 0
    assert shown["affected"] is None


def test_gas_leak_counts_the_people_around(client: httpx.Client):
    near = client.get("/networks/gas/segments/gas1/isolation", params={"radius": 50}).json()
    far = client.get("/networks/gas/segments/gas1/isolation", params={"radius": 150}).json()
    assert 0 < near["affected"]["buildings"] < far["affected"]["buildings"]


def test_unknown_segment_and_network_are_problems(client: httpx.Client):
    assert client.get("/networks/water/segments/none/isolation").status_code == 404
    assert client.get("/networks/wine/segments/none/isolation").status_code == 422


def test_trace_goes_up_to_the_source_and_down_to_what_depends_on_it(client: httpx.Client):
    up = client.get("/networks/water/trace", params={"segment": "water2", "direction": "upstream"})
    assert set(up.json()["segments"]) == {"water0", "water1", "water2"}
    assert up.json()["nodes"]["source"] == ["water-source0"]
    down = client.get(
        "/networks/water/trace", params={"segment": "water2", "direction": "downstream"}
    )
    assert set(down.json()["segments"]) == {"water2", "water3"}


def test_nearest_segment_of_a_click(client: httpx.Client):
    lon, lat = DEGREES(250, 378)
    shown = client.get("/networks/water/nearest", params={"lon": lon, "lat": lat}).json()
    assert shown["segment"]["code"] == "water2"
    assert shown["segment"]["distance_m"] == pytest.approx(2, abs=0.1)


def test_pipes_under_a_place_say_what_is_dangerous(client: httpx.Client):
    lon, lat = DEGREES(150, 382)
    shown = client.get("/networks/burial", params={"lon": lon, "lat": lat, "radius": 10}).json()
    assert {p["network"]: p["danger"] for p in shown["pipes"]} == {
        "gas": "high",
        "water": "medium",
        "power": "high",
    } or {p["network"] for p in shown["pipes"]} == {"gas", "water", "power"}
    assert shown["pipes"][0]["network"] == "power"


def conflicts(client: httpx.Client, **query: str) -> dict[tuple[str, ...], dict[str, object]]:
    """Return the properties of the conflicts by kind and networks."""
    shown = client.get("/networks/crossings", params=query).json()
    return {
        (one["properties"]["kind"], *one["properties"]["networks"]): one["properties"]
        for one in shown["features"]
    }


def test_gas_and_power_that_cross_too_near_are_found(client: httpx.Client):
    one = conflicts(client)["crossing", "gas", "power"]
    # The cable reaches from 0.8 to 0.9 m, the gas main begins at 1.0 m: too near even in a duct.
    assert one["measured"] == pytest.approx(0.1)
    assert one["required"] == 0.15
    assert one["clause"] == "6.3.3"
    assert one["force"] == "shall"


def test_conflicts_of_one_kind_are_listed_with_their_severity(client: httpx.Client):
    everything, under = conflicts(client), conflicts(client, kind="under_building")
    assert {kind for kind, *_ in under} <= {"under_building"}
    assert {one["severity"] for one in under.values()} <= {"high"}
    assert set(under) == {key for key in everything if key[0] == "under_building"}
    assert client.get("/networks/crossings", params={"kind": "near"}).status_code == 422


def test_operators_see_conflicts_of_their_networks_without_buildings(signed_in):
    utility = signed_in("utility")  # of gas
    shown = utility.get("/networks/crossings").json()
    assert "buildings_not_shown" in {one["key"] for one in shown["missing"]}
    assert all(one["properties"]["building"] is None for one in shown["features"])
    assert {n for one in shown["features"] for n in one["properties"]["networks"]} <= {"gas"}


def test_figures_of_pipes_are_listed_with_clause_and_force(client: httpx.Client):
    rules = client.get("/networks/rules", headers={"Accept-Language": "en"}).json()["rules"]
    sewer = [rule for rule in rules if "gas and sewage" in rule["text"]]
    assert any("1 / 1.2 / 1.2 / 1.5 / 2 m" in rule["text"] for rule in sewer)
    assert {rule["verified"] for rule in rules} == {True, False}
    assert not any(rule["overridden"] for rule in rules)


def test_figure_of_pipes_that_the_city_has_set_is_marked(client: httpx.Client, monkeypatch):
    monkeypatch.setenv("GRIDATLAS_PIPE_FIGURES", '{"cover_gas_carriageway": "1.2 m"}')
    settings.cache_clear()
    try:
        rules = client.get("/networks/rules").json()["rules"]
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    own = [rule["figures"] for rule in rules if rule["overridden"]]
    assert [figures["cover_gas_carriageway"] for figures in own] == [1.2]


def test_pipe_shows_what_is_on_record_of_it(client: httpx.Client):
    headers = {"Accept-Language": "en"}
    shown = client.get("/networks/gas/segments/gas1/isolation", headers=headers).json()
    sheet = {line["label"]: line["text"] for line in shown["segment"]["sheet"]}
    assert sheet == {
        "Diameter": "200 mm",
        "Depth": "1 m",
        "Depth measured to": "not on record, taken as outer top",
    }
    lon, lat = DEGREES(250, 384)
    place = {"lon": lon, "lat": lat}
    near = client.get("/networks/gas/nearest", params=place, headers=headers).json()["segment"]
    assert {line["label"]: line["text"] for line in near["sheet"]} == sheet
    assert near["laying"] is None


def test_loose_cable_is_a_fault_and_its_trace_not_guaranteed(client: httpx.Client):
    listed = client.get("/networks/power/faults").json()["features"]
    assert {f["properties"]["kind"] for f in listed} == {"loose_end"}
    traced = client.get("/networks/power/trace", params={"segment": "p", "direction": "connected"})
    assert traced.json()["guaranteed"] is False


def test_tiles_hold_pipes_of_the_networks_asked_for(client: httpx.Client):
    import math

    lon, lat = DEGREES(200, 382)
    z = 16
    x = int((lon + 180) / 360 * 2**z)
    y = int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z)
    both = client.get(f"/networks/tiles/{z}/{x}/{y}")
    water = client.get(f"/networks/tiles/{z}/{x}/{y}", params={"network": "water"})
    assert b"gas" in both.content
    assert b"gas" not in water.content
    assert b"valve" in water.content
    assert client.get(f"/fire/tiles/{z}/{x}/{y}").status_code == 200


def test_utility_sees_the_networks_it_runs_and_no_others(client, signed_in, address):
    client.get("/networks/water/faults")
    utility = signed_in("utility")  # of gas
    answer = utility.get("/networks/gas/faults")
    assert answer.status_code == 200, answer.text
    assert utility.get("/networks/water/faults").status_code == 400
    assert utility.get("/networks/water/segments/water1/isolation").status_code == 404
    own = utility.get("/networks/gas/segments/gas1/isolation").json()
    assert own["valves"]
    assert own["lost"]["buildings"] == []
    assert "buildings_not_shown" in {one["key"] for one in own["missing"]}
    assert [n["network"] for n in utility.get("/networks").json()["networks"]] == ["gas"]
    assert httpx.get(f"{address}/networks", timeout=TIMEOUT_S).status_code == 401


def test_networks_hidden_from_the_caller_are_reported_as_missing(client, signed_in):
    lon, lat = DEGREES(200, 382)
    for path in ("/networks/burial", "/networks/crossings"):
        missing = [
            {one["key"]: one["count"] for one in caller.get(path, params=place).json()["missing"]}
            for caller in (signed_in("fire"), client)
            for place in [{"lon": lon, "lat": lat} if path.endswith("burial") else {}]
        ]
        assert missing[0]["networks_not_shown"] == 6
        assert "networks_not_shown" not in missing[1]
