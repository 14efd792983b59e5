"""Line breaks and ways out of folders, tried in everything that a caller may give."""

import asyncio
import re
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Text, cast, select
from sqlalchemy import text as sql

from api.middleware.security_headers import SecurityHeadersMiddleware
from geo.model import Base
from geo.settings import settings
from tests import town as t
from tests.api.public.test_grid_staff import picture
from tests.api.test_resilience import connected, ended
from tests.server import serving
from tests.waiting import TIMEOUT_S

GRID = f"{t.NORTH_GATE}001"
BREAK = "x\r\nX-Evil: 1\r\n\r\n<script>"
UP = "../../../../../../etc/passwd"
ENDLESS = {"/jobs/{number}/events", "/casework/events"}


@pytest.fixture(scope="module")
def reads(client):
    """Return every read of both descriptions: path, and the parameters that are words."""
    found = []
    for at, base in (("/openapi.json", ""), ("/ogc/api", "/ogc")):
        for path, operations in client.get(at).json()["paths"].items():
            if "get" in operations and path not in ENDLESS:
                found.append((base + path, operations["get"].get("parameters", [])))
    assert len(found) > 70
    return found


def tried(reads, evil):
    """Yield an address for each place that takes a caller's words, with evil ones there."""
    for path, parameters in reads:
        usual = {"{code}": GRID, "{z}/{x}/{y}": "3/6/3"}
        for name in re.findall(r"{\w+}", path):
            plain = path
            for other, value in usual.items():
                plain = plain.replace(other, value) if other != name else plain
            yield re.sub(r"{\w+}", "1", plain.replace(name, quote(evil, safe="")))
        for given in parameters:
            if given["in"] == "query":
                plain = re.sub(r"{\w+}", "1", path.replace("{code}", GRID))
                yield f"{plain}?{given['name']}={quote(evil, safe='')}"


def test_line_breaks_in_what_is_asked_make_no_header(signed_in, reads):
    admin = signed_in("admin")
    asked = list(tried(reads, BREAK))
    assert len(asked) > 200
    for address in asked:
        answer = admin.get(address)
        assert "x-evil" not in answer.headers, address
        assert answer.status_code < 500, (address, answer.text[:200])


def test_ways_out_of_a_folder_lead_nowhere(signed_in, reads):
    admin = signed_in("admin")
    for address in tried(reads, UP):
        answer = admin.get(address)
        assert b"root:" not in answer.content, address
        assert answer.status_code < 500, (address, answer.text[:200])


@pytest.mark.parametrize(
    "name",
    ["X-Request-Id", "Accept-Language", "If-None-Match", "Range", "Origin", "Accept-Encoding"],
)
@pytest.mark.parametrize("evil", ["a\r\n X-Evil: 1", "a\rX-Evil: 1", "a\x00X-Evil: 1"])
def test_line_breaks_in_what_a_head_says_come_back_in_none(address, name, evil):
    with connected(address) as one:
        head = f"GET /style.json HTTP/1.1\r\nHost: localhost\r\n{name}: {evil}\r\n"
        one.sendall(f"{head}Connection: close\r\n\r\n".encode())
        answer = ended(one).partition(b"\r\n\r\n")[0].lower()
    assert answer.startswith(b"http/1.1 ")
    assert b"x-evil" not in answer


@pytest.mark.parametrize(
    "path",
    ["/regions%0d%0aX-Evil:%201/", "//evil.example/%0d%0aX-Evil:%201", "/grids/1%0d%0aX-Evil: 1/"],
)
def test_redirects_go_to_no_place_of_a_callers(address, path):
    answer = httpx.get(f"{address}{path}", follow_redirects=False, timeout=TIMEOUT_S)
    assert "x-evil" not in answer.headers
    assert answer.headers.get("location", address).startswith(address)


def test_names_of_downloads_hold_nothing_of_a_callers(signed_in):
    admin = signed_in("admin")
    names = {
        f"/exports/road?format=csv&region={t.NORTH_GATE}": f"road-{t.NORTH_GATE}.csv",
        "/exports/road?format=shp": "road.zip",
        "/gridatlas.qgs": "gridatlas.qgs",
    }
    for address, name in names.items():
        said = admin.get(address).headers["content-disposition"]
        assert said == f'attachment; filename="{name}"'
    for evil in (quote('a"\r\nX-Evil: 1', safe=""), "%e2%80%a8", '..%2f"'):
        for address in (
            f"/exports/{evil}",
            f"/exports/road?region={evil}",
            f"/fire/buildings/{evil}/sheet.pdf",
            f"/communities/{evil}/cards.pdf",
            f"/communities/{evil}/notice.pdf",
            f"/communities/{t.NORTH_GATE}/notice.pdf?grid={evil}",
            f"/plans/{evil}/sheet.pdf",
            f"/baked/{evil}",
        ):
            answer = admin.get(address)
            assert answer.status_code in (400, 404, 422), address
            assert "content-disposition" not in answer.headers


def test_header_that_would_break_into_two_stays_one():
    """The last guard, whatever an endpoint may let through."""

    async def careless(scope, receive, send):
        headers = [(b"x-name", b"a\r\nX-Evil: 1\0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def sent():
        messages = []

        async def keep(message):
            messages.append(message)

        await SecurityHeadersMiddleware(careless)({"type": "http"}, None, keep)
        return dict(messages[0]["headers"])

    assert asyncio.run(sent())[b"x-name"] == b"aX-Evil: 1"


NAMES = [UP, "..\\..\\x.gpkg", "/etc/cron.d/x", "x\x00.gpkg", "a.gpkg/../../b", "\r\nX-Evil: 1", ""]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_uploads_lead_out_of_no_folder(signed_in, name, tmp_path):
    admin = signed_in("admin")
    before = {file.name for file in settings().home.glob("*")}
    manager = {"name": "王秀兰"}
    assert admin.put(f"/grids/{GRID}/manager", json=manager).status_code == 200
    kinds = {
        f"/grids/{GRID}/manager/photo": ("PUT", "photo", picture()),
        "/imports/quarantine/replay": ("POST", "file", b"not a file"),
    }
    for address, (method, field, content) in kinds.items():
        body = _form(field, name, content)
        head = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = admin.request(method, address, content=body, headers=head)
        assert answer.status_code < 500, (address, answer.text[:200])
        assert "x-evil" not in answer.headers
    assert {file.name for file in settings().home.glob("*")} <= before | {"reports"}


def _form(field, name, content):
    """Return a body with a name as an attacker writes it: libraries would mend it."""
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--b--\r\n"


HOSTILE = (
    r'"\ud800"',
    r'"a\u0000b"',
    r'"\u001b[31m"',
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 400,
    "9" * 30,
    "-1",
    "true",
    '""',
    '"x"',
    "[" * 900 + "]" * 900,
    '{"a":' * 200 + "1" + "}" * 200,
    '{"type": "Point", "coordinates": [1e308, "x"]}',
    '{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}',
    '{"type": "GeometryCollection", "geometries": [{"type": "Nothing"}]}',
    "[[], {}, null]",
)
"""JSON, and what Python's reader takes for it, that no name, figure or geometry is."""

PLACES = {"{layer}": "building", "{code}": GRID, "{number}": "1"}


def bodies(described):
    """Yield each operation that takes JSON with hostile bodies: whole, and in each property."""
    parts = described["components"]["schemas"]

    def properties(schema):
        if "$ref" in schema:
            return properties(parts[schema["$ref"].rpartition("/")[2]])
        inner = [one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())]
        return set(schema.get("properties", ())).union(*map(properties, inner))

    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            for place, value in PLACES.items():
                path = path.replace(place, value)
            for value in HOSTILE:
                yield method, path, value
                for name in sorted(properties(content["schema"])):
                    yield method, path, f'{{"{name}": {value}}}'


def test_no_body_breaks_the_server(client, signed_in):
    admin = signed_in("admin")
    asked = list(bodies(client.get("/openapi.json").json()))
    assert len(asked) > 500
    for method, path, body in asked:
        content = body.encode("utf-8", "surrogatepass")
        headers = {"Content-Type": "application/json"}
        answer = admin.request(method, path, content=content, headers=headers)
        assert answer.status_code < 500, (method, path, body[:100], answer.text[:300])


GEOMETRIES = (
    "POINT (112 32)",
    "SRID=3857;POLYGON ((0 0, 1 0, 1 1, 0 0))",
    "POLYGON ((112 32, 113 33, 113 32, 112 33, 112 32))",
    "MULTIPOLYGON EMPTY",
    "MULTIPOLYGON (((1e300 0, 1e300 1, 1 1, 1e300 0)))",
    "MULTIPOLYGON (((112 32, 112.1 32)))",
    "nonsense",
    "00",
)


@pytest.mark.parametrize(
    "given",
    [
        *({"geom": one} for one in GEOMETRIES),
        {"name": "a\tb"},
        {"name": "a\u0085b"},
        {"name": ["x"]},
        {"height_m": "NaN"},
        {"height_m": "Infinity"},
        {"households": "1e3"},
    ],
    ids=str,
)
def test_correction_that_cannot_be_is_refused_and_changes_nothing(signed_in, town, given):
    assert_refused(signed_in("importer"), town, "building", given)


def test_correction_that_refers_to_nothing_is_refused(signed_in, town):
    add = (
        "INSERT INTO building_unit (code, building_code, source, revision, geom) "
        "SELECT 'unit-1', code, 'test', 1, ST_PointOnSurface(geom) FROM building "
        "ORDER BY code LIMIT 1"
    )
    with town.begin() as connection:
        connection.execute(sql(add))
    given = {"building_code": "none"}
    assert_refused(signed_in("importer"), town, "building_unit", given)


def assert_refused(importer, town, layer, given):
    """Correct the first feature of a layer, which has to stay as it is."""
    table = Base.metadata.tables[layer]
    columns = [cast(column, Text) for column in table.c]
    first = select(table.c.code, *columns).order_by(table.c.code).limit(1)
    with town.begin() as connection:
        before = connection.execute(first).one()
    answer = importer.put(f"/imports/corrections/{layer}/{before.code}", json=given)
    assert answer.status_code in (400, 422), answer.text
    with town.begin() as connection:
        assert connection.execute(first).one() == before


FOREIGN = "evil.example"
LINKED = ("/regions?limit=1", "/ogc/", "/style.json?absolute=true", "/gridatlas.qgs")


@pytest.mark.parametrize("path", [*LINKED, "/health"])
def test_foreign_host_gets_into_no_answer(client, path):
    answer = client.get(path, headers={"Host": FOREIGN})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:gridatlas:problem:host_unknown"
    assert "GRIDATLAS_SITE" in answer.json()["detail"]
    for host in ("localhost:9999", "[::1]:80", "127.0.0.1"):
        assert client.get(path, headers={"Host": host}).status_code == 200


def test_public_address_is_in_every_link(client, monkeypatch):
    monkeypatch.setattr(settings(), "site", "https://grids.example.cn")
    for path in LINKED:
        for host in ("grids.example.cn", "127.0.0.1"):
            said = client.get(path, headers={"Host": host}).text
            assert "https://grids.example.cn/" in said, path
            assert "127.0.0.1" not in said, path
    assert client.get("/regions", headers={"Host": FOREIGN}).status_code == 400


def test_lan_address_is_known_where_the_server_listens_on_it(town):
    """A server that listens everywhere answers at the address that was reached."""
    with serving(town, host="0.0.0.0") as address:  # noqa: S104
        port = httpx.URL(address).port
        reached = f"http://127.0.0.2:{port}/regions?limit=1"
        assert (
            httpx.get(reached, timeout=TIMEOUT_S)
            .json()["links"][0]["href"]
            .startswith("http://127.0.0.2:")
        )
        other = httpx.get(reached, headers={"Host": "127.0.0.3"}, timeout=TIMEOUT_S)
        assert other.status_code == 400


def test_answers_that_depend_on_the_caller_say_so(signed_in, reads):
    admin = signed_in("admin")
    for path, _ in reads:
        plain = re.sub(r"{\w+}", "1", path.replace("{code}", GRID))
        answer = admin.get(plain)
        assert "authorization" in answer.headers.get("vary", "").lower(), path
