"""Who may what over HTTP: every role on every endpoint, layer, tile, export and filter.

What is expected comes from the table of rules (:mod:`geo.access`); the same is tried straight in
SQL in ``tests/geo/test_access.py``.
"""

import pyogrio
import pytest
from sqlalchemy import text

from api.access import ACT_AS, Caller
from api.layers import LAYERS, source_name
from geo.access import ROLES, RULES
from geo.codes import stem
from tests import town as t
from tests.api.conftest import ACCOUNTS
from tests.api.test_tiles import tile_of

SIGNED_IN = tuple(ACCOUNTS)
GRID, PLAN, PLACE = f"{t.NORTH_GATE}001", 999_999, "15/26587/13316"


def readers(table):
    return frozenset(RULES[table].read) & frozenset(ROLES)


def writers(table):
    return frozenset(RULES[table].write) & frozenset(ROLES)


ANYONE = frozenset(ROLES)
PLANS, PEOPLE, JOBS = writers("plan_edit"), writers("grid_informant"), writers("job")
DATA, DISPATCH = readers("quarantine"), readers("building_review") - {"importer"}
PIPES = readers("pipe_node") - {"importer"}
"""The desks of fire service and networks are not the importer's, who reads their layers."""

MAY = {
    "POST /auth/token": ANYONE,
    "POST /auth/revoke": ANYONE,
    "GET /auth/me": ANYONE,
    "GET /auth/providers": ANYONE,
    "GET /health": ANYONE,
    "GET /ready": ANYONE,
    "GET /metrics": ANYONE,
    "GET /regions": readers("region"),
    "GET /search": ANYONE,
    "GET /grids": ANYONE,
    "GET /grids/search": ANYONE,
    "GET /grids/{code}": ANYONE,
    "GET /grids/{code}/manager/photo": ANYONE,
    "GET /grids/{code}/manager": readers("grid_manager"),
    "PUT /grids/{code}/manager": writers("grid_manager"),
    "DELETE /grids/{code}/manager": writers("grid_manager"),
    "PUT /grids/{code}/manager/photo": writers("grid_manager"),
    "GET /grids/{code}/informants": readers("grid_informant"),
    "POST /grids/{code}/informants": PEOPLE,
    "PUT /informants/{number}": PEOPLE,
    "DELETE /informants/{number}": PEOPLE,
    "GET /people/breaches": readers("grid_informant"),
    "GET /communities/{code}/plans": readers("grid_plan"),
    "POST /communities/{code}/plans": PLANS,
    "GET /plans/{number}": readers("grid_plan"),
    "DELETE /plans/{number}": PLANS,
    "GET /plans/{number}/grids": readers("grid"),
    "GET /plans/{number}/validation": readers("grid"),
    "GET /plans/{number}/atoms": readers("grid_member") - {"importer"},
    "POST /plans/{number}/copy": PLANS,
    "POST /plans/{number}/complete": PLANS,
    "POST /plans/{number}/publish": PLANS,
    "POST /plans/{number}/archive": PLANS,
    "GET /plans/{number}/comparison": readers("plan_edit"),
    "GET /plans/{number}/comparison/layer": readers("plan_edit"),
    "POST /plans/{number}/edits": PLANS,
    "GET /plans/{number}/edits": readers("plan_edit"),
    "POST /plans/{number}/undo": PLANS,
    "POST /plans/{number}/redo": PLANS,
    "GET /jobs": readers("job"),
    "GET /jobs/{number}": readers("job"),
    "DELETE /jobs/{number}": JOBS,
    "GET /jobs/{number}/events": readers("job"),
    "GET /exports": ANYONE,
    "GET /exports/{layer}": ANYONE,
    "GET /tiles/{z}/{x}/{y}": ANYONE,
    "GET /baked/{name}": ANYONE,
    "GET /style.json": ANYONE,
    "GET /gridatlas.qgs": ANYONE,
    "GET /locale/{lang}": ANYONE,
}
"""Which roles an operation lets in."""

DESKS = {
    "/plans/{plan}/": readers("plan_edit"),
    "/communities/{community}/": readers("plan_edit"),
    "/imports/": DATA,
    "/layers": DATA,
    "/fire/": DISPATCH,
    "/networks": PIPES,
}
"""The same for all below a path."""

GIVEN = {
    "{code}": GRID,
    "{number}": str(PLAN),
    "{plan}": str(PLAN),
    "{community}": "420699999999",
    "{layer}": "road",
    "{name}": "city-0.pmtiles",
    "{z}/{x}/{y}": PLACE,
    "{lang}": "en",
    "{network}": "gas",
}
NO_TRIAL = {"POST /fire/findings/refresh"}
"""What who may do it does for a while; tried in tests of its own."""


def may(operation):
    if operation in MAY:
        return MAY[operation]
    path = operation.split(" ", 1)[1]
    return next((roles for start, roles in DESKS.items() if path.startswith(start)), None)


@pytest.fixture(scope="module")
def operations(client):
    paths = client.get("/openapi.json").json()["paths"]
    return [f"{method.upper()} {path}" for path, found in paths.items() for method in found]


def test_every_operation_says_who_may(operations):
    assert [operation for operation in operations if may(operation) is None] == []
    assert set(MAY) <= set(operations)


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_lets_in_who_may_and_nobody_else(client, signed_in, operations, role):
    who = client if role == "public" else signed_in(role)
    wrong = {}
    for operation in operations:
        allowed = role in may(operation)
        if allowed and operation in NO_TRIAL:
            continue
        status = _tried(who, operation)
        expected = status not in (401, 403) if allowed else status == (401, 403)[role != "public"]
        if not expected and not operation.startswith("POST /auth"):
            wrong[operation] = status
    assert wrong == {}


def _tried(who, operation):
    method, path = operation.split(" ", 1)
    if path.startswith("/communities/{code}"):
        path = path.replace("{code}", "420699999999")
    for name, value in GIVEN.items():
        path = path.replace(name, value)
    body = {} if method in {"POST", "PUT"} else None
    return who.request(method, path, json=body, timeout=60).status_code


def caller(role):
    more = ACCOUNTS.get(role, {})
    return Caller(role, stem(more.get("scope", "")), tuple(more.get("networks", ())), role)


@pytest.fixture(scope="module")
def furnished(town):
    """Return the town with a pipe of each network, a unit and a building beyond the scope."""
    with town.begin() as connection:
        lon, lat = t.degrees(300, 350)
        for network in ("water", "gas", "power"):
            there = {"n": network, "lon": lon, "lat": lat}
            node = (
                "INSERT INTO pipe_node (code, network, kind, geom) VALUES ('n-' || :n, :n, "
                "'valve', ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)) ON CONFLICT DO NOTHING"
            )
            line = (
                "INSERT INTO pipe_segment (code, network, geom) VALUES ('s-' || :n, :n, "
                "ST_SetSRID(ST_MakeLine(ST_MakePoint(:lon, :lat), ST_MakePoint(:lon + 1e-4, :lat))"
                ", 4490)) ON CONFLICT DO NOTHING"
            )
            connection.execute(text(node), there)
            connection.execute(text(line), there)
        unit = (
            "INSERT INTO building_unit (code, building_code, geom) SELECT 'u-' || code, code, "
            "ST_PointOnSurface(geom) FROM building ON CONFLICT DO NOTHING"
        )
        connection.execute(text(unit))
        beyond = "INSERT INTO building (code, geom) VALUES ('beyond', ST_GeomFromEWKT(:land))"
        connection.execute(text(beyond), {"land": t.box(5000, 5000, 5020, 5010)})
    return town


def rows(town, role, layer):
    """Return the codes that a role sees of a layer in SQL."""
    with town.connect() as connection:
        connection.execute(ACT_AS, caller(role).settings())
        statement = text(f"SELECT code FROM {source_name(layer.source)} WHERE geom IS NOT NULL")
        return sorted(connection.execute(statement).scalars())


@pytest.mark.parametrize("role", ROLES)
def test_every_way_out_of_a_layer_shows_the_same_rows(client, signed_in, furnished, role):
    who = client if role == "public" else signed_in(role)
    for name, layer in LAYERS.items():
        ways = {
            "items": f"/ogc/collections/{name}/items?limit=10000&properties=code",
            "filter": f"/ogc/collections/{name}/items?limit=10000&filter=code LIKE '%25' OR 1=1",
            "box": f"/ogc/collections/{name}/items?limit=10000&bbox=-180,-90,180,90",
            "export": f"/exports/{name}?format=geojson",
        }
        if role not in layer.roles:
            tile = f"/ogc/collections/{name}/tiles/WebMercatorQuad/{PLACE}"
            for way in (*ways.values(), tile):
                assert who.get(way).status_code == 404, (name, way)
            continue
        expected = rows(furnished, role, layer)
        assert expected or name in {"compound", "railway", "water", "facility"}, (name, role)
        for way, address in ways.items():
            answer = who.get(address)
            found = answer.json()["features"] if answer.status_code == 200 else []
            codes = sorted(one["properties"]["code"] for one in found)
            assert codes == [code for code in expected if code], (name, way, answer.text[:200])


def test_planner_is_kept_to_the_scope_and_utility_to_its_networks(signed_in, furnished):
    def codes(role, layer):
        address = f"/ogc/collections/{layer}/items?limit=10000"
        return {one["id"] for one in signed_in(role).get(address).json()["features"]}

    buildings = codes("admin", "building_detail")
    assert codes("planner", "building_detail") < buildings
    assert codes("fire", "building_detail") == buildings
    assert codes("utility", "pipe_node") == {
        code for code in codes("admin", "pipe_node") if code.endswith("gas")
    }


@pytest.mark.parametrize("role", ROLES)
def test_tiles_hold_what_the_role_may_see_and_no_more(client, signed_in, furnished, role, tmp_path):
    who = client if role == "public" else signed_in(role)
    column, row = tile_of(300, 350, 16)
    file = tmp_path / "tile.pbf"
    file.write_bytes(who.get(f"/tiles/16/{column}/{row}").content)
    layers = {name for name, _ in pyogrio.list_layers(file)}
    for name in ("building_detail", "pipe_node", "pipe_segment"):
        allowed = set(rows(furnished, role, LAYERS[name])) if role in LAYERS[name].roles else set()
        assert (name in layers) == bool(allowed), (role, name)
        if allowed:
            frame = pyogrio.read_dataframe(file, layer=name)
            assert set(frame["code"]) <= allowed, (role, name)
