// Which cases the queue holds: the view chosen, the filters, and whether a changed case belongs.

import type { CaseCounts, CaseState, CaseSummary, Order } from "./case-api";

export const RUNNING: readonly CaseState[] = ["filed", "accepted", "registered", "handling"];

/** The filters of the API that the page offers, as they are in its address. */
const FILTERS = [
  ...(["q", "group", "kind", "level", "channel", "handler"] as const),
  ...(["region", "filed_from", "filed_to"] as const),
] as const;
type FilterName = (typeof FILTERS)[number];

export const ORDERS: readonly Order[] = ["due", "newest"];

/** Ready-made selections of cases. */
export type View = "to_accept" | "running" | "overdue" | "supervised" | "to_close" | "all";

const VIEW_QUERIES: Record<View, [string, string][]> = {
  to_accept: [["state", "filed"]],
  running: [["running", "true"]],
  overdue: [["overdue", "true"]],
  supervised: [["supervised", "true"]],
  to_close: [
    ["state", "reported"],
    ["state", "rated"],
  ],
  all: [],
};

/** The views of a role, the one that it opens on first. */
export function viewsOf(role: string): View[] {
  const common: View[] = ["running", "to_accept", "overdue", "supervised"];
  return role === "grid_manager" ? [...common, "all"] : [...common, "to_close", "all"];
}

export interface CaseFilter {
  view: View;
  order: Order;
  values: Partial<Record<FilterName, string>>;
}

/** The filter that an address names; what it leaves open is as the role expects it. */
export function parseFilter(search: string, role: string): CaseFilter {
  const query = new URLSearchParams(search);
  const views = viewsOf(role);
  const view = views.find((name) => name === query.get("view")) ?? views[0]!;
  const values: CaseFilter["values"] = {};
  for (const name of FILTERS) {
    const value = query.get(name);
    if (value) values[name] = value;
  }
  const order = ORDERS.find((name) => name === query.get("order")) ?? usualOrder(view);
  return { view, order, values };
}

/** Running cases are read by their deadline, others by their age. */
export function usualOrder(view: View): Order {
  return view === "all" || view === "to_close" ? "newest" : "due";
}

/** The query of the page's address. */
export function filterAddress({ view, order, values }: CaseFilter): string {
  const query = new URLSearchParams({ view, order, ...values });
  return `?${query}`;
}

/** The query of the API, without order and page. */
export function filterQuery({ view, values }: CaseFilter): URLSearchParams {
  return new URLSearchParams([...VIEW_QUERIES[view], ...Object.entries(values)]);
}

/** Whether a running case is past its deadline. */
export function isOverdue({ state, due_at }: CaseSummary, now = Date.now()): boolean {
  return RUNNING.includes(state) && Date.parse(due_at) <= now;
}

/** Whether a case belongs into the queue, as the server would decide. */
export function matchesFilter(serviceCase: CaseSummary, { view, values }: CaseFilter): boolean {
  const isInView: Record<View, boolean> = {
    to_accept: serviceCase.state === "filed",
    running: RUNNING.includes(serviceCase.state),
    overdue: isOverdue(serviceCase),
    supervised: serviceCase.supervised_at !== null,
    to_close: serviceCase.state === "reported" || serviceCase.state === "rated",
    all: true,
  };
  const equal = (["group", "kind", "level", "channel", "handler"] as const).every(
    (name) => !values[name] || serviceCase[name] === values[name],
  );
  const day = cityDay(serviceCase.filed_at);
  return (
    isInView[view] &&
    equal &&
    serviceCase.region.startsWith(divisionDigits(values.region ?? "")) &&
    (!values.filed_from || day >= values.filed_from) &&
    (!values.filed_to || day <= values.filed_to) &&
    hasWords(serviceCase, values.q ?? "")
  );
}

function hasWords({ number, description, address }: CaseSummary, words: string): boolean {
  const lower = words.toLowerCase();
  const has = (field: string) => field.toLowerCase().includes(lower);
  return number.startsWith(words) || has(description) || has(address);
}

/** The digits of a division's code without the zeros of the levels below. */
function divisionDigits(code: string): string {
  return code.length === 12 ? code.replace(/(000)+$/, "").replace(/(00)+$/, "") : code;
}

/** The day of a moment in China, as the server counts it. */
function cityDay(moment: string): string {
  return new Date(moment).toLocaleDateString("sv", { timeZone: "Asia/Shanghai" });
}

/**
 * Put a changed case where it belongs, or take it out; return the new list.
 *
 * With `hasMore` a case that would come last is left to the next page.
 */
export function mergeChanged(
  cases: CaseSummary[],
  changed: CaseSummary,
  filter: CaseFilter,
  hasMore: boolean,
): CaseSummary[] {
  const known = cases.find(({ number }) => number === changed.number);
  if (known && known.revision > changed.revision) return cases;
  const others = cases.filter((serviceCase) => serviceCase !== known);
  if (!matchesFilter(changed, filter)) return others;
  const isBefore = (serviceCase: CaseSummary) =>
    filter.order === "newest"
      ? serviceCase.filed_at > changed.filed_at
      : Date.parse(serviceCase.due_at) <= Date.parse(changed.due_at);
  const place = others.filter(isBefore).length;
  if (hasMore && place === others.length) return others;
  return others.toSpliced(place, 0, changed);
}

/** How many cases a view holds without filters; null where the counts do not say. */
export function viewCount(view: View, counts: CaseCounts): number | null {
  const states = counts.states as Partial<Record<CaseState, number>>;
  const sums: Partial<Record<View, number>> = {
    to_accept: states.filed ?? 0,
    running: counts.running,
    overdue: counts.overdue,
    to_close: (states.reported ?? 0) + (states.rated ?? 0),
    all: Object.values(states).reduce((sum, count) => sum + count, 0),
  };
  return sums[view] ?? null;
}
