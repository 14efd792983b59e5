// The map style of a what-if: grids and communities of one state, and what changes.

import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";

import { EMPTY } from "./plan-style";

const CHANGE = "#b3261e";
const FONTS = ["PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"];
const SOURCES = ["grids", "labels", "communities", "buildings", "border"];

/** The city's style with the layers of a what-if in place of its grids. */
export function whatIfStyle(style: StyleSpecification, fills: string[]): StyleSpecification {
  const plain = { type: "geojson" as const, data: EMPTY };
  const layers = style.layers.filter(({ id }) => !/^(grid|community)-/.test(id));
  return {
    ...style,
    sources: { ...style.sources, ...Object.fromEntries(SOURCES.map((name) => [name, plain])) },
    layers: [...layers, ...areaLayers(fills), ...lineLayers(), labelLayer()],
  };
}

function areaLayers(fills: string[]): LayerSpecification[] {
  const cases = fills.flatMap((fill, index) => [index, fill]);
  const colour: unknown = ["match", ["get", "colour"], ...cases, "#d3d7da"];
  return [
    {
      id: "grids",
      type: "fill",
      source: "grids",
      paint: { "fill-color": colour as ExpressionSpecification, "fill-opacity": 0.55 },
    },
    {
      id: "changed-buildings",
      type: "fill",
      source: "buildings",
      paint: {
        "fill-color": ["case", ["get", "community"], CHANGE, "#e0902f"],
        "fill-opacity": 0.75,
      },
    },
  ];
}

function lineLayers(): LayerSpecification[] {
  return [
    {
      id: "grid-borders",
      type: "line",
      source: "grids",
      paint: { "line-color": "#1d262e", "line-width": 1.6 },
    },
    {
      id: "community-borders",
      type: "line",
      source: "communities",
      paint: { "line-color": "#5b2a86", "line-width": 4, "line-dasharray": [4, 1.5] },
    },
    {
      id: "new-border",
      type: "line",
      source: "border",
      paint: { "line-color": CHANGE, "line-width": 4 },
    },
  ];
}

function labelLayer(): LayerSpecification {
  return {
    id: "grid-names",
    type: "symbol",
    source: "labels",
    layout: {
      "text-field": [
        "format",
        ["get", "title"],
        {},
        "\n",
        {},
        ["get", "words"],
        { "font-scale": 0.75 },
      ],
      "text-font": FONTS,
      "text-size": ["interpolate", ["linear"], ["zoom"], 13, 13, 17, 19],
      "text-allow-overlap": true,
    },
    paint: { "text-color": "#1d262e", "text-halo-color": "#ffffff", "text-halo-width": 2 },
  };
}
