// Atoms that move between two plans, grouped by their old and new grid.

import type { MovedAtom } from "./plan-api";

export interface MoveGroup {
  /** The serial numbers of the old and the new grid. */
  title: string;
  households: number;
  atoms: MovedAtom[];
}

export function moveGroups(moved: MovedAtom[]): MoveGroup[] {
  const groups = new Map<string, MoveGroup>();
  for (const atom of moved.filter(({ building }) => building)) {
    const title = `${serialOf(atom.from)} → ${serialOf(atom.to)}`;
    const group = groups.get(title) ?? { title, households: 0, atoms: [] };
    group.households += atom.households;
    group.atoms.push(atom);
    groups.set(title, group);
  }
  return [...groups.values()];
}

function serialOf(code: string): number {
  return Number(code.slice(-3));
}
