// The data desk: import runs and what may be done about them, quarantined features, the layers
// with every feature's history.

import { button, element, elementById } from "../dom";
import { text } from "../locale";
import { followLinks, openStaffPage, runPage } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import { heading, openMap, side } from "./change-map";
import { showFeature, showLayer, showLayers } from "./features";
import { showRun, showRuns } from "./import-runs";
import { showQuarantine } from "./quarantine";
import "maplibre-gl/dist/maplibre-gl.css";
import "../staff-page.css";
import "./data.css";

async function start(): Promise<void> {
  const lang = await openStaffPage({
    page: "data",
    role: "importer",
    title: "data.title",
    tour: () => "data",
  });
  crumbs();
  await openMap(lang);
  window.addEventListener("popstate", () => void show());
  followLinks("/data", go);
  await show();
  showTourOnFirstVisit("data");
}

function go(path: string): void {
  history.pushState(null, "", path);
  void show();
}

/** Show what the address names. */
async function show(): Promise<void> {
  side(element("p", { class: "none" }, text("data.loading")));
  try {
    await shown(
      location.pathname.split("/").slice(2).map(decodeURIComponent),
      new URLSearchParams(location.search),
    );
  } catch (error) {
    side(
      heading(text("data.not_shown"), (error as Error).message),
      button(text("data.again"), () => void show(), { class: "primary" }),
    );
  }
}

/** /data, /data/runs/ID, /data/quarantine, /data/layers, /data/layers/LAYER, /data/layers/LAYER/CODE */
async function shown([kind, one, two]: string[], asked: URLSearchParams): Promise<void> {
  if (kind === "runs" && one) await showRun(Number(one), () => void show());
  else if (kind === "quarantine")
    await showQuarantine(null, elementById("side"), () => void show());
  else if (kind === "layers" && one && two) await showFeature(one, two);
  else if (kind === "layers" && one) await showLayer(one, asked.get("q") ?? "", go);
  else if (kind === "layers") await showLayers();
  else await showRuns(asked.get("status") ?? "", go);
}

function crumbs(): void {
  const places: [string, string][] = [
    ["/data", "data.runs"],
    ["/data/quarantine", "data.quarantine"],
    ["/data/layers", "data.layers"],
  ];
  elementById("crumbs").replaceChildren(
    ...places.map(([href, words]) => element("a", { href }, text(words))),
  );
}

runPage(start);
