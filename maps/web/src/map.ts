// The map: the city's own layers as vector tiles, in the one style that the API serves.

import {
  AttributionControl,
  Map as LibreMap,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
  type LngLatBoundsLike,
  type StyleSpecification,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import "maplibre-gl/dist/maplibre-gl.css";

import type { Collection, Community, Status } from "./api";
import { text, type Language } from "./locale";

setWorkerUrl(new URL(workerUrl, location.href).href);

/** Digits of a division's code that all parts of a city share. */
const CITY_DIGITS = 4;

const CHINA: LngLatBoundsLike = [73.5, 18.2, 134.8, 53.6];

export async function loadStyle(lang: Language, status: Status): Promise<StyleSpecification> {
  const response = await fetch(`/style.json?lang=${lang}&status=${status}`);
  if (!response.ok) throw new Error(response.statusText);
  const style = (await response.json()) as StyleSpecification;
  for (const source of Object.values(style.sources)) {
    // workers have no page to resolve a relative address against
    if (source.type === "vector" && source.tiles) {
      source.tiles = source.tiles.map((tile) => location.origin + tile);
    }
  }
  return style;
}

/** The extent to open on: of the city with the most households, where several are loaded. */
export function homeExtent(found: Collection<Community>): number[] | undefined {
  const cities = new Map<string, { households: number; extent: number[] }>();
  for (const { properties, bbox } of found.features) {
    if (!bbox) continue;
    const code = properties.code.slice(0, CITY_DIGITS);
    const city = cities.get(code) ?? { households: 0, extent: [180, 90, -180, -90] };
    city.households += 1 + (properties.households ?? 0);
    const [west, south, east, north] = city.extent as [number, number, number, number];
    city.extent = [
      Math.min(west, bbox[0]),
      Math.min(south, bbox[1]),
      Math.max(east, bbox[2]),
      Math.max(north, bbox[3]!),
    ];
    cities.set(code, city);
  }
  return [...cities.values()].sort((a, b) => b.households - a.households)[0]?.extent;
}

export function createMap(style: StyleSpecification, extent: number[] | undefined): LibreMap {
  const bounds = extent?.length === 4 ? (extent as [number, number, number, number]) : CHINA;
  const map = new LibreMap({
    container: "map",
    style,
    bounds,
    fitBoundsOptions: { padding: margins(), maxZoom: 17 },
    hash: "map",
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
  return map;
}

export function showExtent(map: LibreMap, extent: number[]): void {
  map.fitBounds(extent as [number, number, number, number], {
    padding: margins(),
    maxZoom: 17,
    duration: reducedMotion() ? 0 : 700,
  });
}

export function select(map: LibreMap, code: string): void {
  map.setFilter("grid-selected", ["==", ["get", "code"], code]);
}

/** Room for the bar at the top, the panel beside it, and on a phone nothing else. */
function margins(): { top: number; right: number; bottom: number; left: number } {
  const narrow = window.innerWidth < 720;
  return narrow
    ? { top: 84, right: 18, bottom: 64, left: 18 }
    : { top: 92, right: 40, bottom: 40, left: 40 };
}

function reducedMotion(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
