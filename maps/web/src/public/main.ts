// The public page: the city's communities and grids on a map.

import {
  type Map as LibreMap,
  type MapMouseEvent,
  Marker,
  type StyleSpecification,
} from "maplibre-gl";
import { fitExtent } from "../bounds";
import { elementById, notify } from "../dom";
import { palette, showLegend } from "../legend";
import {
  formatNumber,
  type Language,
  loadLocale,
  preferredLanguage,
  rememberLanguage,
  text,
} from "../locale";
import { createMap, loadStyle, selectGrid } from "../map";
import { attachSearch, labelSearchField, type SearchHit, searchCity } from "../search";
import { showTour, showTourOnFirstVisit } from "../tour";
import { largestCityExtent } from "./city-extent";
import { hidePanel, showCommunities, showGrid } from "./grid-card";
import {
  type Collection,
  type Community,
  cityName,
  communities,
  type Grid,
  gridAt,
  gridOf,
  type Status,
} from "./public-api";
import "./public.css";

const wide = window.matchMedia("(min-width: 720px)");

/** What the page shows: the communities with their figures, and of which plans. */
interface PageState {
  city: string;
  found: Collection<Community>;
  status: Status;
}

async function start(): Promise<void> {
  const lang = preferredLanguage();
  // all at once: what is asked for one after the other is what a first visit waits for
  const usual = loadStyle(lang, "published", true);
  const [shown] = await Promise.all([loadState(), loadLocale(lang), usual]);
  const style = shown.status === "published" ? await usual : await loadStyle(lang, shown.status);
  const map = createMap(style, largestCityExtent(shown.found));
  writePage(map, lang, shown, style);
  map.on("click", (event) => void handleClick(map, event, shown));
  map.on("error", (event) => notify(text("page.failed", { reason: event.error.message })));
  attachCursor(map);
  elementById("language").addEventListener("click", () => void switchLanguage(map, shown));
  elementById("here").addEventListener("click", () => locateReader(map, shown));
  elementById("help").addEventListener("click", () => showTour("public"));
  attachSearch({ search: searchCity, choose: (found) => void goToHit(map, shown, found) });
  attachList(map, shown.found);
  attachKeys(map);
  const asked = new URLSearchParams(location.search).get("grid");
  if (asked) void openGridByCode(map, asked);
  else showTourOnFirstVisit("public");
  // for the tests of the page, which ask the map what it has drawn
  Object.assign(window, { gridatlas: { map } });
}

/** The plans in force; where none has been published yet, the latest drafts. */
async function loadState(): Promise<PageState> {
  const asked = new URLSearchParams(location.search).get("status");
  const first: Status = asked === "draft" ? "draft" : "published";
  const [city, found] = await Promise.all([cityName(), communities(first)]);
  if (asked === first || hasGrids(found)) return { city, found, status: first };
  const drafts = await communities("draft");
  return { city, found: drafts, status: hasGrids(drafts) ? "draft" : "published" };
}

function hasGrids(found: Collection<Community>): boolean {
  return found.features.some((feature) => feature.properties.grids !== null);
}

/** Write every word of the page. */
function writePage(
  map: LibreMap,
  lang: Language,
  shown: PageState,
  style: StyleSpecification,
): void {
  const { city, found, status } = shown;
  const title = city ? text("page.title_of", { city }) : text("page.title");
  document.title = `${title} · Gridatlas`;
  elementById("brand").querySelector("h1")!.textContent = title;
  elementById("brand").querySelector("p")!.textContent = totalsText(found);
  elementById("language").textContent = text("page.language");
  elementById("language").lang = lang === "zh" ? "en" : "zh-CN";
  elementById("list-toggle").setAttribute("aria-label", text("page.list"));
  elementById("help").setAttribute("aria-label", text("tour.help"));
  elementById("help").title = text("tour.help");
  elementById("map").setAttribute("aria-label", text("page.subtitle"));
  const draft = elementById("draft");
  draft.hidden = status !== "draft";
  draft.textContent = text("page.draft");
  draft.title = text("page.draft_notice");
  elementById("here").setAttribute("aria-label", text("page.here"));
  elementById("here").title = text("page.here");
  labelSearchField();
  showLegend(style);
  showCommunities(found, (extent) => {
    if (!wide.matches) toggleList(false);
    fitExtent(map, extent);
  });
  if (found.features.length === 0) notify(text("page.empty"));
}

function totalsText(found: Collection<Community>): string {
  const drawn = found.features.map((feature) => feature.properties);
  const sum = (values: (number | null)[]) =>
    formatNumber(values.reduce<number>((total, value) => total + (value ?? 0), 0));
  return text("page.totals", {
    communities: formatNumber(drawn.length),
    grids: sum(drawn.map((community) => community.grids)),
    households: sum(drawn.map((community) => community.households)),
  });
}

async function switchLanguage(map: LibreMap, shown: PageState): Promise<void> {
  const lang: Language = document.documentElement.lang === "zh-CN" ? "en" : "zh";
  rememberLanguage(lang);
  await loadLocale(lang);
  const style = await loadStyle(lang, shown.status, true);
  map.setStyle(style);
  clearSelection(map);
  writePage(map, lang, shown, style);
}

/** A click on a grid opens its card; on a community, where grids are too small yet, goes there. */
async function handleClick(map: LibreMap, event: MapMouseEvent, shown: PageState): Promise<void> {
  const hit = map.queryRenderedFeatures(event.point, { layers: ["grid-fill", "community-fill"] });
  const community = hit.find((area) => area.layer.id === "community-fill");
  if (community) return goToCommunity(map, shown.found, String(community.properties.code));
  if (hit.length === 0) return clearSelection(map);
  const { lng, lat } = event.lngLat.wrap();
  await openGridAt(map, shown, lng, lat);
}

/** Open the card of the grid at a place; tell whether there is one. */
async function openGridAt(
  map: LibreMap,
  shown: PageState,
  lon: number,
  lat: number,
): Promise<boolean> {
  try {
    const grid = await gridAt(lon, lat, shown.status);
    if (!grid) clearSelection(map);
    else await showCard(map, grid);
    return grid !== null;
  } catch (error) {
    notify(text("page.failed", { reason: (error as Error).message }));
    return false;
  }
}

/** Show what is known of a grid at once, and its manager as soon as that has come. */
async function showCard(map: LibreMap, grid: Grid): Promise<void> {
  const fill = palette(map.getStyle())[grid.colour] ?? "";
  selectGrid(map, grid.code);
  showGrid(grid, fill, () => clearSelection(map));
  if (grid.status !== "published") return;
  const { properties } = await gridOf(grid.code);
  if (elementById("panel").dataset.grid === grid.code)
    showGrid({ ...grid, ...properties }, fill, () => clearSelection(map));
}

/** Open a grid by its code: what the notice board's code to scan leads to. */
async function openGridByCode(map: LibreMap, code: string): Promise<void> {
  try {
    const { properties, bbox } = await gridOf(code);
    if (bbox) fitExtent(map, bbox);
    await showCard(map, properties);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function goToHit(map: LibreMap, shown: PageState, found: SearchHit): Promise<void> {
  const { lon, lat, bbox } = found;
  if (found.kind === "region" && bbox) return fitExtent(map, bbox);
  if (found.kind === "grid") return openGridByCode(map, found.code);
  if (lon === null || lat === null) return;
  map.jumpTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 16.5) });
  placePin(map, lon, lat);
  if (!(await openGridAt(map, shown, lon, lat)))
    notify(text("page.no_grid_here"), undefined, "calm");
}

let pin: Marker | undefined;

function placePin(map: LibreMap, lon: number, lat: number): void {
  pin?.remove();
  pin = new Marker({ color: "#c8102e" }).setLngLat([lon, lat]).addTo(map);
}

/** Go where the reader is, if the browser tells. */
function locateReader(map: LibreMap, shown: PageState): void {
  navigator.geolocation.getCurrentPosition(
    ({ coords: { longitude, latitude } }) => {
      map.jumpTo({ center: [longitude, latitude], zoom: 16.5 });
      placePin(map, longitude, latitude);
      void openGridAt(map, shown, longitude, latitude).then(
        (there) => there || notify(text("page.no_grid_here"), undefined, "calm"),
      );
    },
    () => notify(text("page.no_position"), undefined, "calm"),
    { enableHighAccuracy: true, timeout: 10_000 },
  );
}

function goToCommunity(map: LibreMap, found: Collection<Community>, code: string): void {
  const extent = found.features.find((area) => area.properties.code === code)?.bbox;
  if (extent) fitExtent(map, extent);
}

function clearSelection(map: LibreMap): void {
  pin?.remove();
  hidePanel();
  if (map.getLayer("grid-selected")) selectGrid(map, "");
}

function attachCursor(map: LibreMap): void {
  const canvas = map.getCanvas();
  map.on("mouseenter", "grid-fill", () => (canvas.style.cursor = "pointer"));
  map.on("mouseleave", "grid-fill", () => (canvas.style.cursor = ""));
}

function attachList(map: LibreMap, found: Collection<Community>): void {
  elementById("list-toggle").addEventListener("click", () =>
    toggleList(elementById("list").hidden === true),
  );
  elementById("brand").addEventListener("click", () => {
    const home = largestCityExtent(found);
    if (home) fitExtent(map, home);
  });
  (elementById("legend") as HTMLDetailsElement).open = wide.matches;
}

function toggleList(open: boolean): void {
  elementById("list").hidden = !open;
  elementById("list-toggle").setAttribute("aria-expanded", String(open));
}

function attachKeys(map: LibreMap): void {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    toggleList(false);
    clearSelection(map);
  });
}

function hasWebGl(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

start().catch((error: Error) =>
  notify(hasWebGl() ? text("page.failed", { reason: error.message }) : text("page.no_webgl")),
);
