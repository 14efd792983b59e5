"""Every page, in Chinese on a desktop and in English on a phone: axe-core finds nothing."""

import pytest

from tests import town as t
from tests.e2e.conftest import AXE, DESKTOP, PHONE, signed_in

FINDINGS = """async () => (await axe.run(document, {resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})).violations
  .flatMap(one => one.nodes.map(node => `${one.id} ${node.html.slice(0, 140)}`))"""


@pytest.fixture(scope="module")
def places(client_of):
    """Return the addresses of the pages, with the account that opens each and what it waits for."""
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    draft = planner.post(f"/plans/{shown['id']}/copy").json()["id"]
    return {
        "public": ("/", None, "#brand h1"),
        "card": (f"/?grid={t.NORTH_GATE}001", None, "#panel h2"),
        "communities": ("/plan", "planner", ".communities a"),
        "community": (f"/plan/c/{t.NORTH_GATE}", "planner", ".plan h2"),
        "editor": (f"/plan/p/{draft}", "planner", ".grids .pick"),
        "comparison": (f"/plan/p/{draft}/compare/{shown['id']}", "planner", "#side h1"),
        "staff": ("/plan/staff", "planner", "#side h1"),
        "fire": ("/fire", "fire", "#overlays .overlays"),
        "building": ("/fire?building=b001-001", "fire", "#side .items"),
        "incident": (
            "/fire?incident={:.6f},{:.6f},200".format(*t.degrees(300, 200)),
            "fire",
            "#side .wind",
        ),
        "data": ("/data", "importer", "#side h1"),
        "accounts": ("/admin", "admin", "tbody tr"),
    }


@pytest.mark.parametrize(("lang", "size"), [("zh", DESKTOP), ("en", PHONE)], ids=["zh", "en"])
@pytest.mark.parametrize(
    "name",
    [
        *("public", "card", "communities", "community", "editor", "comparison", "staff"),
        *("fire", "building", "incident", "data", "accounts"),
    ],
)
def test_page_has_no_findings(open_page, staff_site, places, name, lang, size):
    path, account, selector = places[name]
    session = signed_in(staff_site, account) if account else None
    page = open_page(f"{staff_site}{path}", session=session, lang=lang)
    page.locator(selector).first.wait_for()
    page.set_viewport_size(size)
    page.evaluate(AXE(encoding="utf-8"))
    assert page.evaluate(FINDINGS) == []
