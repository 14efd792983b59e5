// The public page: the city's communities and grids on a map.

import type { Map as LibreMap, MapMouseEvent, StyleSpecification } from "maplibre-gl";

import { communities, gridAt, type Collection, type Community, type Status } from "./api";
import { byId } from "./dom";
import { palette, showLegend } from "./legend";
import { number, preferredLanguage, remember, speak, text, type Language } from "./locale";
import { createMap, loadStyle, select, showExtent } from "./map";
import { hidePanel, showCommunities, showGrid } from "./panel";
import "./style.css";

const wide = window.matchMedia("(min-width: 720px)");

async function start(): Promise<void> {
  const lang = preferredLanguage();
  await speak(lang);
  const [found, status] = await whatToShow();
  const style = await loadStyle(lang, status);
  const map = createMap(style, found.bbox);
  label(map, lang, found, status, style);
  map.on("click", (event) => void clicked(map, event, status));
  map.on("error", (event) => notify(text("page.failed", { reason: event.error.message })));
  keepCursor(map);
  byId("language").addEventListener("click", () => void otherLanguage(map, found, status));
  wireList(map, found);
  wireKeys(map);
  // for the tests of the page, which ask the map what it has drawn
  Object.assign(window, { gridatlas: { map } });
}

/** The plans in force; where none has been published yet, the latest drafts. */
async function whatToShow(): Promise<[Collection<Community>, Status]> {
  const asked = new URLSearchParams(location.search).get("status");
  if (asked !== "draft") {
    const published = await communities("published");
    if (asked === "published" || hasGrids(published)) return [published, "published"];
  }
  const drafts = await communities("draft");
  return asked === "draft" || hasGrids(drafts) ? [drafts, "draft"] : [drafts, "published"];
}

function hasGrids(found: Collection<Community>): boolean {
  return found.features.some((feature) => feature.properties.grids !== null);
}

/** Write every word of the page. */
function label(
  map: LibreMap,
  lang: Language,
  found: Collection<Community>,
  status: Status,
  style: StyleSpecification,
): void {
  document.title = `${text("page.title")} Gridatlas`;
  byId("brand").querySelector("h1")!.textContent = text("page.title");
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

async function otherLanguage(
  map: LibreMap,
  found: Collection<Community>,
  status: Status,
): Promise<void> {
  const lang: Language = document.documentElement.lang === "zh-CN" ? "en" : "zh";
  remember(lang);
  await speak(lang);
  const style = await loadStyle(lang, status);
  map.setStyle(style);
  clear(map);
  label(map, lang, found, status, style);
}

async function clicked(map: LibreMap, event: MapMouseEvent, status: Status): Promise<void> {
  const { lng, lat } = event.lngLat.wrap();
  try {
    const grid = await gridAt(lng, lat, status);
    if (!grid) return clear(map);
    select(map, grid.code);
    showGrid(grid, palette(map.getStyle())[grid.colour] ?? "", () => clear(map));
  } catch (error) {
    notify(text("page.failed", { reason: (error as Error).message }));
  }
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
  byId("brand").addEventListener("click", () => found.bbox && showExtent(map, found.bbox));
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
