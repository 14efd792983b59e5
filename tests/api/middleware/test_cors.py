"""What pages of other origins may read, as a browser asks for them; and OPTIONS elsewhere."""

import os

import httpx
import pytest

from geo import db
from geo.settings import Settings
from tests.server import serving
from tests.waiting import TIMEOUT_S

OURS, THEIRS = "https://maps.example.cn", "https://elsewhere.example"
OPEN = ("/ogc/collections", "/ogc/api", "/tiles/15/0/0", "/openapi.json")


@pytest.fixture(scope="module")
def shared(town, address):
    """Return the client of a server that lets two origins in, beside one that lets none."""
    assert address
    os.environ["GRIDATLAS_ORIGINS"] = f"{OURS}, http://localhost:5173"
    db.reset_engine()
    try:
        with serving(town) as address, httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
            yield client
    finally:
        del os.environ["GRIDATLAS_ORIGINS"]
        db.reset_engine()


def preflight(client, path, origin, method="GET"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(path, headers=asked | {"Access-Control-Request-Headers": "authorization"})


@pytest.mark.parametrize("path", OPEN)
def test_page_of_an_origin_in_the_settings_may_read(shared, path):
    asked = preflight(shared, path, OURS)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == OURS
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    answer = shared.get(path, headers={"Origin": OURS})
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == OURS
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


def test_tile_that_is_known_may_be_read_too(shared):
    tag = shared.get("/tiles/15/0/0").headers["etag"]
    known = shared.get("/tiles/15/0/0", headers={"Origin": OURS, "If-None-Match": tag})
    assert known.status_code == 304
    assert known.headers["access-control-allow-origin"] == OURS
    assert "ETag" in known.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", OPEN)
def test_page_of_any_other_origin_may_not(shared, client, path):
    for server, origin in ((shared, THEIRS), (client, OURS), (shared, f"{OURS}.evil.example")):
        asked = preflight(server, path, origin)
        answer = server.get(path, headers={"Origin": origin})
        assert asked.status_code == 405
        for one in (asked, answer):
            assert not any(name.startswith("access-control") for name in one.headers)


@pytest.mark.parametrize("path", ["/regions", "/plans/1", "/auth/token", "/exports/grid", "/"])
def test_nothing_but_the_open_standards_is_shared(shared, path):
    asked = preflight(shared, path, OURS)
    assert asked.status_code == 405
    assert not any(name.startswith("access-control") for name in asked.headers)


@pytest.mark.parametrize("path", [*OPEN, "/regions", "/static/none.js", "/auth/token"])
def test_options_tells_what_is_allowed(client, path):
    answer = client.options(path)
    assert answer.status_code == 405
    allowed = answer.headers["allow"].split(", ")
    assert allowed == (["POST"] if path == "/auth/token" else ["GET", "HEAD"])
    assert answer.headers["content-type"] == "application/problem+json"


def test_page_may_not_change_anything(shared):
    assert preflight(shared, "/ogc/collections", OURS, "DELETE").status_code == 400


@pytest.mark.parametrize("given", ["maps.example.cn", "https://a.cn/path", "https://a.cn,", "*,*"])
def test_origin_that_is_none_is_refused(given, monkeypatch):
    monkeypatch.setenv("GRIDATLAS_ORIGINS", given)
    with pytest.raises(ValueError, match="origins"):
        Settings()
