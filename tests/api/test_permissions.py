"""Who may what over HTTP: every role on every endpoint, layer, tile, export and filter.

What is expected comes from the table of rules (:mod:`geo.db.access_rules`); the same is tried
straight in SQL in ``tests/geo/db/test_security.py``.
"""

import httpx
import pyogrio
import pytest
from sqlalchemy import text

from api.core.caller import ACT_AS, Caller
from api.core.public_layers import LAYERS, qualified_name
from geo.codes import code_prefix
from geo.db import accounts
from geo.db.access_rules import ROLES, RULES
from tests import town as t
from tests.api.conftest import ACCOUNTS, PASSWORD, bearer
from tests.api.tiles.test_tiles import tile_of
from tests.waiting import TIMEOUT_S

SIGNED_IN = tuple(ACCOUNTS)
OWN_GRID = f"{t.NORTH_GATE}002"
"""Grid of the grid manager."""
GRID, PLAN, PLACE = f"{t.NORTH_GATE}001", 999_999, "15/26587/13316"


def readers(table):
    return frozenset(RULES[table].read) & frozenset(ROLES)


def writers(table):
    return frozenset(RULES[table].write) & frozenset(ROLES)


PUBLIC_CALLER = frozenset(ROLES)
PLANS, PEOPLE, JOBS = writers("plan_edit"), writers("grid_informant"), writers("job")
COMMENTS = writers("plan_comment")
DATA, DISPATCH = readers("quarantine"), readers("building_review") - {"importer"}
PIPES = readers("pipe_node") - {"importer"}
"""The paths of the fire service and networks are not the importer's, who reads their layers."""

MAY = {
    "POST /auth/token": PUBLIC_CALLER,
    "POST /auth/revoke": PUBLIC_CALLER,
    "GET /auth/me": PUBLIC_CALLER,
    "GET /auth/providers": PUBLIC_CALLER,
    "GET /auth/entrance": PUBLIC_CALLER,
    "PUT /auth/password": frozenset(SIGNED_IN),
    "GET /accounts": frozenset({"admin"}),
    "POST /accounts": frozenset({"admin"}),
    "PATCH /accounts/{name}": frozenset({"admin"}),
    "PUT /accounts/{name}/password": frozenset({"admin"}),
    "GET /health": PUBLIC_CALLER,
    "GET /ready": PUBLIC_CALLER,
    "GET /metrics": PUBLIC_CALLER,
    "GET /regions": readers("region"),
    "GET /regions/{code}/outlook": frozenset({"planner", "office", "admin"}),
    "GET /register/communities": PUBLIC_CALLER,
    "GET /register/counts/{area}": readers("entity"),
    "GET /register/units": frozenset({"fire", "importer", "admin"}),
    "GET /register/buildings/{code}": readers("entity"),
    "GET /register/without-building": readers("quarantine"),
    "GET /search": PUBLIC_CALLER,
    "GET /grids": PUBLIC_CALLER,
    "GET /grids/search": PUBLIC_CALLER,
    "GET /grids/{code}": PUBLIC_CALLER,
    "GET /grids/{code}/manager/photo": PUBLIC_CALLER,
    "GET /grids/{code}/manager": readers("grid_manager"),
    "PUT /grids/{code}/manager": writers("grid_manager"),
    "DELETE /grids/{code}/manager": writers("grid_manager"),
    "PUT /grids/{code}/manager/photo": writers("grid_manager"),
    "GET /grids/{code}/informants": readers("grid_informant"),
    "POST /grids/{code}/informants": PEOPLE,
    "PUT /informants/{number}": PEOPLE,
    "DELETE /informants/{number}": PEOPLE,
    "GET /people/breaches": PEOPLE,
    "GET /staff": PEOPLE,
    "GET /staff/workbook.xlsx": PEOPLE,
    "POST /staff/import": PEOPLE,
    "GET /share": PUBLIC_CALLER,
    "GET /kiosk/settings": PUBLIC_CALLER,
    "GET /communities/{code}/plans": readers("grid_plan"),
    "POST /communities/{code}/plans": PLANS,
    "GET /plans": readers("plan_comment"),
    "GET /plans/{number}/barriers": readers("plan_comment"),
    "GET /plans/{number}/comments": readers("plan_comment"),
    "POST /plans/{number}/comments": COMMENTS,
    "PATCH /plans/{number}/comments/{comment}": COMMENTS,
    "DELETE /plans/{number}/comments/{comment}": COMMENTS,
    "GET /plans/{number}": readers("grid_plan"),
    "DELETE /plans/{number}": PLANS,
    "GET /plans/{number}/grids": readers("grid"),
    "GET /plans/{number}/validation": readers("grid"),
    "GET /plans/{number}/micro-grids": readers("micro_grid"),
    "POST /plans/{number}/micro-grids": PLANS,
    "GET /plans/{number}/atoms": readers("grid_member") - {"importer", "grid_manager", "office"},
    "POST /plans/{number}/copy": PLANS,
    "POST /plans/{number}/complete": PLANS,
    "POST /plans/{number}/publish": PLANS,
    "POST /plans/{number}/archive": PLANS,
    "POST /plans/{number}/restore": PLANS,
    "GET /plans/{number}/assignment.csv": PLANS,
    "POST /plans/{number}/assignment": PLANS,
    "GET /plans/{number}/comparison": readers("plan_edit"),
    "GET /plans/{number}/comparison/layer": readers("plan_edit"),
    "POST /plans/{number}/edits": PLANS,
    "GET /plans/{number}/edits": readers("plan_edit"),
    "POST /plans/{number}/undo": PLANS,
    "POST /plans/{number}/redo": PLANS,
    "POST /what-if": PLANS,
    "GET /what-if/streets": PLANS,
    "GET /what-if/{number}": PLANS,
    "GET /what-if/{number}/export": PLANS,
    "GET /jobs": readers("job"),
    "GET /jobs/{number}": readers("job"),
    "DELETE /jobs/{number}": JOBS,
    "GET /jobs/{number}/events": readers("job"),
    "GET /field/bundle": frozenset({"grid_manager"}),
    "GET /field/map.pmtiles": frozenset({"grid_manager"}),
    "POST /field/dwellings/{code}/verification": frozenset({"grid_manager"}),
    "POST /field/hydrants/{code}/inspection": frozenset({"grid_manager"}),
    "POST /casework/visits": frozenset(RULES["visit"].add),
    "PUT /casework/duties": writers("duty_record"),
    "GET /exports": PUBLIC_CALLER,
    "GET /exports/{layer}": PUBLIC_CALLER,
    "GET /tiles/{z}/{x}/{y}": PUBLIC_CALLER,
    "GET /baked/{name}": PUBLIC_CALLER,
    "GET /style.json": PUBLIC_CALLER,
    "GET /gridatlas.qgs": PUBLIC_CALLER,
    "GET /locale/{lang}": PUBLIC_CALLER,
}
"""Which roles an operation lets in."""

ROLES_BELOW = {
    "/plans/{plan}/": readers("plan_edit"),
    "/communities/{community}/": readers("plan_edit"),
    "/imports/": DATA,
    "/layers": DATA,
    "/fire/": DISPATCH,
    "/networks": PIPES,
    "/casework/": readers("service_case"),
    "/assessment/": readers("assessment_month"),
    "/reports": PUBLIC_CALLER,
    "/open311/": PUBLIC_CALLER,
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
    "{comment}": "1",
    "{month}": "2026-11",
    "{form}": "json",
    "{token}": "1",
    "{identifier}": "1",
    "{area}": "grid",
}
NO_TRIAL = {"POST /fire/findings/refresh", "GET /casework/events"}
"""What who may do it does for a while, or without end; tried in tests of its own."""


def may(operation):
    if operation in MAY:
        return MAY[operation]
    path = operation.split(" ", 1)[1]
    return next((roles for start, roles in ROLES_BELOW.items() if path.startswith(start)), None)


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
    if path.startswith("/regions/{code}"):
        path = path.replace("{code}", t.CITY)
    for name, value in GIVEN.items():
        path = path.replace(name, value)
    body = {} if method in {"POST", "PUT"} else None
    return who.request(method, path, json=body).status_code


def caller(role):
    more = ACCOUNTS.get(role, {})
    networks = tuple(more.get("networks", ()))
    return Caller(role, code_prefix(more.get("scope", "")), networks, role, grids=(OWN_GRID,))


@pytest.fixture(scope="module")
def furnished(town, address):
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
        parts = (
            "INSERT INTO building_unit (code, building_code, geom) SELECT 'u-' || code, code, ",
            "INSERT INTO dwelling (code, building_code, geom) SELECT 'd-' || code, code, ",
            "INSERT INTO building_fire (code, building_code, item, value, checked_on, checked_by, "
            "geom) SELECT code || '-exits', code, 'exits', '2', date '2026-03-01', 'x', ",
            "INSERT INTO entity (code, name, building_code, geom) SELECT 'e-' || code, 'x', code, ",
        )
        for part in parts:
            place = "ST_PointOnSurface(geom) FROM building ON CONFLICT DO NOTHING"
            connection.execute(text(part + place))
        hydrant = (
            "INSERT INTO pipe_node (code, network, kind, in_service, flow_l_s, geom) VALUES "
            "('h-water', 'water', 'hydrant', true, 20, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490))"
            " ON CONFLICT DO NOTHING"
        )
        connection.execute(text(hydrant), {"lon": lon, "lat": lat})
        manager = (
            "INSERT INTO grid_manager (grid_code, name, account_id) "
            "SELECT :grid, 'x', id FROM account WHERE name = 'grid_manager' ON CONFLICT DO NOTHING"
        )
        connection.execute(text(manager), {"grid": OWN_GRID})
        beyond = "INSERT INTO building (code, geom) VALUES ('beyond', ST_GeomFromEWKT(:land))"
        connection.execute(text(beyond), {"land": t.box(5000, 5000, 5020, 5010)})
    return town


def rows(town, role, layer):
    """Return the codes that a role sees of a layer in SQL."""
    with town.connect() as connection:
        connection.execute(ACT_AS, caller(role).settings())
        statement = text(f"SELECT code FROM {qualified_name(layer.source)} WHERE geom IS NOT NULL")
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


@pytest.fixture
def tile(client, signed_in, tmp_path):
    """Return the layers of a tile as a role gets it, None where it is refused."""

    def get(role, address):
        who = client if role == "public" else signed_in(role)
        answer = who.get(address)
        if answer.status_code in (401, 403, 404):
            return None
        assert answer.status_code in (200, 204), (address, answer.text[:200])
        file = tmp_path / "tile.pbf"
        file.write_bytes(answer.content)
        names = [name for name, _ in pyogrio.list_layers(file)] if answer.content else []
        return {name: pyogrio.read_dataframe(file, layer=name) for name in names}

    return get


def plans_in(town, role, condition):
    """Return the grids of plans that a role sees in SQL."""
    with town.connect() as connection:
        connection.execute(ACT_AS, caller(role).settings())
        grids = "SELECT g.code FROM grid g JOIN grid_plan p ON p.id = plan_id WHERE "
        return set(connection.execute(text(grids + condition)).scalars())


@pytest.mark.parametrize("role", ROLES)
def test_tiles_hold_what_the_role_may_see_and_no_more(furnished, tile, role):
    column, row = tile_of(300, 350, 16)
    for more in ("", "?status=draft", "?plan=1", "?plan=3", "?plan=999999"):
        layers = tile(role, f"/tiles/16/{column}/{row}{more}")
        for name in ("building_detail", "pipe_node", "pipe_segment"):
            may_see = role in LAYERS[name].roles
            allowed = set(rows(furnished, role, LAYERS[name])) if may_see else set()
            assert (name in layers) == bool(allowed), (role, name)
            if allowed:
                assert set(layers[name]["code"]) <= allowed, (role, name)


@pytest.mark.parametrize("role", ROLES)
def test_tiles_of_plans_hold_the_grids_that_the_role_may_see(furnished, tile, role):
    with furnished.connect() as connection:
        plans = text("SELECT id, status, community_code FROM grid_plan ORDER BY id")
        known = connection.execute(plans).all()
    assert {plan.status for plan in known} == {"draft", "published"}
    over = {tile_of(x, y, 12) for x in (0, 1200) for y in (0, 700)}

    def shown(asked):
        found = [tile(role, f"/tiles/12/{column}/{row}?{asked}") for column, row in over]
        return {code for one in found if "grid" in one for code in one["grid"]["code"]}

    for plan in known:
        seen = plans_in(furnished, role, f"p.id = {plan.id}")
        assert shown(f"plan={plan.id}") == seen, (role, plan)
        is_open = plan.status == "published" or role == "admin"
        in_scope = role == "planner" and plan.community_code.startswith(caller(role).scope)
        assert bool(seen) == (is_open or in_scope), (role, plan)
    assert shown("status=draft") == plans_in(furnished, role, "p.status = 'draft'")


def test_planner_of_another_place_gets_no_tile_of_a_draft(furnished, address, tile, tmp_path):
    with furnished.begin() as connection:
        t.add_far_city(connection)
        accounts.add_account(connection, "elsewhere", "planner", PASSWORD, scope=t.FAR_CITY)
    column, row = tile_of(300, 550, 12)
    for asked in ("status=draft", *(f"plan={number}" for number in range(1, 5))):
        answer = httpx.get(
            f"{address}/tiles/12/{column}/{row}?{asked}",
            headers=bearer(address, "elsewhere"),
            timeout=TIMEOUT_S,
        )
        file = tmp_path / "x.pbf"
        file.write_bytes(answer.content)
        if "grid" in dict(pyogrio.list_layers(file)):
            codes = pyogrio.read_dataframe(file, layer="grid")["code"]
            assert not codes.str.startswith(t.RIVERSIDE).any(), asked


FIRE_TILE = {
    "finding": "fire_finding",
    "finding_point": "fire_finding",
    "response": "fire_area",
    "hydrant_area": "fire_area",
    "hydrant": "pipe_node",
    "entrance": "building_unit",
    "station": "facility",
    "lane": "road",
}
"""What each layer of a fire tile is made from."""


@pytest.mark.parametrize("role", ROLES)
def test_fire_tiles_hold_what_the_role_may_see(furnished, signed_in, tile, role):
    signed_in("admin").post("/fire/findings/refresh").raise_for_status()
    column, row = tile_of(300, 350, 16)
    found = tile(role, f"/fire/tiles/16/{column}/{row}")
    if role not in DISPATCH:
        assert found is None
        return
    assert {"finding", "lane", "entrance", "hydrant"} <= set(found) <= set(FIRE_TILE)
    assert all(role in readers(FIRE_TILE[name]) for name in found)
    units = set(rows(furnished, role, LAYERS["building_unit"]))
    assert set(found["entrance"]["code"]) <= units
    assert set(found["hydrant"]["code"]) == {"h-water"}
    assert set(found["lane"]["code"]) <= set(rows(furnished, role, LAYERS["road"]))


@pytest.mark.parametrize("role", ROLES)
def test_network_tiles_hold_the_networks_that_the_role_may_see(furnished, tile, role):
    column, row = tile_of(300, 350, 16)
    address = f"/networks/tiles/16/{column}/{row}"
    if role not in PIPES:
        assert tile(role, address) is None
        return
    expected = {"fire": {"water", "gas"}, "utility": {"gas"}, "admin": {"water", "gas", "power"}}
    for asked in ("", "?network=water,gas,power,heat", "?network=power", "?network="):
        found = tile(role, address + asked)
        wanted = expected[role] & ({"power"} if asked == "?network=power" else expected["admin"])
        for layer, table in (("pipe", "pipe_segment"), ("pipe_node", "pipe_node")):
            networks = set(found[layer]["network"]) if layer in found else set()
            assert networks == wanted, (role, asked, layer)
            codes = set(found[layer]["code"]) if layer in found else set()
            assert codes <= set(rows(furnished, role, LAYERS[table]))


@pytest.mark.parametrize("role", ROLES)
def test_tiles_of_the_ogc_api_hold_the_rows_that_the_role_may_see(furnished, tile, role):
    column, row = tile_of(300, 350, 16)
    inside = f"ST_Intersects(geom_3857, ST_TileEnvelope(16, {column}, {row}))"
    for name, layer in LAYERS.items():
        for asked in ("", "?filter=code%20LIKE%20'%25'", "?filter=1=1"):
            found = tile(
                role, f"/ogc/collections/{name}/tiles/WebMercatorQuad/16/{column}/{row}{asked}"
            )
            if role not in layer.roles:
                assert found is None, (role, name)
                continue
            codes = set(found[name]["code"]) if name in found else set()
            with furnished.connect() as connection:
                connection.execute(ACT_AS, caller(role).settings())
                here = text(f"SELECT code FROM {qualified_name(layer.source)} WHERE {inside}")
                there = set(connection.execute(here).scalars())
            assert there <= codes <= set(rows(furnished, role, layer)), (role, name)


def test_importer_reads_no_draft_in_any_form(signed_in, planner):
    drafts = planner.get(f"/communities/{t.RIVERSIDE}/plans", params={"status": "draft"}).json()
    plan = drafts["items"][0]["id"]
    importer = signed_in("importer")
    for path in ("", "/grids", "/validation"):
        assert planner.get(f"/plans/{plan}{path}").status_code == 200
        assert importer.get(f"/plans/{plan}{path}").status_code == 404, path
    asked = {"plan": plan, "format": "geojson"}
    assert importer.get("/exports/grid", params=asked).status_code == 404
