// The public page: the city's communities and grids on a map.

import {
  type Map as LibreMap,
  type MapMouseEvent,
  Marker,
  type StyleSpecification,
} from "maplibre-gl";
import { showExtent } from "../bounds";
import { byId, notify } from "../dom";
import { palette, showLegend } from "../legend";
import { type Language, number, preferredLanguage, remember, speak, text } from "../locale";
import { createMap, loadStyle, select } from "../map";
import { everywhere, type Found, labelSearch, wireSearch } from "../search";
import { firstVisit, tour } from "../tour";
import { homeExtent } from "./city-extent";
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
interface Shown {
  city: string;
  found: Collection<Community>;
  status: Status;
}

async function start(): Promise<void> {
  const lang = preferredLanguage();
  // all at once: what is asked for one after the other is what a first visit waits for
  const usual = loadStyle(lang, "published", true);
  const [shown] = await Promise.all([whatToShow(), speak(lang), usual]);
  const style = shown.status === "published" ? await usual : await loadStyle(lang, shown.status);
  const map = createMap(style, homeExtent(shown.found));
  label(map, lang, shown, style);
  map.on("click", (event) => void clicked(map, event, shown));
  map.on("error", (event) => notify(text("page.failed", { reason: event.error.message })));
  keepCursor(map);
  byId("language").addEventListener("click", () => void otherLanguage(map, shown));
  byId("here").addEventListener("click", () => findMe(map, shown));
  byId("help").addEventListener("click", () => tour("public"));
  wireSearch({ ask: everywhere, choose: (found) => void goToFound(map, shown, found) });
  wireList(map, shown.found);
  wireKeys(map);
  const asked = new URLSearchParams(location.search).get("grid");
  if (asked) void openGrid(map, asked);
  else firstVisit("public");
  // for the tests of the page, which ask the map what it has drawn
  Object.assign(window, { gridatlas: { map } });
}

/** The plans in force; where none has been published yet, the latest drafts. */
async function whatToShow(): Promise<Shown> {
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
function label(map: LibreMap, lang: Language, shown: Shown, style: StyleSpecification): void {
  const { city, found, status } = shown;
  const title = city ? text("page.title_of", { city }) : text("page.title");
  document.title = `${title} · Gridatlas`;
  byId("brand").querySelector("h1")!.textContent = title;
  byId("brand").querySelector("p")!.textContent = totals(found);
  byId("language").textContent = text("page.language");
  byId("language").lang = lang === "zh" ? "en" : "zh-CN";
  byId("list-toggle").setAttribute("aria-label", text("page.list"));
  byId("help").setAttribute("aria-label", text("tour.help"));
  byId("help").title = text("tour.help");
  byId("map").setAttribute("aria-label", text("page.subtitle"));
  const draft = byId("draft");
  draft.hidden = status !== "draft";
  draft.textContent = text("page.draft");
  draft.title = text("page.draft_notice");
  byId("here").setAttribute("aria-label", text("page.here"));
  byId("here").title = text("page.here");
  labelSearch();
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
  const style = await loadStyle(lang, shown.status, true);
  map.setStyle(style);
  clear(map);
  label(map, lang, shown, style);
}

/** A click on a grid opens its card; on a community, where grids are too small yet, goes there. */
async function clicked(map: LibreMap, event: MapMouseEvent, shown: Shown): Promise<void> {
  const hit = map.queryRenderedFeatures(event.point, { layers: ["grid-fill", "community-fill"] });
  const community = hit.find((area) => area.layer.id === "community-fill");
  if (community) return goTo(map, shown.found, String(community.properties.code));
  if (hit.length === 0) return clear(map);
  const { lng, lat } = event.lngLat.wrap();
  await openAt(map, shown, lng, lat);
}

/** Open the card of the grid at a place; tell whether there is one. */
async function openAt(map: LibreMap, shown: Shown, lon: number, lat: number): Promise<boolean> {
  try {
    const grid = await gridAt(lon, lat, shown.status);
    if (!grid) clear(map);
    else await openCard(map, grid);
    return grid !== null;
  } catch (error) {
    notify(text("page.failed", { reason: (error as Error).message }));
    return false;
  }
}

/** Show what is known of a grid at once, and its manager as soon as that has come. */
async function openCard(map: LibreMap, grid: Grid): Promise<void> {
  const fill = palette(map.getStyle())[grid.colour] ?? "";
  select(map, grid.code);
  showGrid(grid, fill, () => clear(map));
  if (grid.status !== "published") return;
  const { properties } = await gridOf(grid.code);
  if (byId("panel").dataset.grid === grid.code)
    showGrid({ ...grid, ...properties }, fill, () => clear(map));
}

/** Open a grid by its code: what the notice board's code to scan leads to. */
async function openGrid(map: LibreMap, code: string): Promise<void> {
  try {
    const { properties, bbox } = await gridOf(code);
    if (bbox) showExtent(map, bbox);
    await openCard(map, properties);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function goToFound(map: LibreMap, shown: Shown, found: Found): Promise<void> {
  const { lon, lat, bbox } = found;
  if (found.kind === "region" && bbox) return showExtent(map, bbox);
  if (found.kind === "grid") return openGrid(map, found.code);
  if (lon === null || lat === null) return;
  map.jumpTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 16.5) });
  mark(map, lon, lat);
  if (!(await openAt(map, shown, lon, lat))) notify(text("page.no_grid_here"), undefined, "calm");
}

let pin: Marker | undefined;

function mark(map: LibreMap, lon: number, lat: number): void {
  pin?.remove();
  pin = new Marker({ color: "#c8102e" }).setLngLat([lon, lat]).addTo(map);
}

/** Go where the reader is, if the browser tells. */
function findMe(map: LibreMap, shown: Shown): void {
  navigator.geolocation.getCurrentPosition(
    ({ coords: { longitude, latitude } }) => {
      map.jumpTo({ center: [longitude, latitude], zoom: 16.5 });
      mark(map, longitude, latitude);
      void openAt(map, shown, longitude, latitude).then(
        (there) => there || notify(text("page.no_grid_here"), undefined, "calm"),
      );
    },
    () => notify(text("page.no_position"), undefined, "calm"),
    { enableHighAccuracy: true, timeout: 10_000 },
  );
}

function goTo(map: LibreMap, found: Collection<Community>, code: string): void {
  const extent = found.features.find((area) => area.properties.code === code)?.bbox;
  if (extent) showExtent(map, extent);
}

function clear(map: LibreMap): void {
  pin?.remove();
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

function hasWebGl(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

start().catch((error: Error) =>
  notify(hasWebGl() ? text("page.failed", { reason: error.message }) : text("page.no_webgl")),
);
