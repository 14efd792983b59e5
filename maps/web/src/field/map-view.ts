// The map of the own grids: the bundle, on the city's map around them from the PMTiles file that the
// phone stores. It needs no connection; until the file has been read, roads are the bundle's.

import {
  AttributionControl,
  addProtocol,
  type GeoJSONSource,
  type LayerSpecification,
  Map as LibreMap,
  NavigationControl,
  type StyleSpecification,
  type SymbolLayerSpecification,
  setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { FileSource, PMTiles, Protocol } from "pmtiles";
import "maplibre-gl/dist/maplibre-gl.css";

import { extentOf, isMotionReduced } from "../bounds";
import { text } from "../locale";
import { storedMap } from "./store";
import type { Bundle, StoredMap } from "./types";

const FILE = "surroundings";
/** Layers of the city's style that hide what the app shows: colours of areas. */
const HIDDEN = new Set(["community-fill", "grid-fill", "grid-selected"]);

const protocol = new Protocol();
addProtocol("pmtiles", protocol.tile);
setWorkerUrl(new URL(workerUrl, location.href).href);

type Features = GeoJSON.FeatureCollection;

/** Create a map of the bundle; the caller removes it. */
export function createFieldMap(container: HTMLElement, bundle: Bundle): LibreMap {
  const map = new LibreMap({
    container,
    style: styleOf(bundle, storedMap && cityOf(storedMap)),
    bounds: extentOf(...bundle.grids.map(({ geometry }) => geometry as GeoJSON.Geometry)),
    fitBoundsOptions: { padding: 24, maxZoom: 19 },
    fadeDuration: isMotionReduced() ? 0 : 300,
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
  map.addControl(new AttributionControl({ compact: true }), "bottom-left");
  map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
  return map;
}

/** Draw another bundle on the same map. */
export function updateFieldMap(map: LibreMap, bundle: Bundle): void {
  for (const [name, features] of Object.entries(featuresOf(bundle)))
    map.getSource<GeoJSONSource>(name)?.setData(features);
}

interface CityMap {
  sources: StyleSpecification["sources"];
  shapes: LayerSpecification[];
  labels: LayerSpecification[];
}

/** The city's map as it is stored on the phone. */
function cityOf({ tiles, style }: StoredMap): CityMap {
  protocol.add(new PMTiles(new FileSource(new File([tiles], FILE))));
  const { attribution } = style.sources.city as { attribution?: string };
  const layers = style.layers
    .filter((layer) => "source" in layer && layer.source === "city" && !HIDDEN.has(layer.id))
    .map((layer) => ({ ...layer, id: `city-${layer.id}` }) as LayerSpecification);
  return {
    sources: {
      city: { type: "vector", url: `pmtiles://${FILE}`, ...(attribution && { attribution }) },
    },
    shapes: layers.filter(({ type }) => type !== "symbol"),
    labels: layers.filter(({ type }) => type === "symbol"),
  };
}

function styleOf(bundle: Bundle, city: CityMap | undefined): StyleSpecification {
  const sources = Object.fromEntries(
    Object.entries(featuresOf(bundle)).map(([name, data]) => [
      name,
      { type: "geojson" as const, data, ...(name === "roads" ? {} : { promoteId: "code" }) },
    ]),
  );
  return {
    version: 8,
    sources: { ...sources, ...city?.sources },
    layers: [
      { id: "paper", type: "background", paint: { "background-color": "#f5f4ef" } },
      ...(city?.shapes ?? [ROAD]),
      ...OWN_SHAPES,
      ...(city
        ? [...city.labels, nameBuildings("neighbour-name", "city", "building")]
        : [ROAD_NAME]),
      nameBuildings("building-name", "buildings"),
    ],
  };
}

const ROAD: LayerSpecification = {
  id: "road",
  type: "line",
  source: "roads",
  layout: { "line-cap": "round" },
  paint: {
    "line-color": "#fff",
    "line-width": ["interpolate", ["exponential", 2], ["zoom"], 14, 2, 19, 22],
  },
};

const OWN_SHAPES: LayerSpecification[] = [
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
];

const NAME: Pick<SymbolLayerSpecification, "type" | "layout" | "paint"> = {
  type: "symbol",
  layout: {
    "text-font": ["PingFang SC", "Noto Sans CJK SC", "sans-serif"],
    "text-field": ["get", "name"],
    "text-size": 12,
  },
  paint: { "text-halo-color": "#fff", "text-halo-width": 1.5, "text-color": "#26323d" },
};

const ROAD_NAME: SymbolLayerSpecification = {
  ...NAME,
  id: "road-name",
  source: "roads",
  layout: { ...NAME.layout, "symbol-placement": "line" },
};

function nameBuildings(id: string, source: string, layer?: string): SymbolLayerSpecification {
  return { ...NAME, id, source, ...(layer && { "source-layer": layer }), minzoom: 16 };
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
