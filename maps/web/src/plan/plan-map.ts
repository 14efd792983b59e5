// The map of a plan: cells in the colours of their grids, borders, labels, and pending moves.

import type { Feature, FeatureCollection, Position } from "geojson";
import { type GeoJSONSource, type Map as LibreMap, Marker } from "maplibre-gl";

import type { Extent } from "../bounds";
import { afterPaint } from "../dom";
import { palette } from "../legend";
import { type Language, text } from "../locale";
import { createMap, waitForLoad } from "../map";
import { loadStyle } from "../map-style";
import type { Draft } from "./draft";
import type { Areas, MicroGrid } from "./plan-api";
import { borderFeature, householdFeatures, labelFeatures } from "./plan-features";
import { EMPTY, planStyle } from "./plan-style";
import { cellColour, type Shading } from "./shading";

export class PlanMap {
  private cellStates = new Map<number, string>();
  private gridsKey = "";
  private labelsKey = "";
  private markedAtoms = new Set<number>();
  private hoveredAtom: number | null = null;
  /** States of cells and data of sources that the map does not show yet. */
  private pendingStates = new Map<number, Record<string, unknown>>();
  private pendingData = new Map<string, () => Feature | FeatureCollection>();
  private pin: Marker | null = null;
  private isUpdatePending = false;
  isClosed = false;
  shading: Shading = "grid";

  private constructor(
    readonly map: LibreMap,
    readonly fills: string[],
  ) {}

  static async open(
    lang: Language,
    extent: Extent | undefined,
    container = "map",
    signal?: AbortSignal,
  ): Promise<PlanMap> {
    const isWide = window.innerWidth >= 900;
    const padding = isWide
      ? { top: 70, right: 40, bottom: 60, left: 40 }
      : { top: 20, right: 20, bottom: 20, left: 20 };
    const hash = container === "map" ? "map" : false;
    const style = await loadStyle(lang, "published");
    signal?.throwIfAborted();
    const fills = palette(style);
    const map = createMap(planStyle(style, fills), extent, {
      container,
      hash,
      padding,
      isFadeless: true,
      title: text(container === "map" ? "plan.map" : "plan.map_other"),
    });
    const remove = () => map.remove();
    signal?.addEventListener("abort", remove);
    await waitForLoad(map);
    signal?.removeEventListener("abort", remove);
    return new PlanMap(map, fills);
  }

  /** Show another plan. */
  load(draft: Draft): void {
    this.cellStates.clear();
    [this.gridsKey, this.labelsKey] = ["", ""];
    this.source("atoms").setData(draft.areas);
    this.source("counts").setData(householdFeatures(draft));
    this.show(draft, null);
  }

  /** Update colours, borders and labels to the draft. */
  show(draft: Draft, active: string | null): void {
    for (const cell of draft.cells) {
      const grid = draft.grids.get(cell.grid);
      const shade = cellColour(draft, cell.atom, this.shading, this.fills);
      const state = `${grid?.colour ?? -1} ${grid?.locked ?? false} ${shade}`;
      if (this.cellStates.get(cell.atom) === state) continue;
      this.cellStates.set(cell.atom, state);
      this.setState(cell.atom, {
        colour: grid?.colour ?? -1,
        locked: grid?.locked ?? false,
        shade,
      });
    }
    const gridsKey = draft.cells.map((cell) => cell.grid).join();
    if (gridsKey !== this.gridsKey) this.setData("borders", () => borderFeature(draft));
    this.gridsKey = gridsKey;
    const features = labelFeatures(draft, active);
    const labelsKey = JSON.stringify(features);
    if (labelsKey !== this.labelsKey) {
      this.setData("labels", () => ({ type: "FeatureCollection", features }));
    }
    this.labelsKey = labelsKey;
  }

  /** Whether the map shows the current state. */
  get isUpToDate(): boolean {
    return !this.isUpdatePending && this.map.loaded();
  }

  /** Remove the map. */
  close(): void {
    this.isClosed = true;
    this.map.remove();
  }

  /** Update the map after the figures beside it are painted, because it takes longer. */
  private scheduleUpdate(): void {
    if (this.isUpdatePending) return;
    this.isUpdatePending = true;
    afterPaint(() => this.update());
  }

  private update(): void {
    this.isUpdatePending = false;
    if (this.isClosed) return;
    for (const [id, state] of this.pendingStates)
      this.map.setFeatureState({ source: "atoms", id }, state);
    for (const [name, data] of this.pendingData) this.source(name).setData(data());
    this.pendingStates.clear();
    this.pendingData.clear();
  }

  /** Mark atoms that a move would take; in red where it breaks something. */
  markAtoms(atoms: Iterable<number>, breaks: boolean): void {
    const marked = new Set(atoms);
    for (const atom of this.markedAtoms) {
      if (!marked.has(atom)) this.setState(atom, { pending: false, breaks: false });
    }
    for (const atom of marked) this.setState(atom, { pending: true, breaks });
    this.markedAtoms = marked;
  }

  hoverAtom(atom: number | null): void {
    if (atom === this.hoveredAtom) return;
    if (this.hoveredAtom !== null) this.setState(this.hoveredAtom, { hover: false });
    if (atom !== null) this.setState(atom, { hover: true });
    this.hoveredAtom = atom;
  }

  /** Show the shape of a gesture; null hides it. */
  showGesture(ring: Position[] | null): void {
    const data: Feature | FeatureCollection = ring
      ? {
          type: "Feature",
          properties: {},
          geometry: { type: "Polygon", coordinates: [[...ring, ring[0]!]] },
        }
      : EMPTY;
    this.source("gesture").setData(data);
  }

  /** Mark a place with a pin, in place of the last one. */
  showPin(position: [number, number]): void {
    this.pin?.remove();
    this.pin = new Marker({ color: "#c8102e" }).setLngLat(position).addTo(this.map);
  }

  /** Show the micro-grids of a plan, for the grids that are divided. */
  showMicroGrids(parts: Areas<MicroGrid>, grids: ReadonlySet<string>): void {
    const features = parts.features.filter(({ properties }) => grids.has(properties.grid));
    this.source("micro-grids").setData({ type: "FeatureCollection", features });
  }

  showDifferences(areas: FeatureCollection): void {
    this.source("differing").setData(areas);
  }

  /** Show the lines that a border can be moved to. */
  showBarriers(features: Feature[]): void {
    this.source("barriers").setData({ type: "FeatureCollection", features });
  }

  /** The line within some pixels of a point; null where there is none. */
  barrierAt({ x, y }: { x: number; y: number }, radius: number): string | null {
    const box: [[number, number], [number, number]] = [
      [x - radius, y - radius],
      [x + radius, y + radius],
    ];
    const [feature] = this.map.queryRenderedFeatures(box, { layers: ["barriers"] });
    return feature ? String(feature.properties.id) : null;
  }

  /** The grids within some pixels of a point. */
  gridsAround({ x, y }: { x: number; y: number }, radius: number, draft: Draft): string[] {
    const atoms = [-1, 0, 1].flatMap((dx) =>
      [-1, 0, 1].map((dy) => this.atomAt({ x: x + dx * radius, y: y + dy * radius })),
    );
    return [...new Set(atoms.flatMap((atom) => (atom === null ? [] : [draft.cell(atom).grid])))];
  }

  atomAt(point: { x: number; y: number }): number | null {
    const [feature] = this.map.queryRenderedFeatures([point.x, point.y], { layers: ["atoms"] });
    return feature ? Number(feature.properties.atom) : null;
  }

  private setState(id: number, changes: Record<string, unknown>): void {
    this.pendingStates.set(id, { ...this.pendingStates.get(id), ...changes });
    this.scheduleUpdate();
  }

  private setData(source: string, data: () => Feature | FeatureCollection): void {
    this.pendingData.set(source, data);
    this.scheduleUpdate();
  }

  private source(name: string): GeoJSONSource {
    return this.map.getSource(name) as GeoJSONSource;
  }
}
