// The map of a page of the OGC API: the city, and over it the page's features or tiles.

import type { FeatureCollection, Geometry } from "geojson";
import {
  type FilterSpecification,
  type LayerSpecification,
  Map as LibreMap,
  NavigationControl,
} from "maplibre-gl";

import "../base.css";
import "./ogc.css";
import { type Extent, extentOf } from "../bounds";
import { loadStyle } from "../map-style";

const SOURCE = "shown";
const FILL = "#1f5f8b";
const LINE = "#12405f";
const POINT = "#a8432f";

interface TileJson {
  bounds?: Extent;
  vector_layers: { id: string }[];
}

for (const place of document.querySelectorAll<HTMLElement>(".map")) {
  showMap(place).catch(() => place.remove()); // the page is complete without it
}

async function showMap(place: HTMLElement): Promise<void> {
  const { features, tilejson } = place.dataset;
  const style = await loadStyle(document.documentElement.lang === "en" ? "en" : "zh", "published");
  const map = new LibreMap({
    container: place,
    style,
    cooperativeGestures: true,
    attributionControl: { compact: true },
  });
  map.addControl(new NavigationControl({ showCompass: false }));
  await map.once("load");
  const extent = features
    ? await showFeatures(map, features)
    : await showTiles(map, tilejson as string);
  if (extent) map.fitBounds(extent, { padding: 40, maxZoom: 17, animate: false });
}

async function showFeatures(map: LibreMap, address: string): Promise<Extent | undefined> {
  const data = await fetchJson<FeatureCollection | GeoJSON.Feature>(address);
  map.addSource(SOURCE, { type: "geojson", data });
  for (const layer of layersOf(undefined)) map.addLayer(layer);
  const all = data.type === "FeatureCollection" ? data.features : [data];
  const shapes = all.map((one) => one.geometry).filter((shape): shape is Geometry => !!shape);
  return shapes.length ? extentOf(...shapes) : undefined;
}

async function showTiles(map: LibreMap, address: string): Promise<Extent | undefined> {
  const description = await fetchJson<TileJson>(address);
  map.addSource(SOURCE, { type: "vector", url: address });
  for (const { id } of description.vector_layers) {
    for (const layer of layersOf(id)) map.addLayer(layer);
  }
  return description.bounds;
}

async function fetchJson<T>(address: string): Promise<T> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(response.statusText);
  return (await response.json()) as T;
}

/** Areas, lines and points of a layer of the tiles, or of all features. */
function layersOf(tileLayer: string | undefined): LayerSpecification[] {
  const of = (kind: string): FilterSpecification => ["==", ["geometry-type"], kind];
  const common = (kind: string) => ({
    id: `${SOURCE}-${tileLayer ?? ""}-${kind}`,
    source: SOURCE,
    filter: of(kind),
    ...(tileLayer ? { "source-layer": tileLayer } : {}),
  });
  return [
    {
      ...common("Polygon"),
      type: "fill",
      paint: { "fill-color": FILL, "fill-opacity": 0.35, "fill-outline-color": LINE },
    },
    { ...common("LineString"), type: "line", paint: { "line-color": LINE, "line-width": 2 } },
    { ...common("Point"), type: "circle", paint: { "circle-color": POINT, "circle-radius": 4 } },
  ];
}
