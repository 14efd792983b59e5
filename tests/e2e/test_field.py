"""The field app in a browser, behind a connection that fails before, during and after each step."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import text

from api.tiles import tile_archive
from tests import accounts
from tests import town as t
from tests.e2e.conftest import PASSWORD, PHONE, faults_of
from tests.e2e.unreliable import unreliable

OWN_GRID = f"{t.NORTH_GATE}002"
FIRST_LOAD_BYTES = 600_000
STORED = "已存入本机"
WRONG_CLOCK = """(() => { const Real = Date, shift = 3 * 864e5;
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + shift); }
    static now() { return Real.now() + shift; } } })()"""
DRAWN = """layer => globalThis.gridatlas?.map?.isStyleLoaded() && gridatlas.map.getLayer(layer)
  ? gridatlas.map.queryRenderedFeatures({ layers: [layer] }).length : 0"""
RAW_OUTBOX = """async () => { const names = await indexedDB.databases();
  const read = (name, table) => new Promise((done) => { const asked = indexedDB.open(name);
    asked.onsuccess = () => { const base = asked.result;
      base.transaction(table).objectStore(table).getAll().onsuccess = (event) => {
        base.close(); done(event.target.result); }; }; });
  const { name } = names.find((one) => one.name.includes('field'));
  const rows = await read(name, 'outbox');
  return { state: (await read(name, 'state')).length, outbox: rows.length,
    text: rows.map((row) => new TextDecoder().decode(row.data)).join() }; }"""


OUTBOX_IS_EMPTY = """() => new Promise((done) => {
  const asked = indexedDB.open('gridatlas.field.wang');
  asked.onsuccess = () => { const base = asked.result;
    base.transaction('outbox').objectStore('outbox').count().onsuccess = (event) => {
      base.close(); done(event.target.result === 0); }; }; })"""


@pytest.fixture(scope="module")
def dwellings(town, address):
    """Appoint a manager of a grid with two dwellings in each building; return their codes."""
    with town.begin() as connection:
        accounts.add(connection, "wang", "grid_manager")
        connection.execute(
            text(
                "INSERT INTO grid_manager (grid_code, name, account_id) "
                "SELECT :grid, name, id FROM account WHERE name = 'wang'"
            ),
            {"grid": OWN_GRID},
        )
        connection.execute(
            text(
                "INSERT INTO dwelling (code, building_code, room, residents, geom) "
                "SELECT code || '-' || room, code, room, 3, ST_PointOnSurface(geom) "
                "FROM building, unnest(ARRAY['101', '102']) room"
            )
        )
        lon, lat = t.degrees(300, 350)
        connection.execute(
            text(
                "INSERT INTO pipe_node (code, network, kind, name, geom) SELECT code, 'water', "
                "'hydrant', code, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490) "
                "FROM unnest(ARRAY['XHS-1', 'XHS-2']) code"
            ),
            {"lon": lon, "lat": lat},
        )
        query = text(
            "SELECT d.code FROM dwelling d JOIN grid_member m USING (building_code) "
            "JOIN grid g ON g.id = m.grid_id WHERE g.code = :grid ORDER BY 1"
        )
        return connection.execute(query, {"grid": OWN_GRID}).scalars().all()


@pytest.fixture
def line(address, dwellings):
    """Return the connection between phone and server."""
    with unreliable(address) as proxy:
        yield proxy


@pytest.fixture
def phone(browser, line):
    """Return the context of a phone."""
    context = browser.new_context(
        viewport=PHONE,
        locale="zh-CN",
        has_touch=True,
        geolocation={"longitude": t.degrees(300, 350)[0], "latitude": t.degrees(300, 350)[1]},
        permissions=["geolocation"],
    )
    yield context
    context.close()


def open_app(phone, line, view: str = "map") -> Page:
    page = phone.new_page()
    page.goto(f"{line.address}/field?lang=zh#{view}")
    return page


def sign_in(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("用户名").fill("wang")
    dialog.get_by_label("密码").fill(PASSWORD)
    dialog.get_by_role("button", name="登录", exact=True).click()
    expect(page.locator("#sync")).to_have_text("已全部发送")


@pytest.fixture
def app(phone, line) -> Page:
    """Return the app, signed in and installed."""
    page = open_app(phone, line)
    sign_in(page)
    page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
    return page


def kill_and_reopen(page: Page, phone, line, view: str) -> Page:
    """Close the page without its knowing, and open the app again."""
    page.close(run_before_unload=False)
    return open_app(phone, line, view)


def go_to(page: Page, view: str) -> None:
    page.evaluate("view => { location.hash = view }", f"#{view}")


def save(page: Page, then: str) -> None:
    """Save the open form; return when it is stored and the view that follows is shown."""
    page.get_by_role("button", name="保存").first.click()
    page.wait_for_url(f"**/field*#{then}")
    expect(page.get_by_text(STORED)).to_be_attached()


def wait_until_sent(page: Page) -> None:
    """Return when the server has confirmed all that is stored."""
    page.locator("#sync").click()
    page.wait_for_function(OUTBOX_IS_EMPTY)
    expect(page.locator("#sync")).to_have_text("已全部发送")


def try_to_send(page: Page, outcome: str, address: str) -> None:
    """Press the button and return when the exchange with an address has had an outcome."""
    with page.expect_event(outcome, lambda exchange: address in exchange.url):
        page.locator("#sync").click()


def record_visit(page: Page, dwelling: str, said: str) -> None:
    go_to(page, f"visit/{dwelling}")
    page.get_by_label("居民反映").fill(said)
    save(page, f"dwelling/{dwelling}")


def count(town, table: str, condition: str, **values: object) -> int:
    with town.connect() as connection:
        query = text(f"SELECT count(*) FROM {table} WHERE {condition}")
        return connection.execute(query, values).scalar_one()


def photo() -> dict[str, object]:
    out = io.BytesIO()
    Image.new("RGB", (2400, 1800), "green").save(out, "JPEG")
    return {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def test_first_load_is_light_and_the_app_opens_without_a_connection(app, phone, line):
    assert line.sent_bytes < FIRST_LOAD_BYTES
    line.mode = "refuse"
    page = kill_and_reopen(app, phone, line, "map")
    expect(page.locator("#map canvas")).to_be_visible()
    expect(page.locator("#sync")).to_have_text("未联网")
    page.get_by_role("link", name="楼栋").click()
    expect(page.locator(".rows li").first).to_contain_text("2 户")
    page.locator(".rows a").first.click()
    page.locator(".rows a").first.click()
    expect(page.get_by_text("居住人数")).to_be_visible()


def test_map_around_the_own_grid_is_seen_without_a_connection(town, app, phone, line):
    page = app
    assert page.evaluate(DRAWN, "city-building") == 0
    tile_archive.bake(town)
    page.locator("#sync").click()
    go_to(page, "map")
    page.wait_for_function(f"() => ({DRAWN})('city-building') > 0")  # as soon as it is stored
    line.mode = "refuse"
    page = kill_and_reopen(page, phone, line, "map")
    expect(page.locator("#map canvas")).to_be_visible()
    for layer in ("city-building", "city-road-local-fill", "city-grid-border", "neighbour-name"):
        page.wait_for_function(f"() => ({DRAWN})('{layer}') > 0")
    assert page.evaluate(DRAWN, "road") == 0  # those of the bundle, drawn until there is a map
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("link", name="Buildings")).to_be_visible()
    page.wait_for_function(f"() => ({DRAWN})('city-building') > 0")


def test_app_can_be_installed(app, phone, line):
    manifest = app.evaluate(
        "() => fetch(document.querySelector('link[rel=manifest]').href).then(one => one.json())"
    )
    assert (manifest["short_name"], manifest["display"]) == ("社区通", "standalone")
    for icon in manifest["icons"]:
        assert app.request.get(f"{line.address}{icon['src']}").ok
    session = phone.new_cdp_session(app)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {error["errorId"] for error in errors} <= {"in-incognito"}  # as every context of a test


def test_all_that_is_captured_without_a_connection_arrives_once(app, phone, line, town, dwellings):
    line.mode = "refuse"
    go_to(app, "report")
    app.get_by_label("情况描述").fill("井盖破损-离线")
    app.get_by_role("button", name="我的位置").click()
    app.get_by_label("照片").set_input_files([photo()])
    save(app, "cases")
    app = kill_and_reopen(app, phone, line, "cases")
    record_visit(app, dwellings[0], "离线走访")
    app = kill_and_reopen(app, phone, line, f"verify/{dwellings[0]}")
    app.get_by_label("居住人数").fill("2")
    save(app, f"dwelling/{dwellings[0]}")
    go_to(app, "duties")
    app.get_by_role("button", name="保存").first.click()
    expect(app.locator("#sync")).to_have_text("4 条待发送")
    app = kill_and_reopen(app, phone, line, "outbox")
    expect(app.locator("article")).to_have_count(4)
    line.mode = "open"
    wait_until_sent(app)
    assert count(town, "service_case", "description = '井盖破损-离线' AND channel = 'field'") == 1
    assert count(town, "case_photo", "true") == 1
    assert count(town, "visit", "said = '离线走访'") == 1
    of_code = {"code": dwellings[0]}
    assert count(town, "dwelling", "code = :code AND residents = 2", **of_code) == 1
    assert count(town, "dwelling", "code = :code AND verified_by = 'wang'", **of_code) == 1
    assert count(town, "duty_record", "recorded_by = 'wang'") == 1


@pytest.mark.parametrize("mode", ["lose answers", "deliver twice"])
def test_nothing_is_entered_twice(app, phone, line, town, dwellings, mode):
    line.mode = mode
    record_visit(app, dwellings[1], f"走访 {mode}")
    go_to(app, f"verify/{dwellings[1]}")
    save(app, f"dwelling/{dwellings[1]}")
    app.locator("#sync").click()
    page = kill_and_reopen(app, phone, line, "outbox")
    page.locator("#sync").click()
    line.mode = "open"
    wait_until_sent(page)
    assert len(line.writes) >= 2
    assert count(town, "visit", "said = :said", said=f"走访 {mode}") == 1
    recorded = count(town, "dwelling_verification", "dwelling_code = :code", code=dwellings[1])
    assert recorded == (1 if mode == "lose answers" else 2)  # one in each of the two runs


def test_page_of_a_proxy_confirms_nothing(app, line, town, dwellings):
    line.mode = "another page"
    record_visit(app, dwellings[7], "代理页面")
    try_to_send(app, "response", "/field/bundle")
    expect(app.locator("#sync")).to_have_text("1 条待发送")
    line.mode = "open"
    wait_until_sent(app)
    assert count(town, "visit", "said = '代理页面'") == 1


def test_text_of_an_open_form_survives_the_end_of_the_page(app, phone, line, dwellings):
    go_to(app, f"visit/{dwellings[2]}")
    app.get_by_label("居民反映").fill("还没写完")
    expect(app.get_by_label("居民反映")).to_have_value("还没写完")
    app.wait_for_function(
        "() => new Promise(done => { const asked = indexedDB.open('gridatlas.field.wang');"
        "asked.onsuccess = () => asked.result.transaction('drafts').objectStore('drafts')"
        ".count().onsuccess = event => { asked.result.close(); done(event.target.result > 0) } })"
    )
    page = kill_and_reopen(app, phone, line, f"visit/{dwellings[2]}")
    expect(page.get_by_label("居民反映")).to_have_value("还没写完")


def test_conflict_is_shown_side_by_side_and_decided(app, line, town, dwellings):
    code = dwellings[3]
    go_to(app, f"verify/{code}")
    app.get_by_label("居住人数").fill("5")
    line.mode = "refuse"
    save(app, f"dwelling/{code}")
    with town.begin() as connection:
        change = text("UPDATE dwelling SET residents = 4 WHERE code = :code")
        connection.execute(change, {"code": code})
    line.mode = "open"
    app.locator("#sync").click()
    row = app.get_by_role("row", name="居住人数")
    expect(row.get_by_role("cell")).to_have_text(["5", "4"])
    assert faults_of(app) == []
    app.get_by_role("button", name="采用我的版本").click()
    expect(app.locator("#sync")).to_have_text("已全部发送")
    assert count(town, "dwelling", "code = :code AND residents = 5", code=code) == 1


def inspect(page: Page, hydrant: str, reason: str) -> None:
    go_to(page, f"hydrant/{hydrant}")
    page.get_by_role("link", name="检查", exact=True).click()
    page.get_by_label("检查结果").select_option(label="不合格")
    page.get_by_label("原因、备注").fill(reason)
    save(page, f"hydrant/{hydrant}")


def test_hydrant_is_inspected_without_a_connection_and_recorded_once(app, phone, line, town):
    app.get_by_role("link", name="消火栓").click()
    expect(app.locator(".rows li")).to_have_count(2)
    expect(app.locator(".rows li").first).to_contain_text("待检查")
    line.mode = "refuse"
    inspect(app, "XHS-1", "栓盖缺失")
    page = kill_and_reopen(app, phone, line, "hydrant/XHS-1")
    expect(page.get_by_role("link", name="检查结果待发送")).to_be_visible()
    line.mode = "lose answers"
    try_to_send(page, "requestfailed", "/inspection")
    expect(page.get_by_text("栓盖缺失")).to_be_visible()
    expect(page.locator("#sync")).to_have_text("1 条待发送")
    line.mode = "open"
    wait_until_sent(page)
    assert count(town, "hydrant_inspection", "reason = '栓盖缺失' AND inspector = 'wang'") == 1
    go_to(page, "hydrants")
    expect(page.locator(".rows li", has_text="XHS-1")).to_contain_text("不合格")


def test_inspection_after_another_is_shown_beside_it_and_decided(app, line, town):
    line.mode = "refuse"
    inspect(app, "XHS-2", "水压不足")
    with town.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO hydrant_inspection "
                "(hydrant_code, passed, inspector, inspected_on, due_on) "
                "VALUES ('XHS-2', true, '赵队', current_date - 1, current_date + 89)"
            )
        )
    line.mode = "open"
    app.locator("#sync").click()
    expect(app.get_by_role("row", name="检查结果").get_by_role("cell")).to_have_text(
        ["不合格", "合格"]
    )
    assert faults_of(app) == []
    app.get_by_role("button", name="采用我的版本").click()
    expect(app.locator("#sync")).to_have_text("已全部发送")
    assert count(town, "hydrant_inspection", "hydrant_code = 'XHS-2'") == 2


def test_step_of_a_case_is_taken_without_a_connection(app, line, town):
    go_to(app, "report")
    app.get_by_label("情况描述").fill("路灯不亮")
    app.get_by_role("button", name="我的位置").click()
    save(app, "cases")
    wait_until_sent(app)
    with town.connect() as connection:
        query = text("SELECT number FROM service_case WHERE description = '路灯不亮'")
        number = connection.execute(query).scalar_one()
    line.mode = "refuse"
    go_to(app, f"case/{number}")
    app.get_by_label("备注").fill("已到现场")
    save(app, "cases")
    line.mode = "lose answers"
    try_to_send(app, "requestfailed", "/steps")
    expect(app.locator("#sync")).to_have_text("1 条待发送")
    line.mode = "open"
    wait_until_sent(app)
    assert count(town, "case_event", "note = '已到现场' AND action = 'accept'") == 1


def test_case_waits_for_the_position_that_was_asked_for(app, phone, line, town):
    app.evaluate("navigator.geolocation.getCurrentPosition = (found) => { window.found = found; }")
    go_to(app, "report")
    app.get_by_label("情况描述").fill("定位较慢")
    app.get_by_role("button", name="我的位置").click()
    app.get_by_role("button", name="保存").click()
    expect(app.get_by_role("button", name="保存")).to_be_disabled()
    longitude, latitude = t.degrees(310, 360)
    position = {"coords": {"longitude": longitude, "latitude": latitude}}
    app.evaluate("position => found(position)", position)
    app.wait_for_url("**/field*#cases")
    wait_until_sent(app)
    with town.connect() as connection:
        place = "SELECT ST_X(geom), ST_Y(geom) FROM service_case WHERE description = '定位较慢'"
        filed = connection.execute(text(place)).one()
    assert tuple(filed) == pytest.approx((longitude, latitude), abs=1e-6)


def test_wrong_clock_of_the_phone_is_corrected_and_kept(app, phone, line, town, dwellings):
    phone.add_init_script(WRONG_CLOCK)
    page = kill_and_reopen(app, phone, line, "map")
    line.mode = "refuse"
    record_visit(page, dwellings[4], "时钟不准")
    line.mode = "open"
    wait_until_sent(page)
    with town.connect() as connection:
        query = text("SELECT visited_at, device_at FROM visit WHERE said = '时钟不准'")
        visited_at, device_at = connection.execute(query).one()
    assert abs(visited_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert timedelta(days=2) < device_at - visited_at < timedelta(days=4)


def test_entry_of_a_clock_that_was_set_right_meanwhile_is_sent(app, phone, line, town, dwellings):
    line.mode = "refuse"
    app.close(run_before_unload=False)
    page = phone.new_page()
    page.add_init_script(WRONG_CLOCK)
    page.goto(f"{line.address}/field?lang=zh#map")
    record_visit(page, dwellings[5], "时钟已校正")
    page = kill_and_reopen(page, phone, line, "outbox")
    line.mode = "open"
    wait_until_sent(page)
    query = "said = '时钟已校正' AND visited_at <= now() AND device_at > now()"
    assert count(town, "visit", query) == 1


def test_disabled_account_wipes_the_phone_and_enabled_again_loses_nothing(
    app, line, town, dwellings
):
    line.mode = "refuse"
    record_visit(app, dwellings[5], "手机丢失前")
    with town.begin() as connection:
        connection.execute(text("UPDATE account SET active = false WHERE name = 'wang'"))
    line.mode = "open"  # the app tries again by itself
    expect(app.get_by_text("本机的网格数据已删除")).to_be_visible()
    stored = app.evaluate(RAW_OUTBOX)
    assert (stored["state"], stored["outbox"]) == (0, 1)
    assert "手机丢失前" not in stored["text"]
    assert app.evaluate("localStorage.getItem('gridatlas.session')") is None
    assert count(town, "visit", "said = '手机丢失前'") == 0
    with town.begin() as connection:
        connection.execute(text("UPDATE account SET active = true WHERE name = 'wang'"))
    sign_in(app)
    assert count(town, "visit", "said = '手机丢失前'") == 1


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_view_is_accessible(app, phone, line, dwellings, lang):
    app.evaluate("lang => localStorage.setItem('gridatlas.language', lang)", lang)
    page = phone.new_page()
    page.goto(f"{line.address}/field")
    building = dwellings[6].rsplit("-", 1)[0]
    views = ("map", "buildings", f"building/{building}", f"dwelling/{dwellings[6]}", "cases")
    forms = (f"verify/{dwellings[6]}", f"visit/{dwellings[6]}", "report", "visits", "duties")
    hydrants = ("hydrants", "hydrant/XHS-1", "inspect/XHS-1")
    for view in (*views, *forms, *hydrants, "outbox"):
        page.evaluate("document.querySelector('#view').replaceChildren()")
        go_to(page, view)
        page.wait_for_function("() => document.querySelector('#view').childElementCount > 0")
        assert faults_of(page) == [], view
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, view
