"""Tiles, read back by GDAL."""

import math

import pyogrio
import pytest
from sqlalchemy import text, update

from geo.model import GridPlan
from tests import town as t


def tile_of(x, y, z):
    lon, lat = t.degrees(x, y)
    row = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int((lon + 180) / 360 * 2**z), int(row * 2**z)


@pytest.fixture
def read(client, tmp_path):
    def read(z, x=300, y=350, who=client, **asked):
        column, row = tile_of(x, y, z)
        answer = who.get(f"/tiles/{z}/{column}/{row}", params=asked)
        assert answer.status_code == 200
        file = tmp_path / "tile.pbf"
        file.write_bytes(answer.content)
        return {
            name: pyogrio.read_dataframe(file, layer=name) for name, _ in pyogrio.list_layers(file)
        }

    return read


def test_tile_contains_the_layers_of_the_map(read):
    layers = read(15)
    wanted = {"water", "road", "railway", "compound", "building", "facility", "community", "grid"}
    assert wanted <= set(layers)
    assert set(layers["road"]["road_class"]) >= {"arterial", "local", "alley"}


def test_buildings_in_tiles_have_public_attributes_only(read):
    assert set(read(15)["building"].columns) == {
        "mvt_id",
        "name",
        "use",
        "storeys_above",
        "geometry",
    }


def test_grids_have_colour_and_figures_and_drafts_need_a_planner(read, planner):
    grids = read(14)["grid"]
    assert set(grids["code"].str[:12]) == {t.NORTH_GATE, t.DRUM_TOWER}
    assert grids["colour"].between(0, 7).all()
    assert "grid" not in read(14, x=1100, y=550, status="draft")
    drafts = read(14, x=1100, y=550, who=planner, status="draft")["grid"]
    assert set(drafts["code"].str[:12]) == {t.RIVERSIDE}
    assert set(drafts["kind"]) == {"general", "dedicated"}


def test_each_label_is_in_one_tile_only(client, tmp_path):
    """Labels must not repeat where an area crosses the edge of tiles."""
    seen = []
    columns, rows = zip(tile_of(0, 0, 17), tile_of(1200, 400, 17), strict=True)
    for column in range(columns[0], columns[1] + 1):
        for row in range(rows[1], rows[0] + 1):
            answer = client.get(f"/tiles/17/{column}/{row}")
            if answer.status_code == 204:
                continue
            file = tmp_path / f"{column}-{row}.pbf"
            file.write_bytes(answer.content)
            if "grid_label" in dict(pyogrio.list_layers(file)):
                seen += list(pyogrio.read_dataframe(file, layer="grid_label")["code"])
    assert len(seen) == 12
    assert len(set(seen)) == 12


def test_low_zooms_leave_out_detail(read):
    assert set(read(9)) <= {"water", "road", "community", "community_label"}
    assert set(read(9)["road"]["road_class"]) == {"arterial"}


def test_empty_tile_is_204_and_one_outside_the_pyramid_404(client):
    assert client.get("/tiles/15/0/0").status_code == 204
    assert client.get("/tiles/3/8/0").status_code == 404
    assert client.get("/tiles/23/0/0").status_code == 422
    assert client.get("/tiles/1/-1/0").status_code == 422


@pytest.mark.parametrize("path", ["05/26/12", "5/026/12", "5/26/12.0", "5/ 26/12", "5/26/+12"])
def test_tile_has_one_address(client, signed_in, path):
    assert client.get("/tiles/5/26/12").status_code == 204
    assert client.get(f"/tiles/{path}").status_code in (404, 422)
    assert signed_in("fire").get(f"/fire/tiles/{path}").status_code in (404, 422)


def test_tile_has_the_same_bytes_however_its_rows_are_stored(client, town):
    first = fetched(client)
    for layer in ("building", "road", "facility"):
        with town.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE INDEX shuffled ON {layer} (md5(code))"))
            connection.execute(text(f"CLUSTER {layer} USING shuffled"))
            connection.execute(text("DROP INDEX shuffled"))
    again = fetched(client)
    assert again.headers["etag"] == first.headers["etag"]
    assert again.content == first.content


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/tiles/15/26582/13260", "/regions", "/ogc", "/health", "/"])
def test_vary_names_each_header_once(client, path, encoding):
    answer = client.get(path, headers={"Accept-Encoding": encoding})
    assert len(answer.headers.get_list("vary")) == 1
    names = [name.strip().lower() for name in answer.headers["vary"].split(",")]
    assert "authorization" in names
    assert len(names) == len(set(names))


def test_cached_tile_answers_304(client):
    column, row = tile_of(300, 350, 15)
    first = client.get(f"/tiles/15/{column}/{row}")
    again = client.get(
        f"/tiles/15/{column}/{row}", headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    assert again.content == b""


def test_colours_follow_a_new_plan(town, client, read):
    """The colouring is kept between requests, but never beyond the plans it was made for."""
    before = set(read(14)["grid"]["code"].str[:12])
    plan = GridPlan.community_code == t.RIVERSIDE
    publish = {"status": "published", "published_at": t.DRAWN_AT}
    with town.begin() as connection:
        connection.execute(update(GridPlan).where(plan).values(publish))
    try:
        after = read(14)["grid"]
        assert set(after["code"].str[:12]) - before == {t.RIVERSIDE}
    finally:
        with town.begin() as connection:
            draft = {"status": "draft", "published_at": None}
            connection.execute(update(GridPlan).where(plan).values(draft))


def fetched(caller, **headers):
    column, row = tile_of(300, 350, 15)
    return caller.get(f"/tiles/15/{column}/{row}", headers=headers)


def test_etag_is_strong_and_changes_with_publication(client, town):
    first = fetched(client)
    assert first.headers["etag"].startswith('"')
    assert fetched(client).headers["etag"] == first.headers["etag"]
    with town.begin() as connection:
        connection.execute(text("UPDATE road SET name = '新胜利街' WHERE name = '胜利街'"))
    changed = fetched(client, **{"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    with town.begin() as connection:
        connection.execute(text("UPDATE road SET name = '胜利街' WHERE name = '新胜利街'"))


def test_compressed_tile_is_equal_and_has_its_own_etag(client):
    plain = fetched(client, **{"Accept-Encoding": "identity"})
    packed = fetched(client, **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    for known in (plain, packed):
        again = fetched(client, **{"If-None-Match": known.headers["etag"]})
        assert again.status_code == 304


def test_each_role_has_its_own_layers_and_etags(client, signed_in, read, town):
    with town.begin() as connection:
        lon, lat = t.degrees(300, 350)
        for network in ("gas", "power"):
            connection.execute(
                text(
                    "INSERT INTO pipe_node (code, network, kind, geom) VALUES (:n, :n, 'valve', "
                    "ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)) ON CONFLICT DO NOTHING"
                ),
                {"n": network, "lon": lon, "lat": lat},
            )
    protected = {"building_detail", "pipe_node", "pipe_segment"}
    expected = {
        "public": set(),
        "planner": {"building_detail"},
        "fire": {"building_detail", "pipe_node"},
        "utility": {"pipe_node"},
        "importer": {"building_detail", "pipe_node"},
        "admin": {"building_detail", "pipe_node"},
    }
    tags = set()
    for role, layers in expected.items():
        who = client if role == "public" else signed_in(role)
        found = read(15, who=who)
        assert set(found) & protected == layers, role
        tags.add(fetched(who).headers["etag"])
        if role in ("fire", "utility"):
            assert set(found["pipe_node"]["network"]) == {"gas"}, role
    assert len(tags) == len(expected)


def test_too_large_tile_leaves_out_detail_and_is_marked(client, monkeypatch, town):
    from api.tiles import tiles

    whole = fetched(client)
    monkeypatch.setattr(tiles, "MAX_BYTES", 2_000)
    answer = fetched(client)
    assert answer.headers["etag"] != whole.headers["etag"]
    assert fetched(client, **{"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert answer.status_code == 200
    assert answer.headers["x-gridatlas-detail"] == "reduced"
