// The map: the city's own layers as vector tiles, in the one style that the API serves.

import {
  addProtocol,
  AttributionControl,
  Map as LibreMap,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
  type IControl,
  type LngLatBoundsLike,
  type PaddingOptions,
  type StyleSpecification,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { Geometry } from "geojson";
import { Protocol } from "pmtiles";
import "maplibre-gl/dist/maplibre-gl.css";

import { button, element } from "./dom";
import { ask } from "./http";
import { text, type Language } from "./locale";
import { token } from "./session";

addProtocol("pmtiles", new Protocol().tile);
setWorkerUrl(new URL(workerUrl, location.href).href);

const CHINA: LngLatBoundsLike = [73.5, 18.2, 134.8, 53.6];

export type Extent = [number, number, number, number];

/** The city's style; the tiles come from one baked file where `archive` and there is one. */
export async function loadStyle(
  lang: Language,
  status: "published" | "draft",
  archive = false,
): Promise<StyleSpecification> {
  const response = await fetch(`/style.json?lang=${lang}&status=${status}&archive=${archive}`);
  if (!response.ok) throw new Error(response.statusText);
  const style = (await response.json()) as StyleSpecification;
  for (const source of Object.values(style.sources)) {
    // workers have no page to resolve a relative address against
    if (source.type === "vector" && source.tiles) {
      source.tiles = source.tiles.map((tile) =>
        tile.startsWith("pmtiles://") ? tile.replace("pmtiles://", `pmtiles://${location.origin}`) : location.origin + tile,
      );
    }
  }
  return style;
}

export interface Opened {
  container?: string;
  /** Keep the place in the address: the part of the hash it has. */
  hash?: string | false;
  padding?: PaddingOptions;
}

export function createMap(
  style: StyleSpecification,
  extent: number[] | undefined,
  { container = "map", hash = "map", padding = margins() }: Opened = {},
): LibreMap {
  const bounds = extent?.length === 4 ? (extent as Extent) : CHINA;
  const map = new LibreMap({
    container,
    style,
    bounds,
    fitBoundsOptions: { padding, maxZoom: 18 },
    hash,
    transformRequest: (url) => authorised(url),
    maxZoom: 20,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    attributionControl: false,
    locale: {
      "NavigationControl.ZoomIn": text("page.zoom_in"),
      "NavigationControl.ZoomOut": text("page.zoom_out"),
    },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new AttributionControl({ compact: true }), "bottom-right");
  map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
  map.addControl(new ScaleControl({ maxWidth: 110 }), "bottom-right");
  const base = style.layers.filter((layer) => layer.id.startsWith("tianditu-")).map((layer) => layer.id);
  if (base.length) map.addControl(baseSwitch(base), "bottom-right");
  return map;
}

/** A button that shows and hides the base map of others, which is asked for nothing before. */
function baseSwitch(layers: string[]): IControl {
  const press = button(text("page.tianditu"), () => undefined, { "aria-pressed": "false", class: "base" });
  const box = element("div", { class: "maplibregl-ctrl maplibregl-ctrl-group" }, press);
  const onAdd = (map: LibreMap): HTMLElement => {
    press.addEventListener("click", () => {
      const on = press.getAttribute("aria-pressed") === "false";
      press.setAttribute("aria-pressed", String(on));
      for (const layer of layers) map.setLayoutProperty(layer, "visibility", on ? "visible" : "none");
    });
    return box;
  };
  return { onAdd, onRemove: () => box.remove() };
}

/** Tiles of the desks are asked for under the name of who is signed in. */
function authorised(url: string): { url: string; headers?: Record<string, string> } {
  const bearer = token();
  const ours = url.startsWith(location.origin) && bearer !== null;
  return ours ? { url, headers: { Authorization: `Bearer ${bearer}` } } : { url };
}

/** West, south, east, north of the city's communities; nothing where there are none. */
export async function cityExtent(): Promise<number[] | undefined> {
  const { bbox } = await ask<{ bbox?: number[] }>("/regions?level=city&simplify=5000");
  return bbox;
}

export function showExtent(map: LibreMap, extent: number[], padding = margins()): void {
  map.fitBounds(extent as Extent, {
    padding,
    maxZoom: 17.5,
    duration: reducedMotion() ? 0 : 700,
  });
}

/** West, south, east, north of shapes. */
export function extentOf(...shapes: Geometry[]): Extent {
  const box: Extent = [180, 90, -180, -90];
  const take = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (typeof part[0] !== "number") return part.forEach(take);
    const [x, y] = part as [number, number];
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  };
  for (const shape of shapes) if ("coordinates" in shape) take(shape.coordinates);
  return box;
}

export function select(map: LibreMap, code: string): void {
  map.setFilter("grid-selected", ["==", ["get", "code"], code]);
}

/** Room for the bar at the top, the panel beside it, and on a phone nothing else. */
function margins(): PaddingOptions {
  const narrow = window.innerWidth < 720;
  return narrow
    ? { top: 132, right: 18, bottom: 64, left: 18 }
    : { top: 140, right: 40, bottom: 40, left: 40 };
}

export function reducedMotion(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
