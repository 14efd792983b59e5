// Gestures that select cells: click, brush, eraser, lasso, rectangle, whole compound, and a shape
// drawn corner by corner.

import type { Polygon, Position } from "geojson";
import type { MapMouseEvent, MapTouchEvent } from "maplibre-gl";
import { contains } from "./coverage";
import type { Draft } from "./draft";
import { cellCentre } from "./plan-features";
import type { PlanMap } from "./plan-map";

export const TOOLS = [
  "click",
  "brush",
  "eraser",
  "lasso",
  "rectangle",
  "compound",
  "dedicated",
  "border",
] as const;
/** The tools of the toolbar, and the one that takes the place of a comment. */
export type Tool = (typeof TOOLS)[number] | "comment";
/** Tools that handle the pointer themselves. */
export const OTHER_TOOLS: Tool[] = ["dedicated", "border", "comment"];
/** Tools that are dragged over the map. */
const DRAG_TOOLS: Tool[] = ["brush", "eraser", "lasso", "rectangle"];

type Pointer = MapMouseEvent | MapTouchEvent;

export interface SelectionHandlers {
  /** The atoms under the pointer; null where there are none. */
  onHover(atoms: number[] | null): void;
  /** The atoms that a gesture has selected so far. */
  onSelecting(atoms: Set<number>): void;
  /** The atoms that a gesture has selected, and whether Alt was pressed. */
  onSelected(atoms: Set<number>, isAlternative: boolean): void;
}

export class SelectionTools {
  tool: Tool = "click";
  /** In pixels. */
  brushRadius = 28;
  private shapeEditor: { stop(): void } | null = null;
  private gesture: { ring: Position[]; atoms: Set<number>; from: { x: number; y: number } } | null =
    null;

  constructor(
    private readonly view: PlanMap,
    private readonly draft: () => Draft,
    private readonly handlers: SelectionHandlers,
  ) {
    const { map } = view;
    map.on("mousemove", (event) => this.moveGesture(event));
    map.on("mouseout", () => this.handlers.onHover(null));
    map.on("mousedown", (event) => this.startGesture(event));
    map.on("touchstart", (event) => event.points.length === 1 && this.startGesture(event));
    map.on("touchmove", (event) => event.points.length === 1 && this.moveGesture(event));
    map.on("touchend", () => this.endGesture());
    window.addEventListener("mouseup", () => this.endGesture());
    map.on("click", (event) => this.handleClick(event));
  }

  setTool(tool: Tool): void {
    this.tool = tool;
    this.cancel();
    const { dragPan, boxZoom } = this.view.map;
    if (this.isDragTool) dragPan.disable();
    else dragPan.enable();
    boxZoom.disable();
    this.view.map.getCanvas().style.cursor =
      this.isDragTool || OTHER_TOOLS.includes(tool) ? "crosshair" : "pointer";
    if (tool === "dedicated") void this.drawShape();
  }

  /** Let a shape be drawn, which selects the atoms in it when it is closed. */
  private async drawShape(): Promise<void> {
    const { ShapeEditor } = await import("./shape-editor");
    if (this.tool !== "dedicated") return;
    const shapes = new ShapeEditor(this.view.map, (shape) =>
      this.handlers.onSelected(this.atomsInArea(shape), false),
    );
    shapes.setMode("polygon");
    this.shapeEditor = shapes;
  }

  cancel(): void {
    this.gesture = null;
    this.shapeEditor?.stop();
    this.shapeEditor = null;
    this.view.showGesture(null);
  }

  private get isDragTool(): boolean {
    return DRAG_TOOLS.includes(this.tool);
  }

  private get isBrush(): boolean {
    return this.tool === "brush" || this.tool === "eraser";
  }

  private startGesture(event: Pointer): void {
    if (
      !this.isDragTool ||
      ("originalEvent" in event && (event.originalEvent as MouseEvent).button > 0)
    )
      return;
    event.preventDefault();
    const { x, y } = event.point;
    this.gesture = { ring: [event.lngLat.toArray()], atoms: new Set(), from: { x, y } };
    this.moveGesture(event);
  }

  private moveGesture(event: Pointer): void {
    const { gesture } = this;
    if (!gesture) {
      this.handleHover(event);
      return;
    }
    if (this.isBrush) {
      for (const atom of this.brushedAtoms(event.point)) gesture.atoms.add(atom);
      this.view.showGesture(this.brushRing(event.point));
    } else {
      gesture.ring =
        this.tool === "rectangle"
          ? this.rectangleRing(gesture.from, event.point)
          : [...gesture.ring, event.lngLat.toArray()];
      gesture.atoms = this.atomsInRing(gesture.ring);
      this.view.showGesture(gesture.ring);
    }
    this.handlers.onSelecting(gesture.atoms);
  }

  private handleHover(event: Pointer): void {
    if (this.isBrush) this.view.showGesture(this.brushRing(event.point));
    if (OTHER_TOOLS.includes(this.tool)) return;
    const atom = this.view.atomAt(event.point);
    const atoms =
      atom === null ? null : this.tool === "compound" ? this.compoundAtoms(atom) : [atom];
    this.handlers.onHover(this.isDragTool ? null : atoms);
  }

  private endGesture(): void {
    const { gesture } = this;
    if (!gesture) return;
    this.cancel();
    this.handlers.onSelected(gesture.atoms, false);
  }

  private handleClick(event: MapMouseEvent): void {
    if (this.isDragTool || OTHER_TOOLS.includes(this.tool)) return;
    const atom = this.view.atomAt(event.point);
    if (atom === null) return;
    const atoms = this.tool === "compound" ? this.compoundAtoms(atom) : [atom];
    this.handlers.onSelected(new Set(atoms), event.originalEvent.altKey);
  }

  /** The atoms of the same compound; the atom alone where it is in none. */
  private compoundAtoms(atom: number): number[] {
    const { compound } = this.draft().cell(atom);
    if (!compound) return [atom];
    return this.draft()
      .cells.filter((cell) => cell.compound === compound)
      .map((cell) => cell.atom);
  }

  private brushedAtoms({ x, y }: { x: number; y: number }): number[] {
    const radius = this.brushRadius;
    return this.draft()
      .cells.flatMap((cell, index) => {
        const at = this.view.map.project(cellCentre(this.draft(), index) as [number, number]);
        return Math.hypot(at.x - x, at.y - y) <= radius ? [cell.atom] : [];
      })
      .concat(this.view.atomAt({ x, y }) ?? []);
  }

  private brushRing({ x, y }: { x: number; y: number }): Position[] {
    return Array.from({ length: 32 }, (_, step) => {
      const turn = (step / 32) * 2 * Math.PI;
      return this.view.map
        .unproject([x + this.brushRadius * Math.cos(turn), y + this.brushRadius * Math.sin(turn)])
        .toArray();
    });
  }

  private rectangleRing(from: { x: number; y: number }, to: { x: number; y: number }): Position[] {
    const corners: [number, number][] = [
      [from.x, from.y],
      [to.x, from.y],
      [to.x, to.y],
      [from.x, to.y],
    ];
    return corners.map((corner) => this.view.map.unproject(corner).toArray());
  }

  private atomsInRing(ring: Position[]): Set<number> {
    if (ring.length < 3) return new Set();
    return this.atomsInArea({ type: "Polygon", coordinates: [[...ring, ring[0]!]] });
  }

  private atomsInArea(area: Polygon): Set<number> {
    const cells = this.draft().cells.filter((_, index) =>
      contains(area, cellCentre(this.draft(), index)),
    );
    return new Set(cells.map((cell) => cell.atom));
  }
}
