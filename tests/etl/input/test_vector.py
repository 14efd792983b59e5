"""Whole vector layers as frames, and the one line for each thing that is wrong with a file."""

import json
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from etl.input.vector import polygonal, read_vector
from etl.osm import read_osm
from geo.errors import InputError
from geo.settings import Settings
from tests.etl.pbf import Extract as Pbf

SAMPLES = Path(__file__).parents[3] / "data/samples"
MONACO = SAMPLES / "monaco.osm.pbf"
SQUARE = shapely.box(112.1, 32.0, 112.2, 32.1)


def quarters(geometry=SQUARE, crs="EPSG:4490", **columns) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns or {"name": ["樊城社区"]}, geometry=[geometry], crs=crs)


def write(frame: gpd.GeoDataFrame, path: Path, **options) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # GDAL's on names and widths
        pyogrio.write_dataframe(frame, path, **options)
    return path


def refusal(lang: str, do, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        do(*args, **options)
    return caught.value.message(lang)


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp"])
def test_formats_give_the_same_frame(tmp_path, ending):
    path = write(quarters(crs="EPSG:4326"), tmp_path / f"a.{ending}")
    frame = read_vector(path)
    assert frame.crs == "EPSG:4490"
    assert frame["name"].tolist() == ["樊城社区"]
    assert frame.geometry[0].equals(SQUARE)


def test_projected_file_comes_in_longitude_and_latitude(tmp_path):
    path = write(quarters().to_crs("EPSG:4546"), tmp_path / "a.gpkg")
    assert read_vector(path).geometry[0].equals_exact(SQUARE, 1e-9)


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
def test_shapefile_texts_are_read_whether_or_not_their_encoding_is_said(tmp_path, encoding):
    path = write(quarters(), tmp_path / "a.shp", encoding=encoding)
    assert read_vector(path)["name"].tolist() == ["樊城社区"]
    path.with_suffix(".cpg").unlink()
    assert read_vector(path)["name"].tolist() == ["樊城社区"]


def test_shapefile_without_system_is_read_in_the_one_given(tmp_path):
    path = write(quarters().to_crs("EPSG:4546"), tmp_path / "a.shp")
    path.with_suffix(".prj").unlink()
    assert refusal("en", read_vector, path) == (
        f"{path}, layer a: it does not say its coordinate system (a shapefile needs its .prj). "
        "Give it with --crs, for example --crs EPSG:4490."
    )
    assert refusal("zh", read_vector, path) == (
        f"{path} 图层 a：没有坐标系说明（shapefile 需要 .prj）。"
        "请用 --crs 指定，例如 --crs EPSG:4490。"
    )
    found = read_vector(path, crs="EPSG:4546").geometry[0]
    assert found.normalize().equals_exact(SQUARE.normalize(), 1e-9)
    assert "EPSG:4490 off" in refusal("en", read_vector, path, crs="EPSG:4490 off")
    assert "lie off the globe" in refusal("en", read_vector, path, crs="EPSG:4490")
    stated = write(gpd.read_file(path).set_crs("EPSG:4546"), tmp_path / "stated.gpkg")
    assert "but EPSG:4547 was given" in refusal("en", read_vector, stated, crs="EPSG:4547")


HELMERT = "+proj=helmert +x=10 +y=20 +z=30 +convention=position_vector"


@pytest.mark.parametrize("system", ["EPSG:4610", "EPSG:4214", "EPSG:2382", "EPSG:2434"])
def test_polygons_of_a_datum_without_transformation_need_its_parameters(tmp_path, system):
    frame = quarters() if system in ("EPSG:4610", "EPSG:4214") else quarters().to_crs("EPSG:4546")
    path = write(frame.set_crs(system, allow_override=True), tmp_path / "a.gpkg")
    assert "--transformation" in refusal("en", read_vector, path)
    assert "没有公开的转换参数" in refusal("zh", read_vector, path)
    moved = read_vector(path, transformation=HELMERT).geometry[0].centroid
    metres = moved.distance(SQUARE.centroid) * 111_000
    assert 5 < metres < 200


def test_broken_polygons_are_repaired_and_marked(tmp_path):
    bowtie = shapely.from_wkt("POLYGON ((112 32, 113 33, 113 32, 112 33, 112 32))")
    both = gpd.GeoDataFrame(geometry=[SQUARE, bowtie], crs="EPSG:4490")
    frame = read_vector(write(both, tmp_path / "a.gpkg"))
    assert frame["repaired"].tolist() == [False, True]
    assert frame.geometry.is_valid.all()


def test_polygonal_keeps_polygons_and_drops_the_rest():
    line, mixed = shapely.LineString([(0, 0), (1, 1)]), shapely.GeometryCollection
    shapes = np.array([SQUARE, line, mixed([SQUARE, line]), mixed([line]), None], dtype=object)
    flat = polygonal(shapes)
    assert [shape is not None for shape in flat] == [True, False, True, False, False]
    assert flat[2].equals(SQUARE)


def layered(path: Path) -> Path:
    write(quarters(), path, layer="one")
    return write(quarters(), path, layer="two", append=True)


def projected_as_degrees(path: Path) -> Path:
    wrong = quarters().to_crs("EPSG:4546").set_crs("EPSG:4490", allow_override=True)
    return write(wrong, path)


BAD = {
    "missing": (
        lambda folder: folder / "none.gpkg",
        "{file} does not exist. Check the name and the folder.",
        "{file} 不存在。请检查文件名和目录。",
    ),
    "name too long": (
        lambda folder: folder / f"{'n' * 300}.gpkg",
        "{file} does not exist. Check the name and the folder.",
        "{file} 不存在。请检查文件名和目录。",
    ),
    "virtual path": (
        lambda folder: Path("/vsicurl/http://127.0.0.1:9/a.gpkg"),
        "{file} does not exist. Check the name and the folder.",
        "{file} 不存在。请检查文件名和目录。",
    ),
    "folder": (
        lambda folder: folder,
        "{file} is a folder. Name a file in it.",
        "{file} 是目录。请指定其中的文件。",
    ),
    "empty": (
        lambda folder: made(folder / "a.gpkg", b""),
        "{file} is empty (0 bytes). Download it again.",
        "{file} 是空文件（0 字节）。请重新获取。",
    ),
    "ending": (
        lambda folder: made(folder / "a.vrt", b"<OGRVRTDataSource/>"),
        "The format of {file} is not supported. Give a file ending in one of: "
        ".shp, .gpkg, .geojson, .json, .geojsonl, .geojsons, .ndjson, .kml, .kmz",
        "不支持 {file} 的格式。请给出以下扩展名之一的文件："
        ".shp, .gpkg, .geojson, .json, .geojsonl, .geojsons, .ndjson, .kml, .kmz",
    ),
    "contents": (
        lambda folder: made(folder / "a.gpkg", b"%PDF-1.7 no map"),
        "{file} isn't a valid .gpkg file, or is incomplete. Download it again, or save it again "
        "from the program that made it.",
        "{file} 不是有效的 .gpkg 文件，或不完整。请重新下载，或用原软件重新保存。",
    ),
    "no feature": (
        lambda folder: write(quarters().iloc[:0], folder / "a.gpkg"),
        "{file}, layer a: it contains no feature. Export it again with its features.",
        "{file} 图层 a：不含要素。请连同要素重新导出。",
    ),
    "several layers": (
        lambda folder: layered(folder / "a.gpkg"),
        "{file} holds several layers: one, two. Name the one to read with --layer, or as "
        "file_layer in a mapping.",
        "{file} 含多个图层：one, two。请用 --layer 或映射中的 file_layer 指明读取哪一个。",
    ),
    "off the globe": (
        lambda folder: projected_as_degrees(folder / "a.gpkg"),
        "{file}, layer a: its coordinates (603832, 3542381, 613395, 3553572) lie off the globe. "
        "Its coordinate system is wrong: give the right one with --crs, in an import together with "
        "--override-crs.",
        "{file} 图层 a：坐标（603832, 3542381, 613395, 3553572）超出地球范围，坐标系有误。"
        "请用 --crs 指定正确的坐标系（导入时同时加 --override-crs）。",
    ),
    "no geometry": (
        lambda folder: without_geometry(folder / "a.gpkg"),
        "{file}, layer a: it has no geometry. Export it again as points, lines or polygons.",
        "{file} 图层 a：没有几何。请以点、线或面重新导出。",
    ),
}


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def without_geometry(path: Path) -> Path:
    return write(quarters().drop(columns="geometry"), path)


@pytest.mark.parametrize("case", BAD)
def test_bad_file_gets_one_line_that_says_what_to_do(tmp_path, case):
    make, english, chinese = BAD[case]
    path = make(tmp_path)
    assert refusal("en", read_vector, path) == english.format(file=path)
    assert refusal("zh", read_vector, path) == chinese.format(file=path)


@pytest.mark.parametrize(
    "content",
    [
        b'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/etc/passwd</SrcDataSource>'
        b"</OGRVRTLayer></OGRVRTDataSource>",
        b'{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read in.gpkg"}',
        b"<OGRWFSDataSource><URL>http://127.0.0.1:9/</URL></OGRWFSDataSource>",
    ],
    ids=["VRT", "GDALG", "WFS"],
)
def test_file_that_points_elsewhere_is_not_followed(tmp_path, content):
    for ending in (".geojson", ".kml", ".gpkg"):
        path = made(tmp_path / f"a{ending}", content)
        assert "isn't a valid" in refusal("en", read_vector, path)


def test_gdal_has_no_driver_that_follows_links_or_runs_programs():
    """In a fresh process, as the command line is one; a new GDAL must not bring more."""
    show = "import etl.input.vector, pyogrio, json; print(json.dumps(list(pyogrio.list_drivers())))"
    environment = os.environ | {"PYTHONPATH": os.fspath(SAMPLES.parents[1])}
    environment.pop("GDAL_SKIP", None)
    command = [sys.executable, "-W", "error", "-c", show]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert not done.stderr
    assert set(json.loads(done.stdout)) <= {
        "CSV",
        "DXF",
        "ESRI Shapefile",
        "FlatGeobuf",
        "GPKG",
        "GeoJSON",
        "GeoJSONSeq",
        "KML",
        "LIBKML",
        "MEM",
        "MVT",
        "MapInfo File",
        "OpenFileGDB",
        "Parquet",
        "XLSX",
    }


# The import of an extract: the same promises.


def town(path: Path) -> Path:
    pbf = Pbf()
    pbf.rectangle(7.4, 43.7, 7.401, 43.701, building="apartments", building__flats="400")
    return pbf.write(path)


def no_building(path: Path) -> Path:
    pbf = Pbf()
    pbf.way([(7.4, 43.7), (7.41, 43.7)], highway="residential")
    return pbf.write(path)


UNREADABLE = (
    "{file} isn't a valid .pbf file, or is incomplete. Download it again, or save it again from "
    "the program that made it."
)
BAD_EXTRACT = {
    "text": (lambda folder: made(folder / "a.osm.pbf", b"<html>404</html>"), UNREADABLE),
    "other format": (
        lambda folder: made(
            folder / "a.osm.pbf", write(quarters(), folder / "b.gpkg").read_bytes()
        ),
        UNREADABLE,
    ),
    "first bytes": (
        lambda folder: made(folder / "a.osm.pbf", MONACO.read_bytes()[:90]),
        UNREADABLE,
    ),
    "cut off": (
        lambda folder: made(folder / "a.osm.pbf", MONACO.read_bytes()[:300_000]),
        UNREADABLE,
    ),
    "damaged": (
        lambda folder: made(
            folder / "a.osm.pbf",
            MONACO.read_bytes()[:200_000] + bytes(5000) + MONACO.read_bytes()[205_000:],
        ),
        UNREADABLE,
    ),
    "huge blob": (
        lambda folder: made(folder / "a.osm.pbf", MONACO.read_bytes() + struct.pack(">I", 2**31)),
        UNREADABLE,
    ),
    "empty": (
        lambda folder: made(folder / "a.osm.pbf", b""),
        "{file} is empty (0 bytes). Download it again.",
    ),
    "ending": (
        lambda folder: write(quarters(), folder / "a.gpkg"),
        "The format of {file} is not supported. Give a file ending in one of: .pbf",
    ),
    "no building": (
        lambda folder: no_building(folder / "a.osm.pbf"),
        "{file} contains no buildings. Use an extract of a built-up area with the tag building.",
    ),
}


@pytest.mark.parametrize("case", BAD_EXTRACT)
def test_bad_extract_gets_one_line_that_says_what_to_do(tmp_path, case):
    make, english = BAD_EXTRACT[case]
    path = make(tmp_path)
    assert refusal("en", read_osm, path, Settings()) == english.format(file=path)


def test_communities_elsewhere_or_without_polygons_are_refused(tmp_path):
    osm = town(tmp_path / "town.osm.pbf")
    far = write(quarters(), tmp_path / "far.gpkg")
    assert refusal("en", read_osm, osm, Settings(), communities=far) == (
        f"{far}: none of its polygons contains a building of {osm}. Check that both are of the "
        "same place, and the coordinate system."
    )
    points = write(quarters(shapely.Point(7.4, 43.7)), tmp_path / "points.gpkg")
    assert refusal("en", read_osm, osm, Settings(), communities=points) == (
        f"{points} contains no polygons. Communities must be polygons."
    )


def test_given_communities_keep_their_names_and_codes(tmp_path):
    osm = town(tmp_path / "town.osm.pbf")
    land = [shapely.box(7.39, 43.69, 7.4005, 43.71), shapely.box(7.4005, 43.69, 7.42, 43.71)]
    columns = {"名称": ["甲社区", "乙社区"], "代码": ["420602001001", "420602002007"]}
    frame = gpd.GeoDataFrame(columns, geometry=land, crs="EPSG:4490")
    given = write(frame, tmp_path / "given.shp", encoding="GBK")
    given.with_suffix(".cpg").unlink()
    region = read_osm(osm, Settings(), communities=given).layers["region"].set_index("code")
    assert region["name"]["420602002007"] == "乙社区"
    assert region["parent_code"]["420602002007"] == "420602002000"
    assert region["parent_code"]["420602002000"] == "420602000000"
    assert region["level"].value_counts().to_dict() == {
        "city": 1,
        "district": 1,
        "street": 2,
        "community": 2,
    }


def test_given_communities_without_good_codes_are_numbered(tmp_path):
    osm = town(tmp_path / "town.osm.pbf")
    land = [shapely.box(7.39, 43.69, 7.4005, 43.71), shapely.box(7.4005, 43.69, 7.42, 43.71)]
    frame = gpd.GeoDataFrame({"code": [17, 17]}, geometry=land, crs="EPSG:4490")
    given = write(frame, tmp_path / "given.gpkg")
    region = read_osm(osm, Settings(), communities=given, code="420606").layers["region"]
    community = region[region["level"] == "community"]
    assert community["code"].tolist() == ["420606001001", "420606001002"]
    assert community["name"].tolist() == ["Town", "Town"]
