"""Accounts and passwords in the browser, and large text."""

import pytest
from playwright.sync_api import expect

from geo.db import accounts
from tests import town as t
from tests.e2e.conftest import PASSWORD, PHONE, faults_of, signed_in

NEW_PASSWORD = "a quite different one"  # noqa: S105


@pytest.fixture
def admin_page(open_page, staff_site):
    def admin_page(**how):
        page = open_page(f"{staff_site}/admin", session=signed_in(staff_site, "admin"), **how)
        page.locator("tbody tr").first.wait_for()
        return page

    return admin_page


def row_of(page, name):
    return page.locator("tbody tr", has=page.get_by_role("rowheader", name=name, exact=True))


def test_administrator_adds_changes_resets_disables_and_enables_an_account(
    admin_page, client_of, open_page, staff_site
):
    page = admin_page()
    page.on("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="添加账户").click()
    dialog = page.get_by_role("dialog")
    assert faults_of(page) == []
    dialog.get_by_label("用户名").fill("newcomer")
    expect(dialog.get_by_label("辖区编码")).to_be_visible()
    dialog.get_by_label("辖区编码").fill(t.STREET)
    dialog.get_by_label("密码").fill(PASSWORD)
    dialog.get_by_role("button", name="添加账户").click()
    row = row_of(page, "newcomer")
    expect(row).to_contain_text("规划员")
    expect(row).to_contain_text(t.STREET)
    row.get_by_role("button", name="更改").click()
    dialog.get_by_label("角色").select_option("fire")
    expect(dialog.get_by_label("辖区编码")).to_be_hidden()
    dialog.get_by_role("button", name="保存").click()
    expect(row).to_contain_text("消防")
    row.get_by_role("button", name="重设密码").click()
    dialog.get_by_label("密码").fill(NEW_PASSWORD)
    dialog.get_by_role("button", name="保存").click()
    expect(page.locator("#notice")).to_contain_text("已为 newcomer 设置新密码")
    row.get_by_role("button", name="停用").click()
    expect(row).to_contain_text("已停用")
    row.get_by_role("button", name="启用").click()
    expect(row).not_to_contain_text("已停用")
    listed = client_of("admin").get("/accounts").json()["items"]
    [account] = [one for one in listed if one["name"] == "newcomer"]
    assert (account["role"], account["active"]) == ("fire", True)
    assert faults_of(page) == []
    fresh = open_page(f"{staff_site}/fire", faults_allowed=True)
    fresh.get_by_label("用户名").fill("newcomer")
    fresh.get_by_label("密码").fill(NEW_PASSWORD)
    fresh.get_by_role("button", name="登录", exact=True).click()
    expect(fresh.locator("#who")).to_contain_text("newcomer")


def test_account_is_added_with_the_keyboard_only(admin_page, client_of):
    page = admin_page(lang="en")
    page.locator(".actions button").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("by-keys")
    page.keyboard.press("Tab")
    page.keyboard.press("f")  # fire officer
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(row_of(page, "by-keys")).to_be_visible()
    listed = client_of("admin").get("/accounts").json()["items"]
    assert [one["role"] for one in listed if one["name"] == "by-keys"] == ["fire"]


def test_refusal_is_shown_and_the_form_stays(admin_page):
    page = admin_page(faults_allowed=True)
    page.get_by_role("button", name="添加账户").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("用户名").fill("admin")
    dialog.get_by_label("角色").select_option("fire")
    dialog.get_by_label("密码").fill(PASSWORD)
    dialog.get_by_role("button", name="添加账户").click()
    expect(page.locator("#notice")).to_contain_text("账户 admin 已存在")
    expect(dialog.get_by_label("用户名")).to_have_value("admin")


def test_page_is_for_administrators_and_keeps_their_own_account_active(
    open_page, staff_site, admin_page
):
    page = open_page(f"{staff_site}/admin", session=signed_in(staff_site, "planner"))
    expect(page.get_by_role("dialog")).to_contain_text("规划员")
    own = admin_page()
    expect(row_of(own, "planner").get_by_role("button", name="停用")).to_have_count(1)
    expect(row_of(own, "admin").get_by_role("button", name="停用")).to_have_count(0)


def test_own_password_is_changed_and_the_page_goes_on(open_page, staff_site, town):
    with town.begin() as connection:
        accounts.add_account(connection, "careful", "planner", PASSWORD, scope=t.STREET)
    page = open_page(
        f"{staff_site}/plan", session=signed_in(staff_site, "careful"), faults_allowed=True
    )
    page.locator(".communities a").first.wait_for()
    page.get_by_role("button", name="careful").click()
    dialog = page.get_by_role("dialog")
    assert faults_of(page) == []
    dialog.get_by_label("当前密码").fill("not it at all")
    dialog.get_by_label("新密码", exact=False).nth(0).fill(NEW_PASSWORD)
    dialog.get_by_label("再次输入新密码").fill(NEW_PASSWORD)
    dialog.get_by_role("button", name="修改密码").click()
    expect(page.locator("#notice")).to_contain_text("当前密码错误")
    dialog.get_by_label("当前密码").fill(PASSWORD)
    dialog.get_by_role("button", name="修改密码").click()
    expect(page.locator("#notice")).to_contain_text("密码已修改")
    page.reload()
    page.locator(".communities a").first.wait_for()


SIZE = "selector => document.querySelector(selector).getBoundingClientRect().height"


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("path", "account", "selector"),
    [
        ("/", None, "#brand h1"),
        ("/plan", "planner", "#side h1"),
        ("/fire", "fire", "#side h1"),
        ("/data", "importer", "#side h1"),
        ("/admin", "admin", "#side h1"),
    ],
)
def test_large_text_enlarges_a_page_is_remembered_and_free_of_faults(
    open_page, staff_site, path, account, selector, lang
):
    session = signed_in(staff_site, account) if account else None
    page = open_page(f"{staff_site}{path}", session=session, lang=lang)
    page.locator(selector).first.wait_for()
    before = page.evaluate(SIZE, selector)
    with page.expect_navigation():
        page.locator("#text-size").press("Enter")
    page.locator(selector).first.wait_for()
    expect(page.locator("#text-size")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(SIZE, selector) > 1.2 * before
    assert faults_of(page) == []
    page.set_viewport_size(PHONE)
    assert faults_of(page) == []
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "nothing is cut off at the side"


def test_office_keeps_its_role_and_region_when_its_account_is_saved(admin_page, client_of):
    office = {"name": "office", "role": "office", "scope": t.STREET, "password": PASSWORD}
    assert client_of("admin").post("/accounts", json=office).status_code == 201
    page = admin_page(lang="en")
    row = row_of(page, "office")
    row.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Role")).to_have_value("office")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    listed = client_of("admin").get("/accounts").json()["items"]
    [office] = [one for one in listed if one["name"] == "office"]
    assert (office["role"], office["scope"]) == ("office", t.STREET)
