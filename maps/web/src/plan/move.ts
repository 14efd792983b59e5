// What a move of atoms to other grids would change, computed on the page.

import type { Draft } from "./draft";

const NEW_GRID = "new";

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

/** What a move to several grids would change. */
export function previewMove(draft: Draft, requested: MoveStep[], isDedicated = false): Move {
  const steps = requested
    .map(({ atoms, to }) => ({ to, atoms: atoms.filter((atom) => draft.cell(atom).grid !== to) }))
    .filter(({ atoms }) => atoms.length > 0);
  const atoms = steps.flatMap((step) => step.atoms);
  const targets = new Map<number, string>();
  for (const step of steps) {
    for (const atom of step.atoms) targets.set(draft.index(atom), step.to ?? NEW_GRID);
  }
  const touched = new Set([...atoms.map((atom) => draft.cell(atom).grid), ...targets.values()]);
  const changes = [...touched].map((grid) => {
    const before = draft.cellsOf(grid);
    const staying = before.filter((index) => !targets.has(index));
    const arriving = [...targets.keys()].filter((index) => targets.get(index) === grid);
    const hasLimits = !(isDedicated && grid === NEW_GRID);
    return changeOf(draft, grid, before, [...staying, ...arriving], hasLimits);
  });
  const buildings = new Set(atoms.map((atom) => draft.cell(atom).building).filter(Boolean));
  const households = atoms.reduce((sum, atom) => sum + draft.cell(atom).households, 0);
  return { steps, atoms, households, buildings: buildings.size, changes };
}

function sumSizes(draft: Draft, cells: number[]): number {
  return cells.reduce((sum, index) => sum + draft.size(draft.cells[index]!), 0);
}

function changeOf(
  draft: Draft,
  grid: string,
  cellsBefore: number[],
  cellsAfter: number[],
  hasLimits: boolean,
): Change {
  const [before, after] = [sumSizes(draft, cellsBefore), sumSizes(draft, cellsAfter)];
  const known = draft.grids.get(grid);
  let breaks: Change["breaks"] = null;
  if (known?.locked) breaks = "locked";
  else if (tearsApart(draft, cellsBefore, cellsAfter)) breaks = "pieces";
  else if (cellsAfter.length > 0 && hasLimits && known?.kind !== "dedicated") {
    breaks = brokenLimit(draft, before, after, grid === NEW_GRID);
  }
  return { grid, before, after, breaks };
}

function tearsApart(draft: Draft, cellsBefore: number[], cellsAfter: number[]): boolean {
  return draft.coverage.pieces(cellsAfter) > Math.max(1, draft.coverage.pieces(cellsBefore));
}

/** The limit that is newly broken or broken further; a new grid may still be too small. */
function brokenLimit(
  draft: Draft,
  before: number,
  after: number,
  isNew: boolean,
): "above" | "below" | null {
  const { lower, upper } = draft.plan.limits;
  if (after > upper && (before <= upper || after > before)) return "above";
  if (after < lower && (before >= lower || after < before) && !isNew) return "below";
  return null;
}

export function isBreaking({ changes }: Move): boolean {
  return changes.some(({ breaks }) => breaks);
}
