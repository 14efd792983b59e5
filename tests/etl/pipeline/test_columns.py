"""The columns of a delivery: those that a layer needs, those that are not used, those that are
gone since the last delivery."""

import openpyxl
import pytest
import shapely
from sqlalchemy import text

from etl.input.synonyms import COLUMNS
from etl.runs import approve
from etl.runs.report import concern_text, html_page
from geo.errors import InputError
from geo.model.run import RunStatus
from tests.etl.delivery import box, bring, frame, houses, made, mapping, point, rows, write

pytestmark = pytest.mark.usefixtures("english")

SHAPES = {"region": box(0, 0), "compound": box(0, 0), "building": box(0, 0)}
LINES = ("road", "railway", "water", "pipe_segment")
GIVEN = {"crs": "EPSG:4490"}
LINE = shapely.LineString([point(0, 0), point(50, 0)])


def anonymous(layer, folder):
    """Return a file of a layer without codes, and for the register without coordinates."""
    if layer == "register":
        return made(folder / "a.csv", "姓名,户数\n甲,3\n".encode())
    shape = SHAPES.get(layer, LINE if layer in LINES else point(0, 0))
    return write(frame([shape], 名称=["甲"], 备注=["无"]), folder / "a.gpkg")


@pytest.mark.parametrize("layer", sorted(set(COLUMNS) - {"resident", "building_fire"}))
def test_file_without_codes_is_refused_in_one_line(shared_database, tmp_path, layer):
    with pytest.raises(InputError) as refused:
        bring(shared_database, layer, anonymous(layer, tmp_path))
    said = refused.value.message("en")
    what = "the code of a building or unit" if layer == "register" else "the code"
    assert f"no column is recognised as {what}" in said
    assert ("户数" if layer == "register" else "名称, 备注") in said
    assert "gridatlas mapping suggest" in said
    assert "未识别出" in refused.value.message("zh")
    assert refused.value.exit_code == 2
    [(status,)] = rows(shared_database, "SELECT status FROM import_run ORDER BY id DESC LIMIT 1")
    assert status == RunStatus.REJECTED


@pytest.mark.parametrize(
    ("layer", "missing"),
    [
        ("facility", "category"),
        ("road", "road_class"),
        ("water", "kind"),
        ("pipe_node", "network, kind"),
        ("pipe_segment", "network"),
    ],
)
def test_file_without_a_needed_column_is_refused(shared_database, tmp_path, layer, missing):
    shape = LINE if layer in LINES else point(0, 0)
    file = write(frame([shape], code=["a"]), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=f"recognised as {missing}, which every feature needs"):
        bring(shared_database, layer, file)


def test_cut_header_of_the_codes_is_proposed(database, tmp_path):
    file = write(frame([box(0, 0)], 楼栋编=["a"], 楼栋名=["甲"]), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"Columns: 楼栋编 \(≈ code\), 楼栋名 \(≈ name\)\."):
        bring(database, "building", file)


def test_column_that_says_more_is_the_code(database, tmp_path):
    data = houses(3, 编码=["1", "2", "3"]).rename(columns={"code": "楼栋编码"})
    outcome = bring(database, "building", write(data, tmp_path / "a.gpkg"))
    assert rows(database, "SELECT code FROM building ORDER BY code") == [
        ("b000",),
        ("b001",),
        ("b002",),
    ]
    assert outcome.report["unused_columns"] == {"building": {"编码": None}}


def test_run_without_a_column_of_the_last_delivery_is_held(database, tmp_path):
    how = mapping(source="a")
    first = bring(database, "building", write(houses(), tmp_path / "a.gpkg"), how)
    renamed = houses().rename(columns={"households": "户室情况"})
    outcome = bring(database, "building", write(renamed, tmp_path / "b.gpkg"), how)
    assert outcome.status == "held"
    assert [concern_text(one) for one in outcome.report["concerns"]] == [
        f"building: columns that run {first.run} of this source filled are missing: households. If "
        "a header has another name now, map it; if the column was left out on purpose, approve "
        "the run."
    ]
    assert rows(database, "SELECT sum(households) FROM building") == [(261,)]
    approve.approve(database, outcome.run)
    smaller = renamed.assign(name="楼")[:8]
    how = mapping(source="a", guard={"removed_percent": 50, "changed_percent": 100})
    outcome = bring(database, "building", write(smaller, tmp_path / "c.gpkg"), how)
    assert outcome.status == "published"


def test_unused_columns_are_in_the_page_of_the_run(database, tmp_path):
    data = houses(3).assign(实有人口=[1, 2, 3], 备注=list("abc"))
    outcome = bring(database, "building", write(data, tmp_path / "a.gpkg"))
    assert outcome.report["unused_columns"] == {
        "building": {"实有人口": "population", "备注": None}
    }
    with database.connect() as connection:
        page = html_page(connection, outcome.run)
    assert "<td>实有人口</td><td>population</td>" in page
    assert "<td>备注</td><td>–</td>" in page


def test_file_is_read_again_by_newer_rules(database, tmp_path):
    file = write(houses(3), tmp_path / "a.gpkg")
    first = bring(database, "building", file)
    assert bring(database, "building", file).report["same_as"] == first.run
    with database.begin() as connection:
        older = "UPDATE import_run SET report = jsonb_set(report, '{rules}', '\"older\"')"
        connection.execute(text(older))
    again = bring(database, "building", file)
    assert (again.status, again.report.get("same_as")) == ("unchanged", None)


def test_two_layers_of_a_file_go_to_one_layer_with_the_columns_of_both(database, tmp_path):
    file = tmp_path / "a.gpkg"
    east, west = houses(9), houses(9, code=[f"w{i}" for i in range(9)], height_m=[12.0] * 9)
    west.geometry = west.translate(yoff=0.01)
    east.loc[3, "code"] = None
    write(east, file, layer="东区")
    write(west, file, layer="西区", append=True)
    also = [{"layer": "building", "file_layer": "西区"}]
    outcome = bring(database, "building", file, mapping(file_layer="东区", also=also))
    assert outcome.counts["building"].added == 17
    heights = "SELECT left(code, 1), count(height_m) FROM building GROUP BY 1 ORDER BY 1"
    assert rows(database, heights) == [("b", 0), ("w", 9)]


@pytest.mark.parametrize("sign", ["—", "-", "/", "N/A", "不详", "暂无"])
def test_sign_for_no_value_is_an_empty_cell_of_numbers_and_words(database, tmp_path, sign):
    header = "code,network,kind,流量,是否完好,名称,lon,lat"
    lines = [header, *(f"n{i},water,valve,15,是,甲,112.14,32.0{i}" for i in range(4))]
    lines.append(f"n4,water,valve,{sign},{sign},{sign},112.14,32.04")
    file = made(tmp_path / "a.csv", "\n".join(lines).encode())
    outcome = bring(database, "pipe_node", file, mapping("pipe_node", coordinates=GIVEN))
    assert outcome.counts["pipe_node"].added == 5
    values = "SELECT flow_l_s, in_service, name FROM pipe_node WHERE code = 'n4'"
    assert rows(database, values) == [(None, None, sign)]


def test_none_is_no_flow_but_not_a_number_of_households(database, tmp_path):
    nodes = "code,network,kind,流量,lon,lat\nn,water,valve,无,112.14,32.04\n"
    file = made(tmp_path / "a.csv", nodes.encode())
    bring(database, "pipe_node", file, mapping("pipe_node", coordinates=GIVEN))
    assert rows(database, "SELECT flow_l_s FROM pipe_node") == [(None,)]
    file = write(houses(9, households=["20"] * 8 + ["无"]), tmp_path / "b.gpkg")
    bring(database, "building", file)
    reasons = "SELECT code, reason FROM quarantine"
    assert rows(database, reasons) == [("b008", "value_not_whole")]


def test_sign_with_a_meaning_of_its_own_in_the_mapping_is_translated(database, tmp_path):
    file = write(houses(2, yt=["/", "—"]), tmp_path / "a.gpkg")
    columns = {"code": "code", "use": {"from": "yt", "values": {"/": "office"}}}
    bring(database, "building", file, mapping(columns=columns))
    uses = "SELECT use FROM building ORDER BY code"
    assert rows(database, uses) == [("office",), (None,)]


def test_empty_column_of_codes_is_refused_in_one_line(database, tmp_path):
    file = write(houses(9, code=[None] * 9), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="taken for the code, is empty in every row"):
        bring(database, "building", file)


def test_table_without_coordinates_is_refused_with_its_columns_and_sheets(database, tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "设施"
    for cells in (("编码", "类别", "所在地"), ("f1", "诊所", "某路"), ("f2", "诊所", "某路")):
        book.active.append(cells)
    book.create_sheet("说明").append(("本表由街道填报",))
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(InputError) as refused:
        bring(database, "facility", tmp_path / "a.xlsx")
    said = refused.value.message("en")
    assert "Columns: 编码, 类别, 所在地. Other sheets: 说明." in said
