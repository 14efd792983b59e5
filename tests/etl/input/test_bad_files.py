"""Bad files, each with the one line that says what is wrong, where, and what to do."""

import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import shapely

from etl.input import zip_archive
from etl.input.mapping import Mapping
from geo.errors import InputError
from tests.etl.delivery import (
    box,
    bring,
    divisions,
    frame,
    geojson,
    houses,
    made,
    mapping,
    rows,
    write,
)

pytestmark = pytest.mark.usefixtures("english")

UNREADABLE = (
    "{file} isn't a valid {ending} file, or is incomplete. Download it again, or save it again "
    "from the program that made it."
)


def write_zip(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def write_zip_entry(path: Path, name: str, mode: int = 0o644, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        file.writestr(entry, content)
    return path


def write_encrypted_zip(path: Path) -> Path:
    content = bytearray(write_zip(path, **{"a.gpkg": b"x"}).read_bytes())
    central = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[central + 8] |= 1
    return made(path, bytes(content))


def truncate(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    return made(path, content[: int(len(content) * keep)])


def write_workbook(path: Path, *lines: tuple[object, ...], merged: str = "") -> Path:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    if merged:
        book.active.merge_cells(merged)
    book.save(path)
    return path


def write_incomplete_gdb(path: Path) -> Path:
    write(houses(), path, driver="OpenFileGDB")
    max(path.glob("a*.gdbtable"), key=lambda file: file.stat().st_size).unlink()
    return path


def write_shapefile_without(path: Path, ending: str) -> Path:
    write(houses(), path).with_suffix(ending).unlink()
    return path


def write_swapped_axes(path: Path) -> Path:
    data = houses()
    data["geometry"] = shapely.transform(data.geometry.to_numpy(), lambda xy: xy[:, ::-1])
    return write(data, path)


def write_with_wrong_crs(path: Path, crs: str, actual: str, factor: float = 1.0) -> Path:
    data = houses().to_crs(actual)
    data["geometry"] = shapely.transform(data.geometry.to_numpy(), lambda xy: xy * factor)
    return write(data.set_crs(crs, allow_override=True), path)


BAD_FILES: dict[str, tuple[Callable[[Path], Path], Mapping | None, str]] = {
    "missing": (
        lambda d: d / "none.gpkg",
        None,
        "{file} does not exist. Check the name and the folder.",
    ),
    "virtual path": (
        lambda d: Path("/vsizip//etc/passwd.gpkg"),
        None,
        "{file} does not exist. Check the name and the folder.",
    ),
    "address": (
        lambda d: Path("http://127.0.0.1:9/a.gpkg"),
        None,
        "{file} does not exist. Check the name and the folder.",
    ),
    "empty": (
        lambda d: made(d / "a.shp", b""),
        None,
        "{file} is empty (0 bytes). Download it again.",
    ),
    "unknown ending": (
        lambda d: made(d / "a.vrt", b"<OGRVRTDataSource/>"),
        None,
        "The format of {file} is not supported. Give a file ending in one of: .shp, .gpkg, "
        ".geojson, .json, .geojsonl, .geojsons, .ndjson, .gdb, .kml, .dxf, .zip, .kmz, .csv, .tsv, "
        ".txt, .xlsx, .parquet",
    ),
    "wrong ending": (lambda d: made(d / "a.gpkg", b"%PDF-1.7"), None, UNREADABLE),
    "truncated zip": (
        lambda d: truncate(write_zip(d / "a.zip", **{"a.gpkg": b"x" * 999}), 0.5),
        None,
        "{file} isn't a valid zip archive, or is incomplete. Download it again.",
    ),
    "zip bomb": (
        lambda d: write_zip(d / "a.zip", **{"a.csv": bytes(20 * 2**20)}),
        None,
        "{file}: the entry a.csv unpacks to more than 200 times its size, which map data never do. "
        "Nothing was unpacked.",
    ),
    "path traversal": (
        lambda d: write_zip_entry(d / "a.zip", "../../etc/a.gpkg"),
        None,
        "{file}: the entry ../../etc/a.gpkg points outside the archive. Nothing was "
        "unpacked; pack it again with plain names.",
    ),
    "absolute path": (
        lambda d: write_zip_entry(d / "a.zip", "/etc/a.gpkg"),
        None,
        "{file}: the entry /etc/a.gpkg points outside the archive. Nothing was unpacked; "
        "pack it again with plain names.",
    ),
    "link in a zip": (
        lambda d: write_zip_entry(d / "a.zip", "a.gpkg", stat.S_IFLNK | 0o777, b"/etc/passwd"),
        None,
        "{file}: the entry a.gpkg is a link. Nothing was unpacked; pack the file itself.",
    ),
    "password": (
        lambda d: write_encrypted_zip(d / "a.zip"),
        None,
        "{file} is protected by a password. Pack it again without one.",
    ),
    "zip of zips": (
        lambda d: write_zip(d / "a.zip", **{"b.zip": b"PK"}),
        None,
        "{file} contains no file in a supported format: .shp, .gpkg, .geojson, .json, .geojsonl, "
        ".geojsons, .ndjson, .gdb, .kml, .dxf, .csv, .tsv, .xlsx, .parquet",
    ),
    "several in a zip": (
        lambda d: write_zip(d / "a.zip", **{"a.csv": b"a", "b.csv": b"b"}),
        None,
        "{file} contains several data sets: a.csv, b.csv. Pack each separately.",
    ),
    "truncated geopackage": (
        lambda d: truncate(write(houses(300), d / "a.gpkg"), 0.6),
        None,
        UNREADABLE,
    ),
    "shapefile without .shx": (
        lambda d: write_shapefile_without(d / "a.shp", ".shx"),
        None,
        "{file}: the file a.shx beside it is missing. A shapefile is .shp, .shx and .dbf: deliver "
        "them together, best as a zip archive.",
    ),
    "shapefile without .dbf": (
        lambda d: write_shapefile_without(d / "a.shp", ".dbf"),
        None,
        "{file}: the file a.dbf beside it is missing. A shapefile is .shp, .shx and .dbf: deliver "
        "them together, best as a zip archive.",
    ),
    "archive of a shapefile without .shx": (
        lambda d: write_zip(d / "a.zip", **{"b/楼.shp": b"\0\0\x27\x0a", "b/楼.dbf": b"x"}),
        None,
        "{file}/b/楼.shp: the file 楼.shx beside it is missing. A shapefile is .shp, .shx and "
        ".dbf: deliver them together, best as a zip archive.",
    ),
    "TopoJSON": (
        lambda d: made(d / "a.json", b'{"type": "Topology", "objects": {}, "arcs": []}'),
        None,
        "{file} is TopoJSON, not GeoJSON. Save it as GeoJSON, for example with QGIS.",
    ),
    "Esri JSON": (
        lambda d: made(d / "a.json", b'{"geometryType": "esriGeometryPolygon", "features": []}'),
        None,
        "{file} is Esri JSON, not GeoJSON. Save it as GeoJSON, for example with QGIS.",
    ),
    "shapefile without .prj": (
        lambda d: write_shapefile_without(d / "a.shp", ".prj"),
        None,
        "{file}, layer a: it does not say its coordinate system (a shapefile needs its .prj). Its "
        "coordinates make sense as EPSG:4490 (China Geodetic Coordinate System 2000): if that is "
        "right, give --crs EPSG:4490. A map taken "
        'from the web is shifted: say so in a mapping (shift = "gcj02" or "bd09").',
    ),
    "FileGDB with a missing part": (
        lambda d: write_incomplete_gdb(d / "a.gdb"),
        None,
        UNREADABLE,
    ),
    "no feature": (
        lambda d: write(houses(0), d / "a.gpkg"),
        None,
        "{file}, layer a: it contains no feature. Export it again with its features.",
    ),
    "no geometry column": (
        lambda d: write_workbook(d / "a.xlsx", ("编码", "名称"), ("b1", "一号楼")),
        None,
        "{file}, layer Sheet: no column is recognised as coordinates. Columns: 编码, 名称. Other "
        "sheets: -. Name them in a mapping: lon and lat, lonlat or wkt under [coordinates].",
    ),
    "several layers": (
        lambda d: write(houses(), write(houses(), d / "a.gpkg", layer="b"), layer="c", append=True),
        None,
        "{file} holds several layers: b, c. Name the one to read with --layer, or as "
        "file_layer in a mapping.",
    ),
    "entities": (
        lambda d: made(
            d / "a.kml",
            b'<?xml version="1.0"?><!DOCTYPE k [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
            b"<kml><Document><name>&b;</name></Document></kml>",
        ),
        None,
        "{file} declares XML entities or a document type, which KML does not need. It was not "
        "read; save it again from the program that made it.",
    ),
    "axes swapped": (
        lambda d: write_swapped_axes(d / "a.gpkg"),
        None,
        "{file}, layer a: its coordinates make sense only with latitude and longitude (east and "
        "north) exchanged. Set swap_axes = true under [coordinates] in a mapping, or export it "
        "with longitude first.",
    ),
    "wrong zone": (
        lambda d: write_with_wrong_crs(d / "a.gpkg", "EPSG:4547", "EPSG:4546"),
        None,
        "{file}, layer a: in CGCS2000 / 3-degree Gauss-Kruger CM 114E it does not lie in the city; "
        "in CGCS2000 / 3-degree Gauss-Kruger CM 111E it does. Give --crs EPSG:4546 --override-crs, "
        'or set crs = "EPSG:4546" and override = true under [coordinates] in a mapping.',
    ),
    "millimetres": (
        lambda d: write_with_wrong_crs(d / "a.gpkg", "EPSG:4546", "EPSG:4546", 1000.0),
        None,
        '{file}, layer a: its coordinates are in mm, not metres. Set unit = "mm" under '
        "[coordinates] in a mapping.",
    ),
    "degrees as metres": (
        lambda d: write_with_wrong_crs(d / "a.gpkg", "EPSG:4546", "EPSG:4490"),
        None,
        "{file}, layer a: its coordinates are degrees, but its system CGCS2000 / 3-degree "
        "Gauss-Kruger CM 111E is in metres. Give the right one, for example --crs EPSG:4490 "
        '--override-crs, or set crs = "EPSG:4490" and override = true under [coordinates] in a '
        "mapping.",
    ),
    "metres as degrees": (
        lambda d: write_with_wrong_crs(d / "a.gpkg", "EPSG:4490", "EPSG:4546"),
        None,
        "{file}, layer a: in China Geodetic Coordinate System 2000 it does not lie in the city; in "
        "CGCS2000 / 3-degree Gauss-Kruger CM 111E it does. Give --crs EPSG:4546 --override-crs, "
        'or set crs = "EPSG:4546" and override = true under [coordinates] in a mapping.',
    ),
    "elsewhere": (
        lambda d: write(frame([shapely.box(7.4, 43.7, 7.41, 43.71)], code=["b"]), d / "a.gpkg"),
        None,
        "{file}, layer a: it lies at 7.410, 43.700, far outside every city that is live. Check its "
        "coordinate system, or import the city's regions first.",
    ),
    "systems that contradict": (
        lambda d: write(houses(), d / "a.gpkg"),
        mapping(coordinates={"crs": "EPSG:4546"}),
        "{file}, layer a: it says its system is China Geodetic Coordinate System 2000, but "
        "EPSG:4546 was given. If the file is right, leave EPSG:4546 out. If it is wrong, import it "
        "with --override-crs, or with override = true under [coordinates] in a mapping.",
    ),
    "unknown system": (
        lambda d: write_shapefile_without(d / "a.shp", ".prj"),
        mapping(coordinates={"crs": "EPSG:1"}),
        "EPSG:1 is not a known coordinate system. Write it like EPSG:4490.",
    ),
    "heights in millimetres": (
        lambda d: write(houses(height_m=[18_000 + i for i in range(12)]), d / "a.gpkg"),
        None,
        "{file}, layer a: height_m is mostly around 18005.5, which is no figure in its unit. Say "
        'its unit (mm) in a mapping: height_m = {{ from = "...", unit = "mm" }}.',
    ),
    "GBK read as UTF-8": (
        lambda d: geojson(
            d / "a.geojson",
            *(({"code": f"b{i}", "name": "¼ÓÓÍÕ¾Ò»ºÅÂ¥"}, box(50 * i, 0)) for i in range(5)),
        ),
        None,
        "{file}, layer a: its texts are read in the wrong encoding, for example ¼ÓÓÍÕ¾Ò»ºÅÂ¥. Set "
        "encoding in a mapping, for Chinese most often GB18030.",
    ),
    "merged header": (
        lambda d: write_workbook(
            d / "a.xlsx", ("编码", "坐标", None), ("b1", 112.1, 32.0), merged="B1:C1"
        ),
        None,
        "{file}: column 3 has no name in the first row, as merged cells leave it. Undo the merging "
        "and name every column in one row.",
    ),
    "no header": (
        lambda d: write_workbook(d / "a.xlsx", (None, None), ("b1", 112.1)),
        None,
        "{file}: the first row is empty. Begin the sheet with one row of column names.",
    ),
    "header twice": (
        lambda d: made(d / "a.csv", "编码,名称,名称\nb1,a,b\n".encode()),
        None,
        "{file}: the first row has the same name twice: 名称. Give every column its own name.",
    ),
    "quotation mark not closed": (
        lambda d: made(d / "a.csv", b'code,name,lon,lat\nb1,"a,112.1,32.0\nb2,b,112.1,32.0\n'),
        None,
        "{file}, line 2: a quotation mark is not closed, so that whole rows would be read as one "
        "text. Close or remove it.",
    ),
    "column of the mapping missing": (
        lambda d: write(houses(), d / "a.gpkg"),
        mapping(columns={"code": "BM"}),
        "{file}, layer a: the mapping names the column BM, which is not there. Columns: code, "
        "name, "
        "households.",
    ),
}


@pytest.fixture(scope="module")
def town(shared_database, tmp_path_factory):
    """Return a database with a city in it."""
    divisions(
        shared_database, tmp_path_factory.mktemp("town"), ("420602001001", box(0, 0, 1200, 1200))
    )
    return shared_database


@pytest.mark.parametrize("case", BAD_FILES)
def test_file_that_cannot_be_used_is_refused_with_one_line(town, tmp_path, case):
    make, how, english = BAD_FILES[case]
    file = make(tmp_path)
    with pytest.raises(InputError) as refused:
        bring(town, "building", file, how)
    assert refused.value.message("en") == english.format(file=file, ending=file.suffix)
    assert refused.value.message("zh") != refused.value.message("en")
    assert rows(town, "SELECT count(*) FROM building") == [(0,)]
    assert rows(town, "SELECT status FROM import_run ORDER BY id DESC LIMIT 1") == [("rejected",)]


HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1])
held.execute("PRAGMA locking_mode = EXCLUSIVE")
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_locked_geopackage_is_reported(town, tmp_path):
    file = write(houses(), tmp_path / "a.gpkg")
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(InputError) as refused:
            bring(town, "building", file)
        holder.stdin.close()
    assert refused.value.message("en") == (
        f"{file} is open in another program that locks it. Close it there and run the import again."
    )


def test_archive_with_too_many_files_or_bytes_is_refused(town, tmp_path, monkeypatch):
    file = write_zip(tmp_path / "a.zip", **{f"{i}.txt": b"x" for i in range(4)})
    monkeypatch.setattr(zip_archive, "MAX_FILES", 3)
    with pytest.raises(InputError, match="holds 4 files, more than 3"):
        bring(town, "building", file)
    monkeypatch.setattr(zip_archive, "MAX_UNPACKED_BYTES", 3)
    monkeypatch.setattr(zip_archive, "MAX_FILES", 4)
    with pytest.raises(InputError, match="unpacks to more than 0 GB"):
        bring(town, "building", file)
