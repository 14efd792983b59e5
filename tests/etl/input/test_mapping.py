"""Mapping files: errors name their place, headers and units are understood, proposals work."""

import pytest

from etl.input.header_matching import guess_mapping, unused_columns
from etl.input.mapping import read_mapping
from etl.input.mapping_proposal import suggest_mapping
from etl.runs.report import terminal_lines
from geo.errors import InputError
from tests.etl.delivery import ANYTHING, bring, houses, made, mapping, rows, write

MAPPINGS = {
    "no TOML": ("layer = ", "is no TOML file"),
    "unknown name": (
        'layer = "building"\nlayr = 1',
        "layr is wrong: Extra inputs are not permitted",
    ),
    "unknown layer": ('layer = "castle"', "There is no layer castle."),
    "unknown column": (
        'layer = "building"\n[columns]\nheight = "GD"',
        "there is no column height to fill",
    ),
    "unknown unit": (
        'layer = "building"\n[columns]\nheight_m = { from = "GD", unit = "yd" }',
        "height_m can't be in yd. Units: mm, cm, dm, m, km, ft.",
    ),
    "several layers in one": (
        'layer = "building"\n[[also]]\nlayer = "city"',
        "There is no layer city.",
    ),
    "no limit": (
        'layer = "building"\n[guard]\nremoved_percent = nan',
        "guard.removed_percent is wrong",
    ),
    "limit below zero": (
        'layer = "building"\n[guard]\nremoved_percent = -1',
        "guard.removed_percent is wrong",
    ),
}


@pytest.mark.parametrize("case", MAPPINGS)
def test_wrong_mapping_is_reported_with_its_place(tmp_path, case):
    content, expected = MAPPINGS[case]
    with pytest.raises(InputError) as refused:
        read_mapping(made(tmp_path / "m.toml", content.encode()))
    assert expected in refused.value.message("en")


@pytest.mark.parametrize(
    ("default", "households", "waiting"),
    [("x", [20, 21], [("value_not_whole",)]), (7, [7, 20, 21], []), (7.0, [7, 20, 21], [])],
)
def test_default_of_another_type_is_reported_by_row(
    database, tmp_path, default, households, waiting
):
    file = write(houses(3, households=[20, 21, None]), tmp_path / "a.gpkg")
    columns = {"code": "code", "households": {"from": "households", "default": default}}
    bring(database, "building", file, mapping(columns=columns, guard=ANYTHING))
    live = rows(database, "SELECT households FROM building ORDER BY households")
    assert [count for (count,) in live] == households
    assert rows(database, "SELECT reason FROM quarantine") == waiting


def test_encoding_of_a_format_that_has_only_one_is_ignored(database, tmp_path):
    file = write(houses(3), tmp_path / "a.gpkg")
    assert bring(database, "building", file, mapping(encoding="GB18030")).status == "published"


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("EPSG:4490", 'crs = "EPSG:4490"'),
        ("EPSG:4525", 'crs = "EPSG:4525"'),  # the number of the zone stands before the eastings
        ("EPSG:4546", "# metres: EPSG:4534 (75 E)"),
    ],
)
def test_proposal_names_the_system_in_which_coordinates_make_sense(tmp_path, system, expected):
    file = write(houses().to_crs(system), tmp_path / "楼栋_20261124.shp")
    file.with_suffix(".prj").unlink()
    proposal = suggest_mapping(file)
    assert expected in proposal
    assert 'file = "楼栋*.shp"' in proposal


@pytest.mark.parametrize(
    ("layer", "header", "column", "unit"),
    [
        ("building", "户数(户)", "households", "户"),
        ("building", "高度（米）", "height_m", "米"),
        ("building", "建筑高度(cm)", "height_m", "cm"),
        ("pipe_node", "流量(L/s)", "flow_l_s", "L/s"),
        ("pipe_node", "压力(bar)", "pressure_mpa", "bar"),
        ("pipe_node", "压力（MPa）", "pressure_mpa", "MPa"),
        ("road", "坡度(‰)", "slope_percent", "‰"),
    ],
)
def test_header_with_a_unit_in_brackets_is_recognized(layer, header, column, unit):
    [(guessed, rule)] = guess_mapping(layer, [header], "").columns.items()
    assert (guessed, rule.source, rule.unit) == (column, header, unit)


@pytest.mark.parametrize(
    ("layer", "header", "similar"),
    [
        ("building", "高度(尺)", "height_m"),
        ("building", "人口(万人)", "population"),
        ("building", "高度(bar)", "height_m"),
        ("building", "建筑高", "height_m"),
        ("road", "坡度(°)", "slope_percent"),
        ("building", "实有户数", "households"),
        ("building", "所属社_1", "region_code"),
        ("building", "详细地", "address"),
        ("building", "communityc_2", "region_code"),
        ("building", "楼栋名\ufffd", "name"),
        ("building", "备注", None),
    ],
)
def test_header_that_is_not_understood_is_unused_and_a_column_proposed(layer, header, similar):
    mapping = guess_mapping(layer, ["编码", header], "")
    assert [*mapping.columns] == ["code"]
    assert unused_columns(mapping, ["编码", header]) == {header: similar}


def test_units_of_headers_and_values_are_converted_and_unused_columns_reported(database, tmp_path):
    table = (
        "管点编号,管线类型,附属物,流量(L/min),压力（bar）,备注,经度,纬度\n"
        "n1,给水,消火栓,900,3,好,112.142,32.038\n"
        "n2,给水,消火栓,15 L/s,0.4 MPa,,112.143,32.038\n"
        "n3,给水,消火栓,60m³/h,40 m,,112.144,32.038\n"
    )
    file = made(tmp_path / "消火栓.csv", table.encode())
    how = mapping("pipe_node", coordinates={"crs": "EPSG:4490"}, guard=ANYTHING)
    outcome = bring(database, "pipe_node", file, how)
    live = rows(database, "SELECT code, flow_l_s, pressure_mpa FROM pipe_node ORDER BY code")
    assert live == [("n1", 15, 0.3), ("n2", 15, 0.4)]
    refused = rows(database, "SELECT code, reason, detail->>'value' FROM quarantine")
    assert refused == [("n3", "value_not_number", "40 m")]
    assert outcome.report["unused_columns"] == {"pipe_node": {"备注": None}}
    assert any("备注" in line for line in terminal_lines(outcome))


def test_own_unit_of_a_value_prevails_over_the_unit_of_the_mapping(database, tmp_path):
    file = write(
        houses(6, height_m=["800 cm", "12m", "900", "950,5", "1,200", "?"]), tmp_path / "a.gpkg"
    )
    columns = {"code": "code", "height_m": {"from": "height_m", "unit": "cm"}}
    bring(database, "building", file, mapping(columns=columns, guard=ANYTHING))
    live = rows(database, "SELECT code, height_m FROM building ORDER BY code")
    expected = {"b000": 8, "b001": 12, "b002": 9, "b003": 9.505}
    assert {code: pytest.approx(height) for code, height in live} == expected


def test_proposal_keeps_the_unit_of_a_header_and_names_similar_columns(tmp_path):
    table = "编码,高度（cm）,人口(万人),备注,经度,纬度\nb1,800,3,好,112.142,32.038\n"
    proposal = suggest_mapping(made(tmp_path / "楼栋.csv", table.encode()), "building")
    assert 'height_m = { from = "高度（cm）", unit = "cm" }' in proposal
    assert "# not used: 人口(万人), 备注" in proposal
    assert '# perhaps: population = "人口(万人)"' in proposal
    assert read_mapping(made(tmp_path / "m.toml", proposal.encode())).layer == "building"


@pytest.mark.parametrize(
    ("header", "in_service"),
    [("使用状态", {}), ("Status", {}), ("in_service", {"n0": False, "n1": True})],
)
def test_number_of_a_state_is_no_yes_or_no(database, tmp_path, header, in_service):
    table = f"管点编号,管线类型,附属物,{header},经度,纬度\n"
    table += "n0,给水,消火栓,0,112.142,32.038\nn1,给水,消火栓,1,112.143,32.038\n"
    table += "n2,给水,消火栓,废弃,112.144,32.038\n"
    sources = {"code": "管点编号", "network": "管线类型", "kind": "附属物", "in_service": header}
    columns = {name: {"from": source} for name, source in sources.items()}
    crs = {"crs": "EPSG:4490"}
    how = mapping("pipe_node", columns=columns, coordinates=crs, guard=ANYTHING)
    bring(database, "pipe_node", made(tmp_path / "a.csv", table.encode()), how)
    live = dict(rows(database, "SELECT code, in_service FROM pipe_node"))
    assert live == in_service | {"n2": False}
    waiting = rows(database, "SELECT detail->>'value' FROM quarantine ORDER BY id")
    assert waiting == ([] if in_service else [(f"{header}=0",), (f"{header}=1",)])
