// A table of the score cards of plans, side by side.

import { element } from "../dom";
import { formatNumber, optionalText, text } from "../locale";
import type { Plan, Score } from "./plan-api";

/** Figures, their formats, and which way is better. */
const FIGURES: [keyof Score, (value: number) => string, "more" | "less" | ""][] = [
  ["grids", formatNumber, ""],
  ["households", formatNumber, ""],
  ["within_limits", (value) => `${Math.round(value * 100)}%`, "more"],
  ["smallest", formatNumber, ""],
  ["largest", formatNumber, ""],
  ["mean_deviation", (value) => value.toFixed(0), "less"],
  ["contiguous", (value) => text(value ? "atlas.yes" : "atlas.no"), "more"],
  ["gap_m2", (value) => value.toFixed(2), "less"],
  ["overlap_m2", (value) => value.toFixed(2), "less"],
  ["border_on_barrier", (value) => `${Math.round(value * 100)}%`, "more"],
  ["compounds_split", formatNumber, "less"],
  ["compounds_split_all", formatNumber, "less"],
  ["arterial_inside_m", (value) => value.toFixed(0), "less"],
  ["railway_inside_m", (value) => value.toFixed(0), "less"],
  ["water_inside_m", (value) => value.toFixed(0), "less"],
  ["beside_street_m", (value) => value.toFixed(0), "less"],
  ["spikes", formatNumber, "less"],
  ["narrow_m2", (value) => value.toFixed(0), "less"],
  ["polsby_popper", (value) => value.toFixed(2), "more"],
  ["walk_m", (value) => value.toFixed(0), "less"],
  ["moved", formatNumber, "less"],
];

export function scoreTable(plans: Pick<Plan, "version" | "score">[]): HTMLElement {
  const rows = FIGURES.flatMap(([key, format, better]) => {
    const values = plans.map(({ score }) => figure(score, key));
    if (values.every((value) => value === null)) return [];
    const best = better && plans.length > 1 ? bestValue(values, better) : null;
    const cells = values.map((value) =>
      element(
        "td",
        value !== null && value === best ? { class: "best" } : {},
        value === null ? "—" : format(value),
      ),
    );
    return [
      element(
        "tr",
        {},
        element("th", { scope: "row" }, optionalText(`scorecard.${key}`) || key),
        ...cells,
      ),
    ];
  });
  const heads = plans.map((plan) =>
    element("th", { scope: "col" }, text("plan.version", { version: plan.version })),
  );
  const head =
    plans.length > 1 ? [element("thead", {}, element("tr", {}, element("td"), ...heads))] : [];
  return element("table", { class: "card" }, ...head, element("tbody", {}, ...rows));
}

/** Why limits are not met, in the reader's language. */
export function reasonTexts(score: Score): string[] {
  return (score.reasons ?? []).map(([key, fields]) => text(`reason.${key}`, fields));
}

function figure(score: Score, key: keyof Score): number | null {
  const value = score[key];
  return typeof value === "number" || typeof value === "boolean" ? Number(value) : null;
}

/** The best of values that differ; null where they do not. */
export function bestValue(values: (number | null)[], better: "more" | "less"): number | null {
  const known = values.filter((value) => value !== null);
  if (new Set(known).size < 2) return null;
  return better === "more" ? Math.max(...known) : Math.min(...known);
}
