// The map and the sidebar of the import page.

import type { Feature, FeatureCollection, Geometry } from "geojson";
import type { GeoJSONSource, Map as LibreMap } from "maplibre-gl";
import { extentOf, fitExtent } from "../bounds";
import { fetchOpeningExtent } from "../cities";
import { element, elementById, notify } from "../dom";
import { type Language, text } from "../locale";
import { createMap, waitForLoad } from "../map";
import { loadStyle } from "../map-style";
import type { Fate, Run, RunStatus } from "./import-api";
import { label } from "./labels";

export const CHANGE_COLOURS: Record<Fate | "held", string> = {
  added: "#1d7a3a",
  changed: "#b35900",
  removed: "#a4161a",
  held: "#7b2d8b",
};
const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
/** Wider areas are shown by their border alone. */
const WIDE_DEGREES = 0.004;

let mapLoaded: Promise<LibreMap>;

/** Resolves when the map can show features; the lists do not wait for it. */
export const changeMap = (): Promise<LibreMap> => mapLoaded;

export function openMap(lang: Language): void {
  mapLoaded = createChangeMap(lang);
}

async function createChangeMap(lang: Language): Promise<LibreMap> {
  const hasView = location.hash.includes("map=");
  const [style, extent] = await Promise.all([changeStyle(lang), fetchOpeningExtent(hasView)]);
  const map = createMap(style, extent, { padding: { top: 40, right: 40, bottom: 40, left: 40 } });
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await waitForLoad(map);
  return map;
}

async function changeStyle(lang: Language): Promise<Parameters<typeof createMap>[0]> {
  const style = await loadStyle(lang, "published");
  const colour = [
    "match",
    ["get", "change"],
    ...Object.entries(CHANGE_COLOURS).flat(),
    "#1f5f8b",
  ] as never;
  const shown = { source: "shown" };
  return {
    ...style,
    sources: { ...style.sources, shown: { type: "geojson", data: EMPTY } },
    layers: [
      ...style.layers,
      {
        id: "shown-fill",
        type: "fill",
        ...shown,
        filter: [
          "all",
          ["==", ["geometry-type"], "Polygon"],
          ["!=", ["get", "wide"], true],
        ] as never,
        paint: {
          "fill-color": colour,
          "fill-opacity": ["coalesce", ["get", "depth"], 0.35] as never,
        },
      },
      {
        id: "shown-line",
        type: "line",
        ...shown,
        filter: ["!", ["has", "depth"]] as never,
        paint: { "line-color": colour, "line-width": 2.5 },
      },
      {
        id: "shown-point",
        type: "circle",
        ...shown,
        filter: ["==", ["geometry-type"], "Point"],
        paint: {
          "circle-color": colour,
          "circle-radius": ["interpolate", ["linear"], ["zoom"], 12, 3, 17, 7] as never,
          "circle-stroke-color": "#fff",
          "circle-stroke-width": 1.5,
        },
      },
    ],
  };
}

/** Show features, and fit the map to them unless told not to. */
export function showFeatures(features: Feature[], { zoom = true } = {}): void {
  const shown = features.map((feature) => ({
    ...feature,
    properties: { ...feature.properties, wide: !feature.properties?.depth && isWide(feature) },
  }));
  void mapLoaded.then((map) =>
    map.getSource<GeoJSONSource>("shown")?.setData({ type: "FeatureCollection", features: shown }),
  );
  if (zoom && shown.length) fitFeatures(shown);
}

function isWide({ geometry }: Feature): boolean {
  const [west, , east] = extentOf(geometry);
  return east - west > WIDE_DEGREES;
}

export function fitFeatures(features: Feature[]): void {
  const extent = extentOf(...features.map(({ geometry }) => geometry));
  if (extent[0] > extent[2]) return;
  const padding = { top: 60, right: 60, bottom: 60, left: 60 };
  void mapLoaded.then((map) => fitExtent(map, extent, padding));
}

export function fitGeometry(geometry: Geometry): void {
  fitFeatures([changeFeature(geometry, "")]);
}

/** A geometry as a feature in the colour of a change; without one, in that of the selection. */
export function changeFeature(geometry: Geometry, change: Fate | "held" | ""): Feature {
  return { type: "Feature", geometry, properties: { change } };
}

export function changeLegend(): HTMLElement {
  const rows = Object.entries(CHANGE_COLOURS).map(([fate, colour]) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = colour;
    return element("span", {}, mark, label("count", fate));
  });
  return element("p", { class: "severities" }, ...rows);
}

/** The status of a run; a file that could not be read was not rejected by a person. */
export function statusBadge({ status, failure }: Pick<Run, "status" | "failure">): HTMLElement {
  const look: Partial<Record<RunStatus, string>> = {
    published: "done",
    held: "held",
    failed: "failed",
    rejected: "failed",
  };
  const isUnreadable = status === "rejected" && failure !== null;
  const words = isUnreadable ? text("status.failed_file") : label("status", status);
  return element("span", { class: `badge ${look[status] ?? ""}` }, words);
}

export function setSidebar(...children: (Node | string)[]): void {
  elementById("side").replaceChildren(...children);
}
