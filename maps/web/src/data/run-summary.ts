// What a run changed, computed from its counts and its report.

import type { Feature, Geometry } from "geojson";

import type { Decision, Fate, Run, RunReport, RunWithReport } from "./import-api";

/** What may be done with a run in its status; what was uploaded an administrator approves. */
export function decisionsFor(
  { status, uploaded_by }: Pick<Run, "status"> & Partial<Pick<Run, "uploaded_by">>,
  isAdmin = false,
): Decision[] {
  if (status === "held") return uploaded_by && !isAdmin ? ["dismiss"] : ["approve", "dismiss"];
  return status === "published" ? ["rollback"] : [];
}

/** The changes of all layers, and the features in quarantine as `held`. */
export function totalChanges({ counts, waiting }: Pick<Run, "counts" | "waiting">) {
  const totals: Record<string, number> = {};
  for (const { unchanged, ...changes } of Object.values(counts)) {
    for (const [fate, count] of Object.entries(changes)) {
      totals[fate] = (totals[fate] ?? 0) + count;
    }
  }
  if (waiting) totals.held = waiting;
  return totals;
}

export interface Coverage {
  layer: string;
  /** How many changes the report lists. */
  listed: number;
  changed: number;
  /** Whether squares stand for the rest. */
  hasDensity: boolean;
}

/** How many of each layer's changes the report lists one by one. */
export function listCoverage({
  counts,
  report,
}: Pick<RunWithReport, "counts" | "report">): Coverage[] {
  return Object.entries(report.differences ?? {}).map(([layer, differences]) => {
    const { added = 0, changed = 0, removed = 0 } = counts[layer] ?? {};
    return {
      layer,
      listed: differences.length,
      changed: added + changed + removed,
      hasDensity: report.density?.[layer] !== undefined,
    };
  });
}

/** The changes of a report as features for the map: squares where there are many, and outlines. */
export function changeFeatures(report: RunReport): Feature[] {
  return [...densityFeatures(report), ...outlineFeatures(report)];
}

/** Squares, the more opaque the more changes they hold. */
function densityFeatures({ density = {} }: RunReport): Feature[] {
  return Object.values(density).flatMap(({ cell, cells }) => {
    const most = Math.max(...cells.map(({ count }) => count));
    return cells.map(({ lon, lat, fate, count }): Feature => {
      const ring = [
        [lon, lat],
        [lon + cell, lat],
        [lon + cell, lat + cell],
        [lon, lat + cell],
        [lon, lat],
      ];
      return {
        type: "Feature",
        geometry: { type: "Polygon", coordinates: [ring] },
        properties: { change: fate, depth: 0.1 + 0.5 * Math.sqrt(count / most) },
      };
    });
  });
}

function outlineFeatures({ differences = {} }: RunReport): Feature[] {
  return Object.values(differences)
    .flat()
    .flatMap(({ shape, before, fate }) => [
      ...outlineFeature(before, "removed"),
      ...outlineFeature(shape, before ? "added" : fate),
    ]);
}

function outlineFeature(geometry: Geometry | null | undefined, change: Fate): Feature[] {
  return geometry ? [{ type: "Feature", geometry, properties: { change } }] : [];
}
