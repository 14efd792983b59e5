"""The pictures of the user guide, taken anew: ``GRIDATLAS_GUIDE=docs/images/guide`` keeps them."""

import os
import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pypdfium2
import pytest
from sqlalchemy import insert, select

from geo.clock import today
from geo.model import Account, Facility, GridManager
from tests import accounts
from tests import town as t
from tests.e2e.conftest import IDLE, TIMEOUT_S, signed_in
from tests.e2e.test_assess_page import measured
from tests.e2e.test_constraint_picker import NEIGHBOURS, PICKING, constrain
from tests.e2e.test_data_page import delivered
from tests.e2e.test_fire_page import equipped
from tests.e2e.test_planner import AT_BORDER, GRIDS, READY, pick

__all__ = ["delivered", "equipped", "measured"]  # the same ground as the staff_site' own tests

DOCS = Path(__file__).parents[2] / "docs"
SIZE = {"width": 1200, "height": 750}
PHONE_SIZE = {"width": 390, "height": 640}
EMPTY_BYTES = 20_000


@pytest.fixture
def open_page(open_page):
    """Open pages with sharp maps."""
    return partial(open_page, is_sharp=True)


@pytest.fixture
def keep(tmp_path):
    """Return a function that keeps a picture of a page, or of a paper as PDF, under the name that
    the guide gives it."""
    folder = Path(os.environ.get("GRIDATLAS_GUIDE") or tmp_path)

    def keep(shown, name):
        for guide in ("guide.md", "guide.zh-CN.md"):
            assert f"images/guide/{name}.png" in (DOCS / guide).read_text(encoding="utf-8")
        file = folder / f"{name}.png"
        if isinstance(shown, bytes):
            pypdfium2.PdfDocument(shown)[0].render(scale=1.0).to_pil().save(file, optimize=True)
        else:
            shown.screenshot(path=file)
        assert file.stat().st_size > EMPTY_BYTES, "an empty page"

    return keep


def choose_line(page):
    """Choose the first line to which a border can be moved, with the border tool."""
    page.keyboard.press("s")
    panel = page.locator(".border-tool")
    panel.locator("select").wait_for()
    for value in panel.locator("option").evaluate_all("all => all.slice(1).map(one => one.value)"):
        panel.locator("select").select_option(value)
        lines = panel.locator("li label", has_text=re.compile(r"[1-9]\d* 栋"))
        if lines.count():
            lines.first.locator("input").check()
            return


def test_every_picture_of_the_guide_is_taken_here():
    here = set(re.findall(r'keep\(\w+, "([\w-]+)"\)', Path(__file__).read_text(encoding="utf-8")))
    for guide in ("guide.md", "guide.zh-CN.md"):
        named = re.findall(r"images/guide/([\w-]+)\.png", (DOCS / guide).read_text("utf-8"))
        assert set(named) == here
        assert all((DOCS / "images" / "guide" / f"{name}.png").exists() for name in named)


def test_pictures_of_planner_and_public_page(open_page, staff_site, town, client_of, keep):
    grid = f"{t.DRUM_TOWER}001"
    station = {"code": "gs", "category": "service_station", "name": "钟鼓楼社区党群服务站"}
    place = "SRID=4490;POINT({} {})".format(*t.degrees(900, 210))
    with town.begin() as connection:
        manager = {"grid_code": grid, "name": "王秀兰", "phone": "0710-3510001"}
        connection.execute(insert(GridManager), manager | {"duties": "信息采集、便民服务"})
        more = {"phone": "0710-3510000", "region_code": t.DRUM_TOWER, "geom": place}
        connection.execute(insert(Facility), station | more)
    public = open_page(f"{staff_site}/?grid={grid}", SIZE)
    public.locator("#panel .manager").wait_for()
    public.wait_for_function(IDLE)
    keep(public, "public-card")

    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.DRUM_TOWER}/plans?status=published").json()["items"][0]
    draft = planner.post(f"/plans/{shown['id']}/copy").json()["id"]
    session = signed_in(staff_site, "planner")
    page = open_page(f"{staff_site}/plan/p/{draft}", SIZE, session=session)
    page.wait_for_function(READY)
    to = page.evaluate(GRIDS)[0]
    pick(page, to)
    cell = page.evaluate(AT_BORDER, [to])
    page.mouse.click(cell["x"], cell["y"])
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 1")
    page.get_by_role("button", name="套索").click()
    page.mouse.move(cell["x"], cell["y"] - 80)
    page.mouse.down()
    for x, y in ((220, -60), (240, 120), (-20, 140)):
        page.mouse.move(cell["x"] + x, cell["y"] + y, steps=4)
    page.mouse.up()
    page.wait_for_function(IDLE)
    keep(page, "plan-edit")
    page.keyboard.press("Escape")
    choose_line(page)
    page.wait_for_function(IDLE)
    keep(page, "plan-border")
    page.keyboard.press("Escape")
    page.goto(f"{staff_site}/plan/p/{draft}/compare/{shown['id']}")
    page.locator(".movers").wait_for()
    page.wait_for_function(IDLE)
    keep(page, "plan-compare")
    page.goto(f"{staff_site}/plan/c/{t.DRUM_TOWER}")
    page.locator(".plan svg").nth(1).wait_for()
    keep(page, "plan-community")
    page.get_by_role("button", name="划分网格").click()
    page.get_by_role("button", name="在图上选择建筑").click()
    page.wait_for_function(PICKING)
    parted = page.evaluate(NEIGHBOURS, True)
    constrain(page, "apart", parted)
    page.wait_for_function(PICKING)
    keep(page, "plan-constraints")
    moved = {"kind": "move", "communities": [t.NORTH_GATE, t.DRUM_TOWER], "street": "800路"}
    job = planner.post("/what-if", json=moved | {"seconds": 1}).raise_for_status().json()["id"]
    page.goto(f"{staff_site}/plan/what-if?job={job}")
    page.wait_for_url(f"**/plan/what-if/{job}**")
    page.wait_for_function("() => window.gridatlas?.other?.loaded() && gridatlas.map.loaded()")
    keep(page, "plan-what-if")
    sheet = planner.get(f"/plans/{shown['id']}/sheet.pdf?paper=A4").raise_for_status().content
    keep(sheet, "paper-sheet")


def test_pictures_of_fire_page_and_data_page(open_page, equipped, delivered, keep):
    page = open_page(f"{equipped}/fire", SIZE, session=signed_in(equipped, "fire"))
    page.wait_for_function(IDLE)
    page.get_by_role("combobox").fill("1号楼")
    page.get_by_role("option").first.click()
    page.get_by_role("button", name="打印建筑消防卡片").wait_for()
    page.wait_for_function(IDLE)
    keep(page, "fire-building")
    page.get_by_role("button", name="以此为事故点").click()
    wind = page.locator("#side .wind")
    wind.get_by_label("来风方向").select_option("315")
    page.wait_for_function(IDLE)
    wind.scroll_into_view_if_needed()
    keep(page, "fire-incident")
    data_page = open_page(
        f"{equipped}/data/runs/{delivered}", SIZE, session=signed_in(equipped, "importer")
    )
    data_page.locator("#side table.card").wait_for()
    data_page.wait_for_function(
        "() => window.gridatlas?.map.getSource('shown') "
        "&& gridatlas.map.querySourceFeatures('shown').length > 0"
    )
    data_page.wait_for_function(IDLE)
    keep(data_page, "data-run")


REPORTS = (
    ("burst_pipe", (300, 350), "东门水管爆裂，路面积水"),
    ("street_light", (420, 240), "路灯不亮"),
    ("manhole_cover", (180, 260), "井盖松动"),
)


def test_pictures_of_residents_pages_and_cases(open_page, staff_site, town, keep):
    report = open_page(f"{staff_site}/report", SIZE)
    report.wait_for_function(IDLE)
    keep(report, "report")
    kiosk = open_page(f"{staff_site}/kiosk?lang=zh", SIZE)
    kiosk.locator(".tiles button").first.wait_for()
    keep(kiosk, "kiosk")
    for kind, place, words in REPORTS:
        lon, lat = t.degrees(*place)
        form = {"kind": kind, "lon": lon, "lat": lat, "description": words}
        number = (
            httpx.post(f"{staff_site}/reports", data=form, timeout=TIMEOUT_S)
            .raise_for_status()
            .json()["number"]
        )
    with town.begin() as connection:
        accounts.add(connection, "street", "office", scope=t.STREET)
    cases = open_page(f"{staff_site}/cases/{number}", SIZE, session=signed_in(staff_site, "street"))
    cases.locator("#panel h1").wait_for()
    cases.wait_for_function(IDLE)
    keep(cases, "cases")


def test_picture_of_the_assessment(open_page, staff_site, measured, keep):
    page = open_page(f"{staff_site}/assess", SIZE, session=signed_in(staff_site, "community"))
    page.locator("table").first.wait_for()
    page.get_by_label("月份").select_option(f"{today().replace(day=1) - timedelta(days=40):%Y-%m}")
    page.locator("table td", has_text="%").first.wait_for()
    page.wait_for_function(IDLE)
    keep(page, "assess")


def test_picture_of_the_field_app(open_page, staff_site, town, keep):
    grid = f"{t.NORTH_GATE}001"
    with town.begin() as connection:
        accounts.add(connection, "wang", "grid_manager")
        account = select(Account.id).where(Account.name == "wang").scalar_subquery()
        manager = {"grid_code": grid, "name": "王芳", "account_id": account}
        connection.execute(insert(GridManager).values(manager))
    page = open_page(f"{staff_site}/field", PHONE_SIZE, session=signed_in(staff_site, "wang"))
    page.locator("#map canvas").wait_for()
    while len(page.screenshot()) <= EMPTY_BYTES:  # the map draws itself from the stored bundle
        page.wait_for_timeout(200)
    keep(page, "field")
