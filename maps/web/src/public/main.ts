// The public page: the city's communities and grids on a map.

import type { Map as LibreMap, MapMouseEvent, StyleSpecification } from "maplibre-gl";
import { fitExtent } from "../bounds";
import {
  type City,
  chooseCity,
  chooseOpeningCity,
  citiesOf,
  cityTotals,
  fetchCityNames,
  regionsOf,
} from "../cities";
import { elementById, notify } from "../dom";
import { showLegend } from "../legend";
import {
  type Language,
  languageTag,
  loadLocale,
  otherLanguage,
  preferredLanguage,
  rememberLanguage,
  text,
} from "../locale";
import { createMap, loadStyle } from "../map";
import { attachSearch, type CityHit, labelSearchField, searchCity } from "../search";
import { attachTextSize } from "../text-size";
import { showTour, showTourOnFirstVisit } from "../tour";
import { hidePanel, showCommunities, showRegister } from "./grid-card";
import { type Communities, fetchCommunities, fetchRegister, type Status } from "./public-api";
import {
  clearSelection,
  goToPlace,
  leavePaper,
  locateReader,
  openClickedGrid,
  openGridByCode,
  restoreSelection,
  showOnPaper,
} from "./selection";
import "./public.css";

const wideScreen = window.matchMedia("(min-width: 720px)");

/** The communities with the figures of their plans in force, or of their drafts. */
interface PageState {
  /** The city that the page shows; null where there are no communities. */
  city: City | null;
  cities: City[];
  communities: Communities;
  status: Status;
}

async function start(): Promise<void> {
  const lang = preferredLanguage();
  // all at once: a first visit waits for requests made one after the other
  const published = loadStyle(lang, "published", true);
  const [state] = await Promise.all([loadState(loadLocale(lang)), published]);
  const style = await (state.status === "published" ? published : loadStyle(lang, state.status));
  const map = createMap(style, state.city?.extent);
  writePage(map, state, style);
  map.on("click", (event) => void handleClick(map, event, state));
  map.on("error", (event) => notify(text("page.failed", { reason: event.error.message })));
  attachCursor(map);
  elementById("language").addEventListener("click", () => void switchLanguage(map, state));
  attachTextSize();
  elementById("here").addEventListener("click", () =>
    locateReader(
      map,
      state.cities.map((city) => city.extent),
      state.status,
    ),
  );
  elementById("help").addEventListener("click", () => showTour("public"));
  attachSearch({ search: searchCity, choose: (hit) => void goToHit(map, state, hit) });
  attachList(map, state, () => writePage(map, state, style));
  attachKeys(map);
  window.addEventListener("beforeprint", () => showOnPaper(map));
  window.addEventListener("afterprint", () => leavePaper(map));
  void restoreSelection(map, state.status).then((isRestored) => {
    if (!isRestored) showTourOnFirstVisit("public");
  });
  // for the tests, which query what the map shows
  Object.assign(window, { gridatlas: { map } });
}

/** Load the plans in force, or the drafts where none is published, and choose the city. */
async function loadState(localeLoaded: Promise<unknown>): Promise<PageState> {
  const requested = new URLSearchParams(location.search).get("status");
  const status: Status = requested === "draft" ? "draft" : "published";
  const [names, communities] = await Promise.all([fetchCityNames(), fetchCommunities(status)]);
  await localeLoaded;
  if (requested === status || hasGrids(communities)) return stateOf(communities, status, names);
  const drafts = await fetchCommunities("draft");
  return stateOf(drafts, hasGrids(drafts) ? "draft" : "published", names);
}

async function stateOf(
  communities: Communities,
  status: Status,
  names: Map<string, string>,
): Promise<PageState> {
  const cities = citiesOf(communities, names);
  const hasView = location.hash.includes("map=") || /\b(grid|place)=/.test(location.search);
  return { city: await chooseOpeningCity(cities, hasView), cities, communities, status };
}

function hasGrids({ features }: Communities): boolean {
  return features.some((feature) => feature.properties.grids !== null);
}

/** Write all texts of the page. */
function writePage(
  map: LibreMap,
  { city, communities, status }: PageState,
  style: StyleSpecification,
): void {
  const name = city && city.name !== city.code ? city.name : "";
  const title = name ? text("page.title_of", { city: name }) : text("page.title");
  document.title = `${title} · Gridatlas`;
  elementById("brand").querySelector("h1")!.textContent = title;
  elementById("brand").querySelector("p")!.textContent = city ? cityTotals(city) : "";
  elementById("report").textContent = text("page.report");
  elementById("language").textContent = text("page.language");
  elementById("language").lang = languageTag(otherLanguage());
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
  showCommunities(regionsOf(communities, city), (extent) => {
    if (!wideScreen.matches) toggleList(false);
    fitExtent(map, extent);
  });
  if (communities.features.length === 0) notify(text("page.empty"));
  else void fetchRegister(city?.code ?? "").then(showRegister);
}

async function switchLanguage(map: LibreMap, state: PageState): Promise<void> {
  const lang: Language = otherLanguage();
  rememberLanguage(lang);
  await loadLocale(lang);
  const style = await loadStyle(lang, state.status, true);
  map.setStyle(style);
  hidePanel();
  writePage(map, state, style);
  await restoreSelection(map, state.status);
}

/** Open the clicked grid, or go to the clicked community where grids are too small to show. */
async function handleClick(map: LibreMap, event: MapMouseEvent, state: PageState): Promise<void> {
  const areas = map.queryRenderedFeatures(event.point, { layers: ["grid-fill", "community-fill"] });
  const community = areas.find((area) => area.layer.id === "community-fill");
  if (community) return goToCommunity(map, state.communities, String(community.properties.code));
  if (areas.length === 0) return clearSelection(map);
  const { lng, lat } = event.lngLat.wrap();
  await openClickedGrid(map, [lng, lat], state.status);
}

async function goToHit(map: LibreMap, state: PageState, hit: CityHit): Promise<void> {
  if (hit.kind === "region") return fitExtent(map, hit.bbox);
  if (hit.kind === "grid") {
    clearSelection(map);
    return openGridByCode(map, hit.code);
  }
  await goToPlace(map, [hit.lon, hit.lat], state.status);
}

function goToCommunity(map: LibreMap, { features }: Communities, code: string): void {
  const extent = features.find((area) => area.properties.code === code)?.bbox;
  if (extent) fitExtent(map, extent);
}

function attachCursor(map: LibreMap): void {
  const canvas = map.getCanvas();
  const setCursor = (cursor: string) => {
    canvas.style.cursor = cursor;
  };
  map.on("mouseenter", "grid-fill", () => setCursor("pointer"));
  map.on("mouseleave", "grid-fill", () => setCursor(""));
}

function attachList(map: LibreMap, state: PageState, onCityChange: () => void): void {
  const list = elementById("list");
  elementById("list-toggle").addEventListener("click", () => toggleList(list.hidden === true));
  const goHome = async () => {
    if (state.cities.length > 1) {
      state.city = await chooseCity(state.cities);
      onCityChange();
    }
    if (state.city) fitExtent(map, state.city.extent);
  };
  elementById("brand").addEventListener("click", () => void goHome());
  (elementById("legend") as HTMLDetailsElement).open = wideScreen.matches;
}

function toggleList(isOpen: boolean): void {
  elementById("list").hidden = !isOpen;
  elementById("list-toggle").setAttribute("aria-expanded", String(isOpen));
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
