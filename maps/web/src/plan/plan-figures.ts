// Figures of the score card that the page computes itself, so that they follow every move.

import type { Extent } from "../bounds";
import { metresPerDegree } from "../geodesy";
import type { Draft } from "./draft";
import { cellCentre } from "./plan-features";

/** Extents of compounds reach this far around the middles of their buildings. */
const MARGIN_DEGREES = 3e-4;

export interface DividedCompound {
  /** Whether it would fit into one grid. */
  isAvoidable: boolean;
  extent: Extent;
}

/** Mean straight distance, in metres, of a household to the centre of its grid's households. */
export function meanWalk(draft: Draft): number {
  const inhabited = draft.cells.flatMap((cell, index) => {
    const [x, y] = cellCentre(draft, index);
    return cell.households > 0 ? [{ ...cell, x: x!, y: y! }] : [];
  });
  const [east, north] = metresPerDegree(inhabited[0]?.y ?? 0);
  const sums = new Map<string, { x: number; y: number; households: number }>();
  for (const { grid, households, x, y } of inhabited) {
    const sum = sums.get(grid) ?? { x: 0, y: 0, households: 0 };
    sum.x += x * households;
    sum.y += y * households;
    sum.households += households;
    sums.set(grid, sum);
  }
  let [total, households] = [0, 0];
  for (const cell of inhabited) {
    const centre = sums.get(cell.grid)!;
    const dx = (cell.x - centre.x / centre.households) * east;
    const dy = (cell.y - centre.y / centre.households) * north;
    total += Math.hypot(dx, dy) * cell.households;
    households += cell.households;
  }
  return total / Math.max(households, 1);
}

/** Median of 4 pi area / perimeter ** 2 of the grids: 1 for a circle. */
export function medianCompactness(draft: Draft): number {
  const latitude = draft.cells.length > 0 ? cellCentre(draft, 0)[1]! : 0;
  const outlines = draft.coverage.outlines(
    (index) => draft.cells[index]!.grid,
    metresPerDegree(latitude),
  );
  const values = [...outlines.values()]
    .map(({ area, perimeter }) => (4 * Math.PI * area) / perimeter ** 2)
    .sort((one, other) => one - other);
  const middle = values.length / 2;
  if (values.length === 0) return 0;
  return (values[Math.ceil(middle) - 1]! + values[Math.floor(middle)]!) / 2;
}

/** The compounds whose households are in more than one grid. */
export function dividedCompounds(draft: Draft): DividedCompound[] {
  const compounds = new Map<string, number[]>();
  for (const [index, { compound, households }] of draft.cells.entries()) {
    if (!compound || households === 0) continue;
    compounds.set(compound, [...(compounds.get(compound) ?? []), index]);
  }
  return [...compounds.values()].flatMap((cells) => {
    const grids = new Set(cells.map((index) => draft.cells[index]!.grid));
    if (grids.size < 2) return [];
    const size = cells.reduce((sum, index) => sum + draft.size(draft.cells[index]!), 0);
    return [
      {
        isAvoidable: size <= draft.plan.limits.upper,
        extent: extentAround(cells.map((index) => cellCentre(draft, index))),
      },
    ];
  });
}

function extentAround(positions: number[][]): Extent {
  const [xs, ys] = [0, 1].map((axis) => positions.map((position) => position[axis]!));
  return [
    Math.min(...xs!) - MARGIN_DEGREES,
    Math.min(...ys!) - MARGIN_DEGREES,
    Math.max(...xs!) + MARGIN_DEGREES,
    Math.max(...ys!) + MARGIN_DEGREES,
  ];
}
