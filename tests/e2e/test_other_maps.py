"""A MapLibre page of somebody else's, over the tiles of the OGC API."""

import pytest
from playwright.sync_api import Browser, Page, Route

from maps import build
from tests import town as t

LIBRARY = build.WEB / "node_modules" / "maplibre-gl" / "dist"
KINDS = {".mjs": "text/javascript", ".css": "text/css"}
PAGE = """<!doctype html><link rel="stylesheet" href="maplibre-gl.css">
<div id="map" style="width: 600px; height: 400px"></div>
<script type="module">
import { Map } from "./maplibre-gl.mjs";
const shown = ["building", "road", "grid"];
const ogc = `${location.origin}/ogc/collections`;
const tiles = (name) => `${ogc}/${name}/tiles/WebMercatorQuad/{z}/{x}/{y}`;
const layer = (name, type, paint) =>
  ({ id: name, type, source: name, "source-layer": name, paint });
const map = new Map({
  container: "map", center: CENTRE, zoom: 15, attributionControl: false,
  style: {
    version: 8,
    sources: Object.fromEntries(
      shown.map((name) => [name, { type: "vector", tiles: [tiles(name)] }])),
    layers: [
      layer("grid", "fill", { "fill-color": "#b9e8fb" }),
      layer("road", "line", { "line-color": "#d89a7d", "line-width": 2 }),
      layer("building", "fill", { "fill-color": "#555555" }),
    ],
  },
});
map.once("idle", () => {
  const codes = (name) =>
    map.queryRenderedFeatures({ layers: [name] }).map((one) => one.properties.code);
  window.drawn = Object.fromEntries(shown.map((name) => [name, [...new Set(codes(name))]]));
});
map.on("error", (event) => { window.fault = String(event.error); });
</script>"""


@pytest.fixture
def page(browser: Browser, address: str):
    context = browser.new_context()
    page = context.new_page()
    centre = str(list(t.degrees(600, 350)))

    def serve(route: Route) -> None:
        name = route.request.url.split("?")[0].rsplit("/", 1)[1]
        if name == "index.html":
            html = PAGE.replace("CENTRE", centre)
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
            return
        file = LIBRARY / name
        route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix])

    page.route(f"{address}/other/*", serve)
    yield page
    context.close()


def test_maplibre_draws_the_tiles_of_the_ogc_api(page: Page, address: str):
    page.goto(f"{address}/other/index.html")
    page.wait_for_function("window.drawn || window.fault")
    assert page.evaluate("window.fault") is None
    drawn = page.evaluate("window.drawn")
    published = {f"{t.NORTH_GATE}001", f"{t.DRUM_TOWER}001"}
    assert published <= set(drawn["grid"])
    assert not any(code.startswith(t.RIVERSIDE) for code in drawn["grid"]), "a draft"
    assert len(drawn["building"]) > 20
    assert drawn["road"]
