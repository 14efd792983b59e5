// The request of a drawing: limits, weights, time, constraints, and what gets a grid of its own.

import type { DrawnArea } from "./area-picker";
import { type Constraint, constraintRequest } from "./constraints";
import type { DrawRequest, Plan } from "./plan-api";

/** Weights of faults (geo.partition.objective.Weights) that a planner may scale. */
export const WEIGHTS = { balance: 30, border: 1, compactness: 15, compound: 60, moved: 1 };
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
    .map(([name, weight]): [string, number] => [name, weight * Number(form.get(name) ?? 1)])
    .filter(([name, weight]) => weight !== WEIGHTS[name as keyof typeof WEIGHTS]);
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
