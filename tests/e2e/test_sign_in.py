"""Signing in with the city's account, in a browser, at a real provider."""

import json
import re

import pytest
from playwright.sync_api import expect

from geo.db import accounts
from tests.e2e.conftest import faults_of, hold_back, is_fault

BUTTON = "统一身份认证登录"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within the provider


@pytest.fixture
def reader(browser, staff_site, identity):
    """Return a page of someone new; whatever our own pages say in the console is a fault."""
    context = browser.new_context(locale="zh-CN")
    faults = []

    def note(message):
        ours = message.location["url"].startswith(staff_site)
        if ours and is_fault(message) and "status of 401" not in message.text:
            faults.append(message.text)

    context.on("console", note)
    known = re.compile(rf"{staff_site}|{identity.issuer}")
    context.route(lambda url: not known.match(url), lambda route: route.abort())
    yield context.new_page()
    context.close()
    assert faults == []


@pytest.fixture(scope="module")
def chen(town, staff_site):
    with town.begin() as connection:
        accounts.add_account(connection, "chen", "fire", None)


def leave(page, address, name):
    page.goto(address)
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_placeholder("sub").fill(name)
    page.get_by_role("button", name="Authorize").click()


def test_who_has_an_account_comes_back_signed_in(reader, staff_site, identity, chen):
    leave(reader, f"{staff_site}/fire?lang=zh", "chen")
    expect(reader.locator("#who")).to_contain_text("chen")
    # the map adds where it is
    expect(reader).to_have_url(re.compile(rf"^{re.escape(staff_site)}/fire\?lang=zh(#|$)"))
    assert identity.redeemed == 1
    kept = reader.evaluate("JSON.parse(localStorage.getItem('gridatlas.session'))")
    assert (kept["role"], kept["name"]) == ("fire", "chen")
    spoil = """() => {const kept = JSON.parse(localStorage.getItem('gridatlas.session'));
      kept.access_token += 'x'; localStorage.setItem('gridatlas.session', JSON.stringify(kept))}"""
    reader.evaluate(spoil)  # as when it has run out: the session goes on without the provider
    reader.reload()
    expect(reader.locator("#who")).to_contain_text("chen")
    assert identity.redeemed == 1


def test_who_has_no_account_is_told(reader, staff_site):
    leave(reader, f"{staff_site}/fire", "stranger")
    expect(reader.get_by_text("没有启用的账户")).to_be_visible()
    assert reader.evaluate("localStorage.getItem('gridatlas.session')") is None
    expect(reader).not_to_have_url(re.compile("code"))
    assert faults_of(reader) == []
    reader.get_by_role("link", name="返回页面").click()
    expect(reader.get_by_role("button", name=BUTTON)).to_be_visible()


def test_who_is_not_let_in_there_is_told(reader, staff_site, identity):
    reader.goto(f"{staff_site}/data")
    reader.get_by_role("button", name=BUTTON).click()
    reader.get_by_role("button", name="Deny").click()
    expect(reader.get_by_text("access_denied")).to_be_visible()
    assert identity.redeemed == 0


def test_code_that_was_not_asked_for_is_taken_nowhere(reader, staff_site, identity):
    asked = []
    reader.on("request", lambda request: asked.append(request.url))
    for kept in (None, {"state": "s", "nonce": "n", "verifier": "v", "back": "/fire"}):
        if kept:
            value = json.dumps(json.dumps(kept))
            reader.evaluate(f"sessionStorage.setItem('gridatlas.signing-in', {value})")
        reader.goto(f"{staff_site}/signed-in?code=stolen&state=other")
        expect(reader.get_by_text("不是从本窗口发起")).to_be_visible()
    assert not any("/auth/token" in url for url in asked)


def test_page_asks_for_password_only_where_there_is_no_provider(open_page, staff_site):
    page = open_page(f"{staff_site}/fire")
    expect(page.get_by_label("密码")).to_be_visible()
    with hold_back(page, "**/auth/providers") as held:
        with held.expect():
            page.reload()
        expect(page.get_by_label("密码")).to_be_visible()
    expect(page.get_by_role("button", name=BUTTON)).to_have_count(0)


def test_language_is_switched_before_signing_in(browser, staff_site):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(f"{staff_site}/plan?lang=zh")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="English").click()
    dialog.get_by_role("button", name="Sign in", exact=True).wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"
    context.close()
