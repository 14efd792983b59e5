// The public page: the city's communities and grids on a map.

import type { Map as LibreMap, MapMouseEvent, StyleSpecification } from "maplibre-gl";

import { cityName, communities, gridAt, type Collection, type Community, type Status } from "./api";
import { byId } from "./dom";
import { palette, showLegend } from "./legend";
import { number, preferredLanguage, remember, speak, text, type Language } from "./locale";
import { createMap, homeExtent, loadStyle, select, showExtent } from "./map";
import { hidePanel, showCommunities, showGrid } from "./panel";
import "./style.css";

const wide = window.matchMedia("(min-width: 720px)");

/** What the page shows: the communities with their figures, and of which plans. */
interface Shown {
  city: string;
  found: Collection<Community>;
  status: Status;
}

async function start(): Promise<void> {
  const lang = preferredLanguage();
  await speak(lang);
  const shown = await whatToShow();
  const style = await loadStyle(lang, shown.status);
  const map = createMap(style, homeExtent(shown.found));
  label(map, lang, shown, style);
  map.on("click", (event) => void clicked(map, event, shown));
  map.on("error", (event) => notify(text("page.failed", { reason: event.error.message })));
  keepCursor(map);
  byId("language").addEventListener("click", () => void otherLanguage(map, shown));
  wireList(map, shown.found);
  wireKeys(map);
  // for the tests of the page, which ask the map what it has drawn
  Object.assign(window, { gridatlas: { map } });
}

/** The plans in force; where none has been published yet, the latest drafts. */
async function whatToShow(): Promise<Shown> {
  const city = await cityName();
  const asked = new URLSearchParams(location.search).get("status");
  if (asked !== "draft") {
    const found = await communities("published");
    if (asked === "published" || hasGrids(found)) return { city, found, status: "published" };
  }
  const found = await communities("draft");
  const status = asked === "draft" || hasGrids(found) ? "draft" : "published";
  return { city, found, status };
}

function hasGrids(found: Collection<Community>): boolean {
  return found.features.some((feature) => feature.properties.grids !== null);
}

/** Write every word of the page. */
function label(map: LibreMap, lang: Language, shown: Shown, style: StyleSpecification): void {
  const { city, found, status } = shown;
  const title = city ? text("page.title_of", { city }) : text("page.title");
  document.title = `${title} · Gridatlas`;
  byId("brand").querySelector("h1")!.textContent = title;
  byId("brand").querySelector("p")!.textContent = totals(found);
  byId("language").textContent = text("page.language");
  byId("language").lang = lang === "zh" ? "en" : "zh-CN";
  byId("list-toggle").setAttribute("aria-label", text("page.list"));
  byId("map").setAttribute("aria-label", text("page.subtitle"));
  const draft = byId("draft");
  draft.hidden = status !== "draft";
  draft.textContent = text("page.draft");
  draft.title = text("page.draft_notice");
  showLegend(style);
  showCommunities(found, (extent) => {
    if (!wide.matches) toggleList(false);
    showExtent(map, extent);
  });
  if (found.features.length === 0) notify(text("page.empty"));
}

function totals(found: Collection<Community>): string {
  const drawn = found.features.map((feature) => feature.properties);
  const sum = (values: (number | null)[]) =>
    number(values.reduce<number>((total, value) => total + (value ?? 0), 0));
  return text("page.totals", {
    communities: number(drawn.length),
    grids: sum(drawn.map((community) => community.grids)),
    households: sum(drawn.map((community) => community.households)),
  });
}

async function otherLanguage(map: LibreMap, shown: Shown): Promise<void> {
  const lang: Language = document.documentElement.lang === "zh-CN" ? "en" : "zh";
  remember(lang);
  await speak(lang);
  const style = await loadStyle(lang, shown.status);
  map.setStyle(style);
  clear(map);
  label(map, lang, shown, style);
}

/** A click on a grid opens its card; on a community, where grids are too small yet, goes there. */
async function clicked(map: LibreMap, event: MapMouseEvent, shown: Shown): Promise<void> {
  const hit = map.queryRenderedFeatures(event.point, { layers: ["grid-fill", "community-fill"] });
  const community = hit.find((area) => area.layer.id === "community-fill");
  if (community) return goTo(map, shown.found, String(community.properties["code"]));
  if (hit.length === 0) return clear(map);
  const { lng, lat } = event.lngLat.wrap();
  try {
    const grid = await gridAt(lng, lat, shown.status);
    if (!grid) return clear(map);
    select(map, grid.code);
    showGrid(grid, palette(map.getStyle())[grid.colour] ?? "", () => clear(map));
  } catch (error) {
    notify(text("page.failed", { reason: (error as Error).message }));
  }
}

function goTo(map: LibreMap, found: Collection<Community>, code: string): void {
  const extent = found.features.find((area) => area.properties.code === code)?.bbox;
  if (extent) showExtent(map, extent);
}

function clear(map: LibreMap): void {
  hidePanel();
  if (map.getLayer("grid-selected")) select(map, "");
}

function keepCursor(map: LibreMap): void {
  const canvas = map.getCanvas();
  map.on("mouseenter", "grid-fill", () => (canvas.style.cursor = "pointer"));
  map.on("mouseleave", "grid-fill", () => (canvas.style.cursor = ""));
}

function wireList(map: LibreMap, found: Collection<Community>): void {
  byId("list-toggle").addEventListener("click", () => toggleList(byId("list").hidden === true));
  byId("brand").addEventListener("click", () => {
    const home = homeExtent(found);
    if (home) showExtent(map, home);
  });
  (byId("legend") as HTMLDetailsElement).open = wide.matches;
}

function toggleList(open: boolean): void {
  byId("list").hidden = !open;
  byId("list-toggle").setAttribute("aria-expanded", String(open));
}

function wireKeys(map: LibreMap): void {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    toggleList(false);
    clear(map);
  });
}

let fading: number | undefined;

function notify(message: string): void {
  const notice = byId("notice");
  notice.textContent = message;
  notice.hidden = false;
  window.clearTimeout(fading);
  fading = window.setTimeout(() => (notice.hidden = true), 8000);
}

function hasWebGl(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

start().catch((error: Error) =>
  notify(hasWebGl() ? text("page.failed", { reason: error.message }) : text("page.no_webgl")),
);
