// What the data desk draws over the city, and the small signs its lists share.

import type { Feature, FeatureCollection } from "geojson";
import type { GeoJSONSource, Map as LibreMap } from "maplibre-gl";
import { extentOf, fitExtent } from "../bounds";
import { element, elementById, notify } from "../dom";
import { type Language, optionalText, text } from "../locale";
import { cityExtent, createMap, loadStyle } from "../map";

export const CHANGES: Record<string, string> = {
  added: "#1d7a3a",
  changed: "#b35900",
  removed: "#a4161a",
  held: "#7b2d8b",
};
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
/** Areas wider than this (degrees) are shown by their border alone. */
const WIDE = 0.004;

let map: LibreMap;

export const theMap = (): LibreMap => map;

export async function openMap(lang: Language): Promise<LibreMap> {
  const [style, extent] = await Promise.all([withShown(lang), cityExtent()]);
  map = createMap(style, extent, { padding: { top: 40, right: 40, bottom: 40, left: 40 } });
  map.on("error", (event) => notify(event.error.message));
  Object.assign(window, { gridatlas: { map } });
  await new Promise<void>((done) => void map.once("load", () => done()));
  return map;
}

async function withShown(lang: Language): Promise<Parameters<typeof createMap>[0]> {
  const style = await loadStyle(lang, "published");
  const colour = [
    "match",
    ["get", "change"],
    ...Object.entries(CHANGES).flat(),
    "#1f5f8b",
  ] as never;
  const shown = { source: "shown" };
  return {
    ...style,
    sources: { ...style.sources, shown: { type: "geojson", data: NOTHING } },
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

/** Show features, and go to them unless told not to. */
export function draw(features: Feature[], { go = true } = {}): void {
  const seen = features
    .filter((one) => one.geometry)
    .map((one) => ({
      ...one,
      properties: { ...one.properties, wide: !one.properties?.depth && isWide(one) },
    }));
  (map.getSource("shown") as GeoJSONSource).setData({ type: "FeatureCollection", features: seen });
  if (go && seen.length) zoom(seen);
}

function isWide({ geometry }: Feature): boolean {
  const [west, , east] = extentOf(geometry);
  return east - west > WIDE;
}

export function zoom(features: Feature[]): void {
  const box = extentOf(
    ...features.flatMap((feature) => (feature.geometry ? [feature.geometry] : [])),
  );
  if (box[0] <= box[2]) fitExtent(map, box, { top: 60, right: 60, bottom: 60, left: 60 });
}

export function legend(): HTMLElement {
  const rows = Object.entries(CHANGES).map(([key, colour]) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = colour;
    return element("span", {}, mark, said("count", key));
  });
  return element("p", { class: "severities" }, ...rows);
}

export function badge(status: string): HTMLElement {
  const look: Record<string, string> = {
    published: "done",
    held: "held",
    failed: "failed",
    rejected: "failed",
  };
  return element("span", { class: `badge ${look[status] ?? ""}` }, said("status", status));
}

export function said(kind: string, value: string): string {
  return optionalText(`data.${kind}_${value}`) || value;
}

/** The names of one or several layers. */
export function layersSaid(names: string): string {
  return names
    .split(/,\s*/)
    .map((name) => said("layer", name))
    .join(text("data.and"));
}

export function when(moment: string): string {
  return new Date(moment).toLocaleString(document.documentElement.lang, {
    dateStyle: "medium",
    timeStyle: "short",
  });
}

export function heading(title: string, below: string): HTMLElement {
  return element("div", { class: "heading" }, element("h1", {}, title), element("p", {}, below));
}

export function side(...children: (Node | string)[]): void {
  elementById("side").replaceChildren(...children);
}
