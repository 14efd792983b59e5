"""The page of managers and informants: vacancies, details, and a workbook with photos."""

import io
import zipfile

import openpyxl
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import town as t
from tests.e2e.conftest import PHONE, faults_of, signed_in

GRID = f"{t.NORTH_GATE}001"


def workbook(*rows):
    book = openpyxl.Workbook()
    book.active.append(["网格编码", "岗位", "姓名", "电话", "工作内容", "职责", "照片", "建筑编码"])
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return {"name": "staff.xlsx", "mimeType": "application/zip", "buffer": content.getvalue()}


def photos(**colours):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, colour in colours.items():
            picture = io.BytesIO()
            Image.new("RGB", (60, 80), colour).save(picture, "JPEG")
            archive.writestr(f"{name}.jpg", picture.getvalue())
    return {"name": "photos.zip", "mimeType": "application/zip", "buffer": content.getvalue()}


@pytest.fixture
def page(open_page, staff_site):
    page = open_page(f"{staff_site}/plan/staff", session=signed_in(staff_site, "planner"))
    page.locator(".staff tbody tr").first.wait_for()
    return page


def test_staff_is_uploaded_checked_and_shown_to_residents(page, open_page, staff_site, client_of):
    assert faults_of(page) == []
    grids = client_of("planner").get("/staff").json()["items"]
    building = client_of("planner").get(f"/plans/{plan_of(client_of)}/atoms").json()
    code = next(
        f["properties"]["building"] for f in building["features"] if f["properties"]["grid"] == GRID
    )
    page.get_by_role("button", name="上传表格").click()
    dialog = page.get_by_role("dialog", name="上传表格")
    files = dialog.locator("input[type=file]")
    files.nth(0).set_input_files(workbook([GRID, "", "王秀兰", "打前台", "采录", "走访", ""]))
    dialog.get_by_role("button", name="检查").click()
    expect(dialog).to_contain_text("第 2 行")
    expect(dialog).to_contain_text("只能有数字")
    files.nth(0).set_input_files(
        workbook(
            [GRID, "", "王秀兰", "139 0000 0001", "信息采录", "走访居民", "w.jpg"],
            [GRID, "信息员", "赵六", "139", "", "", "", code],
        )
    )
    files.nth(1).set_input_files(photos(w="#cc3311"))
    dialog.get_by_role("button", name="写入").click()
    page.locator(".staff tbody tr").filter(has_text="王秀兰").wait_for()
    page.get_by_label("只看空缺").check()
    expect(page.locator(".staff tbody tr")).to_have_count(len(grids) - 1)
    page.get_by_label("只看空缺").uncheck()
    row = page.locator(".staff tbody tr").filter(has_text=GRID)
    row.locator("summary").click()
    expect(row.get_by_text(f"负责建筑：{code}")).to_be_visible()
    resident = open_page(f"{staff_site}/?grid={GRID}", PHONE)
    resident.locator(".manager img").wait_for()
    for words in ("王秀兰", "139 0000 0001", "工作内容", "信息采录", "职责", "走访居民"):
        expect(resident.locator("#panel")).to_contain_text(words)


def plan_of(client_of):
    plans = client_of("planner").get(f"/communities/{t.NORTH_GATE}/plans").json()["items"]
    return next(plan["id"] for plan in plans if plan["status"] == "published")


def test_manager_is_changed_by_keyboard(page):
    vacant = page.get_by_role("button", name=f"修改 {t.DRUM_TOWER}001")
    vacant.focus()
    page.keyboard.press("Enter")
    page.get_by_role("textbox", name="姓名").fill("李强")
    page.get_by_label("电话").fill("0710-3510000")
    page.get_by_label("工作内容").fill("采录")
    page.get_by_label("职责").fill("走访")
    page.get_by_label("职责").press("Tab")
    page.get_by_role("button", name="保存").press("Enter")
    page.locator(".staff tbody tr").filter(has_text="李强").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)
