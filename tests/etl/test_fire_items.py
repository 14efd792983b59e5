"""Items found on site, as spreadsheets of a fire brigade: import, quarantine, guard, roll-back."""

import csv
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from etl.runs.rollback import roll_back
from geo.fire.building_items import list_items, record_items
from geo.model.fire import FireItem
from tests.etl.delivery import ANYTHING, bring, houses, mapping, rows, write

pytestmark = pytest.mark.usefixtures("english")

HEAD = ("建筑编码", "地址", "项目", "情况", "位置", "采集日期", "采集人")
STORED = "SELECT code, value, place, checked_on::text, checked_by FROM building_fire ORDER BY code"


@pytest.fixture
def town(database, tmp_path):
    addresses = [f"中原路81号{n}号楼" for n in range(1, 13)]
    bring(database, "building", write(houses(address=addresses), tmp_path / "houses.gpkg"))
    return database


def table(path: Path, *lines: tuple[object, ...]) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([HEAD, *lines])
    return path


def workbook(path: Path, *lines: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for line in (HEAD, *lines):
        book.active.append(line)
    book.save(path)
    return path


def test_items_are_linked_by_code_or_address_and_read_in_words(town, tmp_path):
    lines = [
        ("b003", "", "消防控制室", "有，24 小时值守", "1 层西侧", "2026-03-01", "王五"),
        ("", "襄阳市中原路81号4号楼", "水泵接合器", "2 个", "南侧", "2026/3/2", "王五"),
        ("b005", "", "瓶装液化气", "无", "", "2026-03-02", "王五"),
    ]
    expected = [
        ("b003-control_room", "有，24 小时值守", "1 层西侧", "2026-03-01", "王五"),
        ("b003-pump_adapters", "2 个", "南侧", "2026-03-02", "王五"),
        ("b005-bottled_gas", "无", "", "2026-03-02", "王五"),
    ]
    how = mapping("building_fire", source="brigade")
    bring(town, "building_fire", table(tmp_path / "items.csv", *lines), how)
    assert rows(town, STORED) == expected
    again = workbook(tmp_path / "items.xlsx", *lines)
    outcome = bring(town, "building_fire", again, how)
    assert rows(town, STORED) == expected
    assert outcome.counts["building_fire"].changed == 0
    with town.connect() as connection:
        known = [i for i in list_items(connection, "b003", "en") if i["value"] is not None]
    assert [item["item"] for item in known] == ["control_room", "pump_adapters"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (("b003", "", "狮子", "2", "", "2026-03-01", "王五"), "word_unknown"),
        (("b003", "", "安全出口", "", "", "2026-03-01", "王五"), "value_missing"),
        (("b003", "", "安全出口", "2 个", "", "2026-03-01", ""), "value_missing"),
        (("b003", "", "安全出口", "2 个", "", "", "王五"), "value_missing"),
        (("b003", "", "安全出口", "2 个", "", "2999-01-01", "王五"), "date_in_future"),
        (("b003", "", "安全出口", "2 个", "", "01/02/2026", "王五"), "value_not_date"),
        (("b999", "", "安全出口", "2 个", "", "2026-03-01", "王五"), "building_not_found"),
        (("", "中原路99号", "安全出口", "2 个", "", "2026-03-01", "王五"), "address_not_found"),
    ],
)
def test_row_that_says_too_little_or_too_much_is_quarantined(town, tmp_path, line, reason):
    sound = ("b001", "", "安全出口", "2 个", "", "2026-03-01", "王五")
    how = mapping("building_fire", guard=ANYTHING)
    bring(town, "building_fire", table(tmp_path / "items.csv", sound, line), how)
    assert rows(town, "SELECT reason FROM quarantine") == [(reason,)]
    assert [code for code, *_ in rows(town, STORED)] == ["b001-exits"]


def test_item_delivered_twice_is_not_chosen_between(town, tmp_path):
    line = ("b001", "", "安全出口", "2 个", "", "2026-03-01", "王五")
    other = ("b001", "", "出口", "3 个", "", "2026-03-01", "王五")
    how = mapping("building_fire", guard=ANYTHING)
    bring(town, "building_fire", table(tmp_path / "items.csv", line, other), how)
    assert rows(town, STORED) == []
    assert len(rows(town, "SELECT FROM quarantine")) == 2


def test_item_recorded_on_site_is_not_overwritten_by_a_file(town, tmp_path):
    with town.begin() as connection:
        given = {FireItem.EXITS: ("4 个", "四面")}
        record_items(connection, "b001", given, "李四", date(2026, 4, 1))
    lines = [
        ("b001", "", "安全出口", "2 个", "", "2026-03-01", "王五"),
        ("b002", "", "安全出口", "1 个", "", "2026-03-01", "王五"),
    ]
    how = mapping("building_fire", guard=ANYTHING)
    bring(town, "building_fire", table(tmp_path / "items.csv", *lines), how)
    assert [(code, value) for code, value, *_ in rows(town, STORED)] == [
        ("b001-exits", "4 个"),
        ("b002-exits", "1 个"),
    ]
    assert len(rows(town, "SELECT FROM quarantine")) == 1


def test_delivery_that_changes_most_items_is_held_and_a_published_one_is_rolled_back(
    town, tmp_path
):
    def delivery(name: str, value: str) -> Path:
        line = ("", "安全出口", value, "", "2026-03-01", "王五")
        return table(tmp_path / name, *((f"b{n:03d}", *line) for n in range(12)))

    how = mapping("building_fire", source="brigade")
    bring(town, "building_fire", delivery("a.csv", "2 个"), how)
    assert bring(town, "building_fire", delivery("b.csv", "3 个"), how).status == "held"
    assert rows(town, "SELECT DISTINCT value FROM building_fire") == [("2 个",)]
    how = mapping("building_fire", source="brigade", guard=ANYTHING)
    changed = bring(town, "building_fire", delivery("c.csv", "4 个"), how)
    assert changed.counts["building_fire"].changed == 12
    roll_back(town, changed.run)
    assert rows(town, "SELECT DISTINCT value FROM building_fire") == [("2 个",)]


WIDE = (
    *("楼栋编码", "地址", "安全出口数量", "消防控制室", "消防控制室位置", "水泵接合器（位置）"),
    *("水泵接合器", "瓶装液化气", "采集日期", "采集人", "备注"),
)


def wide_sheet(path: Path, *lines: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for line in (WIDE, *lines):
        book.active.append(line)
    book.save(path)
    return path


def test_sheet_with_one_column_an_item_is_read_as_one_row_an_item(town, tmp_path):
    day = date(2026, 3, 1)
    full = ("b003", "", 2, "有", "1 层西侧", "南侧", "2 个", "无", day, "王五", "看门狗")
    part = ("", "襄阳市中原路81号4号楼", None, "", "", "", "/", "未采集", day, "王五", "")
    more = ("", "襄阳市中原路81号5号楼", "3 个", "", "", "", "/", "有", day, "王五", "")
    how = mapping("building_fire", source="brigade")
    outcome = bring(town, "building_fire", wide_sheet(tmp_path / "a.xlsx", full, part, more), how)
    assert rows(town, STORED) == [
        ("b003-bottled_gas", "无", "", "2026-03-01", "王五"),
        ("b003-control_room", "有", "1 层西侧", "2026-03-01", "王五"),
        ("b003-exits", "2", "", "2026-03-01", "王五"),
        ("b003-pump_adapters", "2 个", "南侧", "2026-03-01", "王五"),
        ("b004-bottled_gas", "有", "", "2026-03-01", "王五"),
        ("b004-exits", "3 个", "", "2026-03-01", "王五"),
    ]
    assert outcome.status == "published"
    rows_of_items = table(
        tmp_path / "rows.csv",
        *(
            (code[:4], "", code[5:], value, place, day, by)
            for code, value, place, day, by in rows(town, STORED)
        ),
    )
    again = bring(town, "building_fire", rows_of_items, how)
    assert again.counts["building_fire"].changed == 0


def test_items_of_a_wide_sheet_are_quarantined_one_by_one(town, tmp_path):
    day = date(2026, 3, 1)
    sound = ("b001", "", "2", "", "", "", "", "", day, "王五", "")
    placed = ("b002", "", "2", "", "", "南侧", "", "", day, "王五", "")
    unsigned = ("b005", "", "2", "有", "", "", "", "", day, "", "")
    unknown = ("b999", "", "2", "有", "", "", "", "", day, "王五", "")
    file = wide_sheet(tmp_path / "a.xlsx", sound, placed, unsigned, unknown)
    bring(town, "building_fire", file, mapping("building_fire", guard=ANYTHING))
    assert [code for code, *_ in rows(town, STORED)] == ["b001-exits", "b002-exits"]
    refused = rows(
        town,
        "SELECT reason, properties->>'item', (detail->>'row')::int FROM quarantine ORDER BY 3, 2",
    )
    assert refused == [
        ("value_missing", "pump_adapters", 2),
        ("value_missing", "control_room", 3),
        ("value_missing", "exits", 3),
        ("building_not_found", "control_room", 4),
        ("building_not_found", "exits", 4),
    ]
