// The fire page: building layouts, incidents, shut-offs and overlays.

import type { Map as LibreMap, MapMouseEvent } from "maplibre-gl";

import { fetchOpeningExtent } from "../cities";
import { button, delay, div, elementById, heading, notify } from "../dom";
import { ProblemError } from "../http";
import { type Language, text } from "../locale";
import { loadStyle } from "../map-style";
import { attachSearch, labelSearchField } from "../search";
import { session } from "../session";
import { openStaffPage, runPage } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import { parseAddress } from "./address";
import { fetchLayout, type Layout, searchBuildings } from "./fire-api";
import { fireStyle, setAnswer, setPipesVisible } from "./fire-layers";
import { showLayerLegend } from "./layer-legend";
import { Measure } from "./measure";
import { showOverlayList } from "./overlays";
import { Results } from "./results";
import "../staff-page.css";
import "./fire.css";

export type Mode = "building" | "incident" | "isolation" | "measure";

const MODES: Mode[] = ["building", "incident", "isolation", "measure"];
const PADDING = { top: 70, right: 40, bottom: 40, left: 40 };
/** How long the map, whose code is large, waits for the answer. */
const MAP_DELAY_MS = 700;

let mode: Mode = "building";

async function start(): Promise<void> {
  const opening = openStaffPage({
    page: "fire",
    role: "fire",
    title: "page.title_fire",
    tour: () => "fire",
  });
  const early = requestLayoutEarly();
  const lang = await opening;
  labelSearchField();
  const mapLoaded = Promise.race([early, delay(MAP_DELAY_MS)]).then(() => openMap(lang));
  const measure = new Measure(
    (features) => void mapLoaded.then((map) => setAnswer(map, features)),
    async () => {
      const { lng: lon, lat } = (await mapLoaded).getCenter();
      return { lon, lat };
    },
  );
  const setMode = (next: Mode) => {
    if (next === "measure") {
      results.dropRequests();
      measure.clear();
    }
    applyMode(next, mapLoaded);
  };
  showModes(setMode);
  const results = new Results(mapLoaded, setMode);
  const keyUnits = button(text("fire.key_units_all"), () => void results.showKeyUnits());
  elementById("side").replaceChildren(
    heading(text("fire.welcome"), text("fire.welcome_help")),
    div("actions", keyUnits),
  );
  attachSearch({
    search: searchBuildings,
    choose: ({ code }) => void results.showBuilding(code, true),
  });
  setMode("building");
  void showAddress(results, early);
  window.addEventListener("popstate", () => void showAddress(results));
  const map = await mapLoaded;
  map.on("click", (event) => {
    const { lng: lon, lat } = event.lngLat.wrap();
    if (mode === "measure") measure.add({ lon, lat });
    else void handleClick(results, event);
  });
  void showOverlayList(map);
  showTourOnFirstVisit("fire");
}

function showModes(setMode: (mode: Mode) => void): void {
  const tools = elementById("tools");
  tools.setAttribute("aria-label", text("fire.modes"));
  const buttons = MODES.map((name) => {
    const attributes = { "data-mode": name, class: "mode", title: text(`fire.mode_${name}_help`) };
    return button(text(`fire.mode_${name}`), () => setMode(name), attributes);
  });
  tools.replaceChildren(...buttons);
}

function applyMode(next: Mode, mapLoaded: Promise<LibreMap>): void {
  mode = next;
  for (const tool of elementById("tools").querySelectorAll<HTMLElement>("[data-mode]")) {
    tool.setAttribute("aria-pressed", String(tool.dataset.mode === next));
  }
  void mapLoaded.then((map) => {
    setPipesVisible(map, next === "isolation");
    showLayerLegend(map);
    map.getCanvas().style.cursor = next === "building" ? "pointer" : "crosshair";
  });
}

/** Request the building that the address names before the page can show it. */
async function requestLayoutEarly(): Promise<Layout | null> {
  const view = parseAddress(location.search);
  if (view?.kind !== "building" || !session()) return null;
  // an error is reported by the second request
  return fetchLayout(view.code).catch(() => null);
}

async function openMap(lang: Language): Promise<LibreMap> {
  const { createMap, waitForLoad } = await import("../map");
  const hasView = location.hash.includes("map=") || parseAddress(location.search) !== null;
  const [style, extent] = await Promise.all([
    loadStyle(lang, "published"),
    fetchOpeningExtent(hasView),
  ]);
  const map = createMap(fireStyle(style), extent, { padding: PADDING });
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await waitForLoad(map);
  return map;
}

async function showAddress(results: Results, early?: Promise<Layout | null>): Promise<void> {
  const view = parseAddress(location.search);
  if (view) await results.show(view, early);
}

async function handleClick(results: Results, event: MapMouseEvent): Promise<void> {
  const { lng: lon, lat } = event.lngLat.wrap();
  try {
    if (mode === "incident") await results.showIncident({ lon, lat });
    else if (mode === "isolation") await results.handlePipeClick(event, { lon, lat });
    else await results.showBuildingAt({ lon, lat });
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) {
      notify(text("fire.nothing_here"), undefined, "calm");
    } else notify((error as Error).message);
  }
}

runPage(start);
