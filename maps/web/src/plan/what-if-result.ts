// The result of a what-if: the grids before and after on two maps, their figures, and who changes.

import type { Feature, FeatureCollection } from "geojson";
import type { GeoJSONSource, Map as LibreMap } from "maplibre-gl";

import { type Extent, extentOf, fitExtent } from "../bounds";
import { button, div, element, elementById } from "../dom";
import { openFile } from "../http";
import { palette } from "../legend";
import { formatNumber, type Language, text } from "../locale";
import { createMap, waitUnlessAborted } from "../map";
import { loadStyle } from "../map-style";
import { percent } from "./draft-queue";
import { movedList } from "./moved-list";
import { fetchWhatIf, type MovedAtom, type WhatIf } from "./plan-api";
import { scoreTable } from "./score-table";
import { hideSwipe, linkMaps, showSwipe } from "./swipe";
import { whatIfStyle } from "./what-if-style";

type State = "before" | "after";
type GridFeature = WhatIf["after"]["grid"]["features"][number];
type Building = WhatIf["after"]["building"]["features"][number]["properties"];
type Totals = WhatIf["figures"]["total_after"];

const STATES: State[] = ["before", "after"];
const FORMATS = ["gpkg", "geojson", "json", "html"] as const;
const PADDING = { top: 50, right: 30, bottom: 50, left: 30 };

/** Figures of all communities together, and how they are written. */
const FIGURES: [keyof Totals, (value: number) => string][] = [
  ["grids", formatNumber],
  ["households", formatNumber],
  ["per_grid", (value) => value.toFixed(0)],
  ["smallest", formatNumber],
  ["largest", formatNumber],
  ["within_limits", (value) => `${percent(value)}%`],
  ["walk_ways_m", (value) => value.toFixed(0)],
  ["walk_far", (value) => `${percent(value)}%`],
  ["border_cost", (value) => value.toFixed(0)],
  ["divided_compounds", formatNumber],
];

export async function showWhatIfResult(
  job: number,
  lang: Language,
  signal: AbortSignal,
): Promise<{ close(): void }> {
  const result = await fetchWhatIf(job);
  signal.throwIfAborted();
  let map: LibreMap | null = null;
  const show = (feature: Feature) => {
    if (map) fitExtent(map, extentOf(feature.geometry), PADDING);
  };
  elementById("side").replaceChildren(...sections(result, show));
  elementById("other").hidden = false;
  const extent = extentOf(...result.after.community.features.map(geometryOf));
  const [left, right] = await Promise.all([
    openMap(lang, result, "before", extent, signal),
    openMap(lang, result, "after", extent, signal),
  ]);
  linkMaps(left, right);
  showSwipe();
  map = right;
  Object.assign(window, { gridatlas: { map: right, other: left } });
  const close = () => {
    for (const view of [left, right]) view.remove();
    hideSwipe();
  };
  return { close };
}

function geometryOf(feature: { geometry: unknown }): Feature["geometry"] {
  return feature.geometry as Feature["geometry"];
}

async function openMap(
  lang: Language,
  result: WhatIf,
  state: State,
  extent: Extent,
  signal: AbortSignal,
): Promise<LibreMap> {
  const style = await loadStyle(lang, "published");
  signal.throwIfAborted();
  const map = createMap(whatIfStyle(style, palette(style)), extent, {
    container: state === "after" ? "map" : "other",
    hash: false,
    padding: PADDING,
    isFadeless: true,
    title: text(`what_if.map_${state}`),
  });
  await waitUnlessAborted(map, signal);
  const layers = result[state];
  const data: Record<string, FeatureCollection> = {
    grids: layers.grid as FeatureCollection,
    labels: gridLabels(layers.grid.features, result.limits),
    communities: layers.community as FeatureCollection,
    buildings: movedBuildings(result),
    border: (result.after.border ?? {
      type: "FeatureCollection",
      features: [],
    }) as FeatureCollection,
  };
  for (const [name, collection] of Object.entries(data)) {
    (map.getSource(name) as GeoJSONSource).setData(collection);
  }
  return map;
}

/** The buildings that change community or grid. */
function movedBuildings(result: WhatIf): FeatureCollection {
  const features = result.after.building.features.flatMap(({ properties, geometry }) => {
    const community = changesCommunity(properties);
    if (!community && !properties.grid_changed) return [];
    return [{ type: "Feature" as const, geometry, properties: { community } }];
  });
  return { type: "FeatureCollection", features } as FeatureCollection;
}

function changesCommunity({ community_before, community_after }: Building): boolean {
  return community_before !== community_after;
}

function gridLabels(grids: GridFeature[], limits: WhatIf["limits"]): FeatureCollection {
  const features = grids.map(({ properties: grid }): Feature => {
    const warning = isOff(grid, limits) ? " ⚠" : "";
    const words = text("page.households_unit", { households: formatNumber(grid.households) });
    return {
      type: "Feature",
      geometry: { type: "Point", coordinates: [grid.lon, grid.lat] },
      properties: { title: `${serialOf(grid.code)}${warning}`, words },
    };
  });
  return { type: "FeatureCollection", features };
}

/** Whether a grid's households are outside the limits; unknown where these are units of workload. */
function isOff(grid: GridFeature["properties"], { balance, lower, upper }: WhatIf["limits"]) {
  const isLimited = balance === "households" && grid.kind === "general";
  return isLimited && (grid.households < lower || grid.households > upper);
}

function serialOf(code: string): number {
  return Number(code.slice(-3));
}

function sections(result: WhatIf, show: (feature: Feature) => void): HTMLElement[] {
  const { figures, sentences, job } = result;
  const communities = figures.before.map(({ code }) => `community=${code}`).join("&");
  const exports = FORMATS.map((format) =>
    button(
      text(`what_if.export_${format}`),
      () => void openFile(`/what-if/${job}/export?format=${format}`),
      { "data-export": format },
    ),
  );
  return [
    div(
      "heading",
      element("h1", {}, text(`what_if.kind_${figures.kind}`)),
      element("p", {}, figures.before.map(({ name }) => name).join(text("page.and"))),
      element("p", {}, text("what_if.swipe_help")),
    ),
    div("actions", element("a", { href: `/plan/what-if?${communities}` }, text("what_if.again"))),
    totalsTable(figures),
    element("ul", { class: "reasons" }, ...sentences.map((words) => element("li", {}, words))),
    details("communities_compared", communityTable(result)),
    details("grids_compared", ...STATES.map((state) => gridTable(result, state, show))),
    details("who_changes_community", changers(result, changesCommunity, "community", show)),
    details(
      "who_changes_grid",
      changers(result, (one) => one.grid_changed, "grid", show),
    ),
    element("h2", {}, text("what_if.export")),
    div("actions", ...exports),
  ];
}

function details(key: string, ...content: HTMLElement[]): HTMLElement {
  const summary = element("summary", {}, text(`what_if.${key}`));
  return element("details", { class: "scores" }, summary, ...content);
}

function totalsTable({ total_before, total_after }: WhatIf["figures"]): HTMLElement {
  const rows = FIGURES.map(([key, format]) => {
    const cells = [total_before[key], total_after[key]].map((value) =>
      element("td", {}, value === null ? "—" : format(value)),
    );
    const head = element("th", { scope: "row" }, text(`what_if.total_${key}`));
    return element("tr", { "data-figure": key }, head, ...cells);
  });
  return element(
    "table",
    { class: "card" },
    tableHead("", ...STATES),
    element("tbody", {}, ...rows),
  );
}

function tableHead(...keys: string[]): HTMLElement {
  const heads = keys.map((key) =>
    key ? element("th", { scope: "col" }, text(`what_if.${key}`)) : element("td"),
  );
  return element("thead", {}, element("tr", {}, ...heads));
}

/** The score cards of all communities, before and after. */
function communityTable({ figures, limits }: WhatIf): HTMLElement {
  const plans = STATES.flatMap((state) =>
    figures[state].map(({ name, score }) => ({
      version: 0,
      title: `${text(`what_if.${state}`)} ${name}`,
      score,
      limits,
    })),
  );
  return div("compare", scoreTable(plans, { isRanked: false }));
}

function gridTable(result: WhatIf, state: State, show: (feature: Feature) => void): HTMLElement {
  const rows = result[state].grid.features.map((grid) => {
    const { households } = grid.properties;
    const off = isOff(grid.properties, result.limits);
    const go = button(gridTitle(grid.properties), () => show(grid as Feature), { class: "quiet" });
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, go),
      element("td", off ? { class: "off" } : {}, `${formatNumber(households)}${off ? " ⚠" : ""}`),
    );
  });
  return element(
    "table",
    { class: "card" },
    tableHead(state, "total_households"),
    element("tbody", {}, ...rows),
  );
}

function gridTitle({ community_name, code, name }: GridFeature["properties"]): string {
  return name || `${community_name} ${serialOf(code)}`;
}

/** The buildings that change, grouped by where they were and where they would be. */
function changers(
  result: WhatIf,
  isChanged: (building: Building) => boolean,
  level: "community" | "grid",
  show: (feature: Feature) => void,
): HTMLElement {
  const buildings = result.after.building.features;
  const names = new Map(buildings.map(({ properties: { code, name } }) => [code, name]));
  const moved = buildings.flatMap(({ properties: building }, atom): MovedAtom[] => {
    if (!isChanged(building)) return [];
    const [from, to] = [building[`${level}_before`] ?? "", building[`${level}_after`]];
    const { code, unit_code, households } = building;
    return [{ atom, building: code, unit: unit_code, households, from, to }];
  });
  const titles = Object.fromEntries(STATES.map((state) => [state, titlesOf(result, state, level)]));
  return movedList(moved, {
    nameOf: (code) => names.get(code) ?? "",
    showAtom: (atom) => show(buildings[atom] as Feature),
    titleOf: ({ from, to }) =>
      `${titles.before!.get(from) ?? from} → ${titles.after!.get(to) ?? to}`,
  });
}

function titlesOf(result: WhatIf, state: State, level: "community" | "grid"): Map<string, string> {
  if (level === "grid") {
    const grids = result[state].grid.features.map(({ properties }) => properties);
    return new Map(grids.map((grid) => [grid.code, gridTitle(grid)]));
  }
  const communities = result[state].community.features.map(({ properties }) => properties);
  return new Map(communities.map(({ code, name }) => [code, name]));
}
