"""Line breaks and ways out of folders, tried in everything that a caller may give."""

import asyncio
import re
from urllib.parse import quote

import httpx
import pytest

from api.app import Guarded
from geo.settings import settings
from tests import town as t
from tests.api.test_people import picture
from tests.api.test_resilience import connected, ended

GRID = f"{t.NORTH_GATE}001"
BREAK = "x\r\nX-Evil: 1\r\n\r\n<script>"
UP = "../../../../../../etc/passwd"
ENDLESS = {"/jobs/{number}/events"}


@pytest.fixture(scope="module")
def reads(client):
    """Return every read of both descriptions: path, and the parameters that are words."""
    found = []
    for at, base in (("/openapi.json", ""), ("/ogc/api", "/ogc")):
        for path, operations in client.get(at, timeout=60).json()["paths"].items():
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
        answer = admin.get(address, timeout=60)
        assert "x-evil" not in answer.headers, address
        assert answer.status_code < 500, (address, answer.text[:200])


def test_ways_out_of_a_folder_lead_nowhere(signed_in, reads):
    admin = signed_in("admin")
    for address in tried(reads, UP):
        answer = admin.get(address, timeout=60)
        assert b"root:" not in answer.content, address
        assert answer.status_code < 500, (address, answer.text[:200])


@pytest.mark.parametrize(
    "name",
    ["X-Request-Id", "Accept-Language", "If-None-Match", "Range", "Origin", "Accept-Encoding"],
)
@pytest.mark.parametrize("evil", ["a\r\n X-Evil: 1", "a\rX-Evil: 1", "a\x00X-Evil: 1"])
def test_line_breaks_in_what_a_head_says_come_back_in_none(address, name, evil):
    with connected(address) as one:
        head = f"GET /style.json HTTP/1.1\r\nHost: x\r\n{name}: {evil}\r\nConnection: close\r\n\r\n"
        one.sendall(head.encode())
        answer = ended(one).partition(b"\r\n\r\n")[0].lower()
    assert answer.startswith(b"http/1.1 ")
    assert b"x-evil" not in answer


@pytest.mark.parametrize(
    "path",
    ["/regions%0d%0aX-Evil:%201/", "//evil.example/%0d%0aX-Evil:%201", "/grids/1%0d%0aX-Evil: 1/"],
)
def test_redirects_go_to_no_place_of_a_callers(address, path):
    answer = httpx.get(f"{address}{path}", follow_redirects=False)
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
            answer = admin.get(address, timeout=60)
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

        await Guarded(careless)({"type": "http"}, None, keep)
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
