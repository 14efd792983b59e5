// Atoms that move between two plans, grouped by their old and new grid.

import type { MovedAtom } from "./plan-api";

export interface MoveGroup {
  title: string;
  households: number;
  atoms: MovedAtom[];
}

export function moveGroups(moved: MovedAtom[], titleOf = serialsOf): MoveGroup[] {
  const groups = new Map<string, MoveGroup>();
  for (const atom of moved.filter(({ building }) => building)) {
    const title = titleOf(atom);
    const group = groups.get(title) ?? { title, households: 0, atoms: [] };
    group.households += atom.households;
    group.atoms.push(atom);
    groups.set(title, group);
  }
  return [...groups.values()];
}

/** The serial numbers of the old and the new grid. */
function serialsOf({ from, to }: MovedAtom): string {
  return `${serialOf(from)} → ${serialOf(to)}`;
}

function serialOf(code: string): number {
  return Number(code.slice(-3));
}
