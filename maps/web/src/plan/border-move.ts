// Moving the border between two grids to a road, wall, railway or water.

import type { Position } from "geojson";
import { metresPerDegree } from "../geodesy";
import type { Segment } from "./coverage";
import type { Draft } from "./draft";
import { type Move, previewMove } from "./move";
import type { Barrier } from "./plan-api";

/** Borders this near to a line lie on it: coordinates are rounded to a centimetre. */
const ON_LINE_M = 0.5;
/** Cells without households count a little, so that they stay where most of them are. */
const EMPTY_CELL_WEIGHT = 0.001;

export type Pair = [string, string];

/** The borders between cells that lie on a line. */
export function segmentsOfBarrier(draft: Draft, { geometry }: Barrier): Set<Segment> {
  const lines: Position[][] =
    geometry.type === "LineString" ? [geometry.coordinates] : geometry.coordinates;
  const latitude = lines[0]?.[0]?.[1] ?? 0;
  return draft.coverage.segmentsOn(lines, ON_LINE_M, metresPerDegree(latitude));
}

/**
 * The move that puts the border between two grids on lines: each part into which the lines cut the
 * two grids goes to the grid of which it has the larger share. Null where the lines don't part the
 * two grids: most of both is in the same part.
 */
export function borderMove(
  draft: Draft,
  [one, other]: Pair,
  cut: ReadonlySet<Segment>,
): Move | null {
  const parts = draft.coverage.parts([...draft.cellsOf(one), ...draft.cellsOf(other)], cut);
  const [sharesOfOne, sharesOfOther] = [one, other].map((grid) => shares(draft, grid, parts));
  if (largest(sharesOfOne!) === largest(sharesOfOther!)) return null;
  const atoms: Record<string, number[]> = { [one]: [], [other]: [] };
  for (const [index, part] of parts.entries()) {
    const lead = sharesOfOne![index]! - sharesOfOther![index]!;
    if (lead === 0) continue;
    const to = lead > 0 ? one : other;
    atoms[to]!.push(...part.map((cell) => draft.cells[cell]!.atom));
  }
  return previewMove(draft, [
    { atoms: atoms[one]!, to: one },
    { atoms: atoms[other]!, to: other },
  ]);
}

/** The share of a grid that is in each part. */
function shares(draft: Draft, grid: string, parts: number[][]): number[] {
  const weights = parts.map((part) =>
    part.reduce((sum, index) => {
      const cell = draft.cells[index]!;
      return cell.grid === grid ? sum + cell.households + EMPTY_CELL_WEIGHT : sum;
    }, 0),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function largest(values: number[]): number {
  return values.indexOf(Math.max(...values));
}
