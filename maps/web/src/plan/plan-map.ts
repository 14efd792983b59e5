// The plan on the map: cells in the colours of their grids, borders, numbers, what is pending.

import type { Feature, FeatureCollection, Position } from "geojson";
import type { GeoJSONSource, Map as LibreMap } from "maplibre-gl";

import type { Extent } from "../bounds";
import { afterPaint } from "../dom";
import { palette } from "../legend";
import { type Language, text } from "../locale";
import { createMap, loadStyle } from "../map";
import { rings } from "./coverage";
import type { Draft } from "./draft";
import {
  ALONE,
  DEVIATION,
  depth,
  MOVED,
  NOTHING,
  planStyle,
  type Shade,
  STAYED,
} from "./plan-style";

export class View {
  private states = new Map<number, string>();
  private parted = "";
  private lettered = "";
  private marked = new Set<number>();
  private hovered: number | null = null;
  /** What the map is still to be told: states of cells, and what sources hold. */
  private statesDue = new Map<number, Record<string, unknown>>();
  private dataDue = new Map<string, () => Feature | FeatureCollection>();
  private waiting = false;
  private closed = false;
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
    const map = createMap(planStyle(style, fills), extent, {
      container,
      hash,
      padding,
      isFadeless: true,
    });
    await new Promise<void>((done) => void map.once("load", () => done()));
    return new View(map, fills);
  }

  /** Show another plan: its cells, then everything that follows from their grids. */
  load(draft: Draft): void {
    this.states.clear();
    [this.parted, this.lettered] = ["", ""];
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
    const parted = draft.cells.map((cell) => cell.grid).join();
    if (parted !== this.parted) this.put("borders", () => borders(draft));
    this.parted = parted;
    const features = labels(draft, active);
    const lettered = JSON.stringify(features);
    if (lettered !== this.lettered)
      this.put("labels", () => ({ type: "FeatureCollection", features }));
    this.lettered = lettered;
  }

  /** Whether the map shows everything that it was told. */
  get told(): boolean {
    return !this.waiting && this.map.loaded();
  }

  /** Take the map away. */
  close(): void {
    this.closed = true;
    this.map.remove();
  }

  /** Draw the map anew once the figures beside it are on the screen, for which it might take too
   * long. */
  private soon(): void {
    if (this.waiting) return;
    this.waiting = true;
    afterPaint(() => this.catchUp());
  }

  private catchUp(): void {
    this.waiting = false;
    if (this.closed) return;
    for (const [id, state] of this.statesDue)
      this.map.setFeatureState({ source: "atoms", id }, state);
    for (const [name, data] of this.dataDue) this.source(name).setData(data());
    this.statesDue.clear();
    this.dataDue.clear();
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
    if (this.shade === "compound")
      return cell.compound ? this.fills[hashed(cell.compound) % this.fills.length]! : ALONE;
    if (this.shade === "moved")
      return (draft.homeOf(atom) ?? cell.grid) === cell.grid ? STAYED : MOVED;
    return "";
  }

  /** Mark cells as about to move; red where the move breaks something. */
  mark(atoms: Iterable<number>, breaks: boolean): void {
    const now = new Set(atoms);
    for (const atom of this.marked)
      if (!now.has(atom)) this.set(atom, { pending: false, breaks: false });
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
      ? {
          type: "Feature",
          properties: {},
          geometry: { type: "Polygon", coordinates: [[...ring, ring[0]!]] },
        }
      : NOTHING;
    this.source("gesture").setData(data);
  }

  differing(areas: FeatureCollection): void {
    this.source("differing").setData(areas);
  }

  atomAt(point: { x: number; y: number }): number | null {
    const found = this.map.queryRenderedFeatures([point.x, point.y], { layers: ["atoms"] })[0];
    return found ? Number(found.properties.atom) : null;
  }

  private set(id: number, news: Record<string, unknown>): void {
    this.statesDue.set(id, { ...this.statesDue.get(id), ...news });
    this.soon();
  }

  private put(source: string, data: () => Feature | FeatureCollection): void {
    this.dataDue.set(source, data);
    this.soon();
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
      ? [
          {
            type: "Feature",
            geometry: { type: "Point", coordinates: [cell.lon, cell.lat] },
            properties: { households: String(cell.households) },
          },
        ]
      : [],
  );
  return { type: "FeatureCollection", features };
}

function borders(draft: Draft): Feature {
  const coordinates = draft.coverage.borders((index) => draft.cells[index]!.grid);
  return { type: "Feature", geometry: { type: "MultiLineString", coordinates }, properties: {} };
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
  const mean = [0, 1].map(
    (axis) => places.reduce((sum, place) => sum + place[axis]!, 0) / places.length,
  );
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
