// The fire desk: a building in two gestures, the incident, the shut-off, the overlays.

import type { Feature } from "geojson";
import type { Map as LibreMap, MapMouseEvent } from "maplibre-gl";

import { communities } from "../plan/api";
import { button, byId, element, notify } from "../dom";
import { labelSearch, wireSearch } from "../find";
import { Problem, request } from "../http";
import { number, otherLanguage, preferredLanguage, remember, speak, text, type Language } from "../locale";
import { createMap, extentOf, loadStyle, showExtent } from "../map";
import { need, showSession } from "../session";
import { firstVisit, tour } from "../tour";
import * as api from "./api";
import type { Incident, Isolation, Layout, Overlay, Place } from "./api";
import { fireStyle, point, SEVERITY, showAnswer, showOverlays, showPipes, sign } from "./layers";
import { findingLine, heading, showIncident, showIsolation, showLayout, type Ways } from "./panel";
import "maplibre-gl/dist/maplibre-gl.css";
import "../desk.css";
import "./style.css";

type Mode = "building" | "incident" | "isolation";

const NETWORKS = ["gas", "water"];
const PADDING = { top: 70, right: 40, bottom: 40, left: 40 };

let map: LibreMap;
let mode: Mode = "building";
let centre: Place | null = null;
let radius = 300;
let segment: { network: string; code: string } | null = null;
let stuck: string[] = [];
const on = new Set<string>();

async function start(): Promise<void> {
  const lang = preferredLanguage();
  await speak(lang, "fire");
  label(lang);
  await need("fire");
  showSession();
  const [style, known] = await Promise.all([loadStyle(lang, "published"), communities("")]);
  const boxes = known.flatMap((one) => (one.bbox ? [one.bbox] : []));
  const extent = boxes.length ? [0, 1, 2, 3].map((side) => (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side]!))) : undefined;
  map = createMap(fireStyle(style), extent, { padding: PADDING });
  map.on("click", (event) => void clicked(event));
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await new Promise<void>((done) => void map.once("load", () => done()));
  wireSearch({
    ask: (words) => api.search(words).then(({ buildings }) => buildings.map((one) => ({ ...one, kind: "building", grid: null, community: null, bbox: null }))),
    choose: (found) => void openBuilding(found.code, true),
  });
  showTools();
  byId("side").replaceChildren(heading(text("desk.welcome"), text("desk.welcome_help")));
  await follow();
  void listOverlays();
  window.addEventListener("popstate", () => void follow());
  firstVisit("fire");
}

/** Open what the address names. */
async function follow(): Promise<void> {
  const asked = new URLSearchParams(location.search);
  const [building, at, pipe] = [asked.get("building"), asked.get("incident"), asked.get("pipe")];
  if (building) return openBuilding(building, true);
  if (at) {
    const [lon, lat, metres] = at.split(",").map(Number);
    radius = metres || radius;
    use("incident");
    return openIncident({ lon: lon!, lat: lat! });
  }
  if (pipe?.includes(":")) {
    const [network, code] = pipe.split(":") as [string, string];
    stuck = asked.getAll("stuck");
    use("isolation");
    return openIsolation(network, code);
  }
}

/** Keep the place in the address, beside the map's own part of it. */
function keep(query: Record<string, string>, more: [string, string][] = []): void {
  const asked = new URLSearchParams([...Object.entries(query), ...more]);
  history.pushState(null, "", `/fire?${asked}${location.hash}`);
}

async function clicked(event: MapMouseEvent): Promise<void> {
  const { lng: lon, lat } = event.lngLat.wrap();
  try {
    if (mode === "incident") await openIncident({ lon, lat });
    else if (mode === "isolation") await pipeAt(event, { lon, lat });
    else {
      const { buildings } = await api.buildingAt({ lon, lat });
      if (buildings[0]) await openBuilding(buildings[0].code, false);
    }
  } catch (error) {
    const nothing = error instanceof Problem && error.status === 404;
    notify(nothing ? text("desk.nothing_here") : (error as Error).message, undefined, nothing ? "calm" : "alert");
  }
}

const ways: Ways = {
  print: (code) => void printSheet(code),
  incidentAt: (place) => {
    use("incident");
    void openIncident(place);
  },
  building: (code) => void openBuilding(code, true),
  goTo: ({ lon, lat }) => void map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 17.5) }),
  radius: (metres) => {
    radius = metres;
    if (centre) void openIncident(centre);
  },
  stick: (valve) => {
    stuck = stuck.includes(valve) ? stuck.filter((one) => one !== valve) : [...stuck, valve];
    if (segment) void openIsolation(segment.network, segment.code);
  },
};

async function openBuilding(code: string, go: boolean): Promise<void> {
  try {
    const one = await api.layout(code);
    use("building");
    keep({ building: code });
    showAnswer(map, signsOfLayout(one));
    showLayout(one, ways);
    if (go) showExtent(map, extentOf(one.geometry), { top: 160, bottom: 160, left: 160, right: 160 });
  } catch (error) {
    notify((error as Error).message);
  }
}

function signsOfLayout(one: Layout): Feature[] {
  return [
    ...one.ladder.areas.map((area) => sign(area, "ladder")),
    ...one.stations.map((station) => sign(station.route, "drive")),
    ...one.hydrants.flatMap((hydrant) => (hydrant.route ? [sign(hydrant.route, "hose")] : [])),
    ...one.neighbours.filter((other) => other.too_close).map((other) => sign(other.line, "close", `${other.distance_m.toFixed(1)} m`)),
    sign(one.geometry, "building"),
    ...one.units.map((unit) => sign(point(unit), "entrance", unit.name)),
    ...one.hydrants.map((hydrant) => sign(point(hydrant), "hydrant", `${Math.round(hydrant.route_m ?? hydrant.straight_m)} m`)),
    ...one.fire_lane.obstacles.map((obstacle) => sign(point(obstacle), "obstacle")),
    ...Object.values(one.valves).flat().map((valve) => sign(point(valve), "valve", valve.name || valve.code)),
  ];
}

async function openIncident(place: Place): Promise<void> {
  const one: Incident = await api.incident(place, radius);
  centre = place;
  keep({ incident: `${place.lon.toFixed(6)},${place.lat.toFixed(6)},${radius}` });
  showAnswer(map, [
    sign(one.area, "area"),
    ...one.hydrants.map((hydrant) => sign(point(hydrant), "hydrant")),
    ...one.valves.map((valve) => sign(point(valve), "shut")),
    ...one.critical.map((site) => sign(point(site), "critical", site.name)),
    ...one.stations.slice(0, 1).map((station) => sign(station.route, "drive")),
  ]);
  showIncident(one, ways);
}

async function pipeAt(event: MapMouseEvent, place: Place): Promise<void> {
  const valve = map.queryRenderedFeatures(event.point, { layers: ["answer-point"] })[0];
  if (valve && segment && ["valve", "stuck"].includes(String(valve.properties["sign"]))) return ways.stick(String(valve.properties["code"]));
  const { x, y } = event.point;
  const [hit] = map.queryRenderedFeatures([[x - 6, y - 6], [x + 6, y + 6]], { layers: ["pipe"] });
  stuck = [];
  if (hit) return openIsolation(String(hit.properties["network"]), String(hit.properties["code"]));
  const tried = await Promise.allSettled(NETWORKS.map(async (network) => ({ network, ...(await api.nearest(network, place)).segment })));
  const found = tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])).sort((one, other) => one.distance_m - other.distance_m)[0];
  if (found) await openIsolation(found.network, found.code);
  else notify(text("desk.no_pipe_here"), undefined, "calm");
}

async function openIsolation(network: string, code: string): Promise<void> {
  try {
    const one: Isolation = await api.isolation(network, code, stuck);
    segment = { network, code };
    keep({ pipe: `${network}:${code}` }, stuck.map((valve): [string, string] => ["stuck", valve]));
    showAnswer(map, [
      sign(one.lost.geometry, "lost"),
      sign(one.segment.geometry, "broken"),
      ...one.lost.hydrants.map((hydrant) => sign(point(hydrant), "hydrant", "", hydrant.code)),
      ...one.valves.map((valve) => sign(point(valve), "valve", valve.code, valve.code)),
    ]);
    showIsolation(one, stuck, ways);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function printSheet(code: string): Promise<void> {
  try {
    const answer = await request(`/fire/buildings/${encodeURIComponent(code)}/sheet.pdf`);
    window.open(URL.createObjectURL(await answer.blob()), "_blank");
  } catch (error) {
    notify((error as Error).message);
  }
}

function showTools(): void {
  const names: Mode[] = ["building", "incident", "isolation"];
  byId("tools").setAttribute("aria-label", text("desk.modes"));
  byId("tools").replaceChildren(
    ...names.map((name) => button(text(`desk.mode_${name}`), () => use(name), { "data-mode": name, class: "mode", title: text(`desk.mode_${name}_help`) })),
  );
  use("building");
}

function use(name: Mode): void {
  mode = name;
  for (const one of byId("tools").querySelectorAll<HTMLElement>("[data-mode]")) one.setAttribute("aria-pressed", String(one.dataset["mode"] === name));
  showPipes(map, name === "isolation");
  map.getCanvas().style.cursor = name === "building" ? "pointer" : "crosshair";
}

/** Overlays with their counts: on and off, with what they found in view. */
async function listOverlays(): Promise<void> {
  const { overlays } = await api.overlays();
  const found = element("ul", { class: "findings" });
  const rows = overlays.map((overlay) => overlayRow(overlay, found));
  const box = element("details", { class: "overlays" }, element("summary", {}, text("desk.overlays")), element("ul", { class: "lines" }, ...rows), severities(), found);
  (box as HTMLDetailsElement).open = window.innerWidth >= 900;
  byId("overlays").replaceChildren(box);
  map.on("moveend", () => void listFindings(found));
}

function overlayRow(overlay: Overlay, found: HTMLElement): HTMLElement {
  const tick = element("input", { type: "checkbox", id: `overlay-${overlay.id}` });
  tick.addEventListener("change", () => {
    if (tick.checked) on.add(overlay.id);
    else on.delete(overlay.id);
    showOverlays(map, on);
    void listFindings(found);
  });
  const counts = (["high", "medium", "low", "missing"] as const).map((severity) => {
    const badge = element("b", { class: "count", title: text(`desk.severity_${severity}`) }, number(overlay.findings[severity] ?? 0));
    badge.style.background = SEVERITY[severity] ?? "";
    return badge;
  });
  return element("li", { title: overlay.text }, element("label", { for: tick.id }, tick, overlay.title), element("span", { class: "counts" }, ...counts));
}

function severities(): HTMLElement {
  const rows = Object.entries(SEVERITY).map(([name, colour]) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = colour;
    return element("span", {}, mark, text(`desk.severity_${name}`));
  });
  return element("p", { class: "severities" }, ...rows);
}

async function listFindings(place: HTMLElement): Promise<void> {
  if (on.size === 0) return place.replaceChildren();
  const bounds = map.getBounds();
  const bbox = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const asked = [...on];
  const pages = await Promise.all(asked.map((overlay) => api.findings(overlay, bbox)));
  if (asked.join() !== [...on].join()) return;
  const total = pages.reduce((sum, page) => sum + page.numberMatched, 0);
  const rows = pages.flatMap((page) => page.features).map((feature) => {
    const row = findingLine(feature.properties);
    const box = feature.bbox as [number, number, number, number] | undefined;
    if (box) row.append(button("→", () => void map.fitBounds(box, { maxZoom: 18.5, padding: 120 }), { class: "quiet", "aria-label": text("desk.go_there") }));
    return row;
  });
  place.replaceChildren(element("li", { class: "none" }, text("desk.in_view", { count: number(total) })), ...rows);
}

function label(lang: Language): void {
  document.title = `${text("desk.title")} · Gridatlas`;
  byId("home").textContent = text("desk.title");
  labelSearch();
  byId("language").textContent = text("page.language");
  byId("language").lang = lang === "zh" ? "en" : "zh-CN";
  byId("language").addEventListener("click", () => {
    remember(otherLanguage());
    location.reload();
  });
  byId("help").textContent = text("tour.help");
  byId("help").addEventListener("click", () => tour("fire"));
}

window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  notify((event.reason as Error).message);
});

start().catch((error: Error) => notify(error.message));
