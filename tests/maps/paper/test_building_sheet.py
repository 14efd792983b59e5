"""The sheet of a building and the report of a region, over the little town."""

from datetime import date

import openpyxl
import pypdfium2
import pytest
import shapely
from sqlalchemy import insert
from typer.testing import CliRunner

from cli.main import app
from geo.fire.building_items import record_items
from geo.model import BuildingUnit, Facility, PipeNode
from geo.model.fire import FireItem
from maps.paper.building_sheet import plan_box
from tests import town as little_town

pytestmark = pytest.mark.locale


@pytest.fixture(scope="module")
def town(shared_database):
    little_town.build(shared_database)
    with shared_database.begin() as connection:
        connection.execute(
            insert(PipeNode),
            {"code": "h1", "network": "water", "kind": "hydrant", "geom": at(250, 394)}
            | {"in_service": True, "flow_l_s": 20.0, "pressure_mpa": 0.2},
        )
        connection.execute(
            insert(Facility),
            {"code": "fs", "category": "fire_station", "name": "<东>站", "geom": at(400, 396)},
        )
        connection.execute(
            insert(BuildingUnit),
            {"code": "u", "building_code": "b001-030", "name": "1单元", "geom": at(270, 138)},
        )
        record_items(
            connection,
            "b001-030",
            {FireItem.POWER_CUT_OFF: ("总闸", "东侧配电间")},
            "王五",
            date(2026, 3, 1),
        )
    return shared_database


def at(x: float, y: float) -> str:
    return "SRID=4490;POINT({} {})".format(*little_town.degrees(x, y))


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"GRIDATLAS_LANG": "zh"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_sheet_has_all_a_crew_must_know_on_its_front_and_what_is_on_site_on_its_back(
    town, tmp_path, monkeypatch
):
    monkeypatch.setenv("GRIDATLAS_LANG", "zh")
    run("fire", "sheet", "b001-030", "--out", str(tmp_path / "b.pdf"))
    document = pypdfium2.PdfDocument(tmp_path / "b.pdf")
    front, back = (page.get_textpage().get_text_bounded() for page in document)
    words = front
    for said in ("30号楼", "消火栓", "20 L/s", "<东>站", "1单元", "北", "1 : ", "没有耐火等级"):
        assert said.replace(" ", "") in words.replace(" ", ""), said
    for said in ("切断电源位置", "东侧配电间", "2026-03-01 王五", "水泵接合器", "电动自行车"):
        assert said in back, said
    # One item is on record; the people of the units are not.
    assert back.count("未采集") == len(FireItem) - 1 + 1


def test_sheet_of_a_building_in_english_reads_the_same_data(town, tmp_path):
    run("fire", "sheet", "b001-030", "--out", str(tmp_path / "b.pdf"), "--lang", "en")
    words = pypdfium2.PdfDocument(tmp_path / "b.pdf")[0].get_textpage().get_text_bounded()
    assert "Fire sheet of a building" in words


@pytest.fixture(scope="module")
def report(town, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    asked = ("fire", "check", "--region", little_town.NORTH_GATE, "--lang", "zh")
    assert "重新检查" in run(*asked, "--out", str(out))
    assert "数据没有变化" in run(*asked, "--out", str(out))
    return out


def test_page_tells_kinds_blocks_gaps_in_the_data_and_its_age(report):
    page = (report / "fire.html").read_text(encoding="utf-8")
    for said in ("北门社区消防检查报告", "没有耐火等级", "数据的新旧", "从未发布", "GB 55037-2022"):
        assert said in page, said
    assert "http://127.0.0.1:8000/fire?" in page


def test_workbook_holds_every_finding_with_a_link_to_the_map(report):
    book = openpyxl.load_workbook(report / "fire.xlsx")
    findings = book["问题清单"]
    heads = [cell.value for cell in findings[1]]
    rows = [dict(zip(heads, row, strict=True)) for row in findings.iter_rows(min_row=2)]
    assert len(rows) > 1
    assert {row["社区"].value for row in rows} == {little_town.NORTH_GATE}
    assert all(row["地图"].hyperlink.target.startswith("http://127.0.0.1") for row in rows)
    summary = {row[0]: row[1:6] for row in book["汇总"].iter_rows(min_row=4, values_only=True)}
    by_kind = [row["专题"].value for row in rows]
    assert summary["消防车可达"][4] == by_kind.count("消防车可达")


def test_report_in_english_holds_the_same_figures(report, tmp_path):
    run("fire", "check", "--region", little_town.NORTH_GATE, "--out", str(tmp_path), "--lang", "en")
    page = (tmp_path / "fire.html").read_text(encoding="utf-8")
    assert "Age of the data" in page
    sheets = [openpyxl.load_workbook(folder / "fire.xlsx") for folder in (report, tmp_path)]
    rows = [book.worksheets[1].max_row for book in sheets]
    assert rows[0] == rows[1]


def test_near_valves_are_inside_the_plan_and_far_ones_do_not_shrink_it():
    def at(x, y):
        point = shapely.Point(x, y)
        return {"point": point, "distance_m": shapely.distance(point, wall)}

    wall = shapely.box(0, 0, 30, 13)
    content = {"geometry": wall, "hydrants": [], "valves": {"gas": [at(150, 60)]}}
    box, scale = plan_box(content)
    assert shapely.box(*box).contains(shapely.Point(150, 60))
    content["valves"]["water"] = [at(900, 60)]
    assert plan_box(content) == (box, scale)
