// The plan being edited: which cell belongs to which grid, figures that follow every gesture at
// once, and the edits on their way to the server, which has the last word.

import { isOffline, ProblemError } from "../http";
import { Coverage } from "./coverage";
import type { AtomProperties, Breach, Edit, Edited, GridProperties, Plan, Score } from "./plan-api";
import * as api from "./plan-api";

export interface Change {
  grid: string;
  before: number;
  after: number;
  /** What the move newly breaks in this grid. */
  breaks: "below" | "above" | "pieces" | "locked" | null;
}

/** Cells that go to one grid; null is a grid yet to be made. */
export interface Step {
  atoms: number[];
  to: string | null;
}

export interface Move {
  steps: Step[];
  /** All cells that change their grid. */
  atoms: number[];
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
  /** The grid of each cell in the plan that this one was made from. */
  private home = new Map<number, string>();
  private readonly of = new Map<number, number>();
  private readonly waiting: { edit: Edit; dedicated: boolean }[] = [];
  private sending = false;

  constructor(
    public plan: Plan,
    readonly areas: api.Areas<AtomProperties>,
    grids: api.Areas<GridProperties>,
    private readonly tell: (told: Told) => void,
    /** Shown to look at, whoever looks. */
    private readonly onlyShown = false,
  ) {
    this.cells = areas.features.map((cell) => ({ ...cell.properties }));
    this.cells.forEach((cell, index) => this.of.set(cell.atom, index));
    for (const { properties } of grids.features) this.grids.set(properties.code, { ...properties });
    this.coverage = new Coverage(areas.features.map((cell) => cell.geometry));
    this.recolour();
  }

  static async open(id: number, tell: (told: Told) => void, onlyShown = false): Promise<Draft> {
    const [plan, areas, grids, { problems }] = await Promise.all([
      api.plan(id),
      api.atoms(id),
      api.grids(id),
      api.problems(id),
    ]);
    const draft = new Draft(plan, areas, grids, tell, onlyShown);
    draft.problems = problems;
    if (draft.editable && plan.parent !== null) await draft.findHome(plan.parent);
    return draft;
  }

  private async findHome(parent: number): Promise<void> {
    const { features } = await api.moved(this.plan.id, parent);
    for (const cell of this.cells) this.home.set(cell.atom, cell.grid);
    for (const { properties } of features) this.home.set(properties.atom, properties.from);
  }

  /** The grid that a cell had in the plan before, if that grid is still there. */
  homeOf(atom: number): string | null {
    const grid = this.home.get(atom);
    return grid !== undefined && this.grids.has(grid) ? grid : null;
  }

  /** Whether there is a plan before to go back to. */
  get hasHome(): boolean {
    return this.home.size > 0;
  }

  index(atom: number): number {
    return this.of.get(atom)!;
  }

  cell(atom: number): AtomProperties {
    return this.cells[this.index(atom)]!;
  }

  get editable(): boolean {
    return this.plan.status === "draft" && !this.onlyShown;
  }

  get busy(): boolean {
    return this.waiting.length > 0;
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

  /** What a move to one grid would do, before it is made. */
  preview(atoms: Iterable<number>, to: string | null, dedicated = false): Move {
    return this.previewed([{ atoms: [...atoms], to }], dedicated);
  }

  /** What it would do to give cells back to the grids that they had in the plan before. */
  previewHome(atoms: Iterable<number>): Move {
    const ways = new Map<string, number[]>();
    for (const atom of atoms) {
      const grid = this.homeOf(atom);
      if (grid) ways.set(grid, [...(ways.get(grid) ?? []), atom]);
    }
    return this.previewed([...ways].map(([to, own]) => ({ atoms: own, to })));
  }

  private previewed(asked: Step[], dedicated = false): Move {
    const steps = asked
      .map(({ atoms, to }) => ({ to, atoms: atoms.filter((atom) => this.cell(atom).grid !== to) }))
      .filter(({ atoms }) => atoms.length > 0);
    const goes = new Map(
      steps.flatMap(({ atoms, to }) =>
        atoms.map((atom): [number, string] => [this.index(atom), to ?? NEW]),
      ),
    );
    const atoms = steps.flatMap((step) => step.atoms);
    const touched = new Set([...atoms.map((atom) => this.cell(atom).grid), ...goes.values()]);
    const changes = [...touched].map((grid) => {
      const own = this.cellsOf(grid);
      const then = [
        ...own.filter((index) => !goes.has(index)),
        ...[...goes].flatMap(([index, to]) => (to === grid ? [index] : [])),
      ];
      return this.change(grid, own, then, dedicated && grid === NEW);
    });
    const buildings = new Set(atoms.map((atom) => this.cell(atom).building).filter(Boolean));
    const households = atoms.reduce((sum, atom) => sum + this.cell(atom).households, 0);
    return { steps, atoms, households, buildings: buildings.size, changes };
  }

  private sum(cells: number[]): number {
    return cells.reduce((sum, index) => sum + this.cells[index]!.households, 0);
  }

  private change(grid: string, own: number[], then: number[], free: boolean): Change {
    const [before, after] = [this.sum(own), this.sum(then)];
    return { grid, before, after, breaks: this.broken({ grid, before, after }, own, then, free) };
  }

  /** What is newly broken in a grid; one that is `free` has no limits. */
  private broken(
    { grid, before, after }: Omit<Change, "breaks">,
    own: number[],
    then: number[],
    free: boolean,
  ): Change["breaks"] {
    const known = this.grids.get(grid);
    if (known?.locked) return "locked";
    if (then.length === 0) return null;
    if (this.coverage.pieces(then) > Math.max(1, this.coverage.pieces(own))) return "pieces";
    if (free || known?.kind === "dedicated") return null;
    const { lower, upper } = this.plan.limits;
    if (after > upper && (before <= upper || after > before)) return "above";
    if (after < lower && (before >= lower || after < before) && grid !== NEW) return "below";
    return null;
  }

  /** Make a move: at once on the page, then by the server. */
  move({ steps }: Move, dedicated = false): void {
    for (const { atoms, to } of steps)
      if (to !== null) for (const atom of atoms) this.cell(atom).grid = to;
    if (steps.some(({ to }) => to !== null)) {
      this.refresh();
      this.tell({ what: "changed" });
    }
    for (const { atoms, to } of steps) this.send({ kind: "assign", atoms, grid: to }, dedicated);
  }

  /** Send an edit; a grid that it makes becomes dedicated where that is wanted. */
  send(edit: Edit, dedicated = false): void {
    this.waiting.push({ edit, dedicated });
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
        const edited = await api.edit(this.plan.id, this.plan.revision, next.edit);
        this.waiting.shift();
        const made = Object.values(edited.atoms)[0];
        if (next.dedicated && made)
          this.waiting.unshift({
            edit: { kind: "kind", grid: made, to: "dedicated" },
            dedicated: false,
          });
        this.take(edited);
      }
    } catch (error) {
      await this.failed(error as Error, this.waiting[0]?.edit ?? null);
    } finally {
      this.sending = false;
    }
  }

  private async failed(error: Error, edit: Edit | null): Promise<void> {
    if (isOffline(error)) return this.tell({ what: "waiting", reason: error.message });
    this.waiting.length = 0;
    const document = error instanceof ProblemError ? error.document : {};
    await this.reload();
    if (error instanceof ProblemError && error.status === 412 && edit) {
      this.tell({ what: "conflict", by: String(document.changed_by ?? ""), edit });
    } else this.tell({ what: "refused", reason: error.message });
  }

  /** Take over the server's answer to an edit. */
  private take(edited: Edited): void {
    const { revision, undo, redo } = edited;
    this.plan = { ...this.plan, revision, undo, redo };
    for (const { properties } of edited.changed) this.keep(properties);
    for (const code of edited.removed) this.grids.delete(code);
    const ahead = new Set(
      this.waiting.flatMap(({ edit }) => (edit.kind === "assign" ? edit.atoms : [])),
    );
    for (const [atom, grid] of Object.entries(edited.atoms)) {
      const index = this.of.get(Number(atom));
      if (index !== undefined && !ahead.has(Number(atom))) this.cells[index]!.grid = grid;
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
      grid.within =
        grid.kind === "dedicated" || (grid.households >= lower && grid.households <= upper);
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
      const taken = new Set(
        [...(around.get(code) ?? [])].map((other) => this.grids.get(other)?.colour),
      );
      if (COLOURS.includes(grid.colour) && !taken.has(grid.colour)) continue;
      grid.colour = COLOURS.find((colour) => !taken.has(colour)) ?? 0;
    }
  }
}
