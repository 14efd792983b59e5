"""Problem documents in the caller's language, whatever the mistake; HEAD."""

import re

import pytest

from geo.messages import LANGUAGES, catalogue

FIELD = re.compile(r"(?<!\{)\{(\w+)(?::[^{}]*)?\}")
MISTAKES = [
    ("GET", "/nowhere", None, 404),
    ("GET", "/ogc/nowhere", None, 404),
    ("POST", "/regions", None, 405),
    ("GET", "/regions?limit=ten", None, 422),
    ("GET", "/regions?limit=0", None, 422),
    ("GET", "/grids?status=archived", None, 422),
    ("GET", "/grids?community=x", None, 422),
    ("GET", "/ogc/collections/building/items?limit=-1", None, 400),
    ("GET", "/ogc/collections/building/items?offset=x", None, 400),
    ("POST", "/plans/1/edits", b"{", 400),
    ("POST", "/plans/1/edits", b"{}", 422),
    ("POST", "/plans/1/edits", b'{"kind": "fly"}', 422),
    ("POST", "/plans/1/edits", b'{"kind": "merge", "grids": ["1"]}', 422),
    ("POST", "/plans/1/edits", b'{"kind": "lock", "grids": "all", "locked": "?", "x": 1}', 422),
]
ENGLISH = re.compile(
    r"\b(?:input|should|must|may|is|not|be|valid|found|allowed|required|the)\b", re.I
)


@pytest.mark.parametrize(("method", "path", "body", "status"), MISTAKES)
def test_mistake_is_told_in_the_language_of_who_makes_it(planner, method, path, body, status):
    told = {}
    for language in ("zh", "en"):
        headers = {"Accept-Language": language, "Content-Type": "application/json"}
        answer = planner.request(method, path, content=body, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        told[language] = answer.json()
    for part in ("title", "detail"):
        assert re.search("[\u4e00-\u9fff]", told["zh"][part]), told["zh"]
        assert not ENGLISH.search(told["zh"][part]), told["zh"]
        assert not re.search("[\u4e00-\u9fff]", told["en"][part]), told["en"]


@pytest.mark.parametrize(
    ("path", "zh", "en"),
    [
        ("/grids?community=x", "须为 12 位数字", "must have 12 digits"),
        ("/share?grid=x", "须为 15 位数字", "must have 15 digits"),
        ("/share?place=x", "格式不正确", "has the wrong format"),
    ],
)
def test_a_format_is_described_in_words_not_by_its_pattern(client, path, zh, en):
    for language, words in (("zh", zh), ("en", en)):
        detail = client.get(path, headers={"Accept-Language": language}).json()["detail"]
        assert words in detail
        assert not re.search(r"[\^$\\\[]", detail)


@pytest.mark.parametrize(
    ("accepted", "title"),
    [
        ("", "未找到"),
        ("fr, de;q=0.5", "未找到"),
        ("en-GB,en;q=0.9,zh;q=0.8", "Not found"),
        ("en;q=0.3, zh-CN;q=0.9", "未找到"),
        ("zh;q=0, en", "Not found"),
        ("en;q=much", "未找到"),
    ],
)
def test_language_is_the_one_that_is_liked_best(client, accepted, title):
    answer = client.get("/nowhere", headers={"Accept-Language": accepted})
    assert answer.json()["title"] == title


@pytest.mark.parametrize("path", ["/health", "/regions?limit=1", "/ogc/collections", "/"])
def test_head_tells_what_get_would(client, path):
    plain = {"Accept-Encoding": "identity"}
    got, told = client.get(path, headers=plain), client.head(path, headers=plain)
    assert told.status_code == got.status_code == 200
    assert told.content == b""
    for name in ("content-type", "content-length", "etag"):
        assert told.headers.get(name) == got.headers.get(name), name


def test_nobody_is_sent_an_export_or_events_without_a_body(client):
    assert client.head("/exports/grid?format=csv").status_code == 405


COMMAND = re.compile(r"gridatlas |--[a-z]")
NOWHERE = "999999999999"


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("planner", "GET", f"/communities/{NOWHERE}/plans"),
        ("planner", "POST", f"/communities/{NOWHERE}/plans"),
        ("public", "GET", f"/exports/building?region={NOWHERE}"),
        ("importer", "GET", "/imports/runs/999999"),
        ("importer", "POST", "/imports/runs/999999/rollback"),
    ],
)
def test_caller_over_http_is_sent_to_no_command_line(client, signed_in, role, method, path):
    who = client if role == "public" else signed_in(role)
    for language in ("zh", "en"):
        answer = who.request(method, path, json={}, headers={"Accept-Language": language})
        assert answer.status_code in {404, 409, 403}, answer.text
        assert not COMMAND.search(answer.json()["detail"]), answer.json()


def test_texts_for_callers_over_http_have_the_fields_of_those_they_stand_for():
    for language in LANGUAGES:
        texts = catalogue(language)
        own = [key.removeprefix("http.") for key in texts if key.startswith("http.")]
        assert len(own) >= 6
        for key in own:
            named = [set(FIELD.findall(texts[f"{kind}.{key}"])) for kind in ("http", "error")]
            assert named[0] <= named[1], key
            assert not COMMAND.search(texts[f"http.{key}"]), key
