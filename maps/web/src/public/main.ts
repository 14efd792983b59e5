// The public page: the city's communities and grids on a map.

import type { StyleSpecification } from "maplibre-gl";

import {
  chooseCity,
  chooseOpeningCity,
  citiesOf,
  cityTotals,
  fetchCityNames,
  regionsOf,
} from "../cities";
import { elementById, notify, waitForPaintedText } from "../dom";
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
import { loadStyle } from "../map-style";
import { attachSearch, labelSearchField, searchCity } from "../search";
import { attachTextSize } from "../text-size";
import { showTour, showTourOnFirstVisit } from "../tour";
import type { CityMap, PageState } from "./city-map";
import { showCommunities, showRegister } from "./grid-card";
import { type Communities, fetchCommunities, fetchRegister, type Status } from "./public-api";
import { readSelection } from "./view-address";
import "./public.css";

const wideScreen = window.matchMedia("(min-width: 720px)");

/** What the page shows, and its map, whose code is large and comes last. */
interface PageContent {
  state: PageState;
  style: StyleSpecification;
  map: Promise<CityMap>;
}

async function start(): Promise<void> {
  const lang = preferredLanguage();
  // request all at once: a first visit would wait for one request after the other
  const published = loadStyle(lang, "published", true);
  const localeLoaded = loadLocale(lang);
  const contentLoaded = loadContent(lang, localeLoaded, published);
  await localeLoaded;
  writeFrame();
  attachControls(contentLoaded);
  const content = await contentLoaded;
  writePage(content);
  const { grid, place } = readSelection(location.search);
  if (!grid && !place) showTourOnFirstVisit("public");
  await content.map;
}

async function loadContent(
  lang: Language,
  localeLoaded: Promise<unknown>,
  published: Promise<StyleSpecification>,
): Promise<PageContent> {
  const state = await loadState(localeLoaded);
  const style = await (state.status === "published" ? published : loadStyle(lang, state.status));
  // show the texts first: they work without the map
  return { state, style, map: waitForPaintedText().then(() => openCityMap(state, style)) };
}

async function openCityMap(state: PageState, style: StyleSpecification): Promise<CityMap> {
  const { CityMap } = await import("./city-map");
  return new CityMap(state, style);
}

/** Show the controls, which work from then on: what they need may arrive later. */
function attachControls(contentLoaded: Promise<PageContent>): void {
  const withMap = (act: (map: CityMap) => unknown) =>
    void contentLoaded.then(({ map }) => map).then(act);
  attachTextSize();
  elementById("language").addEventListener("click", () => void switchLanguage(contentLoaded));
  elementById("here").addEventListener("click", () => withMap((map) => map.locateReader()));
  elementById("help").addEventListener("click", () => showTour("public"));
  elementById("brand").addEventListener("click", () => void contentLoaded.then(showWholeCity));
  attachSearch({ search: searchCity, choose: (hit) => withMap((map) => map.goToHit(hit)) });
  const list = elementById("list");
  elementById("list-toggle").addEventListener("click", () => toggleList(list.hidden === true));
  (elementById("legend") as HTMLDetailsElement).open = wideScreen.matches;
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    toggleList(false);
    withMap((map) => map.clearSelection());
  });
  elementById("bar").hidden = false;
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

/** Write the texts that do not depend on the city. */
function writeFrame(): void {
  elementById("brand").querySelector("h1")!.textContent = text("page.title");
  elementById("report").textContent = text("page.report");
  elementById("language").textContent = text("page.language");
  elementById("language").lang = languageTag(otherLanguage());
  elementById("list-toggle").setAttribute("aria-label", text("page.list"));
  elementById("help").setAttribute("aria-label", text("tour.help"));
  elementById("help").title = text("tour.help");
  elementById("map").setAttribute("aria-label", text("page.subtitle"));
  elementById("here").setAttribute("aria-label", text("page.here"));
  elementById("here").title = text("page.here");
  labelSearchField();
}

/** Write the city's name, figures and communities, and the legend. */
function writePage({ map, state, style }: PageContent): void {
  const { city, communities, status } = state;
  const name = city && city.name !== city.code ? city.name : "";
  const title = name ? text("page.title_of", { city: name }) : text("page.title");
  document.title = `${title} · Gridatlas`;
  elementById("brand").querySelector("h1")!.textContent = title;
  elementById("brand").querySelector("p")!.textContent = city ? cityTotals(city) : "";
  const draft = elementById("draft");
  draft.hidden = status !== "draft";
  draft.textContent = text("page.draft");
  draft.title = text("page.draft_notice");
  showLegend(style);
  showCommunities(regionsOf(communities, city), (extent) => {
    if (!wideScreen.matches) toggleList(false);
    void map.then((cityMap) => cityMap.fit(extent));
  });
  if (communities.features.length === 0) notify(text("page.empty"));
  else void fetchRegister(city?.code ?? "").then(showRegister);
}

async function switchLanguage(contentLoaded: Promise<PageContent>): Promise<void> {
  const lang = otherLanguage();
  rememberLanguage(lang);
  await loadLocale(lang);
  const content = await contentLoaded;
  content.style = await loadStyle(lang, content.state.status, true);
  writeFrame();
  writePage(content);
  await (await content.map).setStyle(content.style);
}

async function showWholeCity(content: PageContent): Promise<void> {
  const { map, state } = content;
  if (state.cities.length > 1) {
    state.city = await chooseCity(state.cities);
    writePage(content);
  }
  if (state.city) (await map).fit(state.city.extent);
}

function toggleList(isOpen: boolean): void {
  elementById("list").hidden = !isOpen;
  elementById("list-toggle").setAttribute("aria-expanded", String(isOpen));
}

function hasWebGl(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

start().catch((error: Error) =>
  notify(hasWebGl() ? text("page.failed", { reason: error.message }) : text("page.no_webgl")),
);
