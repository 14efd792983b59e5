// Sizes of grids in words: households, or units of workload.

import { text } from "../locale";
import type { Plan } from "./plan-api";

export function sizeText({ balance }: Plan["limits"], size: number): string {
  if (balance === "workload") return text("plan.workload_short", { workload: size });
  return text("plan.households_short", { households: size });
}

export function limitsText({ target, lower, upper, balance }: Plan["limits"]): string {
  const key = balance === "workload" ? "plan.limits_said_workload" : "plan.limits_said";
  return text(key, { target, lower, upper });
}
