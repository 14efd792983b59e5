// The views of the import page: import runs and decisions on them, the quarantine, and layers with
// the history of every feature.

import { button, element, elementById, heading } from "../dom";
import { type Language, text } from "../locale";
import { followLinks } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import { openMap, setSidebar } from "./change-map";
import { showFeature, showLayer, showLayers } from "./features";
import { showRun, showRuns } from "./import-runs";
import { showQuarantine } from "./quarantine";
import { showUploadForm } from "./upload-form";
import { showUpload } from "./uploads";
import "./data.css";

export async function start(lang: Language): Promise<void> {
  showCrumbs();
  openMap(lang);
  window.addEventListener("popstate", () => void show());
  followLinks("/data", navigate);
  await show();
  showTourOnFirstVisit("data");
}

function navigate(path: string): void {
  history.pushState(null, "", path);
  void show();
}

/** Aborted when the reader goes elsewhere. */
let navigation = new AbortController();

/** Show the view that the address names. */
async function show(): Promise<void> {
  navigation.abort();
  navigation = new AbortController();
  const { signal } = navigation;
  setSidebar(element("p", { class: "none" }, text("page.loading")));
  try {
    await route(
      location.pathname.split("/").slice(2).map(decodeURIComponent),
      new URLSearchParams(location.search),
      signal,
    );
  } catch (error) {
    if (signal.aborted) return;
    setSidebar(
      heading(text("page.not_shown"), (error as Error).message),
      button(text("page.try_again"), () => void show(), { class: "primary" }),
    );
  }
}

/** /data, /data/runs/ID, /data/upload, /data/uploads/ID, /data/quarantine, /data/layers, /data/layers/LAYER, /data/layers/LAYER/CODE */
async function route(
  [kind, name, code]: string[],
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<void> {
  if (kind === "runs" && name) await showRun(Number(name), () => void show(), signal);
  else if (kind === "upload") showUploadForm(navigate);
  else if (kind === "uploads" && name) await showUpload(name, navigate, signal);
  else if (kind === "quarantine")
    await showQuarantine(null, elementById("side"), () => void show(), signal);
  else if (kind === "layers" && name && code) await showFeature(name, code, signal);
  else if (kind === "layers" && name) await showLayer(name, query.get("q") ?? "", navigate, signal);
  else if (kind === "layers") await showLayers(signal);
  else await showRuns(query.get("status") ?? "", navigate, signal);
}

function showCrumbs(): void {
  const places: [string, string][] = [
    ["/data", "data.runs"],
    ["/data/upload", "data.upload_file"],
    ["/data/quarantine", "data.quarantine"],
    ["/data/layers", "data.layers"],
  ];
  elementById("crumbs").replaceChildren(
    ...places.map(([href, words]) => element("a", { href }, text(words))),
  );
}
