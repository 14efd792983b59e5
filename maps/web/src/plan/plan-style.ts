// The map style of a plan: its layers in place of the city's grids.

import type { FeatureCollection } from "geojson";
import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";

const GRID_LAYERS = ["grid-fill", "grid-border", "grid-selected", "grid-label", "community-fill"];
export const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };

/** The city's style with the layers of a plan in place of its grids. */
export function planStyle(style: StyleSpecification, fills: string[]): StyleSpecification {
  const at = style.layers.findIndex((layer) => layer.id === "grid-fill");
  const layers = style.layers.filter((layer) => !GRID_LAYERS.includes(layer.id));
  const under = layers.findIndex((layer) => layer.id === style.layers[at + 1]?.id);
  layers.splice(under, 0, ...areaLayers(fills));
  const halo = layers.findIndex((layer) => layer.id === "community-halo");
  layers.splice(halo, 0, ...borderLayers());
  layers.push(...labelLayers());
  const plain = { type: "geojson" as const, data: EMPTY };
  style.sources = {
    ...style.sources,
    atoms: { ...plain, promoteId: "atom" },
    borders: plain,
    labels: plain,
    counts: plain,
    gesture: plain,
    differing: plain,
    "micro-grids": plain,
    barriers: plain,
  };
  return { ...style, layers };
}

function areaLayers(fills: string[]): LayerSpecification[] {
  const state = (name: string): ExpressionSpecification => ["feature-state", name];
  const cases = fills.flatMap((fill, index) => [index, fill]);
  const byColour = [
    "match",
    ["coalesce", state("colour"), -1],
    ...cases,
    "#d8dbdd",
  ] as unknown as ExpressionSpecification;
  return [
    {
      id: "atoms",
      type: "fill",
      source: "atoms",
      paint: {
        "fill-color": [
          "case",
          ["!=", ["coalesce", state("shade"), ""], ""],
          ["to-color", state("shade")],
          byColour,
        ],
        "fill-opacity": ["case", ["boolean", state("locked"), false], 0.45, 0.8],
      },
    },
  ];
}

function borderLayers(): LayerSpecification[] {
  const flag = (name: string): ExpressionSpecification => [
    "boolean",
    ["feature-state", name],
    false,
  ];
  return [
    {
      id: "cells",
      type: "line",
      source: "atoms",
      minzoom: 15,
      paint: { "line-color": "#26323d", "line-width": 0.4, "line-opacity": 0.35 },
    },
    {
      id: "micro-grids",
      type: "line",
      source: "micro-grids",
      minzoom: 14,
      paint: { "line-color": "#8c2f39", "line-width": 1.4, "line-dasharray": [3, 2] },
    },
    {
      id: "borders",
      type: "line",
      source: "borders",
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": "#1d262e",
        "line-width": ["interpolate", ["linear"], ["zoom"], 13, 1.2, 18, 3.2],
      },
    },
    {
      id: "barriers",
      type: "line",
      source: "barriers",
      layout: { "line-cap": "round" },
      paint: {
        "line-color": "#1f5f8b",
        "line-width": ["case", ["get", "marked"], 6, 3],
        "line-opacity": ["case", ["get", "marked"], 0.95, 0.55],
      },
    },
    {
      id: "differing",
      type: "line",
      source: "differing",
      paint: { "line-color": "#c8102e", "line-width": 2.5, "line-dasharray": [2, 1] },
    },
    {
      id: "pending-fill",
      type: "fill",
      source: "atoms",
      paint: {
        "fill-color": "#101820",
        "fill-opacity": ["case", flag("pending"), 0.32, flag("hover"), 0.14, 0],
      },
    },
    {
      id: "pending-line",
      type: "line",
      source: "atoms",
      paint: {
        "line-color": ["case", flag("breaks"), "#c8102e", "#101820"],
        "line-width": ["case", flag("pending"), 2.6, flag("hover"), 1.8, 0],
      },
    },
    {
      id: "gesture-fill",
      type: "fill",
      source: "gesture",
      paint: { "fill-color": "#1f5f8b", "fill-opacity": 0.18 },
    },
    {
      id: "gesture-line",
      type: "line",
      source: "gesture",
      paint: { "line-color": "#1f5f8b", "line-width": 2 },
    },
  ];
}

function labelLayers(): LayerSpecification[] {
  const fonts = [
    "PingFang SC Bold",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
  ];
  return [
    {
      id: "count",
      type: "symbol",
      source: "counts",
      minzoom: 16.5,
      layout: {
        "text-field": ["get", "households"],
        "text-font": fonts,
        "text-size": 11,
        "text-padding": 0,
      },
      paint: { "text-color": "#44525f", "text-halo-color": "#ffffff", "text-halo-width": 1.2 },
    },
    {
      id: "micro-grid-label",
      type: "symbol",
      source: "micro-grids",
      minzoom: 15.5,
      layout: {
        "text-field": ["concat", ["get", "serial"], " · ", ["get", "households"]],
        "text-font": fonts,
        "text-size": 12,
      },
      paint: { "text-color": "#8c2f39", "text-halo-color": "#ffffff", "text-halo-width": 1.5 },
    },
    {
      id: "plan-label",
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
          { "font-scale": 0.72 },
        ],
        "text-font": fonts,
        "text-size": ["interpolate", ["linear"], ["zoom"], 13, 13, 17, 20],
        "text-allow-overlap": true,
        "text-line-height": 1.15,
      },
      paint: {
        "text-color": ["case", ["get", "active"], "#8c2f39", "#1d262e"],
        "text-halo-color": "#ffffff",
        "text-halo-width": 2,
      },
    },
  ];
}
