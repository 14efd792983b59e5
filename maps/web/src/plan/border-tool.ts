// The tool that moves the border between two grids to a road, wall, railway or water: two grids, and
// one or more lines, chosen in the panel or on the map.

import type { Feature } from "geojson";
import type { MapMouseEvent } from "maplibre-gl";
import { element, notify } from "../dom";
import { formatNumber, text } from "../locale";
import { borderMove, type Pair, segmentsOfBarrier } from "./border-move";
import type { Segment } from "./coverage";
import type { Draft } from "./draft";
import { gridName } from "./grid-list";
import type { Move } from "./move";
import { type Barrier, fetchBarriers } from "./plan-api";
import type { PlanMap } from "./plan-map";

/** How near to a line or border, in pixels, the pointer takes it. */
const SNAP_PX = 9;

export class BorderTool {
  readonly panel = element("section", { class: "border-tool", hidden: "" });
  private barriers: Barrier[] | null = null;
  private readonly segments = new Map<string, Set<Segment>>();
  private readonly chosen = new Set<string>();
  private pair: Pair | null = null;
  private isActive = false;

  /** `onMove` gets the move that the chosen lines make; null where they make none. */
  constructor(
    private readonly draft: Draft,
    private readonly view: PlanMap,
    private readonly onMove: (move: Move | null) => void,
  ) {
    view.map.on("click", (event) => this.isActive && this.handleClick(event));
    view.map.on("mousemove", (event) => this.isActive && this.handleHover(event));
  }

  /** Start or end the tool; a grid that is chosen already is one of the two. */
  setActive(isActive: boolean, grid: string | null): void {
    if (isActive === this.isActive) return;
    this.isActive = isActive;
    this.panel.hidden = !isActive;
    this.chosen.clear();
    this.pair = null;
    if (isActive) void this.start(grid);
    else this.showLines();
  }

  /** Update the figures after an edit. */
  refresh(): void {
    if (!this.isActive) return;
    if (this.pair?.some((grid) => !this.draft.grids.has(grid))) this.pair = null;
    this.chosen.clear();
    this.fill();
  }

  private async start(grid: string | null): Promise<void> {
    this.panel.replaceChildren(element("p", { class: "none" }, text("page.loading")));
    try {
      this.barriers ??= await fetchBarriers(this.draft.plan.id);
    } catch (error) {
      notify((error as Error).message);
      return;
    }
    const own = this.pairs().find((pair) => grid !== null && pair.includes(grid));
    this.choosePair(own ?? null);
  }

  private pairs(): Pair[] {
    return this.draft.coverage
      .touching((cell) => this.draft.cells[cell]!.grid)
      .map((pair) => [...pair].sort() as Pair)
      .sort((one, other) => one.join().localeCompare(other.join()));
  }

  private choosePair(pair: Pair | null): void {
    this.pair = pair;
    this.chosen.clear();
    this.fill();
    this.onMove(null);
  }

  private fill(): void {
    this.showLines();
    const choice = element(
      "select",
      {},
      element("option", { value: "" }, text("plan.border_none")),
    );
    for (const pair of this.pairs()) {
      const names = pair.map((code) => gridName(this.draft.grids.get(code)!)).join(" – ");
      const option = element("option", { value: pair.join() }, names);
      option.selected = this.pair?.join() === pair.join();
      choice.append(option);
    }
    choice.addEventListener("change", () => {
      this.choosePair(choice.value ? (choice.value.split(",") as Pair) : null);
      this.panel.querySelector<HTMLElement>("select")?.focus();
    });
    this.panel.replaceChildren(
      element("h2", {}, text("plan.tool_border")),
      element("p", {}, text(this.pair ? "plan.border_to" : "plan.border_which")),
      element("label", {}, text("plan.border_between"), choice),
      ...(this.pair ? [this.lineList(this.pair)] : []),
    );
  }

  /** The lines with what each alone would move; those that cut nothing can be joined to others. */
  private lineList(pair: Pair): HTMLElement {
    const rows = this.usefulBarriers(pair).map((barrier) => {
      const move = borderMove(this.draft, pair, this.segmentsOf(barrier));
      return { barrier, move };
    });
    rows.sort((one, other) => Number(!one.move) - Number(!other.move));
    if (rows.length === 0) return element("p", { class: "none" }, text("plan.border_no_lines"));
    return element(
      "ul",
      {},
      ...rows.map(({ barrier, move }) => {
        const tick = element("input", { type: "checkbox", "data-line": barrier.id });
        tick.checked = this.chosen.has(barrier.id);
        tick.addEventListener("change", () => this.toggle(barrier.id));
        const words = move
          ? text("plan.moving", {
              buildings: move.buildings,
              households: formatNumber(move.households),
            })
          : text("plan.border_partial");
        const label = element("label", {}, tick, barrierName(barrier), element("small", {}, words));
        return element("li", {}, label);
      }),
    );
  }

  private segmentsOf(barrier: Barrier): Set<Segment> {
    const known = this.segments.get(barrier.id) ?? segmentsOfBarrier(this.draft, barrier);
    this.segments.set(barrier.id, known);
    return known;
  }

  /** The lines that run through the two grids. */
  private usefulBarriers(pair: Pair): Barrier[] {
    const isInPair = (cell: number) => pair.includes(this.draft.cells[cell]!.grid);
    return (this.barriers ?? []).filter((barrier) =>
      [...this.segmentsOf(barrier)].some(({ left, right }) => isInPair(left) && isInPair(right)),
    );
  }

  private toggle(id: string): void {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    for (const tick of this.panel.querySelectorAll<HTMLInputElement>("[data-line]")) {
      tick.checked = this.chosen.has(tick.dataset.line ?? "");
    }
    this.showLines();
    const move = this.moveOf([...this.chosen]);
    if (move?.atoms.length === 0) notify(text("plan.border_there"), undefined, "calm");
    this.onMove(move?.atoms.length ? move : null);
  }

  private moveOf(ids: string[]): Move | null {
    const lines = (this.barriers ?? []).filter(({ id }) => ids.includes(id));
    if (!this.pair || lines.length === 0) return null;
    const cut = new Set(lines.flatMap((line) => [...this.segmentsOf(line)]));
    return borderMove(this.draft, this.pair, cut);
  }

  private showLines(hovered: string | null = null): void {
    const lines = this.pair && this.isActive ? this.usefulBarriers(this.pair) : [];
    const features = lines.map(
      ({ id, geometry }): Feature => ({
        type: "Feature",
        geometry,
        properties: { id, marked: this.chosen.has(id) || id === hovered },
      }),
    );
    this.view.showBarriers(features);
    const gridOf = (cell: number) => this.draft.cells[cell]!.grid;
    const border = this.pair ? this.draft.coverage.bordersBetween(gridOf, ...this.pair) : [];
    this.view.showDifferences({
      type: "FeatureCollection",
      features: border.length
        ? [
            {
              type: "Feature",
              geometry: { type: "MultiLineString", coordinates: border },
              properties: {},
            },
          ]
        : [],
    });
  }

  private handleClick(event: MapMouseEvent): void {
    const line = this.pair && this.view.barrierAt(event.point, SNAP_PX);
    const [one, other] = this.view.gridsAround(event.point, SNAP_PX, this.draft);
    if (line !== null) this.toggle(line);
    else if (one && other) this.choosePair([one, other].sort() as Pair);
  }

  private handleHover(event: MapMouseEvent): void {
    this.showLines(this.pair ? this.view.barrierAt(event.point, SNAP_PX) : null);
  }
}

function barrierName({ kind, name }: Barrier): string {
  return [text(`plan.barrier_${kind}`), name].filter(Boolean).join(" ");
}
