// The fire desk: a building in two gestures, the incident, the shut-off, the overlays.

import type { Map as LibreMap, MapMouseEvent } from "maplibre-gl";

import { openDesk, run } from "../desk";
import { button, byId, notify } from "../dom";
import { labelSearch, wireSearch } from "../find";
import { Problem } from "../http";
import { text, type Language } from "../locale";
import { firstVisit } from "../tour";
import { Answers } from "./answers";
import * as api from "./api";
import { fireStyle, showPipes } from "./layers";
import { listOverlays } from "./overlays";
import { heading } from "./panel";
import "../desk.css";
import "./style.css";

export type Mode = "building" | "incident" | "isolation";

const PADDING = { top: 70, right: 40, bottom: 40, left: 40 };

let mode: Mode = "building";

async function start(): Promise<void> {
  const lang = await openDesk({ page: "fire", role: "fire", title: "desk.title", tour: () => "fire" });
  labelSearch();
  showTools();
  byId("side").replaceChildren(heading(text("desk.welcome"), text("desk.welcome_help")));
  // The answer is asked for at once and read while the map is still being drawn.
  const ready = openMap(lang);
  const answers = new Answers(ready, use);
  wireSearch({
    ask: (words) => api.search(words).then(({ buildings }) => buildings.map((one) => ({ ...one, kind: "building", grid: null, community: null, bbox: null }))),
    choose: (found) => void answers.building(found.code, true),
  });
  use("building");
  void follow(answers);
  window.addEventListener("popstate", () => void follow(answers));
  const map = await ready;
  map.on("click", (event) => void clicked(answers, event));
  void listOverlays(map);
  firstVisit("fire");

  function use(name: Mode): void {
    mode = name;
    for (const one of byId("tools").querySelectorAll<HTMLElement>("[data-mode]")) one.setAttribute("aria-pressed", String(one.dataset["mode"] === name));
    void ready.then((map) => {
      showPipes(map, name === "isolation");
      map.getCanvas().style.cursor = name === "building" ? "pointer" : "crosshair";
    });
  }

  function showTools(): void {
    const names: Mode[] = ["building", "incident", "isolation"];
    byId("tools").setAttribute("aria-label", text("desk.modes"));
    byId("tools").replaceChildren(
      ...names.map((name) => button(text(`desk.mode_${name}`), () => use(name), { "data-mode": name, class: "mode", title: text(`desk.mode_${name}_help`) })),
    );
  }
}

/** Open the map, whose code comes while the answer is already asked for. */
async function openMap(lang: Language): Promise<LibreMap> {
  const { cityExtent, createMap, loadStyle } = await import("../map");
  const [style, extent] = await Promise.all([loadStyle(lang, "published"), cityExtent()]);
  const map = createMap(fireStyle(style), extent, { padding: PADDING });
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await new Promise<void>((done) => void map.once("load", () => done()));
  return map;
}

/** Open what the address names. */
async function follow(answers: Answers): Promise<void> {
  const asked = new URLSearchParams(location.search);
  const [building, at, pipe] = [asked.get("building"), asked.get("incident"), asked.get("pipe")];
  if (building) return answers.building(building, true);
  if (at) {
    const [lon, lat, radius] = at.split(",").map(Number);
    return answers.incident({ lon: lon!, lat: lat! }, radius || undefined);
  }
  if (pipe?.includes(":")) {
    const [network, code] = pipe.split(":") as [string, string];
    return answers.isolation(network, code, asked.getAll("stuck"));
  }
}

async function clicked(answers: Answers, event: MapMouseEvent): Promise<void> {
  const { lng: lon, lat } = event.lngLat.wrap();
  try {
    if (mode === "incident") await answers.incident({ lon, lat });
    else if (mode === "isolation") await answers.pipeAt(event, { lon, lat });
    else {
      const { buildings } = await api.buildingAt({ lon, lat });
      if (buildings[0]) await answers.building(buildings[0].code, false);
    }
  } catch (error) {
    const nothing = error instanceof Problem && error.status === 404;
    notify(nothing ? text("desk.nothing_here") : (error as Error).message, undefined, nothing ? "calm" : "alert");
  }
}

run(start);
