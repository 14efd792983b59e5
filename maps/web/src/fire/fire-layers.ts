// The map layers of the fire page: overlays with their findings, pipes, and the current result.

import type { Feature, FeatureCollection } from "geojson";
import type {
  GeoJSONSource,
  LayerSpecification,
  Map as LibreMap,
  StyleSpecification,
} from "maplibre-gl";

import type { Severity } from "./fire-api";

/** Colours that can also be told apart in grey. */
export const SEVERITY_COLOURS: Record<Severity, string> = {
  high: "#a4161a",
  medium: "#b35900",
  low: "#7a6a00",
  missing: "#6b7280",
};

/** The layers that an overlay shows beside its findings. */
const OVERLAY_LAYERS: Record<string, string[]> = {
  hydrant_coverage: ["hydrant-area", "hydrant"],
  hydrant_spacing: ["hydrant"],
  hydrant_standing: ["hydrant"],
  hydrant_supply: ["hydrant"],
  fire_lane: ["lane"],
  fire_reach: ["lane"],
  response: ["response", "station"],
  micro_station: ["micro-station"],
};

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const FONTS = [
  "PingFang SC Medium",
  "PingFang SC",
  "Microsoft YaHei",
  "Noto Sans CJK SC",
  "sans-serif",
];

/** Colours of the networks in surveys (CJJ 61-2017, appendix B). */
export const PIPE_COLOURS: Record<string, string> = {
  water: "#00ffff",
  gas: "#ff00ff",
  sewage: "#4c3926",
  storm: "#4c3926",
  combined: "#4c3926",
  heat: "#ff8000",
  power: "#ff0000",
  telecom: "#00ff00",
};

/** A dark edge, because some of these colours are pale on a light map. */
const PIPE_EDGE = "#101820";

export function fireStyle(style: StyleSpecification): StyleSpecification {
  const quiet = style.layers.map((layer) =>
    layer.id === "grid-fill" && layer.type === "fill"
      ? { ...layer, paint: { ...layer.paint, "fill-opacity": 0.22 } }
      : layer,
  );
  return {
    ...style,
    sources: {
      ...style.sources,
      fire: {
        type: "vector",
        tiles: [`${location.origin}/fire/tiles/{z}/{x}/{y}`],
        minzoom: 10,
        maxzoom: 16,
      },
      pipes: {
        type: "vector",
        tiles: [`${location.origin}/networks/tiles/{z}/{x}/{y}?network=water,gas`],
        minzoom: 12,
        maxzoom: 16,
      },
      answer: { type: "geojson", data: EMPTY },
    },
    layers: [
      ...quiet,
      ...overlayLayers(),
      ...pipeLayers(),
      ...answerLayers(),
    ] as LayerSpecification[],
  };
}

function overlayLayers(): LayerSpecification[] {
  const hidden = { visibility: "none" as const };
  const byMinutes = ["interpolate", ["linear"], ["get", "minutes"], 1, "#0b5d3b", 5, "#c7e9c0"];
  return [
    {
      id: "response",
      type: "fill",
      source: "fire",
      "source-layer": "response",
      layout: hidden,
      paint: { "fill-color": byMinutes as never, "fill-opacity": 0.3 },
    },
    {
      id: "hydrant-area",
      type: "fill",
      source: "fire",
      "source-layer": "hydrant_area",
      layout: hidden,
      paint: { "fill-color": "#1b6ca8", "fill-opacity": 0.18 },
    },
    {
      id: "lane",
      type: "line",
      source: "fire",
      "source-layer": "lane",
      layout: hidden,
      paint: {
        "line-color": ["case", ["get", "reached"], "#1d7a3a", "#a4161a"],
        "line-width": 3.5,
      },
    },
    {
      id: "hydrant",
      type: "circle",
      source: "fire",
      "source-layer": "hydrant",
      layout: hidden,
      paint: {
        "circle-radius": 5,
        "circle-color": ["match", ["get", "state"], "ok", "#1b6ca8", "due", "#b35900", "#a4161a"],
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 1.5,
      },
    },
    {
      id: "station",
      type: "circle",
      source: "fire",
      "source-layer": "station",
      layout: hidden,
      paint: {
        "circle-radius": 8,
        "circle-color": "#c8102e",
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 2,
      },
    },
    {
      id: "micro-station",
      type: "circle",
      source: "fire",
      "source-layer": "micro_station",
      layout: hidden,
      paint: {
        "circle-radius": 6,
        "circle-color": "#e07a1f",
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 2,
      },
    },
    {
      id: "finding-line",
      type: "line",
      source: "fire",
      "source-layer": "finding",
      filter: ["==", ["get", "overlay"], ""],
      paint: { "line-color": severityColour(), "line-width": 4 },
    },
    {
      id: "finding-point",
      type: "circle",
      source: "fire",
      "source-layer": "finding_point",
      filter: ["==", ["get", "overlay"], ""],
      paint: {
        "circle-radius": 5.5,
        "circle-color": severityColour(),
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 1.5,
      },
    },
  ];
}

function severityColour(): never {
  return [
    "match",
    ["get", "severity"],
    ...Object.entries(SEVERITY_COLOURS).flat(),
    "#6b7280",
  ] as never;
}

function pipeLayers(): LayerSpecification[] {
  const colour = [
    "match",
    ["get", "network"],
    ...Object.entries(PIPE_COLOURS).flat(),
    "#555",
  ] as never;
  const hidden = { visibility: "none" as const };
  return [
    {
      id: "pipe-edge",
      type: "line",
      source: "pipes",
      "source-layer": "pipe",
      layout: hidden,
      paint: {
        "line-color": PIPE_EDGE,
        "line-width": ["interpolate", ["linear"], ["zoom"], 13, 2.4, 18, 6.5],
      },
    },
    {
      id: "pipe",
      type: "line",
      source: "pipes",
      "source-layer": "pipe",
      layout: hidden,
      paint: {
        "line-color": colour,
        "line-width": ["interpolate", ["linear"], ["zoom"], 13, 1.2, 18, 4.5],
      },
    },
    {
      id: "valve",
      type: "circle",
      source: "pipes",
      "source-layer": "pipe_node",
      minzoom: 15,
      filter: ["==", ["get", "kind"], "valve"],
      layout: hidden,
      paint: {
        "circle-radius": 4.5,
        "circle-color": "#fff",
        "circle-stroke-color": colour,
        "circle-stroke-width": 2.5,
      },
    },
  ];
}

/** Layers of the result, by the `sign` of its features (markers.ts). */
function answerLayers(): LayerSpecification[] {
  const is = (...signs: string[]) => ["in", ["get", "sign"], ["literal", signs]] as never;
  return [
    {
      id: "answer-area",
      type: "fill",
      source: "answer",
      filter: is("area", "ladder", "wind"),
      paint: {
        "fill-color": ["match", ["get", "sign"], "ladder", "#1d7a3a", "wind", "#e07b00", "#c8102e"],
        "fill-opacity": ["match", ["get", "sign"], "wind", 0.34, 0.14],
      },
    },
    {
      id: "answer-building",
      type: "fill",
      source: "answer",
      filter: is("building"),
      paint: { "fill-color": "#c8102e", "fill-opacity": 0.55 },
    },
    {
      id: "answer-edge",
      type: "line",
      source: "answer",
      filter: is("area", "building", "ladder"),
      paint: {
        "line-color": ["match", ["get", "sign"], "ladder", "#1d7a3a", "#c8102e"],
        "line-width": 2,
      },
    },
    {
      id: "answer-lost",
      type: "line",
      source: "answer",
      filter: is("lost"),
      paint: { "line-color": "#101820", "line-width": 6, "line-opacity": 0.55 },
    },
    {
      id: "answer-route",
      type: "line",
      source: "answer",
      filter: is("hose", "drive", "measure"),
      paint: {
        "line-color": [
          "match",
          ["get", "sign"],
          "hose",
          "#1b6ca8",
          "measure",
          "#101820",
          "#c8102e",
        ],
        "line-width": 3.5,
        "line-dasharray": [2, 0.8],
      },
    },
    {
      id: "answer-close",
      type: "line",
      source: "answer",
      filter: is("close", "broken"),
      paint: { "line-color": "#c8102e", "line-width": 5 },
    },
    {
      id: "answer-point",
      type: "circle",
      source: "answer",
      filter: is(
        "hydrant",
        "entrance",
        "valve",
        "shut",
        "stuck",
        "critical",
        "obstacle",
        "measured",
      ),
      paint: {
        "circle-radius": ["match", ["get", "sign"], ["valve", "stuck"], 9, "shut", 3.5, 6.5],
        "circle-color": [
          "match",
          ["get", "sign"],
          "hydrant",
          "#1b6ca8",
          "entrance",
          "#1d7a3a",
          ["valve", "shut"],
          "#ffd23f",
          "stuck",
          "#6b7280",
          "critical",
          "#7b2d8b",
          "measured",
          "#ffffff",
          "#a4161a",
        ],
        "circle-stroke-color": "#1d262e",
        "circle-stroke-width": 1.6,
      },
    },
    {
      id: "answer-label",
      type: "symbol",
      source: "answer",
      filter: ["has", "label"],
      layout: {
        "text-field": ["get", "label"],
        "text-font": FONTS,
        "text-size": 12.5,
        "text-offset": [0, 1.1],
        "text-anchor": "top",
        "text-optional": true,
      },
      paint: { "text-color": "#1d262e", "text-halo-color": "#fff", "text-halo-width": 1.6 },
    },
  ];
}

/** The zoom from which a layer shows: its own, and that of its tiles. */
export function firstZoom(map: LibreMap, id: string): number {
  const layer = map.getLayer(id);
  const source = layer?.source ? map.getSource(layer.source) : undefined;
  return Math.max(layer?.minzoom ?? 0, (source as { minzoom?: number } | undefined)?.minzoom ?? 0);
}

export function setAnswer(map: LibreMap, features: Feature[]): void {
  (map.getSource("answer") as GeoJSONSource).setData({ type: "FeatureCollection", features });
}

export function setPipesVisible(map: LibreMap, isVisible: boolean): void {
  for (const id of ["pipe-edge", "pipe", "valve"]) setVisible(map, id, isVisible);
}

/** Show the findings and layers of some overlays, and no others. */
export function setOverlays(map: LibreMap, overlays: Set<string>): void {
  const filter = ["in", ["get", "overlay"], ["literal", [...overlays]]] as never;
  map.setFilter("finding-line", filter);
  map.setFilter("finding-point", filter);
  for (const [id, isVisible] of overlayVisibility(overlays)) setVisible(map, id, isVisible);
}

/** Whether each layer that accompanies overlays belongs to one of these. */
export function overlayVisibility(overlays: Set<string>): Map<string, boolean> {
  const shown = new Set([...overlays].flatMap((id) => OVERLAY_LAYERS[id] ?? []));
  return new Map(
    Object.values(OVERLAY_LAYERS)
      .flat()
      .map((id) => [id, shown.has(id)]),
  );
}

function setVisible(map: LibreMap, layer: string, isVisible: boolean): void {
  map.setLayoutProperty(layer, "visibility", isVisible ? "visible" : "none");
}
