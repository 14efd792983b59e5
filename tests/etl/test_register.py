"""Dwellings, organisations and files of residents: linking, checks, and no person is stored."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from etl.runs.report import terminal_lines
from etl.runs.rollback import roll_back
from geo.codes import birth_of_resident_id, is_credit_code
from geo.errors import InputError
from tests.command import gridatlas
from tests.etl.delivery import ANYTHING, bring, frame, houses, mapping, point, rows, write

pytestmark = pytest.mark.usefixtures("english")


def table(path: Path, *lines: tuple[object, ...]) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(lines)
    return path


@pytest.fixture
def town(database, tmp_path):
    addresses = [f"中原路81号{n}号楼" for n in range(1, 13)]
    bring(database, "building", write(houses(address=addresses), tmp_path / "houses.gpkg"))
    stairs = frame(
        [point(155, 5), point(158, 5)],
        code=["u1", "u2"],
        building_code=["b003", "b003"],
        name=["1单元", "2单元"],
        households=[1, 1],
    )
    bring(database, "building_unit", write(stairs, tmp_path / "units.gpkg"))
    return database


def identity(number: str) -> str:
    """Return an identification number with its check digit."""
    total = sum(int(sign) * 2 ** (17 - place) for place, sign in enumerate(number))
    return number + "10X98765432"[total % 11]


def credit_code(first: str) -> str:
    """Return a unified social credit code with its check digit."""
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(signs.index(sign) * 3**place for place, sign in enumerate(first))
    return first + signs[-total % 31]


def test_dwellings_are_linked_by_code_and_address_and_the_others_quarantined(town, tmp_path):
    file = table(
        tmp_path / "dwellings.csv",
        ("楼栋编码", "单元号", "户室号", "地址", "住户类型", "常住人口", "户籍人口", "核实日期"),
        ("b003", "1单元", "302室", "", "自住", 3, 3, "2026/3/1"),
        ("", "", "", "襄阳市中原路81号4号楼2单元0401室", "租赁", 2, 0, "20260301"),
        ("", "", "", "中原路81号5栋", "空置", 0, 0, ""),
        ("", "", "", "中原路81号99号楼1单元101室", "自住", 1, 1, ""),
        ("b003", "1", "303", "", "空置", 4, 0, ""),
        ("b003", "1", "304", "", "自住", 1, 0, "03/04/2026"),
        ("b003", "1", "305", "", "自住", 1, 0, "2199-01-01"),
    )
    outcome = bring(town, "dwelling", file, mapping("dwelling", guard=ANYTHING))
    assert outcome.report["joined"] == {"by_address": 2}
    assert rows(
        town,
        "SELECT code, building_code, unit_code, room, occupancy, residents, verified_on::text, "
        "geom IS NOT NULL FROM dwelling ORDER BY code",
    ) == [
        ("b003-1-302", "b003", "u1", "302", "owner", 3, "2026-03-01", True),
        ("b003-2-401", "b003", "u2", "401", "rented", 2, "2026-03-01", True),
    ]
    reasons = dict(rows(town, "SELECT reason, detail->>'nearest' FROM quarantine ORDER BY id"))
    assert set(reasons) == {
        *("dwelling_without_room", "address_not_found", "row_refused"),
        *("value_not_date", "date_in_future"),
    }
    assert "中原路81号10号楼" in reasons["address_not_found"]


def test_register_counts_households_by_the_units_of_its_column(town, tmp_path):
    file = table(
        tmp_path / "register.csv",
        ("楼栋编码", "单元", "地址", "户数"),
        ("b003", "1单元", "", 7),
        ("", "二单元", "中原路81号4号楼", 5),
        ("b003", 2, "", 1),
        ("b004", "1", "", 9),
    )
    outcome = bring(town, "register", file, mapping("register", guard=ANYTHING))
    assert outcome.report["unused_columns"] == {}
    assert rows(town, "SELECT code, households FROM building_unit ORDER BY 1") == [
        ("u1", 7),
        ("u2", 6),
    ]
    assert rows(
        town, "SELECT code, households FROM building WHERE code IN ('b003', 'b004') ORDER BY 1"
    ) == [("b003", 13), ("b004", 9)]
    assert outcome.report["register_units_unknown"] == 1
    assert any("1 row names a unit that is not on record" in one for one in terminal_lines(outcome))


def test_unit_gets_no_part_of_a_building_and_none_that_is_named_in_two_ways(town, tmp_path):
    file = table(
        tmp_path / "register.csv",
        ("楼栋编码", "单元", "地址", "户数"),
        ("b003", "1", "", 7),
        ("", "2", "中原路81号4号楼1单元301室", 5),
    )
    outcome = bring(town, "register", file, mapping("register", guard=ANYTHING))
    assert rows(town, "SELECT code, households FROM building_unit ORDER BY 1") == [
        ("u1", 1),
        ("u2", 1),
    ]
    assert rows(town, "SELECT households FROM building WHERE code = 'b003'") == [(12,)]
    assert outcome.report["register_units_unknown"] == 2


def test_same_dwellings_again_change_nothing_and_a_run_is_rolled_back(town, tmp_path):
    head = ("楼栋编码", "户室号", "常住人口")
    first = table(tmp_path / "a.csv", head, *(("b001", f"{n}01", n) for n in range(1, 20)))
    how = mapping("dwelling", source="office")
    assert bring(town, "dwelling", first, how).counts["dwelling"].added == 19
    assert bring(town, "dwelling", first, how, again=True).status == "unchanged"
    second = table(tmp_path / "b.csv", head, *(("b001", f"{n}01", 5) for n in range(1, 20)))
    how = mapping("dwelling", source="office", guard=ANYTHING)
    changed = bring(town, "dwelling", second, how)
    assert changed.counts["dwelling"].changed == 18
    assert len(rows(town, "SELECT FROM dwelling_history")) == 18
    roll_back(town, changed.run)
    assert rows(town, "SELECT sum(residents) FROM dwelling") == [(190,)]


def test_file_that_changes_most_dwellings_is_held(town, tmp_path):
    head = ("楼栋编码", "户室号", "常住人口")
    how = mapping("dwelling", source="office")
    bring(town, "dwelling", table(tmp_path / "a.csv", head, *_rooms(3)), how)
    outcome = bring(town, "dwelling", table(tmp_path / "b.csv", head, *_rooms(4)), how)
    assert outcome.status == "held"
    assert rows(town, "SELECT DISTINCT residents FROM dwelling") == [(3,)]


def test_older_delivery_keeps_what_a_grid_manager_verified(town, tmp_path):
    head = ("楼栋编码", "户室号", "常住人口", "户籍人口", "核实日期")
    delivered = [(f"{n}01", 4, 2, "2026-03-01") for n in range(1, 5)]

    def deliver(name: str, *lines: tuple[object, ...]) -> dict[str, object]:
        file = table(tmp_path / name, head, *(("b001", *line) for line in lines))
        how = mapping("dwelling", source="office", guard=ANYTHING)
        return bring(town, "dwelling", file, how).report

    deliver("a.csv", *delivered)
    with town.begin() as connection:
        for room, on in (("101", "2026-05-01"), ("201", "2026-01-01"), ("301", "2026-05-01")):
            verify = "UPDATE dwelling SET residents = 9, registered = 7, verified_by = 'm', "
            verify += "verified_on = :on WHERE room = :room"
            connection.execute(text(verify), {"room": room, "on": on})
    report = deliver("b.csv", *delivered[:2], ("301", 5, 3, ""), ("401", 6, 2, "2026-04-01"))
    found = rows(town, "SELECT room, residents, registered FROM dwelling ORDER BY room")
    assert found == [("101", 9, 7), ("201", 4, 2), ("301", 9, 7), ("401", 6, 2)]
    assert report["verified_kept"] == 2
    deliver("c.csv", ("101", 5, 3, "2026-06-01"), *delivered[1:2], *delivered[2:])
    assert rows(town, "SELECT residents FROM dwelling WHERE room = '101'") == [(5,)]


def _rooms(residents: int) -> list[tuple[object, ...]]:
    return [("b001", f"{n}01", residents) for n in range(1, 20)]


def test_dwelling_of_another_source_is_reported_as_a_duplicate(town, tmp_path):
    head = ("户室编码", "楼栋编码", "户室号")
    bring(
        town,
        "dwelling",
        table(tmp_path / "a.csv", head, ("A1", "b001", "101")),
        mapping("dwelling", source="office"),
    )
    file = table(tmp_path / "b.csv", head, ("X9", "b001", "101"), ("X8", "b001", "102"))
    bring(town, "dwelling", file, mapping("dwelling", source="police", guard=ANYTHING))
    assert rows(town, "SELECT code FROM dwelling ORDER BY 1") == [("A1",), ("X8",)]
    assert rows(town, "SELECT reason, detail->>'other' FROM quarantine") == [
        ("dwelling_of_other_source", "A1")
    ]


def test_organisations_are_checked_by_credit_code_and_industry(town, tmp_path):
    right, other = "91350100M000100Y43", credit_code("91420600MA48ABCD1")
    file = table(
        tmp_path / "entities.csv",
        (
            "统一社会信用代码",
            "单位名称",
            "单位类型",
            "行业代码",
            "从业人员",
            "地址",
            "消防重点单位",
        ),
        (right.lower(), "汉江商行", "个体工商户", "F5212", 4, "中原路81号4号楼1楼", "否"),
        ("91350100M000100Y44", "错码", "公司", "F52", 1, "中原路81号4号楼", ""),
        (other, "错行业", "公司", "A52", 1, "中原路81号4号楼", ""),
    )
    bring(town, "entity", file, mapping("entity", guard=ANYTHING))
    assert rows(
        town,
        "SELECT code, credit_code, kind, industry_section, industry_division, staff_count, "
        "building_code, floor, key_unit FROM entity",
    ) == [(right, right, "individual", "F", 52, 4, "b003", "1", False)]
    reasons = {reason for (reason,) in rows(town, "SELECT reason FROM quarantine")}
    assert reasons == {"credit_code_wrong", "industry_inconsistent"}


@pytest.mark.parametrize(
    ("code", "is_right"),
    [
        ("91350100M000100Y43", True),
        ("91350100M000100Y4I", False),
        ("91350100M000100Y34", False),
        ("", False),
    ],
)
def test_credit_code_is_verified_by_its_check_digit(code, is_right):
    assert is_credit_code(code) == is_right


def test_birth_is_read_from_an_identification_number_with_the_right_check_digit():
    number = identity("42060219410305123")
    assert str(birth_of_resident_id(number)) == "1941-03-05"
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    assert birth_of_resident_id(wrong) is None
    assert str(birth_of_resident_id("420602410305123")) == "1941-03-05"
    assert birth_of_resident_id("420602419905123") is None


NAMES = ("诸葛孔明甲", "司马仲达乙", "欧阳永叔丙", "上官婉儿丁", "夏侯元让戊")
NUMBERS = tuple(
    identity(f"420602{birth}12{n}")
    for n, birth in enumerate(("19410305", "20210101", "19900101", "19380909", "20100101"), 3)
)
PHONES = tuple(f"1387290{n}" for n in (4411, 4412, 4413, 4414, 4415))
HEAD = ("姓名", "身份证号", "联系电话", "居住地址", "人口类型", "残疾情况", "备注")


def residents(path: Path) -> Path:
    places = (
        "中原路81号4号楼1单元302室",
        f"中原路81号四号楼1单元302（{NAMES[1]}）",
        "襄阳市中原路81号4栋1-302",
        "中原路81号5号楼101室",
        f"中原路81号99号楼{NAMES[4]}家101室",
    )
    kinds = ("户籍", "户籍人口", "流动人口", "户籍", "户籍")
    lines = zip(NAMES, NUMBERS, PHONES, places, kinds, ("", "", "", "失能", ""), strict=True)
    notes = (f"户主{NAMES[0]}", "", "", "", PHONES[4])
    whole = [(*line, note) for line, note in zip(lines, notes, strict=True)]
    return table(path, HEAD, *whole, whole[0], ("张无名氏", "", "", "", "", "", ""))


def test_residents_are_counted_by_dwelling(town, tmp_path):
    outcome = bring(
        town, "resident", residents(tmp_path / "r.csv"), mapping("resident", guard=ANYTHING)
    )
    assert rows(
        town,
        "SELECT code, unit_code, residents, registered, floating, age_0_6, age_7_17, age_18_59, "
        "age_60_79, age_80_up, alone_60_up, need_help FROM dwelling ORDER BY code",
    ) == [
        ("b003-1-302", "u1", 3, 2, 1, 1, 0, 1, 0, 1, 0, 0),
        ("b004-101", None, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1),
    ]
    notes = outcome.report["reading"]["dwelling"]
    assert notes["residents_counted"] == {"count": 7}
    assert notes["residents_repeated"] == {"count": 1}
    reasons = rows(town, "SELECT reason FROM quarantine ORDER BY 1")
    assert reasons == [("address_not_found",), ("resident_row_spoiled",)]


def test_value_that_is_not_known_leaves_the_counts_unknown(town, tmp_path):
    file = table(
        tmp_path / "r.csv",
        ("姓名", "身份证号", "楼栋编码", "房号", "人口类型"),
        (NAMES[0], NUMBERS[0], "b001", "101", "户籍"),
        (NAMES[1], "没有", "b001", "101", "户籍"),
        (NAMES[2], NUMBERS[2], "b001", "102", "不详"),
    )
    bring(town, "resident", file)
    assert rows(
        town, "SELECT code, residents, registered, age_80_up FROM dwelling ORDER BY code"
    ) == [("b001-101", 2, 2, None), ("b001-102", None, None, None)]


@pytest.mark.parametrize("layer", ["dwelling", "entity", "register"])
def test_file_of_persons_is_refused_for_any_other_layer(town, tmp_path, layer):
    file = table(
        tmp_path / "r.csv",
        ("楼栋编码", "户室号", "姓名", "身份证号", "单位名称", "统一社会信用代码"),
        ("b001", "101", NAMES[0], NUMBERS[0], "x", ""),
    )
    with pytest.raises(InputError) as refused:
        bring(town, layer, file)
    assert refused.value.key == "file_of_persons"


def personal_texts() -> list[bytes]:
    plain = (*NAMES, *NUMBERS, *PHONES, "张无名氏")
    return [text.encode(code) for text in plain for code in ("utf-8", "gb18030", "utf-16-le")]


def files_with_persons(*folders: Path) -> list[tuple[Path, bytes]]:
    wanted = personal_texts()
    return [
        (file, one)
        for folder in folders
        for path, _, names in os.walk(folder)  # passes over a directory that another test removes
        for file in (Path(path, name) for name in names)
        for content in (read_present(file),)
        for one in wanted
        if one in content
    ]


def read_present(file: Path) -> bytes:
    """Return the content of a file; the server may remove it while its directory is read."""
    try:
        return file.read_bytes() if file.is_file() else b""
    except FileNotFoundError:
        return b""


def flush(database) -> None:
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))


def test_no_person_is_stored_anywhere_after_an_import(town, home, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    outcome = bring(town, "resident", residents(folder / "r.csv"), mapping("resident"))
    reports = tmp_path / "reports"
    shown = gridatlas("import-runs", "show", str(outcome.run), "--report", reports)
    assert shown.returncode == 0, shown.stderr
    assert [one for one in personal_texts() if one in (shown.stdout + shown.stderr).encode()] == []
    flush(town)
    assert files_with_persons(home, reports) == []


HEADLESS = [
    pytest.param([("张无名氏", NUMBERS[0], NAMES[1])], id="no header"),
    pytest.param([(NAMES[0], NAMES[1]), (NAMES[2], NAMES[3])], id="names alone"),
    pytest.param([("姓名", "姓名", "地址"), (NAMES[0], NUMBERS[0], "x")], id="header twice"),
]


@pytest.mark.parametrize("lines", HEADLESS)
def test_refused_file_of_residents_leaves_no_person(town, home, tmp_path, lines):
    with pytest.raises(InputError) as refused:
        bring(town, "resident", table(tmp_path / "r.csv", *lines))
    said = refused.value.message("zh").encode()
    assert [one for one in personal_texts() if one in said] == []
    flush(town)
    assert files_with_persons(home) == []


def test_names_of_others_in_the_column_of_the_place_are_stored_nowhere(town, home, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    file = table(
        folder / "r.csv",
        ("姓名", "身份证号", "居住地址", "楼栋编码", "单元号", "房号"),
        ("甲一", "", f"中原路81号4号楼1单元302室（户主{NAMES[0]}）", "", "", ""),
        ("甲二", "", f"中原路81号4号楼{NAMES[1]}家", "", "", ""),
        ("甲三", "", f"{NAMES[2]}家4号楼302", "", "", ""),
        ("甲四", "", "", "b003", "1", f"303房东{NAMES[3]}"),
        ("甲五", "", "", "b003", f"{NAMES[4]}1", "304"),
        ("甲六", "", "", "b003", "1单元", "305东户"),
        ("甲七", "", "襄阳市中原路81号4号楼1单元306室", "", "", ""),
    )
    bring(town, "resident", file, mapping("resident", guard=ANYTHING))
    assert rows(town, "SELECT code, residents FROM dwelling ORDER BY code") == [
        ("b003-1-305东", 1),
        ("b003-1-306", 1),
    ]
    reasons = dict(rows(town, "SELECT reason, count(*) FROM quarantine GROUP BY 1"))
    assert reasons == {"address_not_found": 2, "address_unknown": 1, "resident_row_spoiled": 2}
    flush(town)
    assert files_with_persons(home) == []


KILLED = """
import os, sys, threading
from pathlib import Path
from etl.pipeline import run
from etl.pipeline.run import Request, import_file
from geo import db
from geo.settings import Settings

def die(*_):
    os._exit(9)

run.cross_check = die
import_file(db.get_engine(), Request("resident", Path(sys.argv[1])), Settings())
"""


def test_killed_import_leaves_no_person(town, home, tmp_path):
    command = [sys.executable, "-c", KILLED, residents(tmp_path / "r.csv")]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, check=False)
    assert killed.returncode == 9
    staged = rows(town, "SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'")
    assert staged != [(0,)]
    flush(town)
    assert files_with_persons(home) == []


def test_organisation_without_a_code_and_impossible_counts_are_quarantined_by_row(town, tmp_path):
    good = credit_code("91420600177570439")
    lines = ("统一社会信用代码", "单位名称", "楼栋编码"), (good, "甲", "b003"), ("", "乙", "b003")
    bring(town, "entity", table(tmp_path / "e.csv", *lines))
    assert rows(town, "SELECT name FROM entity") == [("甲",)]
    counts = ("楼栋编码", "户数"), ("b001", -1), ("b002", 8), ("b003", 30000)
    bring(town, "register", table(tmp_path / "r.csv", *counts))
    refused = rows(town, "SELECT layer, reason, detail->>'row' FROM quarantine ORDER BY id")
    assert refused == [
        ("entity", "value_missing", "2"),
        ("register", "value_out_of_range", "1"),
        ("register", "value_out_of_range", "3"),
    ]


@pytest.mark.parametrize("header", ["户数（百户）", "实有户数"])
def test_register_whose_count_is_not_read_is_refused(town, tmp_path, header):
    with pytest.raises(InputError) as refused:
        bring(town, "register", table(tmp_path / "r.csv", ("楼栋编码", header), ("b001", 2)))
    assert refused.value.key == "register_count_unread"
    assert header in str(refused.value)
