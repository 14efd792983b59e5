"""Pipes as surveying bureaus deliver them (CJJ 61-2017): their headers, words and units."""

import pytest
import shapely

from etl.input.header_matching import guess_mapping
from tests.etl.delivery import bring, frame, mapping, point, rows, write

COLUMNS = (
    "network, depth_from_m, depth_to_m, depth_of, laying, status, owner, pressure_mpa, "
    "pressure_class, voltage_kv, ducts"
)


def deliver(database, folder, **values: object):
    """Import a pipe with some columns; return what is live of it and why it was refused."""
    line = shapely.LineString([point(0, 0), point(100, 0)])
    data = frame([line], 管线编号=["p"], **{name: [value] for name, value in values.items()})
    file = write(data, folder / "管线.gpkg")
    bring(database, "pipe_segment", file, mapping("pipe_segment", guard={"rejected_percent": 100}))
    live = rows(database, f"SELECT {COLUMNS} FROM pipe_segment WHERE code = 'p'")
    refused = rows(
        database,
        "SELECT reason, detail->>'column', detail->>'value', detail->>'unit' FROM quarantine",
    )
    return live, refused


def test_columns_of_a_bureau_are_read(database, tmp_path):
    live, refused = deliver(
        database,
        tmp_path,
        管线类型="电力",
        起点埋深="0.8",
        终点埋深="120 cm",
        埋深部位="外顶",
        埋设方式="管块",
        使用状态="在用",
        权属单位="供电公司",
        电压="10kV",
        总孔数="6孔",
    )
    assert refused == []
    found = ("power", 0.8, 1.2, "top", "duct_bank", "in_use", "供电公司", None, None, 10.0, 6)
    assert live == [found]


def test_columns_of_a_bureau_in_codes_are_read(database, tmp_path):
    live, refused = deliver(
        database,
        tmp_path,
        Type="HS",
        S_Deep=2.5,
        E_Deep=2.8,
        EmBed="GG",
        status=1,
        Belong="排水公司",
        gxlx="hs",
    )
    assert refused == []
    assert live[0][:7] == ("combined", 2.5, 2.8, None, "trench", "abandoned", "排水公司")


@pytest.mark.parametrize(
    ("headers", "depth_of"),
    [
        (("起点管顶埋深", "终点管顶埋深"), "top"),
        (("起点管内底埋深", "终点管内底埋深"), "invert"),
        (("起点管顶埋深", "终点管底埋深"), None),
        (("起点埋深", "终点埋深"), None),
        (("管底埋深",), "invert"),
    ],
)
def test_header_of_a_depth_says_what_it_is_measured_to(headers, depth_of):
    columns = guess_mapping("pipe_segment", ["管线编号", *headers], "").columns
    rule = columns.get("depth_of")
    assert (rule.default if rule else None) == depth_of
    assert {c.source for c in columns.values() if c.source} == {"管线编号", *headers}


@pytest.mark.parametrize(
    ("written", "pressure", "pressure_class"),
    [
        ("0.2MPa", 0.2, None),
        ("200 kPa", 0.2, None),
        ("2 bar", 0.2, None),
        ("0.2", 0.2, None),
        ("中压A", None, "medium_a"),
        ("低压", None, "low"),
        ("次高压", None, "sub_high"),
    ],
)
def test_pressure_is_a_figure_or_a_class(database, tmp_path, written, pressure, pressure_class):
    live, refused = deliver(database, tmp_path, 管线类型="燃气", 压力=written)
    assert refused == []
    assert live[0][7:9] == (pytest.approx(pressure) if pressure else None, pressure_class)


@pytest.mark.parametrize(
    ("columns", "diameter"),
    [
        ({"断面尺寸": "800x600"}, 800.0),
        ({"断面尺寸": "600×800"}, 800.0),
        ({"断面尺寸": "1200 * 1000"}, 1200.0),
        ({"断面尺寸": "80cmX60cm"}, 800.0),
        ({"断面尺寸": "1.2x0.8"}, 1200.0),
        ({"断面尺寸（m）": "2×1.5"}, 2000.0),
        ({"断面尺寸": "Φ300"}, 300.0),
        ({"断面尺寸": "300"}, 300.0),
        ({"管径或断面尺寸": "500X300"}, 500.0),
        ({"管径": 0, "断面尺寸": "800x600"}, 800.0),
        ({"管径": "400", "断面尺寸": "/"}, 400.0),
        ({"管径": "300", "断面尺寸": "300"}, 300.0),
    ],
)
def test_section_of_a_duct_or_culvert_is_read_as_its_longer_side(
    database, tmp_path, columns, diameter
):
    _, refused = deliver(database, tmp_path, 管线类型="雨水", **columns)
    assert refused == []
    assert rows(database, "SELECT diameter_mm FROM pipe_segment") == [(diameter,)]


@pytest.mark.parametrize(
    ("columns", "written"),
    [
        ({"断面尺寸": "Φ0.8"}, "Φ0.8"),
        ({"断面尺寸": "3x4"}, "3x4"),
        ({"断面尺寸": "3x100"}, "3x100"),
        ({"断面尺寸": "80x60"}, "80x60"),
        ({"断面尺寸": "1,200x800"}, "1,200x800"),
        ({"断面尺寸": "800mmx600"}, "800mmx600"),
        ({"断面尺寸": "800x600x2"}, "800x600x2"),
        ({"管径": "300", "断面尺寸": "800x600"}, "300 / 800.0"),
    ],
)
def test_section_that_can_be_read_in_two_ways_is_quarantined(database, tmp_path, columns, written):
    live, refused = deliver(database, tmp_path, 管线类型="电力", **columns)
    assert live == []
    assert refused == [("value_not_number", "diameter_mm", written, None)]


def test_size_beside_one_that_can_not_be_read_is_compared_as_a_number(database, tmp_path):
    lines = [shapely.LineString([point(0, y), point(90, y)]) for y in (0, 50)]
    sizes = {"管径": [300, 0], "断面尺寸": ["300", "3x4"]}
    file = write(frame(lines, 管线编号=["p", "q"], **sizes), tmp_path / "管线.gpkg")
    how = mapping("pipe_segment", constants={"network": "water"}, guard={"rejected_percent": 100})
    bring(database, "pipe_segment", file, how)
    assert rows(database, "SELECT code, diameter_mm FROM pipe_segment") == [("p", 300.0)]


@pytest.mark.parametrize(
    ("layer", "columns", "hydrant_type"),
    [
        ("pipe_node", {"附属物": "地下式消火栓"}, "underground"),
        ("pipe_node", {"附属物": "地上消防栓"}, "above_ground"),
        ("pipe_node", {"附属物": "消火栓"}, None),
        ("pipe_node", {"附属物": "地下消火栓", "消火栓类型": "地上式"}, "above_ground"),
        ("pipe_node", {"附属物": "地下消火栓", "消火栓类型": ""}, "underground"),
        ("hydrant", {"类型": "地上栓"}, "above_ground"),
    ],
)
def test_kind_of_a_node_says_how_a_hydrant_is_built(
    database, tmp_path, layer, columns, hydrant_type
):
    data = frame(
        [point(0, 0)], 管点编号=["h"], 管线类型=["给水"], **{n: [v] for n, v in columns.items()}
    )
    bring(database, layer, write(data, tmp_path / "管点.gpkg"))
    assert rows(database, "SELECT kind, hydrant_type FROM pipe_node") == [("hydrant", hydrant_type)]


@pytest.mark.parametrize(
    ("header", "written", "refusal"),
    [
        ("起点埋深", "101", ("value_out_of_range", "depth_from_m", "101.0", " m")),
        ("压力", "21", ("value_out_of_range", "pressure_mpa", "21.0", " MPa")),
        ("电压", "1201", ("value_out_of_range", "voltage_kv", "1201.0", " kV")),
        ("管径", "10001", ("value_out_of_range", "diameter_mm", "10001.0", " mm")),
        ("管径", "0.3", ("value_out_of_range", "diameter_mm", "0.3", " mm")),
        ("总孔数", "501", ("value_out_of_range", "ducts", "501", "")),
        ("电压", "10 MPa", ("value_not_number", "voltage_kv", "10 MPa", None)),
        ("管线类型", "排水", ("word_unknown", "network", "排水", None)),
        ("埋设方式", "悬挂", ("word_unknown", "laying", "悬挂", None)),
    ],
)
def test_value_outside_its_range_is_quarantined_with_its_unit(
    database, tmp_path, header, written, refusal
):
    live, refused = deliver(database, tmp_path, **{"管线类型": "电力", header: written})
    assert live == []
    assert refused == [refusal]


@pytest.mark.parametrize(
    ("header", "written"), [("起点埋深", "100"), ("电压", "1200"), ("总孔数", "500")]
)
def test_value_at_the_end_of_its_range_is_taken(database, tmp_path, header, written):
    live, refused = deliver(database, tmp_path, **{"管线类型": "电力", header: written})
    assert refused == []
    assert len(live) == 1
