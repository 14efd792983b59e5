// Lines and items that the panels of a building, an incident and a shut-off share.

import { button, type Child, element } from "../dom";
import { formatNumber, optionalText, text } from "../locale";
import type { Finding, Layout, Place, Station } from "./fire-api";
import { SEVERITY_COLOURS } from "./fire-layers";
import type { PanelActions } from "./panel";

export function findingItem(finding: Finding): HTMLElement {
  const mark = element("i", { class: "mark", "aria-hidden": "true" });
  mark.style.background = SEVERITY_COLOURS[finding.severity];
  const title = `${text(`fire.severity_${finding.severity}`)} · ${finding.title}`;
  const source = [finding.standard, finding.clause].filter(Boolean).join(" ");
  const lines = [finding.address ?? "", finding.text, source]
    .filter(Boolean)
    .map((line) => element("small", {}, line));
  return element("li", {}, mark, element("span", {}, element("b", {}, title), ...lines));
}

export function stationItem(station: Station): HTMLElement {
  const details = text("fire.station_said", {
    minutes: (station.response_s / 60).toFixed(1),
    kilometres: (station.distance_m / 1000).toFixed(1),
  });
  const phone = station.phone ? phoneLink(station.phone) : "";
  return element(
    "li",
    {},
    element("span", {}, station.name),
    element("span", {}, details, " ", phone),
  );
}

export function section(
  key: string,
  rows: HTMLElement[],
  none = text("fire.nothing"),
): HTMLElement {
  const body = rows.length
    ? element("ul", { class: "lines" }, ...rows)
    : element("p", { class: "none" }, none);
  return element("section", {}, element("h2", {}, optionalText(key) || key), body);
}

export function listItem(words: string, more: Child): HTMLElement {
  const details = more === null || more === "" ? null : element("span", {}, more);
  return element("li", {}, element("span", {}, words), details);
}

export function placeItem(
  actions: PanelActions,
  place: Place,
  name: string,
  more: string,
): HTMLElement {
  return element(
    "li",
    {},
    button(name, () => actions.goTo(place), { class: "quiet" }),
    element("span", {}, more),
  );
}

export function phoneLink(phone: string): HTMLElement {
  return element("a", { href: `tel:${phone}` }, phone);
}

export function nameOf({
  name,
  address,
  code,
}: {
  name: string;
  address: string;
  code: string;
}): string {
  return name || address || code;
}

export function gridName({ name, code }: { name: string; code: string }): string {
  return name || text("page.grid_number", { serial: Number(code.slice(-3)) });
}

export function peopleText({
  households,
  population,
}: {
  households: number | null;
  population: number | null;
}): string {
  const homes = formatNumber(households ?? 0);
  if (population === null) return text("fire.people_unknown", { households: homes });
  return text("fire.people_said", { households: homes, population: formatNumber(population) });
}

export function householdsText(households: number): string {
  return text("page.households_unit", { households });
}

interface HydrantWay {
  route_m: number | null;
  straight_m: number;
  in_service?: boolean | null;
}

export function hoseLength({ route_m, straight_m, in_service }: HydrantWay): string {
  const metres = formatNumber(Math.round(route_m ?? straight_m));
  if (in_service === false) return text("fire.hydrant_out", { metres });
  return text(route_m === null ? "fire.hose_unknown" : "fire.hose", { metres });
}

export function typeAndMain(hydrant: {
  hydrant_type_text: string | null;
  main_dn: number | null;
}): string {
  const main = hydrant.main_dn === null ? null : text("fire.main_dn", { dn: hydrant.main_dn });
  const known = [hydrant.hydrant_type_text, main].filter(Boolean);
  return known.map((part) => ` · ${part}`).join("");
}

export function keyUnitItem(unit: Layout["key_units"][number]): HTMLElement {
  return listItem([unit.name, unit.floor].filter(Boolean).join(" · "), null);
}

export function countText(count: number | null): string {
  return count === null ? text("page.unknown") : formatNumber(count);
}

export function helpText({ need_help }: { need_help: number | null }): string {
  return need_help ? ` · ${text("fire.need_help")} ${formatNumber(need_help)}` : "";
}
