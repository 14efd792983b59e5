"""Tables as offices make them: titles, two-row headers, sums, notes, sheets, altered codes."""

from datetime import date, time

import numpy as np
import openpyxl
import pytest
import shapely

from etl.input.header_matching import guess_mapping
from etl.input.source import open_layer
from etl.input.table_names import table_names
from geo.errors import InputError
from tests.etl.delivery import ANYTHING, box, bring, houses, made, mapping, point, rows, write

pytestmark = pytest.mark.usefixtures("english")

HEADER = ("楼栋编码", "楼栋名称", "层数", "户数", "wkt")


def line(i, code=None, **other):
    values = {"name": f"{i}号楼", "storeys": 6, "households": 12} | other
    return (code or f"B{i}", *values.values(), box(50 * i, 0).wkt)


def workbook(path, sheets, *, merged=(), formats=None, hidden_rows=(), hidden_sheets=()):
    """Write a workbook from rows by the names of its sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for cells in lines:
            sheet.append(cells)
        if name in hidden_sheets:
            sheet.sheet_state = "hidden"
    for reference in merged:
        sheet.merge_cells(reference)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    for row in hidden_rows:
        sheet.row_dimensions[row].hidden = True
    book.save(path)
    return path


def read(path, layer="building"):
    """Return columns, the faults of each row, and the notes of a table."""
    source = open_layer(path, names=table_names(layer))
    batches = list(source.batches())
    columns = {
        name: [value for batch in batches for value in batch.columns[name].to_pylist()]
        for name in source.fields
    }
    faults = [
        [(fault.key, fault.column) for fault in found or ()]
        for batch in batches
        for found in (batch.faults if batch.faults is not None else [None] * len(batch))
    ]
    return columns, faults, source.notes


def delimited(path, lines):
    """Write rows as CSV."""
    text = "\n".join(",".join("" if c is None else f'"{c}"' for c in cells) for cells in lines)
    return made(path, text.encode())


WRITERS = {
    "csv": lambda path, lines: delimited(path.with_suffix(".csv"), lines),
    "xlsx": lambda path, lines: workbook(path.with_suffix(".xlsx"), {"Sheet1": lines}),
}
DATA = [line(0), line(1), line(2)]
TITLES = [
    ("某街道楼栋登记表", None, None, None, None),
    ("填报单位：某街道", None, None, "日期：2026年", None),
    (None,) * 5,
]
TWO_ROWS = [("楼栋编码", "楼栋名称", "基本情况", None, "wkt"), (None, None, "层数", "户数", None)]
SUMS = [("幸福小区小计", None, None, 24, None), ("合　计", "3栋", None, 36, None)]
MORE_SUMS = ("合计（6栋）", "计", "汇总", "Subtotal", "Sum", "∑", "小計", "總計")
BROKEN_HEADER = ("楼栋\n编码", *HEADER[1:])
NOTES = [
    (None,) * 5,
    ("填表人：张三", None, None, "审核：李四", None),
    ("注：以上均为住宅。",) + (None,) * 4,
]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("lines", "notes"),
    [
        ([HEADER, *DATA], {}),
        ([*TITLES, HEADER, *DATA], {"header_found"}),
        ([*TWO_ROWS, *DATA], {"header_found"}),
        ([*TITLES, *TWO_ROWS, *DATA], {"header_found"}),
        ([HEADER, ("1", "2", "3", "4", "5"), *DATA], {}),
        ([HEADER, (None, None, "（层）", "（户）", None), *DATA], {"header_found"}),
        ([HEADER, *DATA[:2], HEADER, *DATA[2:]], {"rows_header"}),
        ([HEADER, *DATA[:2], SUMS[0], *DATA[2:], SUMS[1], *NOTES], {"rows_subtotal", "rows_note"}),
        ([BROKEN_HEADER, *DATA[:2], BROKEN_HEADER, *DATA[2:]], {"rows_header"}),
        ([HEADER, *DATA, *((word, *SUMS[0][1:]) for word in MORE_SUMS)], {"rows_subtotal"}),
    ],
    ids=[
        *("plain", "titles", "two rows", "titles, two rows", "numbers", "units", "repeated"),
        *("sums", "broken header repeated", "other sums"),
    ],
)
def test_header_is_found_and_rows_that_are_no_features_are_skipped(tmp_path, kind, lines, notes):
    columns, faults, found = read(WRITERS[kind](tmp_path / "a", lines))
    assert columns["楼栋编码"] == ["B0", "B1", "B2"]
    assert [value for name, values in columns.items() if "户数" in name for value in values] == [
        "12",
        "12",
        "12",
    ]
    assert faults == [[], [], []]
    assert {*found} == {*notes}


def test_names_that_two_groups_share_get_the_name_of_their_group(tmp_path):
    header = [
        ("管线编号", "起点", None, "终点", None, "管径"),
        (None, "点号", "埋深", "点号", "埋深", None),
    ]
    file = workbook(tmp_path / "a.xlsx", {"A": [*header, ("S1", "N1", 1.2, "N2", 1.4, 100)]})
    columns, _, _ = read(file, "pipe_segment")
    assert {name: values[0] for name, values in columns.items()} == {
        "管线编号": "S1",
        "起点点号": "N1",
        "起点埋深": "1.2",
        "终点点号": "N2",
        "终点埋深": "1.4",
        "管径": "100",
    }


@pytest.mark.parametrize(
    "cells",
    [("统计局家属院", "", "12"), ("附1号楼", "", "8"), ("TOTAL", "加油站", "0")],
)
def test_feature_with_a_name_like_a_note_or_sum_is_kept(tmp_path, cells):
    lines = [("住址", "类型", "户数"), ("一号楼", "住宅", "6"), cells]
    columns, _, notes = read(WRITERS["csv"](tmp_path / "a", lines), "register")
    assert columns["住址"] == ["一号楼", cells[0]]
    assert not notes


def test_sums_that_repeat_a_code_do_not_double_households(database, tmp_path):
    bring(database, "building", write(houses(2), tmp_path / "b.gpkg"))
    lines = [("楼栋编码", "单元", "户数")]
    for code in ("b000", "b001"):
        lines += [(code, "1单元", 8), (code, "2单元", 8), (code, "小计", 16)]
    file = workbook(tmp_path / "r.xlsx", {"台账": [*lines, ("合计", None, 32)]})
    outcome = bring(database, "register", file, mapping("register", guard=ANYTHING))
    assert rows(database, "SELECT households FROM building") == [(16,), (16,)]
    assert outcome.report["reading"]["register"]["rows_subtotal"]["count"] == 3


def test_sum_by_its_unit_does_not_double_households(database, tmp_path):
    bring(database, "building", write(houses(1), tmp_path / "b.gpkg"))
    lines = [("楼栋编码", "单元", "户数"), ("b000", "1", 5), ("b000", "2", 6), ("b000", "计", 11)]
    bring(database, "register", WRITERS["csv"](tmp_path / "r", lines))
    assert rows(database, "SELECT households FROM building") == [(11,)]


def test_second_table_with_its_columns_in_another_order_is_refused(tmp_path):
    moved = ("楼栋编码", "楼栋名称", "户数", "层数", "wkt")
    file = WRITERS["csv"](tmp_path / "a", [HEADER, line(0), HEADER, line(1)])
    assert read(file)[0]["楼栋编码"] == ["B0", "B1"]
    file = WRITERS["csv"](tmp_path / "a", [HEADER, line(0), moved, line(1)])
    with pytest.raises(
        InputError, match="line 3 names columns again, in another order than line 1"
    ):
        read(file)


def test_unit_that_is_not_known_in_a_row_of_units_is_not_passed_over(tmp_path):
    lines = [("楼栋编码", "高度", "户数", "wkt"), (None, "米", "百户", None), ("B0", 12, 3, "")]
    assert list(read(WRITERS["csv"](tmp_path / "a", lines))[0]) == [
        "楼栋编码",
        "高度(米)",
        "户数(百户)",
    ]


def test_remark_about_a_sum_drops_no_building(tmp_path):
    lines = [(*HEADER, "备注"), (*line(0), "与1号楼合计"), (*line(1), "")]
    columns, _, notes = read(WRITERS["csv"](tmp_path / "a", lines))
    assert columns["楼栋编码"] == ["B0", "B1"]
    assert not notes


def test_sheet_is_chosen_by_the_layer(tmp_path):
    nodes = [("物探点号", "特征", "X坐标", "Y坐标"), ("N1", "阀门", 112.14, 32.04)]
    lines = [("管线编号", "起点点号", "终点点号", "管径", "wkt"), ("S1", "N1", "N2", 100, "")]
    sheets = {"说明": [("请填写",)], "管点": nodes, "管线": lines, "字典": [HEADER, line(0)]}
    file = workbook(tmp_path / "a.xlsx", sheets, hidden_sheets=["字典"])
    assert read(file, "pipe_node")[0]["物探点号"] == ["N1"]
    columns, _, notes = read(file, "pipe_segment")
    assert columns["管线编号"] == ["S1"]
    assert notes["sheets_hidden"]["sheets"] == "字典"
    assert "管点" in notes["sheets_skipped"]["sheets"]


def test_pipes_are_read_from_the_sheets_of_nodes_and_segments(database, tmp_path):
    nodes = [("物探点号", "管线种类", "特征", "X", "Y")]
    nodes += [(f"N{i}", "给水", "三通", 112.14 + i / 1000, 32.04) for i in range(2)]
    segments = [("管线编号", "管线种类", "起点点号", "终点点号", "管径", "wkt")]
    segments += [("S1", "给水", "N0", "N1", 100, "LINESTRING (112.14 32.04, 112.141 32.04)")]
    file = workbook(tmp_path / "a.xlsx", {"说明": [("普查",)], "管点表": nodes, "管线表": segments})
    bring(database, "pipe", file, mapping("pipe", coordinates={"crs": "EPSG:4490"}))
    live = rows(database, "SELECT code, from_node, to_node, diameter_mm FROM pipe_segment")
    assert live == [("S1", "N0", "N1", 100)]


def test_several_sheets_that_fit_are_named(tmp_path):
    file = workbook(tmp_path / "a.xlsx", {"1月": [HEADER, line(0)], "2月": [HEADER, line(1)]})
    with pytest.raises(InputError, match="1月, 2月"):
        read(file)


def test_missing_sheet_is_refused_with_the_names_of_the_others(tmp_path):
    file = workbook(tmp_path / "a.xlsx", {"1月": [HEADER, line(0)]})
    with pytest.raises(InputError, match=r"has no sheet 3月\. Sheets: 1月"):
        open_layer(file, "3月")


def test_hidden_rows_are_skipped_and_told(tmp_path):
    file = workbook(tmp_path / "a.xlsx", {"A": [HEADER, *DATA]}, hidden_rows=[3])
    columns, _, notes = read(file)
    assert columns["楼栋编码"] == ["B0", "B2"]
    assert notes["rows_hidden"] == {"count": 1, "where": "3"}


def test_merged_text_is_filled_down_and_merged_number_is_set_aside(tmp_path):
    lines = [
        ("楼栋编码", "单元编码", "户数"),
        ("B1", "U1", 36),
        (None, "U2", None),
        ("B2", "U3", 5),
    ]
    file = workbook(tmp_path / "a.xlsx", {"A": lines}, merged=["A2:A3", "C2:C3"])
    columns, faults, notes = read(file, "building_unit")
    assert columns["楼栋编码"] == ["B1", "B1", "B2"]
    assert faults == [[("cell_merged", "户数")], [("cell_merged", "户数")], []]
    assert notes["cells_filled_down"] == {"count": 1, "where": "楼栋编码"}


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (17, "00000", "00017"),
        (17, '"B"000', "B017"),
        (1234567, "000-0000", "123-4567"),
        (17, "General", "17"),
        (17.0, "0", "17"),
        (1200, "#,##0", "1200"),
        (12.5, '0.0"m"', "12.5m"),
        (0.03, "0%", "3%"),
        (420606007002, "0", "420606007002"),
        (3.1, "0.00", "3.10"),
        (3.125, "0.00", "3.125"),
        (3.0, "0.00", "3"),
        (17, "00000_);(00000)", "00017"),
        (17, "[Red]00000", "00017"),
        (17, '"B_"000', "B_017"),
        (17, r"\_000", "_017"),
        (17, 'General"号楼"', "17号楼"),
        (1200, '[$-804]0"cm"', "1200cm"),
    ],
)
def test_number_is_read_as_its_format_shows_it(tmp_path, value, number_format, text):
    file = workbook(
        tmp_path / "a.xlsx", {"A": [("编码", "名称"), (value, "甲")]}, formats={"A2": number_format}
    )
    assert read(file)[0]["编码"] == [text]


def test_formula_without_result_and_rounded_number_are_set_aside(tmp_path):
    lines = [("编码", "户数", "备注"), ("B1", "=6*2", None), (420606007002000123, 12, "=1+1")]
    _, faults, _ = read(workbook(tmp_path / "a.xlsx", {"A": lines}))
    assert faults == [
        [("formula_without_value", "户数")],
        [("formula_without_value", "备注"), ("number_rounded", "编码")],
    ] or faults == [
        [("formula_without_value", "户数")],
        [("number_rounded", "编码"), ("formula_without_value", "备注")],
    ]


CODES = [
    ('="B01"', "B01"),
    ("'B02", "B02"),
    ("\tB03\xa0", "B03"),
    ("\u200bB04", "B04"),
    ("Ｂ０５", "B05"),
    ("00017", "00017"),
    ("4.20606E+17", None),
    ("4E+11", None),
    ("4.2E17", None),
    ("#N/A", None),
    ("1E5", "1E5"),
    ("'B06'", "B06"),
    ("B\xa007", "B 07"),
    ("Ｂ＃８", "B#8"),
    *((sign, None) for sign in ("-", "NULL", "nan", "无")),
]


def test_codes_are_unwrapped_and_those_made_numbers_are_set_aside(database, tmp_path):
    lines = [("楼栋编码", "建成年份", "wkt")]
    lines += [(code, "1998-05-01", box(50 * i, 0).wkt) for i, (code, _) in enumerate(CODES)]
    text = "\n".join(",".join('"' + c.replace('"', '""') + '"' for c in cells) for cells in lines)
    file = made(tmp_path / "a.csv", text.encode())
    how = mapping(coordinates={"crs": "EPSG:4490"}, guard=ANYTHING)
    bring(database, "building", file, how)
    live = rows(database, "SELECT code, year_built FROM building ORDER BY code")
    assert live == sorted((code, 1998) for _, code in CODES if code)
    waiting = rows(database, "SELECT reason, code FROM quarantine ORDER BY id")
    assert waiting == [
        ("code_scientific", "4.20606E+17"),
        ("code_scientific", "4E+11"),
        ("code_scientific", "4.2E17"),
        ("spreadsheet_error", "#N/A"),
        *[("value_missing", None)] * 4,
    ]


def test_floats_beyond_exact_whole_numbers_are_no_codes(database, tmp_path):
    data = houses(3, code=[4.20606007002e17, 17.0, 18.0])
    bring(database, "building", write(data, tmp_path / "a.gpkg"), mapping(guard=ANYTHING))
    assert rows(database, "SELECT code FROM building ORDER BY code") == [("17",), ("18",)]
    assert rows(database, "SELECT reason FROM quarantine") == [("code_scientific",)]


def test_codes_of_single_precision_are_refused_where_digits_are_lost(database, tmp_path):
    data = houses(3, code=np.array([16_777_217, 16_777_215, 17], dtype="float32"))
    bring(database, "building", write(data, tmp_path / "a.gpkg"), mapping(guard=ANYTHING))
    assert rows(database, "SELECT code FROM building ORDER BY code") == [("16777215",), ("17",)]
    assert rows(database, "SELECT reason FROM quarantine") == [("code_scientific",)]


def test_codes_and_names_that_a_spreadsheet_made_dates_are_set_aside(database, tmp_path):
    cells = [(date(2026, 3, 1), "甲"), ("3月2日", "乙"), ("1-Mar", "丙"), (time(1, 2), "丁")]
    cells += [
        ("2026-03-04 00:00:00", "庚"),
        ("B1", date(2026, 3, 3)),
        ("B2", "五一路3号"),
        ("SEP-1", "戊"),
        ("1203-1-2", "己"),
    ]
    lines = [("楼栋编码", "名称", "wkt")]
    lines += [(*pair, box(50 * i, 0).wkt) for i, pair in enumerate(cells)]
    file = workbook(tmp_path / "a.xlsx", {"A": lines})
    how = mapping(coordinates={"crs": "EPSG:4490"}, guard=ANYTHING)
    bring(database, "building", file, how)
    live = rows(database, 'SELECT code FROM building ORDER BY code COLLATE "C"')
    assert live == [("1203-1-2",), ("B2",), ("SEP-1",)]
    waiting = rows(database, "SELECT reason, detail->>'value' FROM quarantine ORDER BY id")
    values = ["2026-03-01", "3月2日", "1-Mar", "01:02:00", "2026-03-04 00:00:00", "2026-03-03"]
    assert waiting == [("spreadsheet_date", value) for value in values]


def test_table_whose_title_gives_another_unit_is_refused(database, tmp_path):
    table = [("单位：分米",), ("楼栋编码", "高度", "wkt"), ("B1", 180, box(0, 0).wkt)]
    file = workbook(tmp_path / "a.xlsx", {"A": table})
    how = mapping(coordinates={"crs": "EPSG:4490"})
    with pytest.raises(InputError, match=r"高度\(分米\)"):
        bring(database, "building", file, how)
    table[1] = ("楼栋编码", "高度(分米)", "wkt")
    bring(database, "building", workbook(tmp_path / "b.xlsx", {"A": table}), how)
    assert rows(database, "SELECT code, height_m FROM building") == [("B1", 18)]


@pytest.mark.parametrize(
    ("title", "header", "figure", "stored"),
    [("单位：米", "管径", 300, (300.0, None)), ("单位：mm", "埋深", 1.5, (None, 1.5))],
)
def test_unit_of_a_title_in_which_figures_can_not_be_is_of_other_columns(
    database, tmp_path, title, header, figure, stored
):
    line = shapely.LineString([point(0, 0), point(90, 0)])
    table = [(title,), ("管线编号", "管线类型", header, "wkt"), ("S1", "给水", figure, line.wkt)]
    file = workbook(tmp_path / "a.xlsx", {"A": table})
    bring(database, "pipe_segment", file, mapping("pipe_segment", coordinates={"crs": "EPSG:4490"}))
    assert rows(database, "SELECT diameter_mm, burial_depth_m FROM pipe_segment") == [stored]


def test_row_with_more_or_fewer_cells_is_set_aside_by_its_line(database, tmp_path):
    lines = ["编号,类别,经度,纬度"]
    lines += [f"f{i},诊所,112.14{i},32.04" for i in range(8)]
    lines[3] += ",多一列"
    lines[5] = "f4,诊所"
    file = made(tmp_path / "a.csv", "\n".join(lines).encode())
    how = mapping("facility", coordinates={"crs": "EPSG:4490"}, guard=ANYTHING)
    bring(database, "facility", file, how)
    assert len(rows(database, "SELECT code FROM facility")) == 6
    waiting = rows(database, "SELECT code, reason, detail->>'line' FROM quarantine ORDER BY id")
    assert waiting == [("f2", "row_ragged", "4"), ("f4", "row_ragged", "6")]


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\n编号;名称\nC1;甲\n",
        "编号，名称\nC1，甲\n",
        '编号,"名"称\nC1,甲\n',
        '"编\n号",名称\nC1,甲\n',
        '编号,名称\nC1,"甲"',
    ],
    ids=["sep", "full-width comma", "quote in header", "break in header", "no last line end"],
)
def test_csv_of_other_habits_is_read(tmp_path, content):
    columns, faults, _ = read(made(tmp_path / "a.csv", content.encode()), "facility")
    assert columns == {"编号": ["C1"], "名称": ["甲"]}
    assert faults == [[]]


def test_cell_longer_than_usual_is_read(tmp_path):
    corners = ",".join(f"{112 + i * 1e-6:.6f} {32 + (i % 2) * 1e-6:.6f}" for i in range(20_000))
    file = made(tmp_path / "a.csv", f'编号,wkt\nC1,"LINESTRING({corners})"\n'.encode())
    [batch] = open_layer(file).batches()
    assert len(batch.geometry[0].coords) == 20_000


@pytest.mark.parametrize("name", ["a[1].csv", "x[bold].csv", "x[/b].csv".replace("/", "_")])
def test_text_table_of_any_suffix_and_name_is_read(tmp_path, name):
    for path in (tmp_path / name, tmp_path / "a.txt", tmp_path / "a.tsv"):
        assert read(made(path, "编号\t名称\nC1\t甲\n".encode("utf-16")), "facility")[0] == {
            "编号": ["C1"],
            "名称": ["甲"],
        }


def test_file_of_a_byte_order_mark_alone_is_refused(tmp_path):
    with pytest.raises(InputError, match="the first row is empty"):
        open_layer(made(tmp_path / "a.csv", b"\xef\xbb\xbf"))


def test_object_that_is_named_like_a_sum_is_set_aside_and_can_be_taken_in(tmp_path):
    lines = [HEADER, line(0), line(1, name="计"), line(2, name="Σ"), ("计", None, None, 36, None)]
    columns, faults, notes = read(workbook(tmp_path / "t.xlsx", {"建筑": lines}))
    assert columns["楼栋编码"] == ["B0", "B1", "B2"]
    assert faults == [[], [("row_may_be_sum", None)], [("row_may_be_sum", None)]]
    assert notes["rows_subtotal"] == {"count": 1, "where": "5"}


@pytest.mark.parametrize("written", ["17.0", "007.00"])
def test_code_that_a_program_made_a_decimal_is_quarantined(database, tmp_path, written):
    text = f'编码,wkt\n{written},"{box(0, 0).wkt}"\n420606007001.0,"{box(50, 0).wkt}"\n'
    file = made(tmp_path / "t.csv", text.encode())
    settings = {"crs": "EPSG:4490"}
    bring(database, "building", file, mapping(coordinates=settings, code_prefix="x"))
    assert rows(database, "SELECT code FROM building") == [("x420606007001",)]
    refused = rows(database, "SELECT reason, detail->>'value' FROM quarantine")
    assert refused == [("code_decimal", written)]


def write_shapes(path, shapes):
    lines = "".join(f'B{i},"{shape}"\n' for i, shape in enumerate(shapes))
    return made(path, f"编码,geom\n{lines}".encode())


@pytest.mark.parametrize(
    "spell",
    [
        lambda shape: shapely.to_wkb(shape, hex=True, include_srid=True),
        lambda shape: "\\x" + shapely.to_wkb(shape, hex=True, include_srid=True).lower(),
        lambda shape: f"SRID=4490;{shape.wkt}",
    ],
    ids=["EWKB", "bytea", "EWKT"],
)
def test_shapes_of_postgis_are_read_in_the_system_that_they_state(database, tmp_path, spell):
    shapes = [spell(shapely.set_srid(box(50 * i, 0), 4490)) for i in range(3)]
    assert open_layer(write_shapes(tmp_path / "t.csv", shapes)).crs.to_epsg() == 4490
    bring(database, "building", tmp_path / "t.csv")
    assert rows(database, "SELECT count(*) FROM building") == [(3,)]
    assert rows(database, "SELECT count(*) FROM quarantine") == [(0,)]


@pytest.mark.parametrize("spell", [lambda shape: shape.wkb_hex, shapely.to_geojson])
def test_shapes_without_a_system_need_one_like_other_files(tmp_path, spell):
    texts = [spell(box(0, 0)).replace('"', '""')]
    source = open_layer(write_shapes(tmp_path / "t.csv", texts))
    assert source.crs is None
    assert next(iter(source.batches())).geometry[0].equals(box(0, 0))


def test_shape_of_another_system_and_text_that_is_no_shape_are_quarantined(database, tmp_path):
    known, other = shapely.set_srid(box(0, 0), 4490), shapely.set_srid(box(50, 0), 4546)
    texts = [shapely.to_wkb(shape, hex=True, include_srid=True) for shape in (known, other)]
    bring(database, "building", write_shapes(tmp_path / "t.csv", [*texts, "0103", "zz"]))
    assert rows(database, "SELECT code FROM building") == [("B0",)]
    refused = rows(database, "SELECT code, reason FROM quarantine ORDER BY 1")
    assert refused == [
        ("B1", "shape_of_other_system"),
        ("B2", "shape_unread"),
        ("B3", "shape_unread"),
    ]


def test_headers_of_a_form_and_units_of_coordinates_are_read(tmp_path):
    lines = "*编码(必填),楼栋名称（必填）,X坐标(m),Y坐标（米）\nB0,一号楼,604000,3546000\n"
    source = open_layer(made(tmp_path / "t.csv", lines.encode()), names=table_names("building"))
    assert source.has_place
    columns = guess_mapping("building", source.fields, "").columns
    assert {name: rule.source for name, rule in columns.items()} == {
        "code": "*编码(必填)",
        "name": "楼栋名称（必填）",
    }


def test_headers_in_traditional_characters_and_english_are_read():
    for headers in (["樓棟編碼", "樓棟名稱", "層數"], ["Building Code", "bldg_name", "Floors"]):
        columns = guess_mapping("building", headers, "").columns
        found = [columns[name].source for name in ("code", "name", "storeys_above")]
        assert found == headers


def test_row_that_begins_with_sigma_is_a_sum(tmp_path):
    lines = [HEADER, line(0), ("Σ", None, None, 12, None)]
    columns, _, notes = read(workbook(tmp_path / "t.xlsx", {"建筑": lines}))
    assert columns["楼栋编码"] == ["B0"]
    assert notes["rows_subtotal"] == {"count": 1, "where": "3"}
