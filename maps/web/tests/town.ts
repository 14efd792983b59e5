// A little community: six cells in two rows of three, in two grids.

import { Draft } from "../src/plan/draft";
import type { Areas, Atom, Plan, PlanGrid } from "../src/plan/plan-api";
import { emptyPlan } from "../src/plan/plan-api";

export const WEST = "420602001001001";
export const EAST = "420602001001002";
const HOUSEHOLDS = [100, 100, 100, 150, 50, 100];

/** Cells 0..2 above 3..5, one degree wide; atom numbers are ten times the cell's index. */
export function cells(gridOf = (column: number) => (column < 2 ? WEST : EAST)): Areas<Atom> {
  const features = HOUSEHOLDS.map((households, index) => {
    const [column, row] = [index % 3, Math.floor(index / 3)];
    const ring = [
      [column, row],
      [column + 1, row],
      [column + 1, row + 1],
      [column, row + 1],
      [column, row],
    ];
    const properties: Atom = {
      atom: index * 10,
      grid: gridOf(column),
      building: `B${index}`,
      unit: null,
      name: `House ${index}`,
      compound: row === 0 ? "C1" : null,
      households,
      workload: null,
      lon: column + 0.5,
      lat: row + 0.5,
    };
    return {
      type: "Feature" as const,
      geometry: { type: "Polygon" as const, coordinates: [ring] },
      properties,
    };
  });
  return { type: "FeatureCollection", features };
}

export function grid(code: string, households: number, more: Partial<PlanGrid> = {}): PlanGrid {
  return {
    code,
    serial: Number(code.slice(-3)),
    name: "",
    kind: "general",
    households,
    workload: null,
    atoms: 0,
    within: true,
    contiguous: true,
    locked: false,
    micro_grids: 0,
    micro_reasons: null,
    colour: 0,
    ...more,
  };
}

export function grids(...properties: PlanGrid[]): Areas<PlanGrid> {
  const features = properties.map((one) => ({
    type: "Feature" as const,
    geometry: { type: "Polygon" as const, coordinates: [] },
    properties: one,
  }));
  return { type: "FeatureCollection", features };
}

export function plan(more: Partial<Plan> = {}): Plan {
  const limits = { target: 300, lower: 150, upper: 450, balance: "households" } as const;
  return { ...emptyPlan("420602001001"), id: 7, revision: 1, limits, ...more };
}

/** A draft of the community: grid WEST has 400 households, EAST 200. */
export function draft(east: Partial<PlanGrid> = {}, more: Partial<Plan> = {}): Draft {
  return new Draft(
    plan(more),
    cells(),
    grids(grid(WEST, 400), grid(EAST, 200, east)),
    () => undefined,
  );
}
