// The fire desk: a building in two gestures, the incident, the shut-off, the overlays.

import type { Map as LibreMap, MapMouseEvent } from "maplibre-gl";
import { button, delay, elementById, notify } from "../dom";
import { ProblemError } from "../http";
import { type Language, text } from "../locale";
import { attachSearch, labelSearchField } from "../search";
import { session } from "../session";
import { openStaffPage, runPage } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import type { Layout } from "./fire-api";
import * as api from "./fire-api";
import { fireStyle, showPipes } from "./fire-layers";
import { listOverlays } from "./overlays";
import { heading } from "./panel";
import { Answers } from "./results";
import "../staff-page.css";
import "./fire.css";

export type Mode = "building" | "incident" | "isolation";

const PADDING = { top: 70, right: 40, bottom: 40, left: 40 };

let mode: Mode = "building";

/** How long the map, whose code takes long to read, waits for an answer, in milliseconds. */
const PATIENCE_MS = 700;

async function start(): Promise<void> {
  const opening = openStaffPage({
    page: "fire",
    role: "fire",
    title: "desk.title",
    tour: () => "fire",
  });
  const early = asked();
  const lang = await opening;
  labelSearchField();
  showTools();
  elementById("side").replaceChildren(heading(text("desk.welcome"), text("desk.welcome_help")));
  const ready = Promise.race([early, delay(PATIENCE_MS)]).then(() => openMap(lang));
  const answers = new Answers(ready, use);
  attachSearch({
    search: (words) =>
      api.search(words).then(({ buildings }) =>
        buildings.map((one) => ({
          ...one,
          kind: "building",
          grid: null,
          community: null,
          bbox: null,
        })),
      ),
    choose: (found) => void answers.building(found.code, true),
  });
  use("building");
  void follow(answers, early);
  window.addEventListener("popstate", () => void follow(answers));
  const map = await ready;
  map.on("click", (event) => void clicked(answers, event));
  void listOverlays(map);
  showTourOnFirstVisit("fire");

  function use(name: Mode): void {
    mode = name;
    for (const one of elementById("tools").querySelectorAll<HTMLElement>("[data-mode]"))
      one.setAttribute("aria-pressed", String(one.dataset.mode === name));
    void ready.then((map) => {
      showPipes(map, name === "isolation");
      map.getCanvas().style.cursor = name === "building" ? "pointer" : "crosshair";
    });
  }

  function showTools(): void {
    const names: Mode[] = ["building", "incident", "isolation"];
    elementById("tools").setAttribute("aria-label", text("desk.modes"));
    elementById("tools").replaceChildren(
      ...names.map((name) =>
        button(text(`desk.mode_${name}`), () => use(name), {
          "data-mode": name,
          class: "mode",
          title: text(`desk.mode_${name}_help`),
        }),
      ),
    );
  }
}

/** Ask for the building that the address names before the page is ready for the answer. */
async function asked(): Promise<Layout | null> {
  const code = new URLSearchParams(location.search).get("building");
  // what goes wrong is said when it is asked for again
  return code && session() ? api.layout(code).catch(() => null) : null;
}

/** Open the map. */
async function openMap(lang: Language): Promise<LibreMap> {
  const { cityExtent, createMap, loadStyle } = await import("../map");
  const [style, extent] = await Promise.all([loadStyle(lang, "published"), cityExtent()]);
  const map = createMap(fireStyle(style), extent, { padding: PADDING });
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await new Promise<void>((done) => void map.once("load", () => done()));
  return map;
}

/** Open what the address names; `early` is its answer where it was asked for already. */
async function follow(answers: Answers, early?: Promise<Layout | null>): Promise<void> {
  const asked = new URLSearchParams(location.search);
  const [building, at, pipe] = [asked.get("building"), asked.get("incident"), asked.get("pipe")];
  if (building) return answers.building(building, true, early);
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
    const nothing = error instanceof ProblemError && error.status === 404;
    notify(
      nothing ? text("desk.nothing_here") : (error as Error).message,
      undefined,
      nothing ? "calm" : "alert",
    );
  }
}

runPage(start);
