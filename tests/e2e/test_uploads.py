"""A clerk uploads a file in the browser, corrects how it is read, and sees what it changes."""

import io
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import IDLE, PHONE, faults_of, hold_back, signed_in
from tests.etl.delivery import houses, rows, write

SHOWN = "() => gridatlas.map.querySourceFeatures('shown').length > 0"
COLOURS = """() => [...new Set(gridatlas.map.querySourceFeatures('shown')
  .map(one => one.properties.change))].sort()"""


@pytest.fixture
def open_upload_page(open_page, staff_site):
    def open_upload_page(path="/data/upload", role="importer", **how):
        page = open_page(f"{staff_site}{path}", session=signed_in(staff_site, role), **how)
        page.wait_for_function(IDLE)
        page.locator("#side h1").wait_for()
        return page

    return open_upload_page


@pytest.fixture
def zipped(tmp_path):
    """Return a function that writes a zipped shapefile in GBK with Chinese headers."""

    def zipped(name, data):
        folder = tmp_path / name
        folder.mkdir()
        chinese = {"code": "楼栋编码", "name": "称呼", "households": "户数"}
        write(data.rename(columns=chinese), folder / "楼栋.shp", encoding="GBK")
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for part in folder.iterdir():
                if part.suffix != ".cpg":
                    archive.write(part, part.name)
        file = tmp_path / f"{name}.zip"
        file.write_bytes(content.getvalue())
        return file

    return zipped


def codes(prefix, count):
    return [f"{prefix}{i:03d}" for i in range(count)]


def upload(page, file):
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_url("**/data/uploads/**")
    page.locator(".columns li").first.wait_for()


def test_clerk_uploads_corrects_tries_and_publishes_a_file(open_upload_page, zipped, town):
    page = open_upload_page()
    assert faults_of(page) == []
    upload(page, zipped("楼栋", houses(12, code=codes("u", 12))))
    side = page.locator("#side")
    column = side.locator(".columns li", has_text="称呼")
    expect(column.locator("small")).to_have_text("0号楼、1号楼、2号楼、3号楼、4号楼")
    expect(side.get_by_label("导入到图层")).to_have_value("building")
    expect(side.get_by_label("“楼栋编码”对应")).to_have_value("code")
    expect(side.get_by_label("“称呼”对应")).to_have_value("")
    side.get_by_label("“称呼”对应").select_option(label="名称")
    side.get_by_label("来源", exact=True).fill("街道台账")
    assert faults_of(page) == []
    side.get_by_role("button", name="试运行").click()
    expect(side.get_by_role("heading", name="试运行结果")).to_be_focused()
    expect(side.locator(".well")).to_have_text("导入后将直接发布。")
    expect(side.locator("table.card tbody td").first).to_have_text("12")
    page.wait_for_function(SHOWN)
    assert rows(town, "SELECT 1 FROM building WHERE source = '街道台账'") == []
    assert faults_of(page) == []
    side.get_by_role("button", name="发布").click()
    expect(page.locator("#notice")).to_contain_text("已发布")
    page.wait_for_url("**/data/runs/**")
    expect(side.locator(".badge").first).to_have_text("已发布")
    expect(side.locator(".heading").first).to_contain_text("importer 上传")
    page.wait_for_function(SHOWN)
    page.wait_for_function(IDLE)
    assert page.evaluate(COLOURS) == ["added"]
    names = rows(town, "SELECT name FROM building WHERE source = '街道台账' ORDER BY code")
    assert names[:2] == [("0号楼",), ("1号楼",)]


def test_clerk_sees_values_before_and_after_and_an_administrator_approves(
    open_upload_page, zipped, town
):
    page = open_upload_page()
    side = page.locator("#side")
    upload(page, zipped("a", houses(12, code=codes("v", 12))))
    side.get_by_label("来源", exact=True).fill("复核")
    side.get_by_role("button", name="试运行").click()
    side.get_by_role("button", name="发布").click()
    page.wait_for_url("**/data/runs/**")
    page.goto(page.url.split("/data")[0] + "/data/upload")
    page.wait_for_function(IDLE)
    edited = houses(12, code=codes("v", 12), households=[77] * 12)
    upload(page, zipped("b", edited))
    expect(side.get_by_label("来源", exact=True)).to_have_value("复核")
    expect(side).to_contain_text("文件中的编码属于来源“复核”")
    side.get_by_role("button", name="试运行").click()
    expect(side).to_contain_text("变动较大，导入后等待管理员审批。")
    side.get_by_text("变动明细").click()
    change = side.locator("li", has=page.get_by_role("button", name="v000"))
    expect(change).to_contain_text("20 → 77")
    side.get_by_label("保留文件中没有的要素（文件只含该来源的一部分）").check()
    expect(side).to_contain_text("设置已修改，请重新试运行。")
    expect(side.get_by_role("button", name="提交审批")).to_have_count(0)
    side.get_by_role("button", name="试运行").click()
    side.get_by_role("button", name="提交审批").click()
    page.wait_for_url("**/data/runs/**")
    expect(side.locator(".badge").first).to_have_text("待审批")
    expect(side).to_contain_text("上传的批次由管理员审批。")
    expect(side.get_by_role("button", name="批准")).to_have_count(0)
    chief = open_upload_page(page.url[page.url.index("/data/runs") :].split("#")[0], role="admin")
    chief.locator("#side").get_by_role("button", name="批准").click()
    chief.get_by_role("dialog").get_by_role("button", name="批准").click()
    expect(chief.locator("#notice")).to_contain_text("已批准")
    counts = rows(town, "SELECT DISTINCT households FROM building WHERE source = '复核'")
    assert counts == [(77,)]


def test_clerk_is_told_what_is_wrong_and_corrects_it(open_upload_page, zipped):
    page = open_upload_page(faults_allowed=True)
    side = page.locator("#side")
    upload(page, zipped("c", houses(12, code=codes("w", 12))))
    side.get_by_label("“楼栋编码”对应").select_option(label="不使用")
    expect(side.locator(".trouble")).to_contain_text("尚缺必填项")
    side.get_by_role("button", name="试运行").click()
    message = side.locator(".said")
    expect(message).to_contain_text("请选择与编码对应的列")
    side.get_by_label("“楼栋编码”对应").select_option(label="编码")
    side.get_by_role("button", name="试运行").click()
    expect(side.get_by_role("heading", name="试运行结果")).to_be_visible()
    side.get_by_role("button", name="删除该文件").click()
    page.wait_for_url(re.compile(r"/data/upload(#|$)"))
    page.locator("input[type=file]").set_input_files(
        {"name": "楼栋.shp", "mimeType": "application/octet-stream", "buffer": b"\0\0\x27\x0a"}
    )
    expect(message).to_contain_text("打包成 zip")


def test_dry_run_of_settings_that_changed_meanwhile_is_not_shown(open_upload_page, zipped):
    page = open_upload_page()
    side = page.locator("#side")
    upload(page, zipped("g", houses(12, code=codes("o", 12))))
    with hold_back(page, "**/dry-run") as held:
        with held.expect():
            side.get_by_role("button", name="试运行").click()
        side.get_by_label("来源", exact=True).fill("改后的来源")
    expect(side).to_contain_text("设置已修改，请重新试运行。")
    expect(side.get_by_role("button", name="发布")).to_have_count(0)


def test_file_is_uploaded_and_published_by_keyboard_alone(open_upload_page, zipped, town):
    page = open_upload_page()

    def tab_to(selector):
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("one => document.activeElement.matches(one)", selector):
                return
        raise AssertionError(selector)

    file = zipped("d", houses(12, code=codes("x", 12)))
    page.on("filechooser", lambda chooser: chooser.set_files(file))
    tab_to("input[type=file]")
    page.keyboard.press("Enter")
    page.locator(".columns li").first.wait_for()
    tab_to("[data-column='称呼']")
    page.keyboard.press("ArrowDown")  # the code is taken
    expect(page.locator("[data-column='称呼']")).to_have_value("name")
    tab_to("#side .actions button.primary")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="试运行结果")).to_be_focused()
    tab_to("#side section .actions button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/data/runs/**")
    assert rows(town, "SELECT name FROM building WHERE code = 'x003'") == [("3号楼",)]


def test_upload_fits_a_phone_in_english(open_upload_page, zipped):
    page = open_upload_page(size=PHONE, lang="en")
    expect(page.locator("#side h1")).to_have_text("Upload a file")
    assert faults_of(page) == []
    upload(page, zipped("e", houses(12, code=codes("y", 12))))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert faults_of(page) == []
    side = page.locator("#side")
    side.get_by_role("button", name="Dry run").click()
    expect(side.get_by_role("heading", name="Result of the dry run")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert faults_of(page) == []


def test_dropped_file_is_uploaded(open_upload_page, zipped):
    page = open_upload_page()
    content = list(zipped("f", houses(12, code=codes("z", 12))).read_bytes())
    page.evaluate(
        """content => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(content)], "楼栋.zip"));
          document.querySelector(".drop").dispatchEvent(
            new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        content,
    )
    page.wait_for_url("**/data/uploads/**")
    expect(page.locator(".columns li")).to_have_count(3)
