// Figures in words and colours.

import { formatNumber, text } from "../locale";
import { type Area, type Indicator, SCORE } from "./assess-api";

/** Poor to good (ColorBrewer YlGnBu, colour-blind safe). */
export const CLASS_COLOURS = ["#ffffcc", "#a1dab4", "#41b6c4", "#2c7fb8", "#253494"] as const;
export const NO_VALUE_COLOUR = "#d5d8db";

/** The value of an indicator, or the score, of an area. */
export function figureOf(area: Pick<Area, "score" | "values">, key: string): number | null {
  return key === SCORE ? area.score : (area.values[key] ?? null);
}

/** A value with its unit; a dash where there was nothing to measure. */
export function formatValue(value: number | null, indicator: Indicator | undefined): string {
  if (value === null) return "–";
  const rounded = Math.round(value * 10) / 10;
  return indicator?.unit === "percent" ? `${formatNumber(rounded)} %` : formatNumber(rounded);
}

export function indicatorName(indicators: Indicator[], key: string): string {
  return indicators.find((indicator) => indicator.key === key)?.name ?? text("assess.score");
}

/** Upper limits of the classes: equal steps from the least to the greatest value. */
export function classLimits(values: number[]): number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = (most - least) / CLASS_COLOURS.length;
  return CLASS_COLOURS.map((_, index) => least + step * (index + 1));
}

/** The colour of a value: dark is good, whether high or low values are. */
export function classColour(
  value: number | null,
  limits: number[],
  better: "high" | "low",
): string {
  if (value === null) return NO_VALUE_COLOUR;
  const place = limits.findIndex((limit) => value <= limit + 1e-9);
  const index = place < 0 ? limits.length - 1 : place;
  return CLASS_COLOURS[better === "high" ? index : CLASS_COLOURS.length - 1 - index]!;
}

/** Runs of neighbouring values in the unit square, interrupted where there is none. */
export function trendRuns(values: (number | null)[], top: number): [number, number][][] {
  const runs: [number, number][][] = [[]];
  for (const [index, value] of values.entries()) {
    if (value === null) runs.push([]);
    else runs.at(-1)!.push([index / Math.max(values.length - 1, 1), value / Math.max(top, 1e-9)]);
  }
  return runs.filter((run) => run.length > 0);
}
