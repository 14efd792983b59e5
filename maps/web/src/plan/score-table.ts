// A table of the score cards of plans, side by side.

import type { Extent } from "../bounds";
import { button, element } from "../dom";
import { formatNumber, text } from "../locale";
import { nextIndex } from "../search";
import type { Plan, Score } from "./plan-api";

/** Figures in units of workload, where a plan balances it. */
const SIZES = new Set<keyof Score>(["smallest", "largest", "mean_deviation"]);

/** Figures, their formats, and which way is better. */
const FIGURES: [keyof Score, (value: number) => string, "more" | "less" | ""][] = [
  ["grids", formatNumber, ""],
  ["households", formatNumber, ""],
  ["workload", formatNumber, ""],
  ["within_limits", (value) => `${Math.round(value * 100)}%`, "more"],
  ["smallest", formatNumber, ""],
  ["largest", formatNumber, ""],
  ["mean_deviation", (value) => value.toFixed(0), "less"],
  ["smallest_households", formatNumber, ""],
  ["largest_households", formatNumber, ""],
  ["contiguous", (value) => text(value ? "page.yes" : "page.no"), "more"],
  ["gap_m2", (value) => value.toFixed(2), "less"],
  ["overlap_m2", (value) => value.toFixed(2), "less"],
  ["border_on_barrier", (value) => `${Math.round(value * 100)}%`, "more"],
  ["compounds_split_all", formatNumber, "less"],
  ["compounds_split", formatNumber, "less"],
  ["barriers_inside_m", (value) => value.toFixed(0), "less"],
  ["straddled_m", (value) => value.toFixed(0), "less"],
  ["arterial_inside_m", (value) => value.toFixed(0), "less"],
  ["railway_inside_m", (value) => value.toFixed(0), "less"],
  ["water_inside_m", (value) => value.toFixed(0), "less"],
  ["beside_street_m", (value) => value.toFixed(0), "less"],
  ["spikes", formatNumber, "less"],
  ["narrow_m2", (value) => value.toFixed(0), "less"],
  ["polsby_popper", (value) => value.toFixed(2), "more"],
  ["walk_m", (value) => value.toFixed(0), "less"],
  ["walk_ways_m", (value) => value.toFixed(0), "less"],
  ["walk_far", (value) => `${Math.round(value * 100)}%`, "less"],
  ["station_m", (value) => value.toFixed(0), "less"],
  ["station_other", (value) => `${Math.round(value * 100)}%`, "less"],
  ["moved", formatNumber, "less"],
];

/** Figures that the page can't compute: after an edit they wait for the server. */
export const SERVER_FIGURES: (keyof Score)[] = [
  "gap_m2",
  "overlap_m2",
  "border_on_barrier",
  "barriers_inside_m",
  "straddled_m",
  "arterial_inside_m",
  "railway_inside_m",
  "water_inside_m",
  "beside_street_m",
  "spikes",
  "narrow_m2",
  "walk_ways_m",
  "walk_far",
  "station_m",
  "station_other",
  "moved",
];

export interface ScoreTableOptions {
  /** Figures of an earlier state, which are being computed again. */
  outdated?: (keyof Score)[];
  /** Where the faults are that a figure counts. */
  places?: Partial<Record<keyof Score, Extent[]>>;
  showPlace?(extent: Extent): void;
  /** Mark the best of each figure; by default yes. */
  isRanked?: boolean;
}

type ScoredPlan = Pick<Plan, "version" | "score" | "limits"> & { title?: string };

export function scoreTable(plans: ScoredPlan[], options: ScoreTableOptions = {}): HTMLElement {
  const rows = FIGURES.flatMap(([key, format, better]) => {
    const values = plans.map(({ score }) => figure(score, key));
    if (values.every((value) => value === null)) return [];
    const isComparable = !SIZES.has(key) || isOneBalance(plans);
    const isRanked = options.isRanked ?? plans.length > 1;
    const best = better && isRanked && isComparable ? bestValue(values, better) : null;
    const isOutdated = options.outdated?.includes(key) ?? false;
    const cells = values.map((value, index) =>
      element(
        "td",
        figureAttributes(value !== null && value === best, isOutdated),
        value === null ? "—" : format(value),
        value !== null && SIZES.has(key) && isByWorkload(plans[index]!)
          ? element("small", {}, ` ${text("plan.unit_workload")}`)
          : null,
        isOutdated && value !== null ? " …" : null,
      ),
    );
    const title = text(`scorecard.${key}`);
    const head = element("th", { scope: "row" }, title, placeButton(key, title, options));
    return [element("tr", { "data-figure": key }, head, ...cells)];
  });
  const heads = plans.map((plan) =>
    element("th", { scope: "col" }, plan.title ?? text("page.version", { version: plan.version })),
  );
  const head =
    plans.length > 1 ? [element("thead", {}, element("tr", {}, element("td"), ...heads))] : [];
  return element(
    "table",
    { class: "card" },
    ...head,
    element("tbody", {}, ...limitsRow(plans), ...rows),
  );
}

function isByWorkload({ limits }: Pick<Plan, "limits">): boolean {
  return limits.balance === "workload";
}

function isOneBalance(plans: ScoredPlan[]): boolean {
  return new Set(plans.map(({ limits }) => limits.balance)).size < 2;
}

function figureAttributes(isBest: boolean, isOutdated: boolean): Record<string, string> {
  const names = [isBest ? "best" : "", isOutdated ? "outdated" : ""].filter(Boolean);
  return {
    ...(names.length ? { class: names.join(" ") } : {}),
    ...(isOutdated ? { title: text("plan.score_outdated") } : {}),
  };
}

/** Targets and limits, where the plans were drawn with different ones. */
function limitsRow(plans: ScoredPlan[]): HTMLElement[] {
  const limits = plans.map((plan) => {
    const unit = isByWorkload(plan) ? ` ${text("plan.unit_workload")}` : "";
    return text("plan.limits_short", { ...plan.limits }) + unit;
  });
  if (new Set(limits).size < 2) return [];
  return [
    element(
      "tr",
      { "data-figure": "limits" },
      element("th", { scope: "row" }, text("plan.limits_row")),
      ...limits.map((words) => element("td", {}, words)),
    ),
  ];
}

/** A button that goes to the places of a figure, one after another. */
function placeButton(
  key: keyof Score,
  title: string,
  { places, showPlace }: ScoreTableOptions,
): HTMLElement | null {
  const extents = places?.[key] ?? [];
  if (!showPlace || extents.length === 0) return null;
  let index = -1;
  const show = () => {
    index = nextIndex(index, 1, extents.length);
    showPlace(extents[index]!);
  };
  return button(text("plan.show_place"), show, {
    class: "quiet",
    "aria-label": text("plan.show_place_of", { figure: title }),
  });
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
