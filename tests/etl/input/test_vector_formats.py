"""Arcs, KML data, drawings with layers, write-ahead logs, files with several layers."""

import hashlib
import json
import sqlite3
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import shapely

from etl.input.curves import linearize
from etl.input.mapping import merge_options
from etl.input.mapping_proposal import suggest_mapping
from etl.input.vector import read_vector
from etl.runs.report import terminal_lines
from geo.errors import InputError
from tests.etl.delivery import ANYTHING, box, bring, frame, houses, made, mapping, rows, write

pytestmark = pytest.mark.usefixtures("english")

CIRCLE = [(0, 20), (20, 0), (0, -20), (-20, 0), (0, 20)]


def circular(corners, order="<", code=8):
    shape = struct.pack(f"{order}BII", order == "<", code, len(corners))
    return shape + b"".join(struct.pack(f"{order}{len(c)}d", *c) for c in corners)


def wkb(code, *parts, order="<"):
    return struct.pack(f"{order}BII", order == "<", code, len(parts)) + b"".join(parts)


@pytest.mark.parametrize("radius", [0.5, 20, 5000])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_circle_deviates_by_at_most_a_centimetre(radius, order):
    corners = [(5e5 + radius / 20 * x, 3.5e6 + radius / 20 * y) for x, y in CIRCLE]
    shape = linearize(wkb(12, wkb(10, circular(corners, order), order=order), order=order))
    assert shape.geom_type == "MultiPolygon"
    middles = shapely.get_coordinates(shape)
    middles = (middles[1:] + middles[:-1]) / 2
    inside = radius - np.hypot(middles[:, 0] - 5e5, middles[:, 1] - 3.5e6)
    assert -1e-6 <= inside.min() <= inside.max() <= 0.01 + 1e-6


def test_a_full_circle_by_three_points_and_heights_are_read():
    circle = circular([(0, 20, 7), (0, -20, 7), (0, 20, 7)], code=1008)
    assert linearize(wkb(1010, circle)).area == pytest.approx(np.pi * 400, rel=0.002)


def test_a_compound_curve_keeps_its_straight_pieces():
    line = circular([(-10, 0), (0, 0)], code=2)
    arc = circular([(0, 0), (10, 10), (20, 0)])
    shape = linearize(wkb(11, wkb(9, line, arc)))
    assert shape.geom_type == "MultiLineString"
    assert shape.length == pytest.approx(10 + np.pi * 10, rel=0.002)


@pytest.mark.parametrize("length", [0, 4, 20, 60])
def test_a_curve_that_is_cut_off_is_none(length):
    assert linearize(wkb(10, circular(CIRCLE))[:length]) is None


def drop_triggers(connection):
    """Drop the triggers of a GeoPackage, which call functions that only GDAL has."""
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in named:
        connection.execute(f'DROP TRIGGER "{name}"')


def with_arcs(path):
    """Return a GeoPackage of plain polygons of which two are replaced by circles of 20 m."""
    data = houses(8).to_crs("EPSG:4546")
    write(data, path, layer="building", geometry_type="MultiPolygon", promote_to_multi=True)
    with sqlite3.connect(path) as connection:
        drop_triggers(connection)
        for fid in (1, 3):
            x, y = shapely.get_coordinates(data.geometry.iloc[fid - 1].centroid)[0]
            circle = circular([(x + a, y + b) for a, b in CIRCLE])
            header = b"GP\x00\x01" + struct.pack("<i", 4546)
            connection.execute(
                "UPDATE building SET geom = ? WHERE fid = ?", (header + wkb(10, circle), fid)
            )
    return path


def test_arcs_in_a_layer_of_plain_polygons_become_lines(database, tmp_path):
    outcome = bring(database, "building", with_arcs(tmp_path / "a.gpkg"))
    assert outcome.report["repairs"]["building"]["arc"] == 2
    areas = rows(database, "SELECT ST_Area(geom::geography) FROM building ORDER BY code")
    assert len(areas) == 8
    assert areas[0][0] == pytest.approx(np.pi * 400, rel=0.01)
    assert areas[1][0] == pytest.approx(240, rel=0.01)
    assert read_vector(tmp_path / "a.gpkg").geometry.is_valid.all()


DATA = '<Data name="{}"><value>{}</value></Data>'


def placemark(number, data):
    corners = " ".join(f"{x:.8f},{y:.8f}" for x, y in box(50 * number, 0).exterior.coords)
    return (
        f"<Placemark><name>{number}号楼</name><ExtendedData>{data}</ExtendedData><Polygon>"
        f"<outerBoundaryIs><LinearRing><coordinates>{corners}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></Placemark>"
    )


def kml(path, *marks, encoding="UTF-8", namespace=' xmlns="http://www.opengis.net/kml/2.2"'):
    text = f'<?xml version="1.0" encoding="{encoding}"?><kml{namespace}><Document>'
    text += f"<name>样例</name>{''.join(marks)}</Document></kml>"
    return made(path, text.encode("gb18030" if encoding == "GBK" else encoding))


def fields(number):
    return {"楼栋编码": f"K{number}", "户数": str(10 + number), "层数": "6"}


def untyped(number):
    return "".join(DATA.format(name, value) for name, value in fields(number).items())


def typed(number):
    values = "".join(
        f'<SimpleData name="{name}">{value}</SimpleData>' for name, value in fields(number).items()
    )
    return f'<SchemaData schemaUrl="#s">{values}</SchemaData>'


SCHEMA = (
    "<Schema name='s' id='s'>"
    + "".join(f'<SimpleField type="string" name="{name}"/>' for name in fields(0))
    + "</Schema>"
)


@pytest.mark.parametrize(
    ("start", "data", "options"),
    [
        ("", untyped, {}),
        (SCHEMA, typed, {}),
        (SCHEMA, lambda n: typed(n) if n % 2 else untyped(n), {}),
        ("", untyped, {"encoding": "GBK"}),
        ("", untyped, {"encoding": "UTF-16"}),
        ("", untyped, {"namespace": ""}),
        ("", untyped, {"namespace": ' xmlns="http://earth.google.com/kml/2.1"'}),
        ("", lambda n: "".join(f"<{k}>{v}</{k}>" for k, v in fields(n).items()), {}),
    ],
    ids=["Data", "SchemaData", "both", "GBK", "UTF-16", "no namespace", "2.1", "own elements"],
)
def test_extended_data_of_kml_are_read(database, tmp_path, start, data, options):
    marks = [placemark(number, data(number)) for number in range(6)]
    file = kml(tmp_path / "a.kml", start, *marks, **options)
    outcome = bring(database, "building", file)
    assert outcome.report["unused_columns"].get("building", {}).keys() <= {"id", "description"}
    assert rows(
        database, "SELECT code, name, households, storeys_above FROM building ORDER BY code"
    ) == [(f"K{n}", f"{n}号楼", 10 + n, 6) for n in range(6)]


def test_a_folder_of_kml_is_named_by_the_option(database, tmp_path):
    folders = [
        f"<Folder><name>{name}</name>"
        + "".join(placemark(n, untyped(n)) for n in numbers)
        + "</Folder>"
        for name, numbers in (("东区", range(3)), ("西区", range(3, 5)))
    ]
    file = kml(tmp_path / "a.kml", *folders)
    with pytest.raises(InputError, match="--layer"):
        bring(database, "building", file)
    how = merge_options(None, "building", file_layer="西区", source="west", partial=True)
    bring(database, "building", file, how)
    assert rows(database, "SELECT code, source FROM building ORDER BY code") == [
        ("K3", "west"),
        ("K4", "west"),
    ]


def test_options_keep_the_layer_that_is_named_like_ours(database, tmp_path):
    file = write(houses(3), tmp_path / "a.gpkg", layer="building")
    write(houses(2), file, layer="other", append=True)
    bring(database, "building", file, merge_options(None, "building", source="survey"))
    assert rows(database, "SELECT count(*) FROM building") == [(3,)]
    with pytest.raises(InputError, match="several layers"):
        merge_options(None, "city", file_layer="other")


@pytest.fixture
def archive(tmp_path):
    def archive(*members, name="a.kmz"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as content:
            for member, text in members:
                content.writestr(member, text)
        return tmp_path / name

    return archive


def test_the_kml_in_a_kmz_is_read(database, tmp_path, archive):
    link = "<NetworkLink><Link><href>http://127.0.0.1:9/more.kml</href></Link></NetworkLink>"
    marks = [placemark(number, untyped(number)) for number in range(4)]
    content = kml(tmp_path / "a.kml", link, *marks).read_bytes()
    file = archive(("doc.kml", content), ("files/icon.png", b"\x89PNG"))
    bring(database, "building", file)
    assert rows(database, "SELECT code, households FROM building ORDER BY code") == [
        (f"K{n}", 10 + n) for n in range(4)
    ]
    assert len(read_vector(file)) == 4


def test_a_kmz_without_one_kml_or_that_is_a_bomb_is_refused(database, tmp_path, archive):
    content = kml(tmp_path / "a.kml", placemark(1, untyped(1))).read_bytes()
    for members, words in (
        ([("icon.png", b"\x89PNG"), ("a.gpkg", b"SQLite format 3")], r"supported format: \.kml"),
        ([("doc.kml", content), ("more.kml", content)], "several data sets: doc.kml, more.kml"),
        ([("doc.kml", b"<" + b" " * 30_000_000)], "unpacks to more than 200 times"),
        ([("../doc.kml", content)], "points outside"),
    ):
        with pytest.raises(InputError, match=words):
            bring(database, "building", archive(*members))


def lines_of(count, **properties):
    return [
        json.dumps(
            {
                "type": "Feature",
                "properties": {"code": f"L{n}", "name": f"{n}号楼", **properties},
                "geometry": box(50 * n, 0).__geo_interface__,
            },
            ensure_ascii=False,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("name", "encoding", "separators"),
    [
        *(("a.geojsonl", "utf-8", ("", "\n")), ("a.geojsons", "utf-8", ("\x1e", "\n"))),
        *(("a.ndjson", "utf-8-sig", ("", "\r\n")), ("a.geojsonl", "gb18030", ("", "\n\n"))),
        *(("a.geojsonl", "utf-16", ("", "\n")), ("a.geojson", "utf-8", ("", "\n"))),
    ],
)
def test_geojson_of_one_feature_a_line_is_read(database, tmp_path, name, encoding, separators):
    before, after = separators
    text = "".join(f"{before}{line}{after}" for line in lines_of(8, use="住宅"))
    bring(database, "building", made(tmp_path / name, text.encode(encoding)))
    assert rows(database, "SELECT code, name, use FROM building ORDER BY code") == [
        (f"L{n}", f"{n}号楼", "residential") for n in range(8)
    ]


@pytest.mark.parametrize("last", ['{"type": "Feature", "prop', "[1, 2]", '{"type": "Point"}'])
def test_a_line_that_is_no_feature_refuses_the_file(database, tmp_path, last):
    file = made(tmp_path / "a.geojsonl", "\n".join([*lines_of(3), last]).encode())
    with pytest.raises(InputError, match="record 4 is no GeoJSON feature"):
        bring(database, "building", file)
    assert rows(database, "SELECT count(*) FROM building") == [(0,)]


def test_layers_that_are_not_imported_are_in_the_report(database, tmp_path):
    file = write(houses(3), tmp_path / "a.gpkg", layer="building")
    register = frame([None] * 3, 楼栋编码=["b000", "b001", "b002"], 户数=[1, 2, 3])
    for name, data in (("register", register), ("树木", houses(2)), ("layer_styles", houses(1))):
        write(data, file, layer=name, append=True)
    for layer in ("building", "city"):
        outcome = bring(database, layer, file, mapping(layer, source="survey"), again=True)
        assert outcome.report["unread_layers"] == ["register", "树木"]
        (line,) = [line for line in terminal_lines(outcome) if "not imported" in line]
        assert "register, 树木" in line
    bring(database, "register", file, mapping("register", guard=ANYTHING, file_layer="register"))
    assert rows(database, "SELECT households FROM building ORDER BY code") == [(1,), (2,), (3,)]


def drawing(path):
    """Return a drawing with houses, a frame, and a house on paper space."""
    shapes = [box(50 * n, 0).exterior for n in range(6)] + [box(-90, -90, 600, 400).exterior]
    data = frame(shapes, Layer=["JMD"] * 6 + ["TK"]).to_crs("EPSG:4546")
    write(data, path, driver="DXF")
    text = path.read_text()
    first = text.index("LWPOLYLINE")
    path.write_text(text[:first] + "LWPOLYLINE\n 67\n1" + text[first + len("LWPOLYLINE") :])
    return path


def test_the_layers_of_a_drawing_have_to_be_named(database, tmp_path):
    file = drawing(tmp_path / "a.dxf")
    columns = {"code": "EntityHandle"}
    place = {"crs": "EPSG:4546"}
    with pytest.raises(InputError, match=r"JMD \(5\), TK \(1\)"):
        bring(database, "building", file, mapping(columns=columns, coordinates=place))
    how = mapping(columns=columns, coordinates=place, cad_layers=["JMD"], guard=ANYTHING)
    bring(database, "building", file, how)
    assert rows(
        database, "SELECT count(*), max(round(ST_Area(geom::geography))) FROM building"
    ) == [(5, 240)]
    with pytest.raises(InputError, match="no layer GX"):
        bring(database, "building", file, how.model_copy(update={"cad_layers": ["GX"]}))
    assert 'cad_layers = ["JMD"]  # of: JMD (5), TK (1)' in suggest_mapping(file, "building")


LEFT_OPEN = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = wal")
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("UPDATE building SET households = 99 WHERE code = 'b001'")
connection.commit()
os._exit(0)  # without merging the log
"""


def test_a_write_ahead_log_is_read_and_not_changed(database, tmp_path):
    folder = tmp_path / "delivered"
    folder.mkdir()
    file = write(houses(6), folder / "a.gpkg", layer="building")
    with sqlite3.connect(file) as connection:
        drop_triggers(connection)
    subprocess.run([sys.executable, "-c", LEFT_OPEN, file], check=True)
    before = {f.name: hashlib.sha256(f.read_bytes()).digest() for f in folder.iterdir()}
    assert "a.gpkg-wal" in before
    bring(database, "building", file)
    assert rows(database, "SELECT households FROM building WHERE code = 'b001'") == [(99,)]
    after = {f.name: hashlib.sha256(f.read_bytes()).digest() for f in folder.iterdir()}
    assert after == before


def test_a_geopackage_in_wal_mode_without_a_log_is_read(database, tmp_path):
    folder = tmp_path / "delivered"
    folder.mkdir()
    file = write(houses(6), folder / "a.gpkg", layer="building")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode = wal")
    connection.close()
    bring(database, "building", file)
    assert rows(database, "SELECT count(*) FROM building") == [(6,)]
    assert [f.name for f in folder.iterdir()] == ["a.gpkg"]


@pytest.mark.parametrize("place", ["first", "last"])
def test_geojson_that_disclaims_its_system_is_read_in_the_given_one(database, tmp_path, place):
    content = json.loads(houses(3).to_crs("EPSG:4546").to_json(drop_id=True))
    content = {"type": content["type"], "features": content["features"]}
    null = {"crs": None}
    content = null | content if place == "first" else content | null
    file = made(tmp_path / "a.geojson", json.dumps(content).encode())
    with pytest.raises(InputError, match="does not say its coordinate system"):
        bring(database, "building", file)
    bring(database, "building", file, merge_options(None, "building", crs="EPSG:4546"))
    [(x,)] = rows(database, "SELECT ST_X(ST_Centroid(geom)) FROM building WHERE code = 'b000'")
    assert x == pytest.approx(box(0, 0).centroid.x, abs=1e-7)


def test_geojson_property_called_crs_is_no_system(database, tmp_path):
    content = json.loads(houses(3).assign(crs=None).to_json(drop_id=True))
    file = made(tmp_path / "a.geojson", json.dumps({**content, "crs": None}).encode())
    del content["crs"]
    plain = made(tmp_path / "b.geojson", json.dumps(content).encode())
    assert bring(database, "building", plain).counts["building"].added == 3
    with pytest.raises(InputError, match="does not say its coordinate system"):
        bring(database, "building", file)


def test_geojson_without_features_is_said_to_be_empty(database, tmp_path):
    empty = b'{"type": "FeatureCollection", "features": []}'
    with pytest.raises(InputError, match="it contains no feature"):
        bring(database, "building", made(tmp_path / "a.geojson", empty))


def test_empty_fields_of_kml_placemarks_take_no_column_from_the_data(database, tmp_path):
    marks = "".join(
        f"<Placemark><ExtendedData><Data name='BM'><value>f{i}</value></Data>"
        "<Data name='设施名称'><value>诊所</value></Data><Data name='LX'><value>诊所</value></Data>"
        f"</ExtendedData><Point><coordinates>112.14,32.0{i}</coordinates></Point></Placemark>"
        for i in range(3)
    )
    text = f"<kml xmlns='http://www.opengis.net/kml/2.2'><Document>{marks}</Document></kml>"
    file = made(tmp_path / "a.kml", text.encode())
    outcome = bring(database, "facility", file)
    values = "SELECT code, name FROM facility ORDER BY code"
    assert rows(database, values) == [(f"f{i}", "诊所") for i in range(3)]
    assert outcome.report["unused_columns"] == {}
