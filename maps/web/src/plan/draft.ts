// The plan being edited: the grid of each cell, figures that follow every gesture at once, and the
// queue of edits for the server, whose answer decides.

import type { Position } from "geojson";

import type { Extent } from "../bounds";
import { isOffline, ProblemError } from "../http";
import { Coverage, contains } from "./coverage";
import { GridColours } from "./grid-colours";
import { type Move, previewMove } from "./move";
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
  postAssignment,
  postEdit,
  postStep,
  type Score,
} from "./plan-api";
import {
  type DividedCompound,
  dividedCompounds,
  meanWalk,
  medianCompactness,
} from "./plan-figures";

export type DraftGrid = PlanGrid & { colour: number };

export type DraftEvent =
  | { kind: "changed" }
  | { kind: "reloaded" }
  | { kind: "offline"; reason: string }
  | { kind: "conflict"; by: string; edit: Edit }
  | { kind: "refused"; reason: string };

const NO_COLOUR = -1;

/** What is sent to the server, one after another. */
type Step = { edit: Edit } | { direction: "undo" | "redo" };

export class Draft {
  readonly cells: Atom[];
  readonly grids = new Map<string, DraftGrid>();
  readonly coverage: Coverage;
  breaches: Breach[] = [];
  /** The grid of each atom in the plan that this one was copied from. */
  private readonly parentGrids = new Map<number, string>();
  private readonly indexOfAtom = new Map<number, number>();
  private readonly pendingSteps: Step[] = [];
  private readonly colours: GridColours;
  private isSending = false;
  /** The revision that the server's score card is of. */
  private scoredRevision: number;

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
    this.scoredRevision = plan.score.revision ?? plan.revision;
    this.colours = new GridColours(this.coverage);
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
    draft.colours.restore(draft.grids, sessionStorage, `gridatlas.colours.${id}`);
    draft.assignColours();
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

  /** Whether the limits count workload instead of households. */
  get isByWorkload(): boolean {
    return this.plan.limits.balance === "workload";
  }

  /** What the limits count of a cell or grid. */
  size({ households, workload }: Pick<Atom, "households" | "workload">): number {
    return this.isByWorkload ? (workload ?? households) : households;
  }

  get isEditable(): boolean {
    return this.plan.status === "draft" && !this.isReadOnly;
  }

  get isSaving(): boolean {
    return this.pendingSteps.length > 0;
  }

  /** Whether the server has not scored the plan since its last edit. */
  get isScoreOutdated(): boolean {
    return this.isSaving || this.scoredRevision !== this.plan.revision;
  }

  /** Take over the score card of the server; return whether it is another one. */
  updateScore({ score, revision }: Pick<Plan, "score" | "revision">): boolean {
    if (!this.isScoreOutdated || score.revision !== revision) return false;
    if (revision !== this.plan.revision) return false;
    this.scoredRevision = revision;
    this.plan = { ...this.plan, score };
    return true;
  }

  /** Indices of the cells of a grid. */
  cellsOf(grid: string): number[] {
    return this.cells.flatMap((cell, index) => (cell.grid === grid ? [index] : []));
  }

  /**
   * The score card. After an edit the page computes what it can; the other figures are of the
   * last scored revision until the server has scored the plan again.
   */
  score(): Score {
    if (!this.isScoreOutdated) return this.plan.score;
    return { ...this.plan.score, ...this.liveFigures() };
  }

  private liveFigures(): Score {
    const grids = [...this.grids.values()];
    const general = grids.filter((grid) => grid.kind === "general");
    const sizes = general.map((grid) => this.size(grid));
    const households = general.map((grid) => grid.households);
    const { target } = this.plan.limits;
    const deviation = sizes.reduce((sum, size) => sum + Math.abs(size - target), 0);
    const divided = dividedCompounds(this);
    return {
      grids: grids.length,
      households: this.cells.reduce((sum, cell) => sum + cell.households, 0),
      within_limits: general.filter((grid) => grid.within).length / Math.max(general.length, 1),
      smallest: Math.min(...sizes),
      largest: Math.max(...sizes),
      mean_deviation: deviation / Math.max(sizes.length, 1),
      contiguous: grids.every((grid) => grid.contiguous),
      compounds_split_all: divided.length,
      compounds_split: divided.filter(({ isAvoidable }) => isAvoidable).length,
      ...(this.isByWorkload
        ? {
            workload: this.cells.reduce((sum, cell) => sum + this.size(cell), 0),
            smallest_households: Math.min(...households),
            largest_households: Math.max(...households),
          }
        : {}),
      polsby_popper: medianCompactness(this),
      walk_m: meanWalk(this),
    };
  }

  /** Where the faults are that figures of the score card count. */
  places(): Partial<Record<keyof Score, Extent[]>> {
    const divided = dividedCompounds(this);
    const extents = (compounds: DividedCompound[]) => compounds.map(({ extent }) => extent);
    return {
      ...(this.plan.score.places as Partial<Record<keyof Score, Extent[]>> | undefined),
      compounds_split_all: extents(divided),
      compounds_split: extents(divided.filter(({ isAvoidable }) => isAvoidable)),
    };
  }

  /** The name of a building; empty where it has none. */
  buildingName(building: string): string {
    return this.cells.find((cell) => cell.building === building)?.name ?? "";
  }

  /** The index of the cell at a position; null outside the community. */
  cellAt(position: Position): number | null {
    const index = this.areas.features.findIndex(({ geometry }) => contains(geometry, position));
    return index < 0 ? null : index;
  }

  /** What a move to one grid would change. */
  preview(atoms: Iterable<number>, to: string | null, isDedicated = false): Move {
    return previewMove(this, [{ atoms: [...atoms], to }], isDedicated);
  }

  /** What it would change to return atoms to the grids that they had in the plan before. */
  previewHome(atoms: Iterable<number>): Move {
    const atomsByGrid = new Map<string, number[]>();
    for (const atom of atoms) {
      const grid = this.homeOf(atom);
      if (grid) atomsByGrid.set(grid, [...(atomsByGrid.get(grid) ?? []), atom]);
    }
    return previewMove(
      this,
      [...atomsByGrid].map(([to, atoms]) => ({ atoms, to })),
    );
  }

  /** Apply a move to the page at once, and queue it for the server as one step. */
  move({ steps }: Move, isDedicated = false): void {
    const known = steps.flatMap(({ atoms, to }) => (to === null ? [] : [{ atoms, grid: to }]));
    for (const { atoms, grid } of known) for (const atom of atoms) this.cell(atom).grid = grid;
    if (known.length > 0) this.updateFigures();
    const [first] = steps;
    if (!first) return;
    if (steps.length > 1) this.send({ kind: "reassign", moves: known });
    else {
      const kind = isDedicated ? "dedicated" : "general";
      this.send({ kind: "assign", atoms: first.atoms, grid: first.to, new: kind });
    }
    // once the edit is queued: only then are the server's figures outdated
    if (known.length > 0) this.notify({ kind: "changed" });
  }

  /** Queue an edit. */
  send(edit: Edit): void {
    this.pendingSteps.push({ edit });
    void this.flush();
  }

  /** Assign buildings to grids by a file, as one step; return the households that moved. */
  async importFile(file: File): Promise<number> {
    await this.flush();
    const answer = await postAssignment(this.plan.id, this.plan.revision, file);
    this.applyAnswer(answer);
    return answer.households.moved;
  }

  /** Queue a step back or forth behind the edits that are not saved yet. */
  async step(direction: "undo" | "redo"): Promise<void> {
    if (!this.isSaving && this.plan[direction] === 0) return;
    this.pendingSteps.push({ direction });
    await this.flush();
  }

  /** Send the queued steps one after another; without a network they stay queued. */
  async flush(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    try {
      for (let next = this.pendingSteps[0]; next; next = this.pendingSteps[0]) {
        const { id, revision } = this.plan;
        const answer =
          "edit" in next
            ? await postEdit(id, revision, next.edit)
            : await postStep(id, revision, next.direction);
        this.pendingSteps.shift();
        this.applyAnswer(answer);
      }
    } catch (error) {
      const failed = this.pendingSteps[0];
      await this.handleFailure(error as Error, failed && "edit" in failed ? failed.edit : null);
    } finally {
      this.isSending = false;
    }
  }

  private async handleFailure(error: Error, edit: Edit | null): Promise<void> {
    if (isOffline(error)) return this.notify({ kind: "offline", reason: error.message });
    this.pendingSteps.length = 0;
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
      this.pendingSteps.flatMap((step) => ("edit" in step ? movedAtoms(step.edit) : [])),
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
    this.scoredRevision = plan.score.revision ?? this.scoredRevision;
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
    const sums = new Map<string, { households: number; workload: number | null }>();
    for (const { grid, households, workload } of this.cells) {
      const sum = sums.get(grid) ?? { households: 0, workload: null };
      sum.households += households;
      if (workload !== null) sum.workload = (sum.workload ?? 0) + workload;
      sums.set(grid, sum);
    }
    const { lower, upper } = this.plan.limits;
    for (const [code, grid] of this.grids) {
      Object.assign(grid, sums.get(code) ?? { households: 0, workload: null });
      const size = this.size(grid);
      grid.within = grid.kind === "dedicated" || (size >= lower && size <= upper);
    }
    this.assignColours();
  }

  private assignColours(): void {
    const gridOf = this.cells.map((cell) => cell.grid);
    this.colours.assign(this.grids, gridOf);
  }
}

function movedAtoms(edit: Edit): number[] {
  if (edit.kind === "assign") return edit.atoms;
  return edit.kind === "reassign" ? edit.moves.flatMap(({ atoms }) => atoms) : [];
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
