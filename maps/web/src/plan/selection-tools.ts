// Gestures that choose cells: click, brush, eraser, lasso, rectangle, a whole compound, and a shape
// drawn corner by corner.

import type { Polygon, Position } from "geojson";
import type { MapMouseEvent, MapTouchEvent } from "maplibre-gl";
import { contains } from "./coverage";
import type { Draft } from "./draft";
import { centre, type View } from "./plan-map";

export const TOOLS = [
  "click",
  "brush",
  "eraser",
  "lasso",
  "rectangle",
  "compound",
  "dedicated",
] as const;
export type Tool = (typeof TOOLS)[number];
/** Tools by which one drags over the map. */
const DRAGGED: Tool[] = ["brush", "eraser", "lasso", "rectangle"];

type Pointer = MapMouseEvent | MapTouchEvent;

export interface Gestures {
  /** Cells under the pointer before anything is pressed; null where there are none. */
  over(atoms: number[] | null, at: { x: number; y: number }): void;
  /** Cells chosen so far while a gesture goes on. */
  choosing(atoms: Set<number>): void;
  /** A gesture has ended with these cells. */
  chosen(atoms: Set<number>, event: { alternative: boolean }): void;
}

export class Tools {
  tool: Tool = "click";
  brush = 28;
  private pen: { put(): void } | null = null;
  private drawing: { ring: Position[]; atoms: Set<number>; from: { x: number; y: number } } | null =
    null;

  constructor(
    private readonly view: View,
    private readonly draft: () => Draft,
    private readonly on: Gestures,
  ) {
    const { map } = view;
    map.on("mousemove", (event) => this.moved(event));
    map.on("mouseout", () => this.on.over(null, { x: 0, y: 0 }));
    map.on("mousedown", (event) => this.pressed(event));
    map.on("touchstart", (event) => event.points.length === 1 && this.pressed(event));
    map.on("touchmove", (event) => event.points.length === 1 && this.moved(event));
    map.on("touchend", () => this.released());
    window.addEventListener("mouseup", () => this.released());
    map.on("click", (event) => this.clicked(event));
  }

  use(tool: Tool): void {
    this.tool = tool;
    this.cancel();
    const { dragPan, boxZoom } = this.view.map;
    if (this.drags) dragPan.disable();
    else dragPan.enable();
    boxZoom.disable();
    this.view.map.getCanvas().style.cursor =
      this.drags || tool === "dedicated" ? "crosshair" : "pointer";
    if (tool === "dedicated") void this.drawShape();
  }

  /** Let a shape be drawn; what stands in it is chosen when it closes. */
  private async drawShape(): Promise<void> {
    const { Pen } = await import("./shape-editor");
    if (this.tool !== "dedicated") return;
    const pen = new Pen(this.view.map, (shape) =>
      this.on.chosen(this.within(shape), { alternative: false }),
    );
    pen.draw("polygon");
    this.pen = pen;
  }

  cancel(): void {
    this.drawing = null;
    this.pen?.put();
    this.pen = null;
    this.view.gesture(null);
  }

  private get drags(): boolean {
    return DRAGGED.includes(this.tool);
  }

  private get brushes(): boolean {
    return this.tool === "brush" || this.tool === "eraser";
  }

  private pressed(event: Pointer): void {
    if (!this.drags || ("originalEvent" in event && (event.originalEvent as MouseEvent).button > 0))
      return;
    event.preventDefault();
    const { x, y } = event.point;
    this.drawing = { ring: [event.lngLat.toArray()], atoms: new Set(), from: { x, y } };
    this.moved(event);
  }

  private moved(event: Pointer): void {
    const { drawing } = this;
    if (!drawing) return this.hovered(event);
    if (this.brushes) {
      for (const atom of this.under(event.point)) drawing.atoms.add(atom);
      this.view.gesture(this.circle(event.point));
    } else {
      drawing.ring =
        this.tool === "rectangle"
          ? this.box(drawing.from, event.point)
          : [...drawing.ring, event.lngLat.toArray()];
      drawing.atoms = this.inside(drawing.ring);
      this.view.gesture(drawing.ring);
    }
    this.on.choosing(drawing.atoms);
  }

  private hovered(event: Pointer): void {
    if (this.brushes) this.view.gesture(this.circle(event.point));
    if (this.tool === "dedicated") return;
    const atom = this.view.atomAt(event.point);
    const atoms = atom === null ? null : this.tool === "compound" ? this.compound(atom) : [atom];
    this.on.over(this.drags ? null : atoms, event.point);
  }

  private released(): void {
    const { drawing } = this;
    if (!drawing) return;
    this.cancel();
    this.on.chosen(drawing.atoms, { alternative: false });
  }

  private clicked(event: MapMouseEvent): void {
    if (this.drags || this.tool === "dedicated") return;
    const atom = this.view.atomAt(event.point);
    if (atom === null) return;
    const atoms = this.tool === "compound" ? this.compound(atom) : [atom];
    this.on.chosen(new Set(atoms), { alternative: event.originalEvent.altKey });
  }

  /** The cells of the same compound, or of the same grid's block where there is none. */
  private compound(atom: number): number[] {
    const { compound } = this.draft().cell(atom);
    if (!compound) return [atom];
    return this.draft()
      .cells.filter((cell) => cell.compound === compound)
      .map((cell) => cell.atom);
  }

  private under({ x, y }: { x: number; y: number }): number[] {
    const r = this.brush;
    return this.draft()
      .cells.flatMap((cell, index) => {
        const at = this.view.map.project(centre(this.draft(), index) as [number, number]);
        return Math.hypot(at.x - x, at.y - y) <= r ? [cell.atom] : [];
      })
      .concat(this.view.atomAt({ x, y }) ?? []);
  }

  private circle({ x, y }: { x: number; y: number }): Position[] {
    return Array.from({ length: 32 }, (_, step) => {
      const turn = (step / 32) * 2 * Math.PI;
      return this.view.map
        .unproject([x + this.brush * Math.cos(turn), y + this.brush * Math.sin(turn)])
        .toArray();
    });
  }

  private box(from: { x: number; y: number }, to: { x: number; y: number }): Position[] {
    const corners: [number, number][] = [
      [from.x, from.y],
      [to.x, from.y],
      [to.x, to.y],
      [from.x, to.y],
    ];
    return corners.map((corner) => this.view.map.unproject(corner).toArray());
  }

  private inside(ring: Position[]): Set<number> {
    if (ring.length < 3) return new Set();
    return this.within({ type: "Polygon", coordinates: [[...ring, ring[0]!]] });
  }

  private within(area: Polygon): Set<number> {
    const found = this.draft().cells.filter((_, index) =>
      contains(area, centre(this.draft(), index)),
    );
    return new Set(found.map((cell) => cell.atom));
  }
}
