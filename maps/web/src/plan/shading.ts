// What the colours of cells show: the grid, or a figure of the cell or its grid.

import type { Draft } from "./draft";
import type { Plan } from "./plan-api";

export const SHADINGS = ["grid", "deviation", "density", "compound", "moved"] as const;
export type Shading = (typeof SHADINGS)[number];

/** From below the limits to above them; colour-blind safe (ColorBrewer PuOr). */
const DEVIATION_COLOURS = ["#5e3c99", "#b2abd2", "#f7f7f7", "#fdb863", "#e66101"] as const;
const NEUTRAL_COLOUR = "#eceef0";
const MOVED_COLOUR = "#e07b39";
const DARKEST_HOUSEHOLDS = 120;

/** Colours with the keys of the texts that explain them. */
export function shadingLegend(shading: Shading): [string, string][] {
  const legends: Record<Shading, [string, string][]> = {
    grid: [],
    deviation: [
      [DEVIATION_COLOURS[0], "shade_below"],
      [DEVIATION_COLOURS[2], "shade_on_target"],
      [DEVIATION_COLOURS[4], "shade_above"],
    ],
    density: [
      [densityColour(0), "shade_few"],
      [densityColour(DARKEST_HOUSEHOLDS), "shade_many"],
    ],
    compound: [[NEUTRAL_COLOUR, "shade_alone"]],
    moved: [
      [MOVED_COLOUR, "shade_came"],
      [NEUTRAL_COLOUR, "shade_stayed"],
    ],
  };
  return legends[shading];
}

/** The colour of a cell; empty where it has the colour of its grid. */
export function cellColour(
  draft: Draft,
  atom: number,
  shading: Shading,
  gridColours: string[],
): string {
  const cell = draft.cell(atom);
  const grid = draft.grids.get(cell.grid);
  if (shading === "deviation" && grid?.kind === "general") {
    return deviationColour(draft.size(grid), draft.plan.limits);
  }
  if (shading === "density") return densityColour(cell.households);
  if (shading === "compound") {
    if (!cell.compound) return NEUTRAL_COLOUR;
    return gridColours[hashText(cell.compound) % gridColours.length]!;
  }
  if (shading === "moved") {
    const home = draft.homeOf(atom) ?? cell.grid;
    return home === cell.grid ? NEUTRAL_COLOUR : MOVED_COLOUR;
  }
  return "";
}

/** The colour of a grid's distance from the target, as a share of that of the limit. */
export function deviationColour(
  size: number,
  { lower, target, upper }: Omit<Plan["limits"], "balance">,
): string {
  const range = size < target ? target - lower : upper - target;
  const share = (size - target) / Math.max(range, 1);
  return DEVIATION_COLOURS[Math.max(0, Math.min(4, Math.round(share * 1.34) + 2))]!;
}

/** Light to dark blue by households. */
export function densityColour(households: number): string {
  const share = Math.min(1, households / DARKEST_HOUSEHOLDS);
  const [red, green, blue] = [247 - share * 240, 251 - share * 170, 255 - share * 120];
  return `rgb(${Math.round(red)},${Math.round(green)},${Math.round(blue)})`;
}

function hashText(words: string): number {
  return [...words].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 100_003, 7);
}
