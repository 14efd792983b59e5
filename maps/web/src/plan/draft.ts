// The plan being edited: the grid of each cell, figures that follow every gesture at once, and the
// queue of edits for the server, whose answer decides.

import { isOffline, ProblemError } from "../http";
import { Coverage } from "./coverage";
import {
  type Areas,
  type Atom,
  type Breach,
  type Edit,
  type EditAnswer,
  fetchAtoms,
  fetchBreaches,
  fetchGrids,
  fetchMovedAtoms,
  fetchPlan,
  type Plan,
  type PlanGrid,
  postEdit,
  postStep,
  type Score,
} from "./plan-api";

export interface Change {
  grid: string;
  before: number;
  after: number;
  /** What the move newly breaks in this grid. */
  breaks: "below" | "above" | "pieces" | "locked" | null;
}

/** Atoms that go to one grid; null is a new grid. */
export interface MoveStep {
  atoms: number[];
  to: string | null;
}

export interface Move {
  steps: MoveStep[];
  /** All atoms that change their grid. */
  atoms: number[];
  households: number;
  buildings: number;
  changes: Change[];
}

export type DraftGrid = PlanGrid & { colour: number };

export type DraftEvent =
  | { kind: "changed" }
  | { kind: "reloaded" }
  | { kind: "offline"; reason: string }
  | { kind: "conflict"; by: string; edit: Edit }
  | { kind: "refused"; reason: string };

const NEW_GRID = "new";
const NO_COLOUR = -1;
/** Indices of the palette (maps/colours.py), the usual ones first. */
const COLOURS = [0, 1, 2, 3, 4, 5, 6, 7];

export class Draft {
  readonly cells: Atom[];
  readonly grids = new Map<string, DraftGrid>();
  readonly coverage: Coverage;
  breaches: Breach[] = [];
  /** The grid of each atom in the plan that this one was copied from. */
  private readonly parentGrids = new Map<number, string>();
  private readonly indexOfAtom = new Map<number, number>();
  private readonly pendingEdits: { edit: Edit; isDedicated: boolean }[] = [];
  private isSending = false;

  constructor(
    public plan: Plan,
    readonly areas: Areas<Atom>,
    grids: Areas<PlanGrid>,
    private readonly notify: (event: DraftEvent) => void,
    private readonly isReadOnly = false,
  ) {
    this.cells = areas.features.map((cell) => ({ ...cell.properties }));
    for (const [index, cell] of this.cells.entries()) this.indexOfAtom.set(cell.atom, index);
    for (const { properties } of grids.features) {
      this.grids.set(properties.code, { ...properties, colour: properties.colour ?? NO_COLOUR });
    }
    this.coverage = new Coverage(areas.features.map((cell) => cell.geometry));
    this.assignColours();
  }

  static async open(
    id: number,
    notify: (event: DraftEvent) => void,
    isReadOnly = false,
  ): Promise<Draft> {
    const { plan, atoms, grids, breaches } = await fetchAll(id);
    const draft = new Draft(plan, atoms, grids, notify, isReadOnly);
    draft.breaches = breaches;
    if (draft.isEditable && plan.parent !== null) {
      draft.setParentGrids(await fetchMovedAtoms(id, plan.parent));
    }
    return draft;
  }

  /** Set where the atoms were in the plan before, by those that have moved since. */
  setParentGrids({
    features,
  }: Pick<Awaited<ReturnType<typeof fetchMovedAtoms>>, "features">): void {
    for (const cell of this.cells) this.parentGrids.set(cell.atom, cell.grid);
    for (const { properties } of features) this.parentGrids.set(properties.atom, properties.from);
  }

  /** The grid that an atom had in the plan before, if that grid still exists. */
  homeOf(atom: number): string | null {
    const grid = this.parentGrids.get(atom);
    return grid !== undefined && this.grids.has(grid) ? grid : null;
  }

  /** Whether there is a plan before to go back to. */
  get hasHome(): boolean {
    return this.parentGrids.size > 0;
  }

  index(atom: number): number {
    return this.indexOfAtom.get(atom)!;
  }

  cell(atom: number): Atom {
    return this.cells[this.index(atom)]!;
  }

  get isEditable(): boolean {
    return this.plan.status === "draft" && !this.isReadOnly;
  }

  get isSaving(): boolean {
    return this.pendingEdits.length > 0;
  }

  /** Indices of the cells of a grid. */
  cellsOf(grid: string): number[] {
    return this.cells.flatMap((cell, index) => (cell.grid === grid ? [index] : []));
  }

  /** The score card as far as the page can compute it; figures that an edit outdates are left out. */
  score(): Score {
    if (this.plan.revision === 0) return this.plan.score;
    const grids = [...this.grids.values()];
    const sizes = grids.filter((grid) => grid.kind === "general").map((grid) => grid.households);
    const { target } = this.plan.limits;
    const deviation = sizes.reduce((sum, size) => sum + Math.abs(size - target), 0);
    return {
      grids: grids.length,
      households: this.cells.reduce((sum, cell) => sum + cell.households, 0),
      within_limits: grids.filter((grid) => grid.within).length / Math.max(grids.length, 1),
      smallest: Math.min(...sizes),
      largest: Math.max(...sizes),
      mean_deviation: deviation / Math.max(sizes.length, 1),
      contiguous: grids.every((grid) => grid.contiguous),
    };
  }

  /** What a move to one grid would change. */
  preview(atoms: Iterable<number>, to: string | null, isDedicated = false): Move {
    return this.previewSteps([{ atoms: [...atoms], to }], isDedicated);
  }

  /** What it would change to return atoms to the grids that they had in the plan before. */
  previewHome(atoms: Iterable<number>): Move {
    const atomsByGrid = new Map<string, number[]>();
    for (const atom of atoms) {
      const grid = this.homeOf(atom);
      if (grid) atomsByGrid.set(grid, [...(atomsByGrid.get(grid) ?? []), atom]);
    }
    return this.previewSteps(
      [...atomsByGrid].map(([to, atoms]) => ({ atoms, to })),
      false,
    );
  }

  private previewSteps(requested: MoveStep[], isDedicated: boolean): Move {
    const steps = requested
      .map(({ atoms, to }) => ({ to, atoms: atoms.filter((atom) => this.cell(atom).grid !== to) }))
      .filter(({ atoms }) => atoms.length > 0);
    const atoms = steps.flatMap((step) => step.atoms);
    const targets = new Map<number, string>();
    for (const step of steps) {
      for (const atom of step.atoms) targets.set(this.index(atom), step.to ?? NEW_GRID);
    }
    const touched = new Set([...atoms.map((atom) => this.cell(atom).grid), ...targets.values()]);
    const changes = [...touched].map((grid) => {
      const before = this.cellsOf(grid);
      const staying = before.filter((index) => !targets.has(index));
      const arriving = [...targets.keys()].filter((index) => targets.get(index) === grid);
      const hasLimits = !(isDedicated && grid === NEW_GRID);
      return this.changeOf(grid, before, [...staying, ...arriving], hasLimits);
    });
    const buildings = new Set(atoms.map((atom) => this.cell(atom).building).filter(Boolean));
    const households = this.sumHouseholds(atoms.map((atom) => this.index(atom)));
    return { steps, atoms, households, buildings: buildings.size, changes };
  }

  private sumHouseholds(cells: number[]): number {
    return cells.reduce((sum, index) => sum + this.cells[index]!.households, 0);
  }

  private changeOf(
    grid: string,
    cellsBefore: number[],
    cellsAfter: number[],
    hasLimits: boolean,
  ): Change {
    const [before, after] = [this.sumHouseholds(cellsBefore), this.sumHouseholds(cellsAfter)];
    const known = this.grids.get(grid);
    let breaks: Change["breaks"] = null;
    if (known?.locked) breaks = "locked";
    else if (this.tearsApart(cellsBefore, cellsAfter)) breaks = "pieces";
    else if (cellsAfter.length > 0 && hasLimits && known?.kind !== "dedicated") {
      breaks = this.brokenLimit(before, after, grid === NEW_GRID);
    }
    return { grid, before, after, breaks };
  }

  private tearsApart(cellsBefore: number[], cellsAfter: number[]): boolean {
    return this.coverage.pieces(cellsAfter) > Math.max(1, this.coverage.pieces(cellsBefore));
  }

  /** The limit that is newly broken or broken further; a new grid may still be too small. */
  private brokenLimit(before: number, after: number, isNew: boolean): "above" | "below" | null {
    const { lower, upper } = this.plan.limits;
    if (after > upper && (before <= upper || after > before)) return "above";
    if (after < lower && (before >= lower || after < before) && !isNew) return "below";
    return null;
  }

  /** Apply a move to the page at once, and queue it for the server. */
  move({ steps }: Move, isDedicated = false): void {
    const known = steps.filter((step) => step.to !== null);
    for (const { atoms, to } of known) for (const atom of atoms) this.cell(atom).grid = to!;
    if (known.length > 0) {
      this.updateFigures();
      this.notify({ kind: "changed" });
    }
    for (const { atoms, to } of steps) this.send({ kind: "assign", atoms, grid: to }, isDedicated);
  }

  /** Queue an edit; with `isDedicated` the grid that it creates becomes a dedicated one. */
  send(edit: Edit, isDedicated = false): void {
    this.pendingEdits.push({ edit, isDedicated });
    void this.flush();
  }

  async step(direction: "undo" | "redo"): Promise<void> {
    if (this.isSaving) return;
    try {
      this.applyAnswer(await postStep(this.plan.id, this.plan.revision, direction));
    } catch (error) {
      await this.handleFailure(error as Error, null);
    }
  }

  /** Send the queued edits one after another; without a network they stay queued. */
  async flush(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    try {
      for (let next = this.pendingEdits[0]; next; next = this.pendingEdits[0]) {
        const answer = await postEdit(this.plan.id, this.plan.revision, next.edit);
        this.pendingEdits.shift();
        const created = Object.values(answer.atoms)[0];
        if (next.isDedicated && created) {
          const edit: Edit = { kind: "kind", grid: created, to: "dedicated" };
          this.pendingEdits.unshift({ edit, isDedicated: false });
        }
        this.applyAnswer(answer);
      }
    } catch (error) {
      await this.handleFailure(error as Error, this.pendingEdits[0]?.edit ?? null);
    } finally {
      this.isSending = false;
    }
  }

  private async handleFailure(error: Error, edit: Edit | null): Promise<void> {
    if (isOffline(error)) return this.notify({ kind: "offline", reason: error.message });
    this.pendingEdits.length = 0;
    await this.reload();
    if (error instanceof ProblemError && error.status === 412 && edit) {
      const by = String(error.document.changed_by ?? "");
      this.notify({ kind: "conflict", by, edit });
    } else this.notify({ kind: "refused", reason: error.message });
  }

  /** Apply the server's answer to an edit, except to atoms of edits still queued. */
  applyAnswer({ revision, undo, redo, changed, removed, atoms, problems }: EditAnswer): void {
    this.plan = { ...this.plan, revision, undo, redo };
    for (const { properties } of changed) this.storeGrid(properties);
    for (const code of removed) this.grids.delete(code);
    const queued = new Set(
      this.pendingEdits.flatMap(({ edit }) => (edit.kind === "assign" ? edit.atoms : [])),
    );
    for (const [key, grid] of Object.entries(atoms)) {
      const atom = Number(key);
      const index = this.indexOfAtom.get(atom);
      if (index !== undefined && !queued.has(atom)) this.cells[index]!.grid = grid;
    }
    this.breaches = problems;
    this.updateFigures();
    this.notify({ kind: "changed" });
  }

  /** Load the plan again, after a conflict or an edit by somebody else. */
  async reload(): Promise<void> {
    const { plan, atoms, grids, breaches } = await fetchAll(this.plan.id);
    this.plan = plan;
    for (const { properties } of atoms.features) {
      const index = this.indexOfAtom.get(properties.atom);
      if (index !== undefined) this.cells[index]!.grid = properties.grid;
    }
    const codes = new Set(grids.features.map(({ properties }) => properties.code));
    for (const code of this.grids.keys()) if (!codes.has(code)) this.grids.delete(code);
    for (const { properties } of grids.features) this.storeGrid(properties);
    this.breaches = breaches;
    this.updateFigures();
    this.notify({ kind: "reloaded" });
  }

  /** Store a grid of the server; it keeps the colour that it has on the page. */
  private storeGrid(grid: PlanGrid): void {
    const colour = this.grids.get(grid.code)?.colour ?? NO_COLOUR;
    this.grids.set(grid.code, { ...grid, colour });
  }

  private updateFigures(): void {
    const sizes = new Map<string, number>();
    for (const { grid, households } of this.cells) {
      sizes.set(grid, (sizes.get(grid) ?? 0) + households);
    }
    const { lower, upper } = this.plan.limits;
    for (const [code, grid] of this.grids) {
      const size = sizes.get(code) ?? 0;
      grid.households = size;
      grid.within = grid.kind === "dedicated" || (size >= lower && size <= upper);
    }
    this.assignColours();
  }

  /** Give a grid another colour where a neighbour has the same. */
  private assignColours(): void {
    const neighbours = new Map<string, Set<string>>();
    const add = (grid: string, other: string) =>
      neighbours.set(grid, (neighbours.get(grid) ?? new Set<string>()).add(other));
    for (const [one, other] of this.coverage.touching((cell) => this.cells[cell]!.grid)) {
      add(one, other);
      add(other, one);
    }
    for (const [code, grid] of this.grids) {
      const taken = [...(neighbours.get(code) ?? [])].map((other) => this.grids.get(other)?.colour);
      if (COLOURS.includes(grid.colour) && !taken.includes(grid.colour)) continue;
      grid.colour = COLOURS.find((colour) => !taken.includes(colour)) ?? 0;
    }
  }
}

async function fetchAll(id: number) {
  const [plan, atoms, grids, breaches] = await Promise.all([
    fetchPlan(id),
    fetchAtoms(id),
    fetchGrids(id),
    fetchBreaches(id),
  ]);
  return { plan, atoms, grids, breaches };
}
