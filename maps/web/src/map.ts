// The map: the city's layers as vector tiles. The code is large: pages import it after their texts.

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

import { type Extent, fitPadding, isMotionReduced } from "./bounds";
import { button, element } from "./dom";
import { text } from "./locale";
import { accessToken } from "./session";
import { enlargeLabels } from "./text-size";
import "./map.css";

export { Marker } from "maplibre-gl";

addProtocol("pmtiles", new Protocol().tile);
setWorkerUrl(new URL(workerUrl, location.href).href);

const CHINA: LngLatBoundsLike = [73.5, 18.2, 134.8, 53.6];

export interface MapOptions {
  container?: string;
  /** The part of the address's hash that holds the view. */
  hash?: string | false;
  padding?: PaddingOptions;
  /** Show labels without fading in, for maps that change often. */
  isFadeless?: boolean;
  /** What a screen reader calls the map. */
  title?: string;
}

export function createMap(
  style: StyleSpecification,
  extent: Extent | undefined,
  {
    container = "map",
    hash = "map",
    padding = fitPadding(),
    isFadeless = false,
    title = text("page.map"),
  }: MapOptions = {},
): LibreMap {
  const bounds = extent ?? CHINA;
  const map = new LibreMap({
    container,
    style: enlargeLabels(style),
    bounds,
    fitBoundsOptions: { padding, maxZoom: 18 },
    hash,
    fadeDuration: isFadeless || isMotionReduced() ? 0 : 300,
    transformRequest: (url) => authoriseRequest(url),
    maxZoom: 20,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    attributionControl: false,
    locale: {
      "Map.Title": title,
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

/** A button that shows and hides Tianditu's base map, which is not requested before. */
function baseMapControl(layers: string[]): IControl {
  const attributes = { "aria-pressed": "false", class: "base" };
  const onAdd = (map: LibreMap): HTMLElement => {
    toggle.addEventListener("click", () => {
      const isOn = toggle.getAttribute("aria-pressed") === "false";
      toggle.setAttribute("aria-pressed", String(isOn));
      const visibility = isOn ? "visible" : "none";
      for (const layer of layers) map.setLayoutProperty(layer, "visibility", visibility);
    });
    return box;
  };
  const toggle = button(text("page.tianditu"), () => undefined, attributes);
  const box = element("div", { class: "maplibregl-ctrl maplibregl-ctrl-group" }, toggle);
  return { onAdd, onRemove: () => box.remove() };
}

/** Request our own tiles with the session's token. */
function authoriseRequest(url: string): { url: string; headers?: Record<string, string> } {
  const token = accessToken();
  const isOurs = url.startsWith(location.origin) && token !== null;
  return isOurs ? { url, headers: { Authorization: `Bearer ${token}` } } : { url };
}

/** Settles when a map has drawn its first picture. */
export function waitForLoad(map: LibreMap): Promise<void> {
  return new Promise((resolve) => void map.once("load", () => resolve()));
}

/** Settles as {@link waitForLoad}; the map is removed if the reader goes elsewhere before. */
export async function waitUnlessAborted(map: LibreMap, signal?: AbortSignal): Promise<void> {
  const remove = () => map.remove();
  signal?.addEventListener("abort", remove);
  await waitForLoad(map);
  signal?.removeEventListener("abort", remove);
}
