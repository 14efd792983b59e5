// Read-only views: map, buildings, dwellings, cases, ledger of visits; and elements of all views.

import type { Map as LibreMap } from "maplibre-gl";

import { definitionList, div, element } from "../dom";
import { formatDateTime, optionalText, text } from "../locale";
import type { Bundle, Dwelling, Entry, FieldCase } from "./types";

export const COUNTS = [
  ...["residents", "registered", "floating", "age_0_6", "age_7_17", "age_18_59"],
  ...["age_60_79", "age_80_up", "alone_60_up", "need_help"],
] as const;

export type View = HTMLElement[];

const STALE_MONTHS = 12;

export function heading(title: string, note = ""): HTMLElement {
  return div("heading", element("h2", {}, title), element("p", {}, note));
}

export function link(hash: string, label: string, kind = "button"): HTMLAnchorElement {
  return element("a", { href: hash, class: kind }, label);
}

export function row(hash: string, title: string, note: string, mark = ""): HTMLElement {
  return element(
    "li",
    {},
    element(
      "a",
      { href: hash },
      element("strong", {}, title),
      element("small", {}, note),
      mark ? element("em", {}, mark) : null,
    ),
  );
}

export function list(items: HTMLElement[], empty: string): HTMLElement {
  return items.length ? element("ul", { class: "rows" }, ...items) : element("p", {}, empty);
}

/** The map, which fills the view; a tap on a building, hydrant or case opens it. */
export async function mapView(bundle: Bundle): Promise<{ view: View; start: () => LibreMap }> {
  const { createFieldMap } = await import("./map-view");
  const names = bundle.grids.map(({ name, code }) => name || code).join(", ");
  const box = element("div", { id: "map", role: "application", "aria-label": names });
  const start = () => {
    const map = createFieldMap(box, bundle);
    map.on("click", ({ point }) => {
      const hit = map.queryRenderedFeatures(point, { layers: ["case", "hydrant", "building"] })[0];
      if (hit) location.hash = `#${hit.layer.id}/${hit.properties.code}`;
    });
    return map;
  };
  return { view: [box], start };
}

export function buildingsView({ buildings, dwellings }: Bundle): View {
  const items = buildings.map(({ code, name, address }) => {
    const own = dwellings.filter((dwelling) => dwelling.building_code === code);
    const stale = own.filter(isStale).length;
    const note = text("field_app.dwellings", { count: own.length });
    const mark = stale ? text("field_app.to_verify", { count: stale }) : "";
    return row(`#building/${code}`, name || address || code, note, mark);
  });
  return [heading(text("field_app.buildings")), list(items, text("field_app.none"))];
}

export function buildingView(bundle: Bundle, code: string): View {
  const building = bundle.buildings.find((building) => building.code === code);
  const items = bundle.dwellings
    .filter((dwelling) => dwelling.building_code === code)
    .map((one) => {
      const note = text("field_app.residents_of", { count: one.residents ?? "?" });
      const mark = isStale(one) ? text("field_app.due_verification") : "";
      return row(`#dwelling/${one.code}`, nameOf(bundle, one), note, mark);
    });
  return [
    heading(building?.name || code, building?.address ?? ""),
    link(`#report/${code}`, text("field_app.new_case")),
    list(items, text("field_app.no_dwellings")),
  ];
}

/** Whether a dwelling was not verified for a year. */
function isStale({ verified_on }: Dwelling): boolean {
  const limit = new Date();
  limit.setMonth(limit.getMonth() - STALE_MONTHS);
  return !verified_on || new Date(verified_on) < limit;
}

/** Building, unit, floor and room of a dwelling. */
export function nameOf({ buildings, units }: Bundle, dwelling: Dwelling): string {
  const building = buildings.find((building) => building.code === dwelling.building_code);
  const unit = units.find((unit) => unit.code === dwelling.unit_code);
  const parts = [building?.name ?? dwelling.building_code, unit?.name, dwelling.room];
  return parts.filter(Boolean).join(" · ") || dwelling.code;
}

/** A dwelling's value of a column, for people. */
export function describeValue(dwelling: Partial<Dwelling>, column: string): string {
  const value = (dwelling as Record<string, unknown>)[column];
  if (value === null || value === undefined) return text("page.unknown");
  return optionalText(`${column}.${value}`) || String(value);
}

export function dwellingView(bundle: Bundle, code: string, isWaiting: boolean): View {
  const dwelling = bundle.dwellings.find((dwelling) => dwelling.code === code);
  if (!dwelling) return [heading(text("field_app.none"))];
  const rows = ["occupancy", ...COUNTS, "verified_on", "verified_by"].map(
    (column): [string, string] => [text(`field_app.${column}`), describeValue(dwelling, column)],
  );
  const verify = isWaiting
    ? link("#outbox", text("field_app.verification_waits"))
    : link(`#verify/${code}`, text("field_app.verify"));
  const visits = bundle.visits.filter((visit) => visit.dwelling_code === code);
  return [
    heading(nameOf(bundle, dwelling), dwelling.code),
    element("p", { class: "actions" }, verify, link(`#visit/${code}`, text("field_app.new_visit"))),
    definitionList(rows),
    ...visits.map(visitItem),
  ];
}

export function casesView({ cases }: Bundle, entries: Entry[]): View {
  const items = cases.map((serviceCase) =>
    row(
      `#case/${serviceCase.number}`,
      serviceCase.kind_name,
      `${serviceCase.state_name} · ${text("page.due", { when: formatDateTime(serviceCase.due_at) })}`,
      serviceCase.is_overdue ? text("page.overdue") : "",
    ),
  );
  return [
    heading(text("field_app.cases")),
    link("#report", text("field_app.new_case")),
    ...waiting(entries, "case"),
    ...waiting(entries, "step"),
    list(items, text("field_app.no_cases")),
  ];
}

export function caseView({ cases }: Bundle, number: string, step: HTMLElement | null): View {
  const found = cases.find((serviceCase) => serviceCase.number === number);
  if (!found) return [heading(text("field_app.none"))];
  const rows: [string, string][] = [
    [text("field_app.state"), found.state_name],
    [text("field_app.description"), found.description],
    [text("field_app.address"), found.address],
    [text("field_app.filed"), formatDateTime(found.filed_at)],
    [text("field_app.due_at"), formatDateTime(found.due_at)],
    [text("field_app.handler"), handlerOf(found)],
  ];
  return [
    heading(found.kind_name, number),
    definitionList(rows),
    ...(step ? [element("h3", {}, text("field_app.take_step")), step] : []),
  ];
}

function handlerOf({ handler_name, department_name }: FieldCase): string {
  return [handler_name, department_name].filter(Boolean).join(" · ");
}

export function visitsView(bundle: Bundle, entries: Entry[]): View {
  return [
    heading(text("field_app.visits"), text("field_app.visits_note")),
    link("#visit", text("field_app.new_visit")),
    ...waiting(entries, "visit"),
    ...bundle.visits.map(visitItem),
  ];
}

function visitItem(visit: Bundle["visits"][number]): HTMLElement {
  return element(
    "article",
    {},
    element("h3", {}, `${formatDateTime(visit.visited_at)} · ${visit.dwelling_code}`),
    definitionList([
      [text("field_app.topic"), text(`visit_topic.${visit.topic}`)],
      [text("field_app.said"), visit.said],
      [text("field_app.advice"), visit.advice],
      [text("field_app.result"), visit.result],
    ]),
  );
}

/** The entries of a kind that are not confirmed yet. */
export function waiting(entries: Entry[], kind: Entry["kind"]): View {
  const own = entries.filter((entry) => entry.kind === kind);
  if (!own.length) return [];
  const note = text("field_app.waiting", { count: own.length });
  return [
    element(
      "ul",
      { class: "rows" },
      ...own.map(({ title }) => row("#outbox", title, text("field_app.not_sent"))),
    ),
    link("#outbox", note),
  ];
}
