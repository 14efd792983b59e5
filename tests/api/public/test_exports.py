"""Exports in every format and system, opened again by GDAL; and to whom."""

import csv
import io
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pyogrio
import pyproj
import pytest
from pyarrow import parquet
from sqlalchemy import text

from api.core.public_layers import LAYERS
from api.public import export_files
from api.public.export_files import dbf_names
from api.public.exports import FORMATS
from etl.input.source import open_dataset, open_layer
from geo.db.access_rules import ROLES
from tests import town as t


@pytest.fixture
def opened(client, tmp_path):
    def get(layer, who=client, **asked):
        answer = who.get(f"/exports/{layer}", params=asked)
        assert answer.status_code == 200, answer.text
        assert "attachment" in answer.headers["content-disposition"]
        kind = asked.get("format", "gpkg")
        file = tmp_path / f"x.{'zip' if kind == 'shp' else kind}"
        file.write_bytes(answer.content)
        if kind == "parquet":
            return gpd.read_parquet(file)
        if kind == "csv":
            import pandas as pd

            table = pd.read_csv(io.BytesIO(answer.content))
            return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries.from_wkt(table["WKT"]))
        return pyogrio.read_dataframe(f"/vsizip/{file}" if kind == "shp" else file)

    return get


@pytest.mark.parametrize("format", [one for one in FORMATS if one != "dxf"])
def test_export_is_opened_by_the_import(client, tmp_path, format):
    answer = client.get("/exports/building", params={"format": format, "crs": "EPSG:4490"})
    file = tmp_path / f"x.{'zip' if format == 'shp' else format}"
    file.write_bytes(answer.content)
    with open_dataset(file) as data:
        source = open_layer(data)
        assert source.has_place
        count = sum(len(batch) for batch in source.batches())
    assert count == sum(len(t.buildings(code)) for code in t.COMMUNITIES)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_contains_every_feature(opened, format):
    frame = opened("building", format=format, crs="EPSG:4490")
    assert len(frame) == sum(len(t.buildings(code)) for code in t.COMMUNITIES)
    assert frame.total_bounds[:2] == pytest.approx(t.degrees(15, 25), abs=1e-6)


@pytest.mark.parametrize("format", ["geojson", "gpkg", "shp", "parquet", "csv", "dxf"])
@pytest.mark.parametrize("crs", ["EPSG:4546", "EPSG:3857"])
def test_coordinates_are_in_the_requested_system(opened, format, crs):
    frame = opened("grid", format=format, crs=crs)
    import pyproj

    to = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)
    assert frame.total_bounds[:2] == pytest.approx(to.transform(*t.degrees(0, 0)), abs=10)
    if format not in {"csv", "dxf"}:
        assert frame.crs.to_epsg() == int(crs.removeprefix("EPSG:"))


@pytest.mark.parametrize("format", ["geojson", "gpkg", "parquet", "csv", "kml"])
def test_chinese_names_and_values_survive(opened, format):
    frame = opened("grid", format=format, names="zh")
    assert {"户数", "社区"} <= set(frame.columns) or format == "kml"
    if format != "kml":
        assert set(frame["社区"]) == {"北门社区", "钟鼓楼社区"}


def test_shapefile_field_names_are_valid_and_unique():
    names = ["households_source", "households", "社区编码社区编码", "社区编码社", "a-b", "a_b"]
    legal = dbf_names(names)
    assert len({name.lower() for name in legal}) == len(names)
    assert all(len(name) <= 10 and name.isascii() and name for name in legal)


@pytest.mark.parametrize("names", ["plain", "zh"])
def test_shapefile_has_short_names_and_a_legend_of_the_full_ones(client, opened, names):
    for layer, shapefile in (("grid", "grid"), ("facility", "facility_point")):
        answer = client.get(f"/exports/{layer}", params={"format": "shp", "names": names})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            legend = archive.read(f"{layer}_fields.csv").decode("utf-8-sig")
            dbf = archive.read(f"{shapefile}.dbf")
        rows = list(csv.DictReader(io.StringIO(legend)))
        count = (int.from_bytes(dbf[8:10], "little") - 33) // 32
        fields = [dbf[32 * n : 32 * n + 11].split(b"\0")[0].decode() for n in range(1, count + 1)]
        assert [row["field"] for row in rows] == fields
        assert [row["name"] for row in rows] == [one.name for one in LAYERS[layer].columns()]
        titles = {row["name"]: row["title"] for row in rows}
        assert titles["name"] == ("名称" if names == "zh" else "name")


@pytest.mark.parametrize("layer", ["grid", "building", "region", "road"])
def test_files_state_geometry_type_and_box(client, tmp_path, layer):
    expected = "LineString" if layer == "road" else "MultiPolygon"
    package, table = tmp_path / "x.gpkg", tmp_path / "x.parquet"
    for file in (package, table):
        format = file.suffix.removeprefix(".")
        file.write_bytes(client.get(f"/exports/{layer}", params={"format": format}).content)
    info = pyogrio.read_info(package)
    assert info["geometry_type"] == expected
    frame = pyogrio.read_dataframe(package)
    with sqlite3.connect(package) as connection:
        columns = "min_x, min_y, max_x, max_y"
        box = connection.execute(f"SELECT {columns} FROM gpkg_contents").fetchone()
    assert box == pytest.approx(frame.total_bounds)
    geo = json.loads(parquet.read_metadata(table).metadata[b"geo"])["columns"]["geometry"]
    assert geo["geometry_types"] == [expected]
    assert geo["bbox"] == pytest.approx(frame.total_bounds)


def test_drawings_are_in_metres_by_default(client, tmp_path):
    file = tmp_path / "x.dxf"
    file.write_bytes(client.get("/exports/building", params={"format": "dxf"}).content)
    frame = pyogrio.read_dataframe(file)
    to_metres = pyproj.Transformer.from_crs(4490, 4546, always_xy=True)
    west, south = to_metres.transform(*t.degrees(15, 25))
    assert frame.total_bounds[:2] == pytest.approx([west, south], abs=10)


def test_region_limits_an_export(opened):
    frame = opened("building", region=t.DRUM_TOWER)
    assert set(frame["code"].str[:4]) == {"b002"}


def test_draft_is_exported_to_its_planner_only(opened, client, planner):
    plan = planner.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"][0]["id"]
    assert len(opened("grid", who=planner, plan=plan)) == 6
    assert client.get("/exports/grid", params={"plan": plan}).status_code == 404


def test_each_role_exports_only_layers_it_may_read(client, signed_in):
    for role in ROLES:
        who = client if role == "public" else signed_in(role)
        offered = {one["layer"] for one in who.get("/exports").json()["items"]}
        for name, layer in LAYERS.items():
            allowed = role in layer.roles
            assert (name in offered) == allowed, (role, name)
            status = who.get(f"/exports/{name}", params={"format": "csv"}).status_code
            assert status == (200 if allowed else 404), (role, name)


def test_invalid_requests_are_explained(client):
    for asked, status in (
        ({"format": "exe"}, 422),
        ({"crs": "EPSG:2154"}, 400),
        ({"format": "kml", "crs": "EPSG:4546"}, 400),
        ({"region": "999999999999"}, 404),
        ({"plan": 1}, 400),
    ):
        assert client.get("/exports/building", params=asked).status_code == status, asked
    assert client.get("/exports/..%2f..%2fetc%2fpasswd").status_code == 404


def test_formulas_are_escaped_in_csv(client, town):
    from sqlalchemy import text

    change = "UPDATE facility SET phone = :p WHERE code = 'park'"
    with town.begin() as connection:
        connection.execute(text(change), {"p": "=HYPERLINK(1)"})
    table = client.get("/exports/facility", params={"format": "csv"}).text
    assert ",'=HYPERLINK(1)," in table
    with town.begin() as connection:
        connection.execute(text(change), {"p": ""})


def test_a_drawing_leaves_out_features_without_geometry(opened, town):
    shown = len(opened("region", format="dxf"))
    change = "UPDATE region SET geom = {} WHERE code = :code"
    with town.begin() as connection:
        known = {"code": next(iter(t.COMMUNITIES))}
        query = text("SELECT geom::text FROM region WHERE code = :code")
        before = connection.execute(query, known).scalar_one()
        connection.execute(text(change.format("NULL")), known)
    try:
        assert len(opened("region", format="dxf")) == shown - 1
    finally:
        with town.begin() as connection:
            connection.execute(
                text(change.format("CAST(:geom AS geometry)")), known | {"geom": before}
            )


@pytest.mark.parametrize("format", ["gpkg", "shp", "parquet", "kml", "dxf"])
def test_file_of_many_batches_has_every_feature_once_in_order(opened, monkeypatch, format, client):
    monkeypatch.setattr(export_files, "BATCH_ROWS", 7)
    frame = opened("building", format=format, crs="EPSG:4490")
    plain = client.get("/exports/building?format=geojson").json()["features"]
    assert len(frame) == len(plain) > 3 * 7
    here = sorted(frame.geometry.representative_point().to_wkt(rounding_precision=6))
    there = gpd.GeoDataFrame.from_features(plain).geometry.representative_point()
    assert here == sorted(there.to_wkt(rounding_precision=6))
    if format != "dxf":
        assert frame["code"].nunique() == len(plain)


def test_kinds_of_values_survive(opened):
    """Whole numbers, truths and times are that in the file, too."""
    frame = opened("grid", format="parquet")
    assert str(frame["households"].dtype).startswith("int")
    assert str(frame["published_at"].dtype) == "datetime64[ms, UTC]"
    assert frame.crs.to_epsg() == 4490
    gated = opened("compound", format="gpkg")["gated"]
    assert gated.tolist() == [True]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("layer", ["building", "facility", "road"])
def test_empty_export_is_a_file_with_fields(opened, empty_region, layer, format):
    frame = opened(layer, format=format, region=empty_region)
    assert len(frame) == 0
    if format not in {"geojson", "dxf"}:  # which say nothing of fields without features
        assert "code" in frame.columns or format == "kml"


@pytest.fixture(scope="module")
def empty_region(town):
    """Return a community far from all others."""
    from sqlalchemy import text

    code = "420602999001"
    made = (
        "INSERT INTO region (code, name, level, parent_code, geom, source) SELECT :code, '空', "
        "level, parent_code, ST_Translate(geom, 1, 1), source FROM region WHERE code = :like"
    )
    with town.begin() as connection:
        connection.execute(text(made), {"code": code, "like": t.DRUM_TOWER})
    yield code
    with town.begin() as connection:
        connection.execute(text("DELETE FROM region WHERE code = :code"), {"code": code})


@contextmanager
def full_disk(folder: Path):
    """Have temporary files lie on a disk with some kilobytes left.

    Where nobody may mount one, no file may grow past them, which is an error of the same kind.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", os.fspath(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        return
    try:
        free = shutil.disk_usage(folder).free
        (folder / "full").write_bytes(b"x" * (free - 8192))
        yield
    finally:
        subprocess.run(["umount", os.fspath(folder)], check=True)


def assert_no_room(answer):
    assert answer.status_code == 507, (answer.status_code, answer.content[:200])
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("format", FORMATS)
def test_full_disk_is_reported_before_the_response_starts(client, tmp_path, monkeypatch, format):
    asked = {"params": {"format": format}}
    whole = client.get("/exports/building", **asked)
    with full_disk(tmp_path / "disk"):
        monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "disk"))
        assert_no_room(client.get("/exports/building", **asked))
        left = [one.name for one in (tmp_path / "disk").iterdir()]
        assert left in ([], ["full"]), "what was begun is taken away"
    monkeypatch.undo()
    assert len(client.get("/exports/building", **asked).content) == len(whole.content)


def test_full_disk_is_reported_for_prints_and_uploads(planner, tmp_path, monkeypatch):
    [plan, *_] = planner.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"]
    with full_disk(tmp_path / "disk"):
        monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "disk"))
        assert_no_room(planner.get(f"/plans/{plan['id']}/sheet.pdf"))
        photo = {"photo": ("photo.jpg", b"x" * 2_000_000, "image/jpeg")}
        grid = f"/grids/{t.RIVERSIDE}001/manager/photo"
        assert_no_room(planner.put(grid, files=photo))


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1")


@pytest.mark.parametrize(
    "path", ["/exports/compound?format=csv", "/ogc/collections/compound/items?f=csv"]
)
def test_no_csv_cell_is_interpreted_as_a_formula(client, town, path):
    add = text(
        "INSERT INTO compound (code, name, geom) "
        "SELECT 'formula' || :n, :name, geom FROM region WHERE level = 'community' LIMIT 1"
    )
    with town.begin() as connection:
        for n, name in enumerate(FORMULAS):
            connection.execute(add, {"n": str(n), "name": name})
    try:
        table = csv.DictReader(io.StringIO(client.get(path).text.removeprefix("\ufeff")))
        names = [row["name"] for row in table if row["name"].lstrip("'") in FORMULAS]
    finally:
        with town.begin() as connection:
            connection.execute(text("DELETE FROM compound WHERE starts_with(code, 'formula')"))
    assert sorted(names) == sorted(f"'{name}" for name in FORMULAS)


def test_empty_csv_is_valid(client):
    answer = client.get("/ogc/collections/building/items?f=csv&code=none")
    assert (answer.status_code, answer.text) == (200, "")
