// The plan on the map: cells in the colours of their grids, borders, numbers, what is pending.

import type { Feature, FeatureCollection, Position } from "geojson";
import type {
  ExpressionSpecification,
  GeoJSONSource,
  LayerSpecification,
  Map as LibreMap,
  StyleSpecification,
} from "maplibre-gl";

import { palette } from "../legend";
import { text, type Language } from "../locale";
import { type Extent } from "../bounds";
import { createMap, loadStyle } from "../map";
import { rings } from "./coverage";
import type { Draft } from "./draft";

export const SHADES = ["grid", "deviation", "density", "compound", "moved"] as const;
/** What the colours of the cells say. */
export type Shade = (typeof SHADES)[number];

const GRID_LAYERS = ["grid-fill", "grid-border", "grid-selected", "grid-label", "community-fill"];
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
/** Below the limits to above them, also for eyes that see fewer colours (ColorBrewer PuOr). */
const DEVIATION = ["#5e3c99", "#b2abd2", "#f7f7f7", "#fdb863", "#e66101"];
const [STAYED, MOVED, ALONE] = ["#eceef0", "#e07b39", "#eceef0"];
const MANY = 120;

/** Colours with the words of the catalogue that explain them. */
export function legendOf(shade: Shade): [string, string][] {
  const explained: Record<Shade, [string, string][]> = {
    grid: [],
    deviation: [[DEVIATION[0]!, "shade_below"], [DEVIATION[2]!, "shade_on_target"], [DEVIATION[4]!, "shade_above"]],
    density: [[depth(0), "shade_few"], [depth(MANY), "shade_many"]],
    compound: [[ALONE, "shade_alone"]],
    moved: [[MOVED, "shade_came"], [STAYED, "shade_stayed"]],
  };
  return explained[shade];
}

/** Light to dark blue by households. */
function depth(households: number): string {
  const share = Math.min(1, households / MANY);
  return `rgb(${Math.round(247 - share * 240)},${Math.round(251 - share * 170)},${Math.round(255 - share * 120)})`;
}

/** The city's style without its grids, and with the layers of a plan in their place. */
function planStyle(style: StyleSpecification, fills: string[]): StyleSpecification {
  const at = style.layers.findIndex((layer) => layer.id === "grid-fill");
  const layers = style.layers.filter((layer) => !GRID_LAYERS.includes(layer.id));
  const under = layers.findIndex((layer) => layer.id === style.layers[at + 1]?.id);
  layers.splice(under, 0, ...areaLayers(fills));
  const halo = layers.findIndex((layer) => layer.id === "community-halo");
  layers.splice(halo, 0, ...borderLayers());
  layers.push(...labelLayers());
  const plain = { type: "geojson" as const, data: NOTHING };
  style.sources = {
    ...style.sources,
    atoms: { ...plain, promoteId: "atom" },
    borders: plain,
    labels: plain,
    counts: plain,
    gesture: plain,
    differing: plain,
  };
  return { ...style, layers };
}

function areaLayers(fills: string[]): LayerSpecification[] {
  const state = (name: string): ExpressionSpecification => ["feature-state", name];
  const cases = fills.flatMap((fill, index) => [index, fill]);
  const byColour = ["match", ["coalesce", state("colour"), -1], ...cases, "#d8dbdd"] as unknown as ExpressionSpecification;
  return [
    {
      id: "atoms",
      type: "fill",
      source: "atoms",
      paint: {
        "fill-color": ["case", ["!=", ["coalesce", state("shade"), ""], ""], ["to-color", state("shade")], byColour],
        "fill-opacity": ["case", ["boolean", state("locked"), false], 0.45, 0.8],
      },
    },
  ];
}

function borderLayers(): LayerSpecification[] {
  const flag = (name: string): ExpressionSpecification => ["boolean", ["feature-state", name], false];
  return [
    {
      id: "cells",
      type: "line",
      source: "atoms",
      minzoom: 15,
      paint: { "line-color": "#26323d", "line-width": 0.4, "line-opacity": 0.35 },
    },
    {
      id: "borders",
      type: "line",
      source: "borders",
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": "#1d262e", "line-width": ["interpolate", ["linear"], ["zoom"], 13, 1.2, 18, 3.2] },
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
      paint: { "fill-color": "#101820", "fill-opacity": ["case", flag("pending"), 0.32, flag("hover"), 0.14, 0] },
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
  const fonts = ["PingFang SC Bold", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"];
  return [
    {
      id: "count",
      type: "symbol",
      source: "counts",
      minzoom: 16.5,
      layout: { "text-field": ["get", "households"], "text-font": fonts, "text-size": 11, "text-padding": 0 },
      paint: { "text-color": "#44525f", "text-halo-color": "#ffffff", "text-halo-width": 1.2 },
    },
    {
      id: "plan-label",
      type: "symbol",
      source: "labels",
      layout: {
        "text-field": ["format", ["get", "title"], {}, "\n", {}, ["get", "words"], { "font-scale": 0.72 }],
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

export class View {
  private states = new Map<number, string>();
  private marked = new Set<number>();
  private hovered: number | null = null;
  shade: Shade = "grid";

  private constructor(
    readonly map: LibreMap,
    readonly fills: string[],
  ) {}

  static async open(lang: Language, extent: Extent | undefined, container = "map"): Promise<View> {
    const wide = window.innerWidth >= 900;
    const padding = wide
      ? { top: 70, right: 40, bottom: 60, left: 40 }
      : { top: 20, right: 20, bottom: 20, left: 20 };
    const hash = container === "map" ? "map" : false;
    const style = await loadStyle(lang, "published");
    const fills = palette(style);
    const map = createMap(planStyle(style, fills), extent, { container, hash, padding });
    await new Promise<void>((done) => void map.once("load", () => done()));
    return new View(map, fills);
  }

  /** Show another plan: its cells, then everything that follows from their grids. */
  load(draft: Draft): void {
    this.states.clear();
    this.source("atoms").setData(draft.areas);
    this.source("counts").setData(counts(draft));
    this.show(draft, null);
  }

  /** Bring colours, borders and numbers to the draft. */
  show(draft: Draft, active: string | null): void {
    for (const cell of draft.cells) {
      const grid = draft.grids.get(cell.grid);
      const shade = this.shadeOf(draft, cell.atom);
      const state = `${grid?.colour ?? -1} ${grid?.locked ?? false} ${shade}`;
      if (this.states.get(cell.atom) === state) continue;
      this.states.set(cell.atom, state);
      this.set(cell.atom, { colour: grid?.colour ?? -1, locked: grid?.locked ?? false, shade });
    }
    const lines = draft.coverage.borders((index) => draft.cells[index]!.grid);
    const geometry = { type: "MultiLineString" as const, coordinates: lines };
    this.source("borders").setData({ type: "Feature", geometry, properties: {} });
    this.source("labels").setData({ type: "FeatureCollection", features: labels(draft, active) });
  }

  private shadeOf(draft: Draft, atom: number): string {
    const cell = draft.cell(atom);
    const grid = draft.grids.get(cell.grid);
    if (this.shade === "deviation" && grid && grid.kind === "general") {
      const { lower, target, upper } = draft.plan.limits;
      const half = grid.households < target ? target - lower : upper - target;
      const share = (grid.households - target) / Math.max(half, 1);
      return DEVIATION[Math.max(0, Math.min(4, Math.round(share * 1.34) + 2))]!;
    }
    if (this.shade === "density") return depth(cell.households);
    if (this.shade === "compound") return cell.compound ? this.fills[hashed(cell.compound) % this.fills.length]! : ALONE;
    if (this.shade === "moved") return (draft.homeOf(atom) ?? cell.grid) === cell.grid ? STAYED : MOVED;
    return "";
  }

  /** Mark cells as about to move; red where the move breaks something. */
  mark(atoms: Iterable<number>, breaks: boolean): void {
    const now = new Set(atoms);
    for (const atom of this.marked) if (!now.has(atom)) this.set(atom, { pending: false, breaks: false });
    for (const atom of now) this.set(atom, { pending: true, breaks });
    this.marked = now;
  }

  hover(atom: number | null): void {
    if (atom === this.hovered) return;
    if (this.hovered !== null) this.set(this.hovered, { hover: false });
    if (atom !== null) this.set(atom, { hover: true });
    this.hovered = atom;
  }

  /** The shape of a gesture under way. */
  gesture(ring: Position[] | null): void {
    const data: Feature | FeatureCollection = ring
      ? { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[...ring, ring[0]!]] } }
      : NOTHING;
    this.source("gesture").setData(data);
  }

  differing(areas: FeatureCollection): void {
    this.source("differing").setData(areas);
  }

  atomAt(point: { x: number; y: number }): number | null {
    const found = this.map.queryRenderedFeatures([point.x, point.y], { layers: ["atoms"] })[0];
    return found ? Number(found.properties["atom"]) : null;
  }

  private set(id: number, state: Record<string, unknown>): void {
    this.map.setFeatureState({ source: "atoms", id }, state);
  }

  private source(name: string): GeoJSONSource {
    return this.map.getSource(name) as GeoJSONSource;
  }
}

function hashed(words: string): number {
  return [...words].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 100_003, 7);
}

/** Households of each building, where it stands. */
function counts(draft: Draft): FeatureCollection {
  const features = draft.cells.flatMap((cell): Feature[] =>
    cell.building && cell.lon !== null && cell.lat !== null && cell.households > 0
      ? [{ type: "Feature", geometry: { type: "Point", coordinates: [cell.lon, cell.lat] }, properties: { households: String(cell.households) } }]
      : [],
  );
  return { type: "FeatureCollection", features };
}

function labels(draft: Draft, active: string | null): Feature[] {
  return [...draft.grids.values()].flatMap((grid) => {
    const place = middle(draft, grid.code);
    if (!place) return [];
    const words = text("plan.households_short", { households: grid.households });
    const warn = grid.within && grid.contiguous ? "" : " ⚠";
    const properties = { title: `${grid.serial}${warn}`, words, active: grid.code === active };
    return [{ type: "Feature", geometry: { type: "Point", coordinates: place }, properties }];
  });
}

/** The place of the cell nearest to the middle of a grid. */
function middle(draft: Draft, grid: string): Position | null {
  const places = draft.cellsOf(grid).map((index) => centre(draft, index));
  if (places.length === 0) return null;
  const mean = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis]!, 0) / places.length);
  const far = (place: Position) => Math.hypot(place[0]! - mean[0]!, place[1]! - mean[1]!);
  return places.reduce((best, place) => (far(place) < far(best) ? place : best));
}

export function centre(draft: Draft, index: number): Position {
  const cell = draft.cells[index]!;
  if (cell.lon !== null && cell.lat !== null) return [cell.lon, cell.lat];
  const ring = rings(draft.areas.features[index]!.geometry)[0]!;
  const sum = ring.reduce((total, place) => [total[0]! + place[0]!, total[1]! + place[1]!], [0, 0]);
  return [sum[0]! / ring.length, sum[1]! / ring.length];
}

export function extentOf(draft: Draft, grid?: string): Extent {
  const extent: Extent = [180, 90, -180, -90];
  draft.areas.features.forEach((cell, index) => {
    if (grid && draft.cells[index]!.grid !== grid) return;
    for (const [x, y] of rings(cell.geometry).flat() as [number, number][]) {
      extent[0] = Math.min(extent[0], x);
      extent[1] = Math.min(extent[1], y);
      extent[2] = Math.max(extent[2], x);
      extent[3] = Math.max(extent[3], y);
    }
  });
  return extent;
}
