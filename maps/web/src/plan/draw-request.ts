// The request of a drawing: limits, weights, time, constraints, and what gets a grid of its own.

import type { DrawnArea } from "./area-picker";
import { type Constraint, constraintRequest } from "./constraints";
import type { DrawRequest, Plan } from "./plan-api";

/** Default weights (geo.partition.scoring.objective.Weights) that a planner may scale. */
export const WEIGHTS = {
  balance: 20,
  border: 1,
  compactness: 40,
  compound: 180,
  moved: 10,
  walk: 20,
  station: 20,
};
/** The factors of weights that count only where a planner asks for them. */
export const USUAL_FACTORS: Partial<Record<string, number>> = { walk: 0, station: 0 };
export const DEFAULT_SECONDS = 60;

/** The facilities that may get a grid of their own. */
export const DEDICATED_KINDS = ["school", "market", "hospital", "park"] as const;

/** The request for what a form holds; defaults are left out. */
export function drawRequest(
  form: FormData,
  areas: DrawnArea[],
  constraints: Constraint[],
  previous: Plan | undefined,
): DrawRequest {
  const figure = (name: string) => Number(form.get(name));
  const weights = Object.entries(WEIGHTS)
    .map(([name, weight]) => {
      const usual = USUAL_FACTORS[name] ?? 1;
      return { name, weight, usual, factor: Number(form.get(`weight_${name}`) ?? usual) };
    })
    .filter(({ factor, usual }) => factor !== usual)
    .map(({ name, weight, factor }): [string, number] => [name, weight * factor]);
  const dedicated = DEDICATED_KINDS.filter((kind) => form.getAll("dedicated").includes(kind));
  const fromScratch = previous === undefined || Boolean(form.get("fresh"));
  return {
    ...(form.get("balance") === "workload" ? { balance: "workload" as const } : {}),
    target: figure("target"),
    lower: figure("lower"),
    upper: figure("upper"),
    alternatives: figure("alternatives"),
    ...(weights.length ? { weights: Object.fromEntries(weights) } : {}),
    ...(figure("seconds") === DEFAULT_SECONDS ? {} : { seconds: figure("seconds") }),
    ...(form.get("whole_compounds") ? { whole_compounds: true } : {}),
    ...(dedicated.length ? { dedicated } : {}),
    ...(areas.length ? { areas: areas.map(({ name, geometry }) => ({ name, geometry })) } : {}),
    ...(fromScratch ? { fresh: true } : {}),
    ...constraintRequest(constraints, fromScratch ? undefined : previous),
  };
}
