// The map: the city's own layers as vector tiles, in the one style that the API serves.

import {
  AttributionControl,
  addProtocol,
  type IControl,
  Map as LibreMap,
  type LngLatBoundsLike,
  NavigationControl,
  type PaddingOptions,
  ScaleControl,
  type StyleSpecification,
  setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { Protocol } from "pmtiles";
import "maplibre-gl/dist/maplibre-gl.css";

import { type Extent, fitPadding } from "./bounds";
import { button, element } from "./dom";
import { ask } from "./http";
import { type Language, text } from "./locale";
import { accessToken } from "./session";

addProtocol("pmtiles", new Protocol().tile);
setWorkerUrl(new URL(workerUrl, location.href).href);

const CHINA: LngLatBoundsLike = [73.5, 18.2, 134.8, 53.6];

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
        tile.startsWith("pmtiles://")
          ? tile.replace("pmtiles://", `pmtiles://${location.origin}`)
          : location.origin + tile,
      );
    }
  }
  return style;
}

export interface MapOptions {
  container?: string;
  /** Keep the place in the address: the part of the hash it has. */
  hash?: string | false;
  padding?: PaddingOptions;
  /** Let labels appear at once, which spares a map that changes often a third of a second of pictures. */
  isFadeless?: boolean;
}

export function createMap(
  style: StyleSpecification,
  extent: number[] | undefined,
  {
    container = "map",
    hash = "map",
    padding = fitPadding(),
    isFadeless: still = false,
  }: MapOptions = {},
): LibreMap {
  const bounds = extent?.length === 4 ? (extent as Extent) : CHINA;
  const map = new LibreMap({
    container,
    style,
    bounds,
    fitBoundsOptions: { padding, maxZoom: 18 },
    hash,
    fadeDuration: still ? 0 : 300,
    transformRequest: (url) => authoriseRequest(url),
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
  const base = style.layers
    .filter((layer) => layer.id.startsWith("tianditu-"))
    .map((layer) => layer.id);
  if (base.length) map.addControl(baseMapControl(base), "bottom-right");
  return map;
}

/** A button that shows and hides the base map of others, which is asked for nothing before. */
function baseMapControl(layers: string[]): IControl {
  const press = button(text("page.tianditu"), () => undefined, {
    "aria-pressed": "false",
    class: "base",
  });
  const box = element("div", { class: "maplibregl-ctrl maplibregl-ctrl-group" }, press);
  const onAdd = (map: LibreMap): HTMLElement => {
    press.addEventListener("click", () => {
      const on = press.getAttribute("aria-pressed") === "false";
      press.setAttribute("aria-pressed", String(on));
      for (const layer of layers)
        map.setLayoutProperty(layer, "visibility", on ? "visible" : "none");
    });
    return box;
  };
  return { onAdd, onRemove: () => box.remove() };
}

/** Tiles of the desks are asked for under the name of who is signed in. */
function authoriseRequest(url: string): { url: string; headers?: Record<string, string> } {
  const bearer = accessToken();
  const ours = url.startsWith(location.origin) && bearer !== null;
  return ours ? { url, headers: { Authorization: `Bearer ${bearer}` } } : { url };
}

/** West, south, east, north of the city's communities; nothing where there are none. */
export async function cityExtent(): Promise<number[] | undefined> {
  const { bbox } = await ask<{ bbox?: number[] }>("/regions?level=city&simplify=5000");
  return bbox;
}

export function selectGrid(map: LibreMap, code: string): void {
  map.setFilter("grid-selected", ["==", ["get", "code"], code]);
}
