// The data desk: import runs and what may be done about them, quarantined features, a feature's
// history.

import type { Feature, FeatureCollection } from "geojson";
import type { GeoJSONSource, Map as LibreMap } from "maplibre-gl";

import { button, byId, element, facts, notify } from "../dom";
import { request } from "../http";
import { known, number, otherLanguage, preferredLanguage, remember, speak, text, type Language } from "../locale";
import { createMap, extentOf, loadStyle, showExtent } from "../map";
import { need, showSession } from "../session";
import { firstVisit, tour } from "../tour";
import * as api from "./api";
import type { Held, Run, Told, Way } from "./api";
import "maplibre-gl/dist/maplibre-gl.css";
import "../desk.css";
import "./style.css";

const CHANGES: Record<string, string> = { added: "#1d7a3a", changed: "#b35900", removed: "#a4161a", held: "#7b2d8b" };
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

let map: LibreMap;

async function start(): Promise<void> {
  const lang = preferredLanguage();
  await speak(lang, "data");
  label(lang);
  await need("importer");
  showSession();
  map = createMap(await withShown(lang), undefined);
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await new Promise<void>((done) => void map.once("load", () => done()));
  window.addEventListener("popstate", () => void show());
  document.addEventListener("click", (event) => {
    const link = (event.target as HTMLElement).closest("a");
    if (!link || link.target || !link.pathname.startsWith("/data") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
  await show();
  firstVisit("data");
}

async function withShown(lang: Language): Promise<Parameters<typeof createMap>[0]> {
  const style = await loadStyle(lang, "published");
  const colour = ["match", ["get", "change"], ...Object.entries(CHANGES).flat(), "#1f5f8b"] as never;
  const shown = { source: "shown" };
  return {
    ...style,
    sources: { ...style.sources, shown: { type: "geojson", data: NOTHING } },
    layers: [
      ...style.layers,
      { id: "shown-fill", type: "fill", ...shown, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour, "fill-opacity": 0.35 } },
      { id: "shown-line", type: "line", ...shown, paint: { "line-color": colour, "line-width": 2.5 } },
      { id: "shown-point", type: "circle", ...shown, filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": colour, "circle-radius": 7, "circle-stroke-color": "#fff", "circle-stroke-width": 2 } },
    ],
  };
}

function go(path: string): void {
  history.pushState(null, "", path);
  void show();
}

/** /data, /data/runs/ID, /data/quarantine */
async function show(): Promise<void> {
  const [, , kind, one] = location.pathname.split("/").map(decodeURIComponent);
  byId("side").replaceChildren(element("p", { class: "none" }, text("data.loading")));
  crumbs();
  try {
    if (kind === "runs" && one) await showRun(Number(one));
    else if (kind === "quarantine") await showQuarantine(null, byId("side"));
    else await showRuns(new URLSearchParams(location.search).get("status") ?? "");
  } catch (error) {
    byId("side").replaceChildren(heading(text("data.not_shown"), (error as Error).message), button(text("data.again"), () => void show(), { class: "primary" }));
  }
}

async function showRuns(status: string): Promise<void> {
  const { items, numberMatched } = await api.runs(0, status);
  const list = element("ul", { class: "runs" }, ...items.map(runLine));
  const more = button(text("data.more"), () => void add(), {});
  const add = async () => {
    const next = await api.runs(list.children.length, status);
    list.append(...next.items.map(runLine));
    more.hidden = list.children.length >= next.numberMatched;
  };
  more.hidden = items.length >= numberMatched;
  const choice = element("select", { "aria-label": text("data.status") });
  for (const value of ["", "held", "published", "unchanged", "rejected", "failed", "rolled_back"]) {
    const option = element("option", { value }, value ? said("status", value) : text("data.all"));
    option.selected = value === status;
    choice.append(option);
  }
  choice.addEventListener("change", () => go(choice.value ? `/data?status=${choice.value}` : "/data"));
  byId("side").replaceChildren(heading(text("data.runs"), text("data.runs_said", { count: number(numberMatched) })), choice, items.length ? list : element("p", { class: "none" }, text("data.no_runs")), more);
  draw([]);
}

function runLine(run: Run): HTMLElement {
  return element(
    "li",
    {},
    element("a", { href: `/data/runs/${run.id}` }, element("b", {}, `#${run.id} ${said("layer", run.layer)}`), badge(run.status), element("small", {}, `${when(run.started_at)} · ${run.source}`), element("small", {}, counted(run))),
  );
}

async function showRun(id: number): Promise<void> {
  const run = await api.run(id);
  const ways = api.waysOf(run).map((way) => button(text(`data.${way}`), () => decide(run, way), { class: way === "approve" ? "primary" : "", title: text(`data.${way}_help`) }));
  const held = element("section");
  byId("side").replaceChildren(
    heading(`#${run.id} ${said("layer", run.layer)}`, `${run.source} · ${when(run.started_at)}`),
    element("p", {}, badge(run.status), run.failure ?? ""),
    ...(run.concerns.length ? [element("div", { class: "trouble" }, element("ul", {}, ...run.concerns.map((one) => element("li", {}, one.said))))] : []),
    element("div", { class: "actions" }, ...ways, button(text("data.report"), () => void report(run))),
    countTable(run),
    ...consequences(run),
    facts(Object.entries(run.timings).map(([key, value]): [string, string] => [said("step", key), `${Number(value).toFixed(1)} s`])),
    legend(),
    differences(run),
    held,
  );
  await showQuarantine(id, held);
  draw(changed(run));
}

function countTable(run: Run): HTMLElement {
  const fates = ["added", "changed", "removed", "unchanged"];
  const rows = Object.entries(run.counts).map(([layer, counts]) =>
    element("tr", {}, element("th", { scope: "row" }, said("layer", layer)), ...fates.map((fate) => element("td", {}, number(counts[fate] ?? 0)))),
  );
  const head = element("tr", {}, element("td"), ...fates.map((fate) => element("th", { scope: "col" }, said("count", fate))));
  return element("table", { class: "card" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

/** Plans that the run makes stale, and values of people that it left alone. */
function consequences(run: Told): HTMLElement[] {
  const stale = (run.report.stale ?? []).map((one) => {
    const link = element("a", { href: `/plan/c/${one.community}`, target: "_blank" }, `${one.community} ${text("data.version", { version: one.version })}`);
    return element("li", {}, link, ` ${text("data.stale_grids", { grids: one.grids.length })}`);
  });
  const kept = (run.report.corrections_kept ?? []).map((one) => element("li", {}, `${one.code} ${one.field}: ${String(one.value)} (${one.actor}) ≠ ${String(one.delivered)}`));
  return [
    ...(stale.length ? [element("h2", {}, text("data.stale")), element("ul", {}, ...stale)] : []),
    ...(kept.length ? [element("h2", {}, text("data.kept")), element("ul", {}, ...kept)] : []),
  ];
}

function differences(run: Told): HTMLElement {
  const rows = Object.entries(run.report.differences ?? {}).flatMap(([layer, found]) =>
    found.slice(0, 100).map((one) => {
      const mark = element("i", { class: "mark" });
      mark.style.background = CHANGES[one.fate] ?? "";
      const words = `${said("layer", layer)} ${one.code}${one.columns ? ` (${one.columns.join(", ")})` : ""}`;
      const show = button(words, () => one.shape && zoom([{ type: "Feature", geometry: one.shape, properties: {} }]), { class: "quiet" });
      return element("li", {}, mark, show);
    }),
  );
  return element("details", {}, element("summary", {}, text("data.differences")), element("ul", { class: "runs" }, ...rows));
}

function changed(run: Told): Feature[] {
  return Object.values(run.report.differences ?? {}).flat().flatMap((one) =>
    one.shape ? [{ type: "Feature", geometry: one.shape, properties: { change: one.fate } } as Feature] : [],
  );
}

/** Ask, then approve, dismiss or roll back. */
function decide(run: Run, way: Way): void {
  const refused = element("p", { class: "said", role: "alert" });
  const dialog = element("dialog", { "aria-label": text(`data.${way}`) });
  const later = element("input", { type: "checkbox" });
  const yes = button(text(`data.${way}`), () => {
    api.act(run.id, way, later.checked).then(
      () => {
        dialog.remove();
        notify(text(`data.${way}_done`), undefined, "calm");
        void show();
      },
      (error: Error) => (refused.textContent = error.message),
    );
  }, { class: "primary" });
  dialog.append(
    element("h2", {}, text(`data.${way}_question`, { run: run.id })),
    element("p", {}, `${text(`data.${way}_help`)} ${counted(run)}`),
    ...(way === "rollback" ? [element("label", { class: "tick" }, later, text("data.with_later"))] : []),
    refused,
    element("div", { class: "ways" }, yes, button(text("data.leave_it"), () => dialog.remove())),
  );
  document.body.append(dialog);
  dialog.showModal();
}

async function report(run: Run): Promise<void> {
  try {
    const answer = await request(`/imports/runs/${run.id}/report`);
    window.open(URL.createObjectURL(await answer.blob()), "_blank");
  } catch (error) {
    notify((error as Error).message);
  }
}

async function showQuarantine(run: number | null, place: HTMLElement): Promise<void> {
  const page = await api.quarantine(run, 0);
  const features = page.items.map(
    (one) => ({ type: "Feature", geometry: one.geometry, properties: { change: "held" } }) as Feature,
  );
  const rows = page.items.map((one, index) => heldLine(one, features[index]!));
  const title = element(run === null ? "h1" : "h2", {}, text("data.quarantine"));
  const none = element("p", { class: "none" }, text("data.none_held"));
  place.replaceChildren(
    element("div", { class: "heading" }, title, element("p", {}, text("data.held_said", { count: number(page.numberMatched) }))),
    ...(rows.length ? [heldWays(run, page.items), element("ul", { class: "runs" }, ...rows)] : [none]),
  );
  if (run === null) draw(features);
}

/** Take the quarantine home as a file, bring it back mended, or try again as it is. */
function heldWays(run: number | null, held: Held[]): HTMLElement {
  const file = element("input", { type: "file", accept: ".geojson,.gpkg,.csv", hidden: "" });
  file.addEventListener("change", () => file.files?.[0] && void replayed(api.replayFile(file.files[0])));
  const of = run ?? held[0]!.run;
  return element(
    "div",
    { class: "actions" },
    ...["geojson", "csv", "gpkg"].map((format) => button(text("data.download", { format }), () => void saved(run, format))),
    button(text("data.upload"), () => file.click(), { title: text("data.upload_help") }),
    file,
    button(text("data.replay", { run: of }), () => void replayed(api.replay(of)), { class: "primary", title: text("data.replay_help") }),
  );
}

async function saved(run: number | null, format: string): Promise<void> {
  try {
    const href = URL.createObjectURL(await api.download(run, format));
    element("a", { href, download: `quarantine${run === null ? "" : `-${run}`}.${format}` }).click();
  } catch (error) {
    notify((error as Error).message);
  }
}

async function replayed(answer: Promise<{ runs: Run[] }>): Promise<void> {
  try {
    const { runs } = await answer;
    const waiting = runs.reduce((sum, run) => sum + run.waiting, 0);
    notify(text("data.replayed", { runs: runs.map((run) => `#${run.id}`).join(" "), waiting }), undefined, "calm");
    await show();
  } catch (error) {
    notify((error as Error).message);
  }
}

function heldLine(held: Held, feature: Feature): HTMLElement {
  const summary = element("summary", {}, element("b", {}, held.code ?? "—"), " ", held.said, element("small", {}, `${said("layer", held.layer)} · #${held.run}`));
  const rows = Object.entries(held.properties ?? {}).map(([key, value]): [string, string] => [key, value === null ? "—" : String(value)]);
  const more = element("details", {}, summary, element("p", {}, held.detail ?? ""), facts(rows), feature.geometry ? button(text("data.show"), () => zoom([feature])) : null);
  more.addEventListener("toggle", () => more.open && feature.geometry && zoom([feature]));
  return element("li", {}, more);
}

function draw(features: Feature[]): void {
  (map.getSource("shown") as GeoJSONSource).setData({ type: "FeatureCollection", features: features.filter((one) => one.geometry) });
  if (features.length) zoom(features);
}

function zoom(features: Feature[]): void {
  const box = extentOf(...features.flatMap((feature) => (feature.geometry ? [feature.geometry] : [])));
  if (box[0] <= box[2]) showExtent(map, box, { top: 60, right: 60, bottom: 60, left: 60 });
}

function legend(): HTMLElement {
  const rows = Object.entries(CHANGES).map(([key, colour]) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = colour;
    return element("span", {}, mark, said("count", key));
  });
  return element("p", { class: "severities" }, ...rows);
}

function counted(run: Run): string {
  const sums: api.Counts = {};
  for (const counts of Object.values(run.counts)) {
    for (const [fate, count] of Object.entries(counts)) sums[fate] = (sums[fate] ?? 0) + count;
  }
  if (run.waiting) sums["held"] = run.waiting;
  return Object.entries(sums).filter(([fate, count]) => count > 0 && fate !== "unchanged").map(([fate, count]) => `${said("count", fate)} ${number(count)}`).join(" · ");
}

function badge(status: string): HTMLElement {
  const look: Record<string, string> = { published: "done", held: "held", failed: "failed", rejected: "failed" };
  return element("span", { class: `badge ${look[status] ?? ""}` }, said("status", status));
}

function said(kind: string, value: string): string {
  return known(`data.${kind}_${value}`) || value;
}

function when(moment: string): string {
  return new Date(moment).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}

function heading(title: string, below: string): HTMLElement {
  return element("div", { class: "heading" }, element("h1", {}, title), element("p", {}, below));
}

function crumbs(): void {
  byId("crumbs").replaceChildren(element("a", { href: "/data" }, text("data.runs")), element("a", { href: "/data/quarantine" }, text("data.quarantine")));
}

function label(lang: Language): void {
  document.title = `${text("data.title")} · Gridatlas`;
  byId("home").textContent = text("data.title");
  byId("language").textContent = text("page.language");
  byId("language").lang = lang === "zh" ? "en" : "zh-CN";
  byId("language").addEventListener("click", () => {
    remember(otherLanguage());
    location.reload();
  });
  byId("help").textContent = text("tour.help");
  byId("help").addEventListener("click", () => tour("data"));
}

window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  notify((event.reason as Error).message);
});

start().catch((error: Error) => notify(error.message));
