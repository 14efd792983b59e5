"""Texts are read in the encoding that they are in, whatever their file declares."""

import pytest

from etl.input.encoding import decode_text, detect_encoding
from etl.input.mapping import read_mapping
from etl.input.source import open_layer
from geo.errors import InputError
from tests.etl.delivery import (
    ANYTHING,
    box,
    bring,
    geojson,
    houses,
    made,
    mapping,
    rows,
    write,
)

pytestmark = pytest.mark.usefixtures("english")

TOWN = mapping(coordinates={"crs": "EPSG:4490"}, guard=ANYTHING)
NAMES = "SELECT code, name FROM building ORDER BY code"


@pytest.mark.parametrize("word", ["住宅", "3楼", "12路", "幸福小区", "樊城区"])
@pytest.mark.parametrize("encoding", ["GB18030", "UTF-8"])
def test_encoding_of_a_single_word_is_detected(word, encoding):
    assert detect_encoding([word.encode(encoding)] * 8) == encoding


@pytest.mark.parametrize("word", ["犇鱻街", "犇鱻", "㳇河", "叆叇里"])
def test_rare_characters_alone_are_read_in_gb18030(word):
    assert detect_encoding([word.encode("gb18030")]) == "GB18030"


@pytest.mark.parametrize("declared", ["CP1252", "ISO-8859-1", "cp437", "OEM", "UTF-16"])
def test_declaration_that_fits_every_text_does_not_hide_chinese(declared):
    texts = [word.encode("gbk") for word in ("友谊街1号", "住宅", "楼栋编码")]
    assert detect_encoding(texts, declared) == "GB18030"


@pytest.mark.parametrize("word", ["café", "naïve", "Straße", "é"])
def test_texts_in_no_encoding_that_is_known_are_not_guessed(tmp_path, word):
    file = made(tmp_path / "a.csv", f"code,name,lon,lat\nc1,{word},112.14,32.04\n".encode("cp1252"))
    with pytest.raises(InputError, match="neither in UTF-8, GB18030, Big5 nor UTF-16"):
        open_layer(file)
    [batch] = open_layer(file, encoding="windows-1252").batches()
    assert batch.columns["name"].to_pylist() == [word]


def test_byte_order_mark_before_gbk_is_left_out(tmp_path):
    content = "编号,名称,经度,纬度\nC1,友谊街,112.14,32.04\n".encode("gbk")
    source = open_layer(made(tmp_path / "a.csv", b"\xef\xbb\xbf" + content))
    [batch] = source.batches()
    assert source.fields == ["编号", "名称"]
    assert batch.columns["名称"].to_pylist() == ["友谊街"]


@pytest.mark.parametrize("text", ["Café", "20°", "5m²", "Φ100", "Köln Straße", "Москва"])
def test_latin_signs_in_utf8_are_no_chinese(text):
    assert detect_encoding([text.encode()]) == "UTF-8"
    assert decode_text(text.encode(), "UTF-8") == (text, "")


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    [
        ("襄阳市友".encode()[:-1], "UTF-8", ("襄阳市", "cut")),
        ("襄阳市友".encode("gbk")[:-1], "GB18030", ("襄阳市", "cut")),
        ("友谊街".encode("gbk"), "UTF-8", ("友谊街", "GB18030")),
        ("住宅".encode("gbk"), "UTF-8", ("住宅", "GB18030")),
        ("友谊街".encode(), "GB18030", ("友谊街", "UTF-8")),
        (b"\x82\x31\xd2\x33\xfe\x59", "GB18030", ("㳇龴", "")),
    ],
)
def test_text_is_decoded_by_itself(raw, encoding, expected):
    assert decode_text(raw, encoding) == expected


def write_mixed_shapefile(path, main, other, other_rows):
    """Write a shapefile of which some rows have texts in another encoding."""
    names = [f"友谊街{i:02d}号楼" for i in range(24)]
    write(houses(24, name=names), path, encoding=main)
    table = path.with_suffix(".dbf")
    content = table.read_bytes()
    for row in other_rows:
        old, new = names[row].encode(main), names[row].encode(other)
        width = max(len(old), len(new))
        content = content.replace(old.ljust(width), new.ljust(width))
    table.write_bytes(content)
    path.with_suffix(".cpg").unlink()
    return path


@pytest.mark.parametrize(("main", "other"), [("UTF-8", "GBK"), ("GBK", "UTF-8")])
def test_rows_in_another_encoding_are_set_aside_one_by_one(database, tmp_path, main, other):
    file = write_mixed_shapefile(tmp_path / "a.shp", main, other, [3, 17])
    bring(database, "building", file, mapping(guard=ANYTHING))
    live = dict(rows(database, NAMES))
    assert live == {f"b{i:03d}": f"友谊街{i:02d}号楼" for i in range(24) if i not in (3, 17)}
    waiting = rows(database, "SELECT reason, properties->>'name' FROM quarantine ORDER BY id")
    assert waiting == [("text_of_other_encoding", f"友谊街{i:02d}号楼") for i in (3, 17)]


def test_declaration_that_contradicts_the_texts_is_reported(database, tmp_path):
    file = write(houses(3), tmp_path / "a.shp", encoding="GBK")
    file.with_suffix(".cpg").write_text("UTF-8")
    outcome = bring(database, "building", file)
    assert outcome.report["reading"]["building"]["cpg_contradicts"] == {
        "declared": "UTF-8",
        "encoding": "GB18030",
    }


def test_text_and_header_cut_within_a_character_lose_its_rest(database, tmp_path):
    file = write(houses(3, name=["襄阳市樊城区友"] * 3), tmp_path / "a.shp", encoding="UTF-8")
    table = file.with_suffix(".dbf")
    content = table.read_bytes().replace("友".encode(), "友".encode()[:2] + b" ")
    table.write_bytes(content.replace(b"households\0", "建筑总户".encode()[:10] + b"\0"))
    outcome = bring(database, "building", file)
    assert {name for _, name in rows(database, NAMES)} == {"襄阳市樊城区"}
    notes = outcome.report["reading"]["building"]
    assert notes["values_cut"] == {"count": 3, "where": "name"}
    assert notes["header_cut"] == {"count": 1, "where": "建筑总"}


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-16-le", "utf-8-sig"])
def test_geojson_is_read_in_every_encoding(database, tmp_path, encoding):
    file = geojson(tmp_path / "a.geojson", ({"code": "b1", "name": "WORD"}, box(0, 0)))
    content = file.read_text(encoding="utf-8").replace("WORD", "住宅")
    made(file, content.encode(encoding))
    bring(database, "building", file, mapping(guard=ANYTHING))
    assert rows(database, NAMES) == [("b1", "住宅")]


def test_geojson_text_in_another_encoding_is_set_aside(database, tmp_path):
    features = [({"code": f"b{i}", "name": f"WORD{i}"}, box(50 * i, 0)) for i in range(3)]
    content = geojson(tmp_path / "a.geojson", *features).read_bytes()
    for i, encoding in enumerate(["gbk", "gbk", "utf-8"]):
        content = content.replace(f"WORD{i}".encode(), "幸福里".encode(encoding))
    bring(database, "building", made(tmp_path / "a.geojson", content), mapping(guard=ANYTHING))
    assert rows(database, NAMES) == [("b0", "幸福里"), ("b1", "幸福里")]
    assert rows(database, "SELECT code FROM quarantine") == [("b2",)]


def test_lone_surrogates_lists_and_objects_are_set_aside(database, tmp_path):
    features = [
        ({"code": "b0", "name": "A\ud800"}, box(0, 0)),
        ({"code": "b1", "name": ["x"]}, box(50, 0)),
        ({"code": "b2", "name": {"a": 1}}, box(100, 0)),
        ({"code": "b3", "name": "好"}, box(150, 0)),
    ]
    file = geojson(tmp_path / "a.geojson", *features)
    bring(database, "building", file, mapping(guard=ANYTHING))
    assert rows(database, NAMES) == [("b3", "好")]
    assert [code for (code,) in rows(database, "SELECT code FROM quarantine ORDER BY code")] == [
        "b0",
        "b1",
        "b2",
    ]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_csv_is_read_in_every_encoding_with_every_delimiter(
    tmp_path, encoding, delimiter, line_end
):
    lines = [["编号", "用途", "经度", "纬度"], ["C1", "住宅", "112.14", "32.04"]]
    content = "".join(delimiter.join(line) + line_end for line in lines).encode(encoding)
    source = open_layer(made(tmp_path / "a.csv", content))
    [batch] = source.batches()
    assert source.fields == ["编号", "用途"]
    assert batch.columns["用途"].to_pylist() == ["住宅"]
    assert batch.geometry[0].wkt == "POINT (112.14 32.04)"


def test_csv_rows_in_another_encoding_are_set_aside(database, tmp_path):
    lines = ["编号,名称,经度,纬度\n".encode()]
    lines += [
        f"f{i},幸福里{i}号,112.14{i},32.04\n".encode("gbk" if i == 4 else "utf-8") for i in range(8)
    ]
    file = made(tmp_path / "a.csv", b"".join(lines))
    how = mapping("facility", constants={"category": "clinic"}, coordinates={"crs": "EPSG:4490"})
    how = how.model_copy(update={"guard": TOWN.guard})
    bring(database, "facility", file, how)
    assert len(rows(database, "SELECT code FROM facility")) == 7
    assert rows(database, "SELECT code, reason, detail->>'line' FROM quarantine") == [
        ("f4", "text_of_other_encoding", "6")
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk", "utf-16"])
def test_mapping_is_read_in_every_encoding(tmp_path, encoding):
    content = 'layer = "building"\n[columns]\nname = "楼栋名称"\n'.encode(encoding)
    read = read_mapping(made(tmp_path / "a.toml", content))
    assert read.columns["name"].source == "楼栋名称"


def test_mapping_in_no_encoding_is_refused(tmp_path):
    content = b'layer = "building"\n[columns]\nname = "' + "楼栋".encode() + b'\xff\xff"\n'
    with pytest.raises(InputError, match="neither UTF-8, UTF-16 nor GBK"):
        read_mapping(made(tmp_path / "a.toml", content))


def test_unknown_encoding_of_a_mapping_is_refused(database, tmp_path):
    file = write(houses(2), tmp_path / "a.shp", encoding="GBK")
    with pytest.raises(InputError, match="Klingon is no known encoding"):
        bring(database, "building", file, mapping(encoding="Klingon"))
