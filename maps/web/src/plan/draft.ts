// The plan being edited: which cell belongs to which grid, figures that follow every gesture at
// once, and the edits on their way to the server, which has the last word.

import { isOffline, Problem } from "../http";
import * as api from "./api";
import type { AtomProperties, Breach, Edit, Edited, GridProperties, Plan, Score } from "./api";
import { Coverage } from "./coverage";

export interface Change {
  grid: string;
  before: number;
  after: number;
  /** What the move newly breaks in this grid. */
  breaks: "below" | "above" | "pieces" | "locked" | null;
}

export interface Move {
  atoms: number[];
  to: string | null;
  households: number;
  buildings: number;
  changes: Change[];
}

/** What became of the draft: drawn anew, held up, overtaken by somebody else. */
export type Told =
  | { what: "changed" }
  | { what: "reloaded" }
  | { what: "waiting"; reason: string }
  | { what: "conflict"; by: string; edit: Edit }
  | { what: "refused"; reason: string };

const NEW = "new";

/** Indices of the palette (maps/colours.py), the usual ones first. */
const COLOURS = [0, 1, 2, 3, 4, 5, 6, 7];

export class Draft {
  readonly cells: AtomProperties[];
  readonly grids = new Map<string, GridProperties>();
  readonly coverage: Coverage;
  problems: Breach[] = [];
  private readonly of = new Map<number, number>();
  private readonly waiting: Edit[] = [];
  private sending = false;

  constructor(
    public plan: Plan,
    readonly areas: api.Areas<AtomProperties>,
    grids: api.Areas<GridProperties>,
    private readonly tell: (told: Told) => void,
  ) {
    this.cells = areas.features.map((cell) => ({ ...cell.properties }));
    this.cells.forEach((cell, index) => this.of.set(cell.atom, index));
    for (const { properties } of grids.features) this.grids.set(properties.code, { ...properties });
    this.coverage = new Coverage(areas.features.map((cell) => cell.geometry));
    this.recolour();
  }

  static async open(id: number, tell: (told: Told) => void): Promise<Draft> {
    const [plan, areas, grids, { problems }] = await Promise.all([
      api.plan(id),
      api.atoms(id),
      api.grids(id),
      api.problems(id),
    ]);
    const draft = new Draft(plan, areas, grids, tell);
    draft.problems = problems;
    return draft;
  }

  index(atom: number): number {
    return this.of.get(atom)!;
  }

  cell(atom: number): AtomProperties {
    return this.cells[this.index(atom)]!;
  }

  get editable(): boolean {
    return this.plan.status === "draft";
  }

  get busy(): boolean {
    return this.waiting.length > 0;
  }

  households(grid: string): number {
    return this.cells.reduce((sum, cell) => sum + (cell.grid === grid ? cell.households : 0), 0);
  }

  cellsOf(grid: string): number[] {
    return this.cells.flatMap((cell, index) => (cell.grid === grid ? [index] : []));
  }

  /** The score card as far as the page can tell it now; what an edit makes stale is left out. */
  score(): Score {
    if (this.plan.revision === 0) return this.plan.score;
    const grids = [...this.grids.values()];
    const general = grids.filter((grid) => grid.kind === "general").map((grid) => grid.households);
    const { target } = this.plan.limits;
    const off = general.reduce((sum, households) => sum + Math.abs(households - target), 0);
    return {
      grids: grids.length,
      households: this.cells.reduce((sum, cell) => sum + cell.households, 0),
      within_limits: grids.filter((grid) => grid.within).length / Math.max(grids.length, 1),
      smallest: Math.min(...general),
      largest: Math.max(...general),
      mean_deviation: off / Math.max(general.length, 1),
      contiguous: grids.every((grid) => grid.contiguous),
    };
  }

  /** What a move would do, before it is made. */
  preview(atoms: Iterable<number>, to: string | null): Move {
    const moving = new Set([...atoms].filter((atom) => this.cell(atom).grid !== to));
    const indices = new Set([...moving].map((atom) => this.index(atom)));
    const touched = new Set([...moving].map((atom) => this.cell(atom).grid));
    const gained = [...moving].reduce((sum, atom) => sum + this.cell(atom).households, 0);
    const changes = [...touched].map((grid) => {
      const lost = [...moving].filter((atom) => this.cell(atom).grid === grid);
      const households = lost.reduce((sum, atom) => sum + this.cell(atom).households, 0);
      const own = this.cellsOf(grid);
      return this.change(grid, own, own.filter((index) => !indices.has(index)), -households);
    });
    if (moving.size > 0) {
      const own = to === null ? [] : this.cellsOf(to);
      changes.push(this.change(to ?? NEW, own, [...own, ...indices], gained));
    }
    const buildings = new Set([...moving].map((atom) => this.cell(atom).building).filter(Boolean));
    return { atoms: [...moving], to, households: gained, buildings: buildings.size, changes };
  }

  private change(grid: string, own: number[], then: number[], delta: number): Change {
    const before = own.reduce((sum, index) => sum + this.cells[index]!.households, 0);
    const after = before + delta;
    return { grid, before, after, breaks: this.broken(grid, own, then, before, after) };
  }

  private broken(
    grid: string,
    own: number[],
    then: number[],
    before: number,
    after: number,
  ): Change["breaks"] {
    const known = this.grids.get(grid);
    if (known?.locked) return "locked";
    if (then.length === 0) return null;
    if (this.coverage.pieces(then) > Math.max(1, this.coverage.pieces(own))) return "pieces";
    if (known?.kind === "dedicated") return null;
    const { lower, upper } = this.plan.limits;
    if (after > upper && (before <= upper || after > before)) return "above";
    if (after < lower && (before >= lower || after < before) && grid !== NEW) return "below";
    return null;
  }

  /** Make a move: at once on the page, then by the server. */
  move({ atoms, to }: Move): void {
    if (atoms.length === 0) return;
    if (to !== null) {
      for (const atom of atoms) this.cell(atom).grid = to;
      this.refresh();
      this.tell({ what: "changed" });
    }
    this.send({ kind: "assign", atoms, grid: to });
  }

  send(edit: Edit): void {
    this.waiting.push(edit);
    void this.flush();
  }

  async step(way: "undo" | "redo"): Promise<void> {
    if (this.busy) return;
    try {
      this.take(await api.step(this.plan.id, this.plan.revision, way));
    } catch (error) {
      await this.failed(error as Error, null);
    }
  }

  /** Send what waits, one edit after another; a cut network leaves them waiting. */
  async flush(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      for (let next = this.waiting[0]; next; next = this.waiting[0]) {
        const edited = await api.edit(this.plan.id, this.plan.revision, next);
        this.waiting.shift();
        this.take(edited);
      }
    } catch (error) {
      await this.failed(error as Error, this.waiting[0] ?? null);
    } finally {
      this.sending = false;
    }
  }

  private async failed(error: Error, edit: Edit | null): Promise<void> {
    if (isOffline(error)) return this.tell({ what: "waiting", reason: error.message });
    this.waiting.length = 0;
    const document = error instanceof Problem ? error.document : {};
    await this.reload();
    if (error instanceof Problem && error.status === 412 && edit) {
      this.tell({ what: "conflict", by: String(document["changed_by"] ?? ""), edit });
    } else this.tell({ what: "refused", reason: error.message });
  }

  /** Take over the server's answer to an edit. */
  private take(edited: Edited): void {
    const { revision, undo, redo } = edited;
    this.plan = { ...this.plan, revision, undo, redo };
    for (const { properties } of edited.changed) this.keep(properties);
    for (const code of edited.removed) this.grids.delete(code);
    if (this.waiting.length === 0) {
      for (const [atom, grid] of Object.entries(edited.atoms)) {
        const index = this.of.get(Number(atom));
        if (index !== undefined) this.cells[index]!.grid = grid;
      }
    }
    this.problems = edited.problems;
    this.refresh();
    this.tell({ what: "changed" });
  }

  /** Read the plan anew: after a conflict, or because somebody else changed it. */
  async reload(): Promise<void> {
    const [plan, areas, grids, { problems }] = await Promise.all([
      api.plan(this.plan.id),
      api.atoms(this.plan.id),
      api.grids(this.plan.id),
      api.problems(this.plan.id),
    ]);
    this.plan = plan;
    for (const { properties } of areas.features) {
      const index = this.of.get(properties.atom);
      if (index !== undefined) this.cells[index]!.grid = properties.grid;
    }
    const there = new Set(grids.features.map(({ properties }) => properties.code));
    for (const code of this.grids.keys()) if (!there.has(code)) this.grids.delete(code);
    for (const { properties } of grids.features) this.keep(properties);
    this.problems = problems;
    this.refresh();
    this.tell({ what: "reloaded" });
  }

  /** Take a grid over from the server; the colour on the screen stays. */
  private keep(grid: GridProperties): void {
    const colour = this.grids.get(grid.code)?.colour ?? -1;
    this.grids.set(grid.code, { ...grid, colour });
  }

  private refresh(): void {
    const households = new Map<string, number>();
    for (const cell of this.cells) {
      households.set(cell.grid, (households.get(cell.grid) ?? 0) + cell.households);
    }
    const { lower, upper } = this.plan.limits;
    for (const [code, grid] of this.grids) {
      grid.households = households.get(code) ?? 0;
      grid.within = grid.kind === "dedicated" || (grid.households >= lower && grid.households <= upper);
    }
    this.recolour();
  }

  /** Give a grid another colour where a neighbour has the same. */
  private recolour(): void {
    const around = new Map<string, Set<string>>();
    for (const [one, other] of this.coverage.touching((cell) => this.cells[cell]!.grid)) {
      around.set(one, (around.get(one) ?? new Set<string>()).add(other));
      around.set(other, (around.get(other) ?? new Set<string>()).add(one));
    }
    for (const [code, grid] of this.grids) {
      const taken = new Set([...(around.get(code) ?? [])].map((other) => this.grids.get(other)?.colour));
      if (COLOURS.includes(grid.colour) && !taken.has(grid.colour)) continue;
      grid.colour = COLOURS.find((colour) => !taken.has(colour)) ?? 0;
    }
  }
}
