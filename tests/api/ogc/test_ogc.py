"""OGC API Features and Tiles: a real client, coordinate systems, filters, and attacks on them."""

import json
import subprocess
import sys

import httpx
import pyogrio
import pytest
from sqlalchemy import text

from api.core.public_layers import LAYERS, layers_for_role
from geo.db.access_rules import ROLES
from tests import town as t
from tests.api.tiles.test_tiles import tile_of
from tests.waiting import TIMEOUT_S

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
PUBLIC = set(layers_for_role("public"))


@pytest.fixture(scope="module")
def ogc(address):
    with httpx.Client(base_url=f"{address}/ogc", timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="module")
def gdal(address):
    """Return a call of GDAL's OAPIF driver in a process of its own, as QGIS would make it."""

    def call(expression, token=""):
        script = (
            f"import json, pyogrio\nurl = 'OAPIF:{address}/ogc'\nprint(json.dumps({expression}))"
        )
        headers = {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": token} if token else {}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": "/usr/bin:/bin", **headers},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return call


def count(table, town):
    with town.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()


def items(ogc, layer, **asked):
    return ogc.get(f"/collections/{layer}/items", params=asked)


def test_gdal_lists_and_reads_every_collection(gdal, town):
    read = gdal(
        "{name: len(pyogrio.read_dataframe(url, layer=name)) "
        "for name, _ in pyogrio.list_layers(url)}"
    )
    assert set(read) == PUBLIC
    tables = {"grid": "published.grid", "building": "building"}
    for name, rows in read.items():
        assert rows == count(tables.get(name, LAYERS[name].source.name), town), name


def test_gdal_filters_by_box_and_attribute_and_pages(gdal, ogc):
    grids = items(ogc, "grid", limit=100).json()["features"]
    middle = sorted(one["properties"]["households"] for one in grids)[5]
    west, south = t.degrees(0, 0)
    east, north = t.degrees(199, 199)
    read = gdal(
        "[len(pyogrio.read_dataframe(url, layer='building', bbox="
        f"({west}, {south}, {east}, {north}))), "
        f"len(pyogrio.read_dataframe(url, layer='grid', where='households > {middle}')), "
        "len(pyogrio.read_dataframe(url, layer='building', PAGE_SIZE='7'))]"
    )
    places = [(x, y) for y in range(25, 350, 50) for x in range(15, 600, 50)]
    inside = sum(x < 199 and y < 199 for x, y in places)
    assert read[0] == inside
    assert read[1] == sum(one["properties"]["households"] > middle for one in grids)
    assert read[2] == sum(len(t.buildings(code)) for code in t.COMMUNITIES)


def test_gdal_reads_protected_layers_with_a_token(gdal, signed_in, town):
    token = signed_in("fire").headers["Authorization"].removeprefix("Bearer ")
    read = gdal("[name for name, _ in pyogrio.list_layers(url)]", token)
    assert "building_detail" in read
    found = gdal("pyogrio.read_info(url, layer='building_detail')['features']", token)
    assert found == count("building", town)


def test_collections_are_those_of_the_role(ogc, signed_in):
    for role in ROLES:
        headers = {} if role == "public" else dict(signed_in(role).headers)
        headers = {name: v for name, v in headers.items() if name.lower() == "authorization"}
        listed = ogc.get("/collections", headers=headers).json()["collections"]
        assert {one["id"] for one in listed} == set(layers_for_role(role)), role
        for name in LAYERS:
            answer = ogc.get(f"/collections/{name}/items?limit=1", headers=headers)
            assert answer.status_code == (200 if role in LAYERS[name].roles else 404), name


@pytest.mark.parametrize("code", [4326, 4490, 4546, 3857])
def test_every_system_gives_equal_positions_in_its_axis_order(ogc, code):
    import pyproj

    plain = items(ogc, "facility", limit=1, bbox="112,32,113,33").json()["features"][0]
    asked = items(ogc, "facility", limit=1, crs=f"{EPSG}{code}")
    assert asked.headers["content-crs"] == f"<{EPSG}{code}>"
    there = asked.json()["features"][0]
    assert there["id"] == plain["id"]
    by_authority = pyproj.Transformer.from_crs("OGC:CRS84", f"EPSG:{code}")
    expected = by_authority.transform(*first(plain))
    assert first(there) == pytest.approx(expected, abs=0.01 if code in (4546, 3857) else 1e-7)


def first(feature):
    place = feature["geometry"]["coordinates"]
    while isinstance(place[0], list):
        place = place[0]
    return place


def test_box_may_be_in_another_system(ogc):
    west, south = t.degrees(0, 0)
    east, north = t.degrees(199, 199)
    lonlat = items(ogc, "building", bbox=f"{west},{south},{east},{north}").json()
    latlon = {"bbox": f"{south},{west},{north},{east}", "bbox-crs": f"{EPSG}4326"}
    assert items(ogc, "building", **latlon).json()["numberMatched"] == lonlat["numberMatched"] > 0
    assert items(ogc, "building", crs=f"{EPSG}2154").status_code == 400


def test_pages_contain_every_feature_once(ogc):
    seen, url = [], "/collections/building/items?limit=40"
    while url:
        page = ogc.get(url).json()
        seen += [one["id"] for one in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert len(seen) == len(set(seen)) == page["numberMatched"]


@pytest.mark.parametrize(
    ("filter", "matches"),
    [
        ("households > 300", lambda grid: grid["households"] > 300),
        ("households BETWEEN 280 AND 300", lambda grid: 280 <= grid["households"] <= 300),
        ("NOT kind = 'general'", lambda grid: grid["kind"] != "general"),
        ("code LIKE '420602001001%'", lambda grid: grid["code"].startswith(t.NORTH_GATE)),
        ("kind IN ('general','dedicated')", lambda grid: True),
        ("community = '钟鼓楼社区'", lambda grid: grid["community"] == "钟鼓楼社区"),
        ("name IS NULL", lambda grid: False),
        ("households > 250 + 2 * 25", lambda grid: grid["households"] > 300),
        ("households % 2 = 0", lambda grid: grid["households"] % 2 == 0),
        ("CASEI(kind) = CASEI('GENERAL')", lambda grid: grid["kind"] == "general"),
        (
            '{"op":"and","args":[{"op":">","args":[{"property":"households"},300]},'
            '{"op":"=","args":[{"property":"kind"},"general"]}]}',
            lambda grid: grid["households"] > 300 and grid["kind"] == "general",
        ),
    ],
)
def test_filters_select_matching_features(ogc, filter, matches):
    every = items(ogc, "grid", limit=1000).json()["features"]
    expected = {one["id"] for one in every if matches(one["properties"])}
    answer = items(ogc, "grid", limit=1000, filter=filter)
    assert answer.status_code == 200, answer.text
    assert {one["id"] for one in answer.json()["features"]} == expected


@pytest.mark.parametrize(
    "predicate", ["S_INTERSECTS", "S_WITHIN", "S_DISJOINT", "S_CONTAINS", "S_TOUCHES"]
)
def test_spatial_filters(ogc, predicate):
    import shapely

    west, south = t.degrees(-10, -10)
    east, north = t.degrees(210, 210)
    box = shapely.box(west, south, east, north)
    every = items(ogc, "grid", limit=1000).json()["features"]
    test = getattr(shapely, predicate.removeprefix("S_").lower())
    expected = {one["id"] for one in every if test(shapely.geometry.shape(one["geometry"]), box)}
    filter = f"{predicate}(geom, BBOX({west},{south},{east},{north}))"
    answer = items(ogc, "grid", limit=1000, filter=filter)
    assert {one["id"] for one in answer.json()["features"]} == expected


INJECTIONS = [
    "name = 'x''); DROP TABLE grid; --'",
    "name = 'x\\'); DROP TABLE grid; --'",
    "pg_sleep(5) = 1",
    "set_config('role', 'gridatlas_admin', true) = 'x'",
    '"code"" = code OR ""1" = 1',
    "households_source = 'register'",
    "geom_3857 IS NULL",
    '{"op":"pg_read_file","args":["/etc/passwd"]}',
    '{"op":"=","args":[{"property":"code\\" OR true --"},1]}',
    '{"op":"=","args":[{"function":{"name":"version","args":[]}},"x"]}',
    '{"op":"st_setsrid","args":[{"property":"geom"},1]}',
    "s_intersects(geom, POINT(nan nan))",
]


@pytest.mark.parametrize("filter", INJECTIONS)
def test_filters_cannot_inject_sql(ogc, town, filter):
    answer = items(ogc, "building", filter=filter)
    assert answer.status_code in (200, 400, 422)
    if answer.status_code == 200:
        assert answer.json()["numberMatched"] == 0
    assert count("published.grid", town) == 12


@pytest.mark.parametrize(
    "filter",
    [
        "(" * 2000 + "1=1" + ")" * 2000,
        " AND ".join(["1=1"] * 3000),
        "NOT " * 500 + "1=1",
        '{"op":"not","args":[' * 300 + "true" + "]}" * 300,
        "name = '" + "x" * 20_000 + "'",
    ],
)
def test_huge_filters_are_refused_before_parsing(ogc, filter):
    answer = items(ogc, "building", filter=filter)
    assert answer.status_code in (400, 414, 431), answer.text[:200]
    assert answer.elapsed.total_seconds() < 5


@pytest.mark.parametrize(
    "bbox", ["nan,0,1,1", "inf,0,1,1", "1,1,0,0", "1,2,3", "a,b,c,d", "1e99,0,1e100,1", ",,,"]
)
def test_invalid_boxes_are_refused(ogc, bbox):
    assert items(ogc, "building", bbox=bbox).status_code == 400


def test_protected_attributes_are_not_listed(ogc):
    shown = items(ogc, "building", limit=1).json()["features"][0]["properties"]
    assert set(shown) == {"code", "name", "address", "use", "storeys_above"}
    assert items(ogc, "building", sortby="households").status_code == 400
    assert items(ogc, "building", properties="households").json()["features"][0]["properties"] == {}


def test_reads_of_protected_layers_are_recorded(ogc, signed_in, town):
    headers = {"Authorization": signed_in("fire").headers["Authorization"]}
    assert ogc.get("/collections/building_detail/items?limit=3", headers=headers).is_success
    with town.connect() as connection:
        newest = connection.execute(
            text("SELECT actor, action, object_type FROM audit_event ORDER BY id DESC LIMIT 1")
        ).one()
    assert tuple(newest) == ("fire", "read", "building_detail")


def test_tiles_are_read_by_gdal(ogc, tmp_path):
    column, row = tile_of(300, 350, 15)
    answer = ogc.get(f"/collections/building/tiles/WebMercatorQuad/15/{column}/{row}")
    assert answer.status_code == 200
    file = tmp_path / "tile.pbf"
    file.write_bytes(answer.content)
    assert len(pyogrio.read_dataframe(file)) > 10
    for outside in ("3/8/0", "23/0/0", "1/-1/0"):
        path = f"/collections/building/tiles/WebMercatorQuad/{outside}"
        assert ogc.get(path).status_code in (404, 422), outside


def test_landing_page_links_work_and_declare_tested_conformance(ogc):
    declared = ogc.get("/conformance").json()["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs" in declared
    for link in ogc.get("/").json()["links"]:
        assert httpx.get(link["href"], timeout=TIMEOUT_S).status_code == 200, link


def test_unknown_parameter_is_refused_with_the_known_ones(ogc):
    answer = ogc.get("/collections/building/items?regoin=420606", headers={"Accept-Language": "en"})
    assert answer.status_code == 400
    assert "regoin" in answer.json()["detail"]
    assert "bbox" in answer.json()["detail"]
    assert ogc.get("/collections/building/items?use=school").status_code == 200


def test_limit_is_clamped_and_zero_is_refused(ogc):
    answer = ogc.get("/collections/building/items?limit=99999999999999999999")
    assert answer.status_code == 200
    assert len(answer.json()["features"]) == answer.json()["numberMatched"]
    assert ogc.get("/collections/building/items?limit=0").status_code == 400


def test_collections_have_titles_and_extent(ogc):
    for language, name in (("zh", "建筑"), ("en", "Buildings")):
        listed = ogc.get("/collections", headers={"Accept-Language": language}).json()
        named = {one["id"]: one for one in listed["collections"]}
        assert named["building"]["title"] == name
        ((west, south, east, north),) = named["region"]["extent"]["spatial"]["bbox"]
        assert (west, south) == pytest.approx(t.degrees(0, 0))
        assert (east, north) == pytest.approx(t.degrees(1200, 700))
    assert ogc.get("/collections/grid").json()["extent"] == named["grid"]["extent"]
