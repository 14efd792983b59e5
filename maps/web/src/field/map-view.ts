// The map of the own grids, drawn from the bundle alone: it needs no connection.

import {
  type GeoJSONSource,
  Map as LibreMap,
  NavigationControl,
  type StyleSpecification,
  setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import "maplibre-gl/dist/maplibre-gl.css";

import { text } from "../locale";
import type { Bundle } from "./types";

setWorkerUrl(new URL(workerUrl, location.href).href);

type Position = [number, number];
type Features = GeoJSON.FeatureCollection;

/** Create a map of the bundle; the caller removes it. */
export function createFieldMap(container: HTMLElement, bundle: Bundle): LibreMap {
  const map = new LibreMap({
    container,
    style: styleOf(bundle),
    bounds: boundsOf(bundle),
    fitBoundsOptions: { padding: 24, maxZoom: 19 },
    maxZoom: 21,
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
  map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
  return map;
}

/** Draw another bundle on the same map. */
export function updateFieldMap(map: LibreMap, bundle: Bundle): void {
  for (const [name, features] of Object.entries(featuresOf(bundle)))
    map.getSource<GeoJSONSource>(name)?.setData(features);
}

/** A place within a building, from its first ring. */
export function placeOf(geometry: unknown): Position {
  const ring = positions(geometry);
  const sum = ring.reduce(([x, y], [lon, lat]) => [x + lon, y + lat], [0, 0]);
  return [sum[0] / ring.length, sum[1] / ring.length];
}

function styleOf(bundle: Bundle): StyleSpecification {
  const sources = Object.fromEntries(
    Object.entries(featuresOf(bundle)).map(([name, data]) => [
      name,
      { type: "geojson" as const, data, ...(name === "roads" ? {} : { promoteId: "code" }) },
    ]),
  );
  const label = { "text-font": ["PingFang SC", "Noto Sans CJK SC", "sans-serif"] };
  const halo = { "text-halo-color": "#fff", "text-halo-width": 1.5, "text-color": "#26323d" };
  return {
    version: 8,
    sources,
    layers: [
      { id: "paper", type: "background", paint: { "background-color": "#f5f4ef" } },
      {
        id: "road",
        type: "line",
        source: "roads",
        layout: { "line-cap": "round" },
        paint: {
          "line-color": "#fff",
          "line-width": ["interpolate", ["exponential", 2], ["zoom"], 14, 2, 19, 22],
        },
      },
      {
        id: "building",
        type: "fill",
        source: "buildings",
        paint: { "fill-color": "#d9d2c3", "fill-outline-color": "#8c8471" },
      },
      {
        id: "grid",
        type: "line",
        source: "grids",
        paint: { "line-color": "#1f5f8b", "line-width": 3 },
      },
      {
        id: "hydrant",
        type: "circle",
        source: "hydrants",
        minzoom: 15,
        paint: {
          "circle-radius": 6,
          "circle-color": ["case", ["==", ["get", "passed"], false], "#6b6b6b", "#c0392b"],
          "circle-stroke-color": "#fff",
          "circle-stroke-width": 2,
        },
      },
      {
        id: "case",
        type: "circle",
        source: "cases",
        paint: {
          "circle-radius": 8,
          "circle-color": ["case", ["get", "is_overdue"], "#a8432f", "#1f5f8b"],
          "circle-stroke-color": "#fff",
          "circle-stroke-width": 2,
        },
      },
      {
        id: "road-name",
        type: "symbol",
        source: "roads",
        layout: {
          ...label,
          "symbol-placement": "line",
          "text-field": ["get", "name"],
          "text-size": 12,
        },
        paint: halo,
      },
      {
        id: "building-name",
        type: "symbol",
        source: "buildings",
        minzoom: 16,
        layout: { ...label, "text-field": ["get", "name"], "text-size": 12 },
        paint: halo,
      },
    ],
  };
}

function featuresOf({
  grids,
  roads,
  buildings,
  hydrants,
  cases,
}: Bundle): Record<string, Features> {
  return {
    grids: collect(grids),
    roads: collect(roads),
    buildings: collect(buildings),
    hydrants: collect(hydrants),
    cases: {
      type: "FeatureCollection",
      features: cases.map(({ number, is_overdue, lon, lat }) => ({
        type: "Feature",
        properties: { code: number, is_overdue },
        geometry: { type: "Point", coordinates: [lon, lat] },
      })),
    },
  };
}

function collect(rows: { geometry: unknown }[]): Features {
  return {
    type: "FeatureCollection",
    features: rows.map(({ geometry, ...properties }) => ({
      type: "Feature",
      properties,
      geometry: geometry as GeoJSON.Geometry,
    })),
  };
}

function boundsOf({ grids }: Bundle): [Position, Position] {
  const all = grids.flatMap(({ geometry }) => positions(geometry));
  const longitudes = all.map(([lon]) => lon);
  const latitudes = all.map(([, lat]) => lat);
  return [
    [Math.min(...longitudes), Math.min(...latitudes)],
    [Math.max(...longitudes), Math.max(...latitudes)],
  ];
}

/** All positions of a geometry. */
function positions(geometry: unknown): Position[] {
  const nested = (geometry as { coordinates: unknown }).coordinates as unknown[];
  const flat = (value: unknown[]): Position[] =>
    typeof value[0] === "number" ? [value as Position] : (value as unknown[][]).flatMap(flat);
  return flat(nested);
}
