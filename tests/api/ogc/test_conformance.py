"""The requirements of OGC API Features (parts 1, 2, 3, 5) and Tiles, one test each, by their names.

Written from OGC 17-069r4, 18-058r1, 19-079r2, 23-058r2 and 20-057.
"""

import json
import re
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text

from api.ogc.landing import CONFORMANCE_CLASSES
from api.ogc.ogc import RESOURCES
from tests import town as t
from tests.api.tiles.test_tiles import tile_of
from tests.waiting import TIMEOUT_S

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


_TIMES = "valid_from = '2024-01-01T00:00:00Z', valid_to = '2026-01-01T00:00:00Z'"
HISTORY = (
    "UPDATE facility SET name = '旧校', geom = ST_Translate(geom, -0.005, 0) WHERE code = 'school'",
    "UPDATE facility SET name = '荆州街小学', geom = ST_Translate(geom, 0.005, 0) "
    "WHERE code = 'school'",
    "INSERT INTO building (code, name, use, storeys_above, households_source, geom) "
    "SELECT 'gone', '拆除楼', use, 3, households_source, geom FROM building LIMIT 1",
    "DELETE FROM building WHERE code = 'gone'",
    "DELETE FROM facility_history WHERE name <> '旧校'",
    f"UPDATE facility_history SET {_TIMES}",
    f"UPDATE building_history SET {_TIMES}",
    "SET LOCAL session_replication_role = replica; "  # no triggers
    + "; ".join(
        f"UPDATE {table} SET valid_from = '2026-01-01T00:00:00Z'"
        for table in ("facility", "building", "region", "road")
    ),
)


@pytest.fixture(scope="module")
def town(shared_database):
    """Return the town, in which the school had another name and place until 2026."""
    t.build(shared_database)
    for statement in HISTORY:  # in transactions of their own, or nobody would have seen them
        with shared_database.begin() as connection:
            connection.execute(text(statement))
    return shared_database


@pytest.fixture(scope="module")
def ogc(address):
    with httpx.Client(base_url=f"{address}/ogc", timeout=TIMEOUT_S) as client:
        yield client


def items(ogc, layer, **asked):
    return ogc.get(f"/collections/{layer}/items", params=asked)


def links_of(document, rel):
    return [link for link in document["links"] if link["rel"] == rel]


@pytest.fixture(scope="module")
def api(ogc):
    return ogc.get("/api").json()


# Features part 1, core


def test_req_core_root_success(ogc):
    landing = ogc.get("/").json()
    for rel in ("self", "alternate", "service-desc", "service-doc", "conformance", "data"):
        assert links_of(landing, rel), rel
    for link in landing["links"]:
        answer = ogc.get(link["href"])
        assert answer.status_code == 200, link
        assert answer.headers["content-type"].startswith(link["type"].partition(";")[0]), link


def test_req_core_api_definition_success(ogc):
    [link] = links_of(ogc.get("/").json(), "service-desc")
    assert link["type"] == OPENAPI
    answer = ogc.get(link["href"], headers={"Accept": OPENAPI})
    assert answer.headers["content-type"] == OPENAPI
    assert re.fullmatch(r"3\.0\.\d", answer.json()["openapi"])


def test_req_core_conformance_success(ogc):
    declared = ogc.get("/conformance").json()["conformsTo"]
    assert declared == CONFORMANCE_CLASSES
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in declared


def test_req_core_fc_md_success(ogc):
    listed = ogc.get("/collections").json()
    assert links_of(listed, "self")
    assert links_of(listed, "alternate")
    for one in listed["collections"]:
        assert {link["type"] for link in links_of(one, "items")} >= {"application/geo+json"}
        assert one["crs"][0] == CRS84


def test_req_core_fc_md_extent(ogc):
    for one in ogc.get("/collections").json()["collections"]:
        assert one["extent"]["temporal"]["interval"][0][1] is None
        [box] = one["extent"]["spatial"]["bbox"]
        asked = {"limit": 10_000, "bbox": ",".join(map(str, box))}
        inside = items(ogc, one["id"], **asked).json()["numberMatched"]
        assert inside == items(ogc, one["id"]).json()["numberMatched"] > 0


def test_temporal_extent_begins_with_the_oldest_version(ogc):
    extent = ogc.get("/collections/facility").json()["extent"]["temporal"]
    assert extent["interval"] == [["2024-01-01T00:00:00Z", None]]
    assert ogc.get("/").json()["extent"]["temporal"] == extent


def test_req_core_sfc_md_success(ogc):
    for one in ogc.get("/collections").json()["collections"]:
        alone = ogc.get(f"/collections/{one['id']}").json()
        for name in ("id", "title", "extent", "crs", "storageCrs", "itemType"):
            assert alone[name] == one[name]


def test_req_core_fc_op_every_link_of_collections_works(ogc):
    for one in ogc.get("/collections").json()["collections"]:
        for link in one["links"]:
            answer = ogc.get(link["href"])
            assert answer.status_code == 200, link
            assert answer.headers["content-type"].startswith(link["type"]), link


@pytest.mark.parametrize(
    ("name", "kind", "explode"),
    [("bbox", "array", False), ("datetime", "string", False), ("limit", "integer", False)],
)
def test_req_core_fc_parameter_definitions(api, name, kind, explode):
    parameters = api["paths"]["/collections/{collectionId}/items"]["get"]["parameters"]
    [one] = [one for one in parameters if one["name"] == name]
    assert (one["in"], one["required"], one["style"], one["explode"]) == (
        *("query", False, "form"),
        explode,
    )
    assert one["schema"]["type"] == kind
    if name == "bbox":
        assert (one["schema"]["minItems"], one["schema"]["maxItems"]) == (4, 6)
        assert one["schema"]["items"] == {"type": "number"}
    if name == "limit":
        assert one["schema"]["minimum"] == 1
        assert one["schema"]["default"] == 1000


def test_req_core_fc_limit_response(ogc):
    page = items(ogc, "building", limit=3).json()
    assert page["numberReturned"] == len(page["features"]) == 3
    assert len(items(ogc, "building", limit=10**30).json()["features"]) == page["numberMatched"]


def test_req_core_fc_bbox_response(ogc):
    west, south = t.degrees(0, 0)
    east, north = t.degrees(199, 199)
    flat = items(ogc, "building", bbox=f"{west},{south},{east},{north}").json()
    high = items(ogc, "building", bbox=f"{west},{south},-9,{east},{north},99").json()
    assert flat["numberMatched"] == high["numberMatched"] > 0
    assert flat["features"] == high["features"]


@pytest.mark.parametrize("layer", ["building", "region", "road"])
def test_req_core_fc_bbox_across_the_antimeridian(ogc, layer):
    every = items(ogc, layer).json()["numberMatched"]
    for crs, east_of_china, pacific in (
        ("CRS84", "112,31,-170,33", "177,65,-177,70"),
        ("EPSG:4326", "31,112,33,-170", "65,177,70,-177"),
    ):
        asked = {"bbox-crs": crs}
        across = items(ogc, layer, bbox=east_of_china, **asked)
        assert across.json()["numberMatched"] == every, across.text
        none = items(ogc, layer, bbox=pacific, **asked)
        assert (none.status_code, none.json()["numberMatched"]) == (200, 0)
    metric = {"bbox": "3546000,607000,3547000,606000", "bbox-crs": f"{EPSG}4546"}
    assert items(ogc, layer, **metric).status_code == 400


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("2025-06-01T00:00:00Z", "旧校"),
        ("2025-06-01", "旧校"),
        ("2025-06-01T08:00:00+08:00", "旧校"),
        ("2026-02-01T00:00:00.123Z", "荆州街小学"),
        ("../2025-06-01", "旧校"),
        ("/2025-06-01T00:00:00Z", "旧校"),
        ("2025-06-01/..", "荆州街小学"),
        ("2024-05-01/2026-05-01", "荆州街小学"),
        ("2023-01-01/2024-01-01", "旧校"),
        ("2023-12-31T23:59:59Z", None),
        ("../2023-12-31", None),
    ],
)
def test_req_core_fc_time_response(ogc, asked, name):
    answer = items(ogc, "facility", ids="school", datetime=asked)
    assert answer.status_code == 200, answer.text
    names = [one["properties"]["name"] for one in answer.json()["features"]]
    assert names == ([] if name is None else [name])
    assert answer.json()["numberMatched"] == len(names)


def test_every_collection_can_be_read_as_of_a_past_time(ogc, signed_in):
    features = items(ogc, "building", datetime="2025-01-01").json()["features"]
    past = {one["id"]: one for one in features}
    assert set(past) == {"gone"}
    assert past["gone"]["properties"]["name"] == "拆除楼"
    assert "gone" not in {one["id"] for one in items(ogc, "building").json()["features"]}
    assert items(ogc, "grid", datetime="2026-02-28").json()["numberMatched"] == 0
    assert items(ogc, "grid", datetime="2026-03-02").json()["numberMatched"] == 12
    headers = {"Authorization": signed_in("admin").headers["Authorization"]}
    for one in ogc.get("/collections", headers=headers).json()["collections"]:
        address = f"/collections/{one['id']}/items"
        answer = ogc.get(address, params={"datetime": "2025-06-01"}, headers=headers)
        assert answer.status_code == 200, (address, answer.text)


def test_past_is_read_by_box_filter_and_tile_too(ogc):
    west, south = t.degrees(1100, 560)
    old = f"{west - 0.006},{south - 0.001},{west - 0.004},{south + 0.001}"
    assert items(ogc, "facility", bbox=old, ids="school").json()["numberMatched"] == 0
    past = {"datetime": "2025-06-01", "bbox": old, "filter": "name LIKE '旧%'"}
    assert items(ogc, "facility", **past).json()["numberMatched"] == 1
    item = ogc.get("/collections/facility/items/school", params={"datetime": "2025-06-01"}).json()
    assert item["properties"]["name"] == "旧校"
    column, row = tile_of(1100 - 0.005 * 94_430, 560, 15)
    tile = f"/collections/facility/tiles/WebMercatorQuad/15/{column}/{row}"
    assert "旧校".encode() in ogc.get(tile, params={"datetime": "2025-06-01"}).content


def test_past_of_protected_layers_is_as_protected(ogc, signed_in):
    for layer in ("building_detail", "building_unit", "pipe_node", "pipe_segment"):
        assert items(ogc, layer, datetime="2025-06-01").status_code == 404
    headers = {"Authorization": signed_in("planner").headers["Authorization"]}
    past = ogc.get(
        "/collections/building_detail/items",
        params={"datetime": "2025-06-01"},
        headers=headers,
    )
    assert {one["id"] for one in past.json()["features"]} <= {"gone"}


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "yesterday",
            "2025",
            "2025-13-01",
            "2025-02-30",
            "2025-06-01T25:00:00Z",
            "",
            "..",
            "../..",
        ),
        *(
            "2025-06-01T00:00:00",
            "2025-06-02/2025-06-01",
            "a/b",
            "2025-01-01/2025-02-01/2025-03-01",
        ),
        *("20250601", "2025-W23-1", "0000-01-01", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_datetime_that_is_no_date_is_400(ogc, asked):
    answer = items(ogc, "facility", datetime=asked)
    assert answer.status_code == 400, answer.text
    assert (
        ogc.get("/collections/facility/items/school", params={"datetime": asked}).status_code == 400
    )


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=x", "limit=", "limit=1.5", "offset=-1", "offset=x"),
        *("bbox=1,2,3", "bbox=", "bbox=a,b,c,d", "bbox=1,9,2,8", "crs=x", "crs=", "bbox-crs=x"),
        *(
            "filter=",
            "filter=name",
            "filter-lang=sql",
            "filter-crs=x",
            "f=xml",
            "f=",
            "limit=1&limit=2",
        ),
    ],
)
def test_req_core_query_param_invalid(ogc, query):
    answer = ogc.get(f"/collections/facility/items?{query}")
    assert answer.status_code == 400, (query, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.path)
def test_req_core_query_param_unknown(ogc, resource):
    column, row = tile_of(300, 350, 15)
    path = resource.path.format(
        collectionId="building",
        featureId="b001-001",
        tileMatrixSetId="WebMercatorQuad",
        tileMatrix=15,
        tileCol=column,
        tileRow=row,
    )
    assert ogc.get(path).status_code == 200
    answer = ogc.get(path, params={"unknownQueryParameter": "1"})
    assert answer.status_code == 400, path
    assert "unknownQueryParameter" in answer.json()["detail"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/geo+json", BROWSER])
def test_req_core_fc_response(ogc, accept):
    answer = ogc.get("/collections/building/items", headers={"Accept": accept})
    if accept == BROWSER:
        assert answer.headers["content-type"].startswith("text/html")
        return
    expected = "application/geo+json" if accept == "*/*" else accept
    assert answer.headers["content-type"] == expected
    document = answer.json()
    assert document["type"] == "FeatureCollection"
    assert document["numberReturned"] == len(document["features"])
    assert links_of(document, "self")[0]["type"] == expected


def test_req_core_fc_links(ogc):
    answer = ogc.get("/collections/building/items?limit=2&use=residential&f=json").json()
    [own] = links_of(answer, "self")
    assert own["href"].endswith("/collections/building/items?limit=2&use=residential&f=json")
    alternates = {link["type"] for link in links_of(answer, "alternate")}
    assert alternates == {
        *("application/geo+json", "text/html", "text/csv", "application/geo+json-seq"),
        "application/x-ndjson",
    }
    for link in answer["links"]:
        assert {"href", "rel", "type", "title"} <= link.keys()
        assert ogc.get(link["href"]).headers["content-type"].startswith(link["type"]), link


def test_req_core_fc_numbermatched_over_all_pages(ogc):
    document = items(ogc, "building", limit=50, filter="storeys_above = 6").json()
    matched, ids = document["numberMatched"], []
    while True:
        ids += [one["id"] for one in document["features"]]
        following = links_of(document, "next")
        if not following:
            break
        document = ogc.get(following[0]["href"]).json()
    assert len(ids) == len(set(ids)) == matched
    back = ogc.get(links_of(document, "prev")[0]["href"]).json()
    assert back["features"][0]["id"] in ids


def test_gdal_3_6_which_asks_for_ten_features_gets_the_others_in_large_pages(ogc):
    path, accept = "/collections/building/items?limit=10", "application/geo+json, application/json"
    for headers, limit in (({"Accept": accept}, 1000), ({}, 10)):
        page = ogc.get(path, headers=headers).json()
        assert page["numberReturned"] == 10
        [following] = links_of(page, "next")
        assert f"limit={limit}" in following["href"]


def test_req_core_fc_timestamp(ogc):
    stamp = datetime.fromisoformat(items(ogc, "building", limit=1).json()["timeStamp"])
    assert abs((datetime.now(UTC) - stamp).total_seconds()) < 3600  # not a zone away


def test_req_core_f_success(ogc):
    for one in items(ogc, "facility").json()["features"]:
        answer = ogc.get(f"/collections/facility/items/{one['id']}")
        assert answer.headers["content-type"] == "application/geo+json"
        feature = answer.json()
        assert (feature["id"], feature["geometry"], feature["properties"]) == (
            *(one["id"], one["geometry"]),
            one["properties"],
        )
        for rel in ("self", "alternate", "collection"):
            for link in links_of(feature, rel):
                assert ogc.get(link["href"]).status_code == 200


@pytest.mark.parametrize("code", ["a/b", "a#b", "a?b", "a%b", "a b", "a+b", "a&b=c", "引'号"])
def test_feature_with_special_characters_in_its_id_links_to_itself(ogc, town, code):
    add = "INSERT INTO facility (code, category, name, geom) VALUES (:code, 'park', '', "
    add += "(SELECT geom FROM facility WHERE code = 'school'))"
    with town.begin() as connection:
        connection.execute(text(add), {"code": code})
    try:
        answer = ogc.get(f"/collections/facility/items/{quote(code, safe='')}")
        assert answer.json()["id"] == code
        [own] = links_of(answer.json(), "self")
        assert ogc.get(own["href"]).json()["id"] == code
    finally:
        with town.begin() as connection:
            connection.execute(text("DELETE FROM facility WHERE code = :code"), {"code": code})


def test_items_and_features_have_etags(ogc):
    column, row = tile_of(300, 350, 15)
    for path in (
        "/",
        "/collections",
        "/collections/building/items?limit=5",
        "/collections/building/items?limit=5&f=csv",
        "/collections/building/items?limit=5&f=html",
        "/collections/building/items/b001-001",
        f"/collections/building/tiles/WebMercatorQuad/15/{column}/{row}",
        f"/tiles/WebMercatorQuad/15/{column}/{row}",
        "/tiles/WebMercatorQuad/tilejson.json",
    ):
        answer = ogc.get(path)
        again = ogc.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["etag"] == answer.headers["etag"]
        assert ogc.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_etag_of_a_tile_changes_with_its_layer(ogc, town):
    column, row = tile_of(300, 350, 15)
    path = f"/collections/building/tiles/WebMercatorQuad/15/{column}/{row}"
    tag = ogc.get(path).headers["etag"]
    with town.begin() as connection:
        connection.execute(text("UPDATE building SET name = '改' WHERE code = 'b001-001'"))
    changed = ogc.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_req_oas30_completeness(api):
    operations = [path["get"] for path in api["paths"].values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) == len(RESOURCES)
    assert any(one.endswith(".getTile") for one in ids)
    for operation in operations:
        for parameter in operation["parameters"]:
            assert isinstance(parameter["schema"]["type"], str)
        assert {"200", "400", "404"} <= operation["responses"].keys()
    assert "anyOf" not in json.dumps(api)
    assert '"null"' not in json.dumps(api)


def test_req_oas30_described_parameters_are_those_that_are_accepted(ogc, api):
    values = {"bbox": "112,32,113,33", "datetime": "2026-05-01", "filter": "code <> 'x'"}
    values |= {"ids": "b001-001", "properties": "name", "sortby": "-name", "crs": CRS84}
    values |= {"bbox-crs": CRS84, "filter-crs": CRS84, "filter-lang": "cql2-text", "offset": 0}
    values |= {"limit": 1, "f": "geojson"}
    described = api["paths"]["/collections/{collectionId}/items"]["get"]["parameters"]
    names = {one["name"] for one in described if one["in"] == "query"}
    assert names == set(values)
    answer = items(ogc, "building", **values)
    assert answer.status_code == 200, answer.text


# Features part 1, HTML


@pytest.mark.parametrize(("language", "title"), [("zh", "建筑"), ("en", "Buildings")])
def test_req_html_definition_pages_are_in_the_language_and_load_from_this_server(
    ogc, language, title
):
    headers = {"Accept": BROWSER, "Accept-Language": language}
    for resource in RESOURCES:
        if "html" not in resource.formats:
            continue
        path = resource.path.format(
            collectionId="building", featureId="b001-001", tileMatrixSetId="WebMercatorQuad"
        )
        answer = ogc.get(path, headers=headers)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        page = answer.text
        assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in page
        for source in re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', page):
            assert source.startswith("/static/"), source
            assert ogc.get(source.replace("/static", "../static")).status_code == 200
        assert not re.search(r">ogc\.", page)
        if "{collectionId}" in resource.path:
            assert title in page, path


def test_req_html_content_every_page_is_linked_and_names_what_it_shows(ogc):
    seen, queue = set(), [str(ogc.base_url)]
    while queue:
        address = queue.pop()
        if address in seen or len(seen) > 80 or address.count("items/") or "offset" in address:
            continue
        seen.add(address)
        answer = ogc.get(address, headers={"Accept": BROWSER})
        assert answer.status_code == 200, address
        if answer.headers["content-type"].startswith("text/html"):
            base = str(ogc.base_url)
            hrefs = re.findall(r'<a[^>]* href="([^"]+)"', answer.text)
            queue += [one.replace("&amp;", "&") for one in hrefs if one.startswith(base)]
    assert any(address.endswith("/items?f=html") for address in seen)
    assert any("schema" in address for address in seen)
    page = ogc.get("/collections/facility/items", headers={"Accept": BROWSER}).text
    assert "荆州街小学" in page


def test_names_are_escaped_in_pages(ogc):
    page = ogc.get("/collections/region/items", headers={"Accept": BROWSER}).text
    assert "江滨&lt;社区&gt;" in page
    assert "江滨<社区>" not in page


# Part 2


def test_req_crs_content_crs_is_of_features_only(ogc):
    column, row = tile_of(300, 350, 15)
    assert items(ogc, "building", limit=1).headers["content-crs"] == f"<{CRS84}>"
    one = ogc.get("/collections/building/items/b001-001", params={"crs": f"{EPSG}4546"})
    assert one.headers["content-crs"] == f"<{EPSG}4546>"
    for path in (
        f"/collections/building/tiles/WebMercatorQuad/15/{column}/{row}",
        "/collections/building",
        "/collections/building/items?f=html",
    ):
        assert "content-crs" not in ogc.get(path).headers, path


# Part 3


@pytest.mark.parametrize("code", [4326, 4490, 4546])
def test_req_filter_filter_crs_has_the_axis_order_of_its_system(ogc, code):
    import pyproj

    to_system = pyproj.Transformer.from_crs("OGC:CRS84", f"EPSG:{code}")
    corners = [t.degrees(*place) for place in ((0, 0), (199, 0), (199, 199), (0, 199), (0, 0))]
    plain = _polygon(corners)
    there = _polygon([to_system.transform(*corner) for corner in corners])
    turned = _polygon([to_system.transform(*corner)[::-1] for corner in corners])
    expected = items(ogc, "building", filter=f"S_INTERSECTS(geom, {plain})").json()["numberMatched"]
    assert expected > 0

    def count(shape):
        asked = {"filter": f"S_INTERSECTS(geom, {shape})", "filter-crs": f"{EPSG}{code}"}
        answer = items(ogc, "building", **asked)
        return answer.json()["numberMatched"] if answer.status_code == 200 else 0

    assert count(there) == expected
    assert count(turned) == 0


def _polygon(corners):
    return f"POLYGON(({', '.join(f'{x:.9f} {y:.9f}' for x, y in corners)}))"


def test_req_filter_boxes_follow_axis_order_and_cross_the_antimeridian(ogc):
    every = items(ogc, "building").json()["numberMatched"]
    for box, crs in (
        ("112,31,-170,33", CRS84),
        ("31,112,33,-170", f"{EPSG}4326"),
        ("112,31,-9,113,33,9", CRS84),
    ):
        asked = {"filter": f"S_INTERSECTS(geom, BBOX({box}))", "filter-crs": crs}
        answer = items(ogc, "building", **asked)
        assert answer.json().get("numberMatched") == every, (box, answer.text)


def test_req_queryables_query_parameters(ogc):
    queryables = ogc.get("/collections/building/queryables").json()["properties"]
    assert "use" in queryables
    assert items(ogc, "building", use="school").json()["numberMatched"] == 0
    assert items(ogc, "building", use="residential").json()["numberMatched"] > 0


# Part 5


@pytest.mark.parametrize("kind", ["schema", "queryables", "sortables"])
def test_req_schemas_properties(ogc, kind):
    for one in ogc.get("/collections").json()["collections"]:
        answer = ogc.get(f"/collections/{one['id']}/{kind}")
        assert answer.headers["content-type"] == "application/schema+json"
        schema = answer.json()
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["$id"] == str(answer.url)
        assert schema["type"] == "object"
        for name, prop in schema["properties"].items():
            assert prop["title"]
            assert ("type" in prop) != (name == "geom")
        assert ("geom" in schema["properties"]) == (kind != "sortables")
        [link] = links_of(one, f"{OGC}{kind}")
        assert link["href"] == schema["$id"]


def test_req_core_roles_features(ogc):
    properties = ogc.get("/collections/region/schema").json()["properties"]
    roles = {one["x-ogc-role"]: name for name, one in properties.items() if "x-ogc-role" in one}
    assert roles == {
        "id": "code",
        "primary-geometry": "geom",
        "primary-interval-start": "valid_from",
    }
    assert properties["geom"]["format"] == "geometry-multipolygon"


def test_req_returnables_features_have_the_types_of_the_schema(ogc):
    kinds = {"integer": int, "number": (int, float), "string": str, "boolean": bool, "array": list}
    for one in ogc.get("/collections").json()["collections"]:
        properties = ogc.get(f"/collections/{one['id']}/schema").json()["properties"]
        for feature in items(ogc, one["id"], limit=5).json()["features"]:
            assert set(feature["properties"]) == set(properties) - {"geom"}
            for name, value in feature["properties"].items():
                assert value is None or isinstance(value, kinds[properties[name]["type"]]), name
                if properties[name].get("format") == "date-time" and value:
                    assert datetime.fromisoformat(value).tzinfo


# Tiles


def tile_sets(ogc):
    yield "/tiles", None
    for one in ogc.get("/collections").json()["collections"]:
        yield f"/collections/{one['id']}/tiles", one


def test_req_tilesets_list_links(ogc):
    assert links_of(ogc.get("/").json(), f"{OGC}tilesets-vector")[0]["href"].endswith("/ogc/tiles")
    for path, _ in tile_sets(ogc):
        [one] = ogc.get(path).json()["tilesets"]
        [own] = links_of(one, "self")
        assert ogc.get(own["href"]).status_code == 200
        assert one["tileMatrixSetURI"].endswith("/WebMercatorQuad")
        assert links_of(one, f"{OGC}tiling-scheme")


def test_req_tileset_description(ogc):
    for path, _ in tile_sets(ogc):
        tileset = ogc.get(f"{path}/WebMercatorQuad").json()
        assert (tileset["dataType"], tileset["tileMatrixSetId"]) == ("vector", "WebMercatorQuad")
        [item] = links_of(tileset, "item")
        assert item["templated"] is True
        assert re.findall(r"{(\w+)}", item["href"]) == ["tileMatrix", "tileCol", "tileRow"]
        for link in tileset["links"]:
            assert link.get("templated") or ogc.get(link["href"]).status_code == 200, link


def test_req_core_tc_success_and_tc_error_within_and_outside_the_limits(ogc):
    for path, _ in tile_sets(ogc):
        tileset = ogc.get(f"{path}/WebMercatorQuad").json()
        [item] = links_of(tileset, "item")
        statuses = set()
        for limit in tileset["tileMatrixSetLimits"][::4]:
            at = {"tileMatrix": limit["tileMatrix"], "tileCol": limit["minTileCol"]}
            inside = item["href"].format(**at, tileRow=limit["maxTileRow"])
            outside = item["href"].format(**at, tileRow=limit["maxTileRow"] + 1)
            statuses.add(ogc.get(inside).status_code)
            assert ogc.get(outside).status_code == 404, outside
        assert statuses <= {200, 204}
    for wrong in ("x/0/0", "0/-1/0", "23/0/0", "1.5/0/0"):
        path = f"/collections/building/tiles/WebMercatorQuad/{wrong}"
        assert ogc.get(path).status_code in (400, 404), wrong
    assert ogc.get("/collections/building/tiles/WorldCRS84Quad").status_code == 404


def test_tilejson_names_the_layers_of_the_tiles_with_bounds_and_zooms(ogc):
    for path, collection in tile_sets(ogc):
        tilejson = ogc.get(f"{path}/WebMercatorQuad/tilejson.json").json()
        west, south, east, north = tilejson["bounds"]
        if collection:
            assert tilejson["bounds"] == collection["extent"]["spatial"]["bbox"][0]
            assert [one["id"] for one in tilejson["vector_layers"]] == [collection["id"]]
        zoom = min(15, tilejson["maxzoom"])
        tile = _tile(tilejson, (west + east) / 2, (south + north) / 2, zoom)
        body = ogc.get(tile).content
        layers = {one["id"]: one for one in tilejson["vector_layers"]}
        names = _layers_of(body)
        assert names <= set(layers), path
        assert all(layers[name]["minzoom"] <= zoom <= layers[name]["maxzoom"] for name in names)
        style = ogc.get(f"{path}/WebMercatorQuad/style.json").json()
        assert {one["source-layer"] for one in style["layers"]} == set(layers)
        assert style["sources"]["tiles"]["url"].endswith("/tilejson.json")
    assert names


def _tile(tilejson, lon, lat, zoom):
    import morecantile

    tile = morecantile.tms.get("WebMercatorQuad").tile(lon, lat, zoom)
    [template] = tilejson["tiles"]
    return template.format(z=tile.z, x=tile.x, y=tile.y)


def _layers_of(body):
    """Return the names of the layers of a tile (Mapbox vector tile specification 2.1, 4.1)."""
    names, at = set(), 0
    while at < len(body):
        assert body[at] == 0x1A
        size, at = _varint(body, at + 1)
        layer, at = body[at : at + size], at + size
        place = 0
        while place < len(layer):
            key, place = _varint(layer, place)
            if key & 7 == 0:
                _, place = _varint(layer, place)
                continue
            length, place = _varint(layer, place)
            if key >> 3 == 1:
                names.add(layer[place : place + length].decode())
            place += length
    return names


def _varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def test_tile_of_the_dataset_is_the_tile_of_the_map(ogc, client):
    column, row = tile_of(300, 350, 15)
    ours = client.get(f"/tiles/15/{column}/{row}")
    assert ogc.get(f"/tiles/WebMercatorQuad/15/{column}/{row}").content == ours.content


def test_req_tilematrixset_definition(ogc):
    [one] = ogc.get("/tileMatrixSets").json()["tileMatrixSets"]
    definition = ogc.get(links_of(one, "self")[0]["href"]).json()
    assert (definition["id"], definition["crs"]) == ("WebMercatorQuad", f"{EPSG}3857")
    assert definition["tileMatrices"][0]["scaleDenominator"] == pytest.approx(559082264.028717)


# Formats


def test_sequences_separate_their_features(ogc):
    answer = items(ogc, "facility", f="geojsonseq")
    assert answer.headers["content-type"] == "application/geo+json-seq"
    parts = answer.content.split(b"\x1e")
    assert parts[0] == b""
    features = [json.loads(part) for part in parts[1:]]
    assert features == items(ogc, "facility").json()["features"]
    lines = items(ogc, "facility", f="ndjson").content.splitlines()
    assert [json.loads(line) for line in lines] == features
