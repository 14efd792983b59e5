// Names of layers, statuses and columns, and values of features, in the reader's language.

import { formatNumber, optionalText, text } from "../locale";

/** Units of columns, by the end of their names. */
const UNITS = [
  ["_m", "m"],
  ["_mm", "mm"],
  ["_l_s", "L/s"],
  ["_mpa", "MPa"],
  ["_t", "t"],
  ["_percent", "%"],
  ["_kv", "kV"],
] as const;

/** Sections with the texts of a column's values that are not called like the column. */
const SECTIONS: Record<string, string> = { status: "pipe_status" };

/** The text of a layer, status, step or count; without one, the name. */
export function label(kind: string, value: string): string {
  return optionalText(`${kind}.${value}`) || value;
}

/** The names of layers that a run lists by commas. */
export function layerNames(names: string): string {
  return names
    .split(/,\s*/)
    .map((name) => label("layer", name))
    .join(text("page.and"));
}

export function columnName(column: string): string {
  return optionalText(`field.${column}`) || column;
}

/** The value of a column as a person reads it, with its unit. */
export function formatColumn(column: string, value: unknown): string {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return text(value ? "page.yes" : "page.no");
  if (Array.isArray(value)) return value.join(text("page.and"));
  const unit = UNITS.find(([ending]) => column.endsWith(ending))?.[1];
  const section = SECTIONS[column] ?? column;
  return (
    optionalText(`${section}.${String(value)}`) || [String(value), unit].filter(Boolean).join(" ")
  );
}

/** Counts with their labels, those above zero. */
export function formatCounts(counts: Record<string, number>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${label("count", name)} ${formatNumber(count)}`)
    .join(" · ");
}
