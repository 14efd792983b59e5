"""Managers and informants from a workbook, as a clerk fills it in."""

import io
import zipfile

import openpyxl
import pytest
from PIL import Image
from sqlalchemy import select, text

from etl.staff import import_staff, staff_workbook
from geo.errors import InputError
from geo.model import GridManager
from geo.staff import list_staff
from tests import town as t

pytestmark = pytest.mark.usefixtures("english")

GRIDS = [f"{t.NORTH_GATE}{serial:03d}" for serial in range(1, 7)]
HEADER = ["网格编码", "岗位", "姓名", "联系电话", "工作内容", "职责", "照片", "户数", "建筑编码"]


@pytest.fixture
def town(database):
    t.build(database)
    return database


@pytest.fixture
def connection(town):
    with town.connect() as connection:
        yield connection


def workbook(path, *rows, header=HEADER):
    book = openpyxl.Workbook()
    book.active.append(["网格管理员登记表"])
    book.active.append(header)
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def archive(path, **files):
    with zipfile.ZipFile(path, "w") as photos:
        for name, content in files.items():
            photos.writestr(f"照片/{name}.jpg", content)
    return path


def picture():
    out = io.BytesIO()
    Image.new("RGB", (900, 1200), "navy").save(out, "JPEG")
    return out.getvalue()


def test_managers_informants_and_photos_are_appointed(connection, tmp_path):
    north, building = GRIDS[0], "b001-085"
    file = workbook(
        tmp_path / "staff.xlsx",
        [north, None, "王秀兰", 13900000001, "信息采录", "走访居民", "王秀兰.JPG"],
        [GRIDS[1], "网格管理员", "李强", "0710-3510000", "", ""],
        [north, "信息员", "赵六", "139 0000 0002", "", "", "", 60, building],
        [GRIDS[2], "", "", ""],
    )
    photos = archive(tmp_path / "photos.zip", 王秀兰=picture())
    result = import_staff(connection, file, photos)
    assert result.problems == []
    assert result.changed == 3
    assert result.vacant == [GRIDS[2]]
    staff = {row.grid: row for row in list_staff(connection, t.NORTH_GATE)}
    manager = staff[north].manager
    assert (manager.name, manager.phone) == ("王秀兰", "13900000001")
    assert (manager.tasks, manager.duties) == ("信息采录", "走访居民")
    assert staff[north].has_photo
    assert staff[north].informants[0].buildings == (building,)
    assert [row.grid for row in list_staff(connection, t.NORTH_GATE, vacant=True)] == GRIDS[2:]
    assert import_staff(connection, file, photos).changed == 0


def test_informant_is_given_a_micro_grid_by_its_serial(connection, tmp_path):
    header = [*HEADER, "微网格序号"]
    row = [GRIDS[0], "信息员", "赵六", "139", "", "", "", 60, ""]
    file = workbook(tmp_path / "staff.xlsx", [*row, 3], header=header)
    assert import_staff(connection, file).changed == 1
    staff = {row.grid: row for row in list_staff(connection, t.NORTH_GATE)}
    assert staff[GRIDS[0]].informants[0].micro_grid == 3
    written = tmp_path / "written.xlsx"
    written.write_bytes(staff_workbook(connection, t.NORTH_GATE))
    assert import_staff(connection, written).changed == 0
    faulty = workbook(tmp_path / "faulty.xlsx", [*row, "第三"], header=header)
    [problem] = import_staff(connection, faulty).problems
    assert problem.key == "micro_grid_invalid"


def test_every_faulty_row_is_reported_with_a_remedy_and_nothing_is_written(connection, tmp_path):
    file = workbook(
        tmp_path / "staff.xlsx",
        [GRIDS[0], "", "王秀兰", "139"],
        ["4206020010010", "", "李强", "139"],
        [f"{t.NORTH_GATE}099", "", "李强", "139"],
        [GRIDS[1], "厨师", "李强", "139"],
        [GRIDS[1], "", "", "139"],
        [GRIDS[1], "", "李强", "打前台"],
        [GRIDS[2], "", "孙七", "139", "x" * 2001],
        [GRIDS[3], "", "孙七", "139", "", "", "none.jpg"],
        [GRIDS[4], "信息员", "孙七", "139", "", "", "", "很多"],
        [GRIDS[4], "信息员", "周八", "139", "", "", "", 60, "b001-001, b999"],
        [GRIDS[0], "", "张三", "139"],
    )
    result = import_staff(connection, file)
    lines = [problem.message() for problem in result.problems]
    assert [problem.row for problem in result.problems] == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    expected = ("15 digits", "not a general grid", "not known", "name is missing", "may only have")
    expected += ("Shorten it", "not in the archive", "not a whole number", "b999", "in row 3")
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith("Row ")
        assert words in line
        assert line.endswith(".")
    assert "b001-001" not in lines[8] or GRIDS[4] in lines[8]
    assert all(row.manager is None for row in list_staff(connection, t.NORTH_GATE))


def test_photo_that_is_no_picture_is_reported(connection, tmp_path):
    file = workbook(tmp_path / "staff.xlsx", [GRIDS[0], "", "王秀兰", "", "", "", "a.jpg"])
    photos = archive(tmp_path / "photos.zip", a=b"<svg/>")
    (problem,) = import_staff(connection, file, photos).problems
    assert "JPEG" in problem.message()
    with pytest.raises(InputError):
        import_staff(connection, file, file.with_name("staff.xlsx").rename(tmp_path / "x.zip"))


def test_grids_of_other_regions_are_refused(connection, tmp_path):
    file = workbook(tmp_path / "staff.xlsx", [GRIDS[0], "", "王秀兰", ""])
    (problem,) = import_staff(connection, file, scope=t.DRUM_TOWER).problems
    assert GRIDS[0] in problem.message()


def test_workbook_without_header_is_refused(connection, tmp_path):
    file = workbook(tmp_path / "staff.xlsx", [GRIDS[0], "王秀兰"], header=["一", "二"])
    with pytest.raises(InputError, match="no header"):
        import_staff(connection, file)


def test_downloaded_workbook_comes_back_unchanged(connection, tmp_path):
    file = workbook(
        tmp_path / "staff.xlsx",
        [GRIDS[0], "", "-王秀兰", "+86 139", "一\n二", "三"],
        [GRIDS[0], "信息员", "赵六", "139", "", "", "", 60, "b001-085"],
    )
    assert import_staff(connection, file).changed == 2
    written = tmp_path / "written.xlsx"
    written.write_bytes(staff_workbook(connection, t.NORTH_GATE))
    again = import_staff(connection, written)
    assert again.problems == []
    assert again.changed == 0
    assert again.vacant == GRIDS[1:]


def test_new_manager_ends_the_term_of_the_previous_one(connection, tmp_path):
    for name in ("王秀兰", "李强"):
        import_staff(connection, workbook(tmp_path / "staff.xlsx", [GRIDS[0], "", name, "139"]))
    terms = select(GridManager.name, GridManager.valid_to.is_(None)).order_by(GridManager.id)
    assert connection.execute(terms).all() == [("王秀兰", False), ("李强", True)]
    assert connection.scalar(text("SELECT count(*) FROM grid_informant")) == 0
