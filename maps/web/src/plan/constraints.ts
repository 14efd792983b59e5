// Constraints of a drawing on single buildings or grids.

import { formatNumber, text } from "../locale";
import type { DrawRequest, Plan } from "./plan-api";

export const CONSTRAINT_KINDS = ["together", "apart", "stay", "locked"] as const;
/** In one grid; each in another; in their previous grid; their previous grids as a whole. */
export type ConstraintKind = (typeof CONSTRAINT_KINDS)[number];

/** Codes of buildings, or of grids where they are locked. */
export interface Constraint {
  kind: ConstraintKind;
  codes: string[];
}

/** Most buildings that can be kept apart, pair by pair. */
export const MAX_APART = 12;

/** The constraints as a request; those on the previous plan only if the drawing starts from it. */
export function constraintRequest(
  constraints: Constraint[],
  previous: Pick<Plan, "id"> | undefined,
): Pick<DrawRequest, "together" | "apart" | "locked" | "before"> {
  const codes = (...kinds: ConstraintKind[]) =>
    constraints.filter(({ kind }) => kinds.includes(kind)).map((constraint) => constraint.codes);
  const together = codes("together");
  const apart = codes("apart").flatMap(pairs);
  const locked = [...new Set(codes("stay", "locked").flat())];
  return {
    ...(together.length ? { together } : {}),
    ...(apart.length ? { apart } : {}),
    ...(previous && locked.length ? { locked, before: previous.id } : {}),
  };
}

/** Whether a constraint can be made of so many buildings. */
export function isPossible(kind: ConstraintKind, buildings: number): boolean {
  if (kind === "together") return buildings > 1;
  if (kind === "apart") return buildings > 1 && buildings <= MAX_APART;
  return buildings > 0;
}

/** How many constraints there are of each kind. */
export function constraintSummary(constraints: Constraint[]): string {
  return CONSTRAINT_KINDS.flatMap((name) => {
    const count = constraints.filter(({ kind }) => kind === name).length;
    return count ? [`${text(`plan.constraint_${name}`)} ${formatNumber(count)}`] : [];
  }).join(" · ");
}

function pairs(codes: string[]): [string, string][] {
  return codes.flatMap((code, index) =>
    codes.slice(index + 1).map((other): [string, string] => [code, other]),
  );
}
