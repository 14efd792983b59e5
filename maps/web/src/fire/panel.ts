// What the side of the fire desk says of a building, an incident, a shut-off.

import { button, type Child, definitionList, element, elementById } from "../dom";
import { formatNumber, optionalText, text } from "../locale";
import type { Finding, Incident, Isolation, Layout, Missing, Station } from "./fire-api";
import { SEVERITY } from "./fire-layers";

export interface Ways {
  print(code: string): void;
  incidentAt(place: { lon: number; lat: number }): void;
  building(code: string): void;
  goTo(place: { lon: number; lat: number }): void;
  radius(metres: number): void;
  stick(valve: string): void;
}

export function showLayout(one: Layout, ways: Ways): void {
  const a = one.attributes;
  const said = (name: string) => (a[`${name}_text`] ?? a[name] ?? null) as string | number | null;
  const storeys =
    a.storeys_above === null
      ? ""
      : text("desk.storeys", {
          above: Number(a.storeys_above),
          below: Number(a.storeys_below ?? 0),
        });
  elementById("side").replaceChildren(
    heading(
      one.name || one.address || one.code,
      [one.name ? one.address : "", one.region ? `${one.region.street} ${one.region.name}` : ""]
        .filter(Boolean)
        .join(" · "),
    ),
    element(
      "div",
      { class: "actions" },
      button(text("desk.print_sheet"), () => ways.print(one.code), { class: "primary" }),
      button(text("desk.incident_here"), () => ways.incidentAt(one)),
    ),
    ...findingsOf(one),
    definitionList([
      [text("desk.use"), write(said("use"))],
      [text("desk.storeys_label"), storeys],
      [text("desk.height"), metres(a.height_m)],
      [text("desk.structure"), write(said("structure"))],
      [text("desk.fire_class"), write(said("fire_class"))],
      [text("desk.year"), write(a.year_built as number | null)],
      [
        text("desk.people"),
        text("desk.people_said", {
          households: formatNumber(Number(a.households ?? 0)),
          population: formatNumber(Number(a.population ?? 0)),
        }),
      ],
      [text("desk.compound"), one.compound?.name ?? ""],
    ]),
    part(
      "desk.grids",
      one.grids.map((grid) =>
        line(
          `${nameOf(grid)} · ${grid.manager || text("desk.no_manager")}`,
          grid.phone ? call(grid.phone) : null,
        ),
      ),
    ),
    part(
      "desk.entrances",
      one.units.map((unit) =>
        line(unit.name || unit.code, text("page.households_unit", { households: unit.households })),
      ),
    ),
    part(
      "desk.hydrants",
      one.hydrants.map((hydrant) =>
        place(
          ways,
          hydrant,
          hydrant.code,
          `${route(hydrant.route_m ?? hydrant.straight_m)}${hydrant.flow_l_s ? ` · ${hydrant.flow_l_s} L/s` : ""}`,
        ),
      ),
      text("desk.no_hydrant"),
    ),
    part("desk.stations", one.stations.map(stationLine)),
    part("desk.fire_lane", [
      line(one.fire_lane.text, null),
      ...one.fire_lane.obstacles.map((obstacle) => place(ways, obstacle, obstacle.text, "")),
    ]),
    part("desk.ladder", [line(one.ladder.text, null)]),
    ...Object.entries(one.valves).map(([network, valves]) =>
      part(
        `desk.valves_${network}`,
        valves.map((valve) =>
          place(ways, valve, valve.name || valve.code, metres(valve.distance_m ?? null)),
        ),
        one.valve_notes?.[network] ?? text("desk.no_valve"),
      ),
    ),
    part(
      "desk.neighbours",
      one.neighbours.filter((other) => other.too_close).map((other) => line(other.text, null)),
    ),
    lacking(one.missing, one.data.age_s),
  );
}

function findingsOf(one: Layout): HTMLElement[] {
  const found = one.findings.map((finding) =>
    "properties" in finding ? finding.properties : finding,
  );
  if (found.length === 0) return [];
  return [element("ul", { class: "findings" }, ...found.map(findingLine))];
}

export function findingLine(finding: Finding): HTMLElement {
  const mark = element("i", { class: "mark", "aria-hidden": "true" });
  mark.style.background = SEVERITY[finding.severity] ?? "";
  const source = [finding.standard, finding.clause].filter(Boolean).join(" ");
  return element(
    "li",
    {},
    mark,
    element(
      "span",
      {},
      element("b", {}, `${text(`desk.severity_${finding.severity}`)} · ${finding.title}`),
      element("small", {}, finding.text),
      element("small", {}, source),
    ),
  );
}

export function showIncident(one: Incident, ways: Ways): void {
  const { totals } = one;
  const range = element("input", {
    type: "range",
    min: "50",
    max: "1000",
    step: "50",
    value: String(one.radius_m),
    "aria-label": text("desk.radius"),
  });
  range.addEventListener("change", () => ways.radius(Number(range.value)));
  elementById("side").replaceChildren(
    heading(
      text("desk.incident"),
      text("desk.radius_said", { radius: formatNumber(one.radius_m) }),
    ),
    range,
    definitionList([
      [text("desk.buildings"), formatNumber(totals.buildings)],
      [text("desk.households"), formatNumber(totals.households)],
      [text("desk.population"), formatNumber(totals.population)],
      [text("desk.high_rise"), formatNumber(totals.high_rise)],
    ]),
    part(
      "desk.evacuate",
      one.grids.map((grid) => {
        const people = text("desk.people_said", {
          households: formatNumber(grid.households),
          population: formatNumber(grid.population),
        });
        return line(
          `${grid.community ?? ""} ${nameOf(grid)} · ${people}`,
          element("span", {}, grid.manager, " ", grid.phone ? call(grid.phone) : ""),
        );
      }),
    ),
    part(
      "desk.critical",
      one.critical.map((site) =>
        place(ways, site, `${site.category_text} ${site.name}`, metres(site.distance_m)),
      ),
    ),
    part("desk.stations", one.stations.map(stationLine)),
    part(
      "desk.hydrants",
      one.hydrants.map((hydrant) =>
        place(ways, hydrant, hydrant.code, route(hydrant.route_m ?? hydrant.straight_m)),
      ),
      text("desk.no_hydrant"),
    ),
    part(
      "desk.valves",
      one.valves.map((valve) =>
        place(
          ways,
          valve,
          `${optionalText(`desk.network_${valve.network}`)} ${valve.name || valve.code}`,
          metres(valve.distance_m ?? null),
        ),
      ),
    ),
    part(
      "desk.buildings",
      one.buildings.map((building) => {
        const name = building.name || building.address || building.code;
        return element(
          "li",
          {},
          button(name, () => ways.building(building.code), { class: "quiet" }),
          element(
            "span",
            {},
            `${metres(building.distance_m)}${building.high_rise ? ` · ${text("desk.high_rise")}` : ""}`,
          ),
        );
      }),
    ),
  );
}

export function showIsolation(one: Isolation, stuck: string[], ways: Ways): void {
  const { lost } = one;
  elementById("side").replaceChildren(
    heading(
      text("desk.isolation"),
      `${optionalText(`desk.network_${one.network}`) || one.network} · ${one.segment.code}`,
    ),
    element("p", { class: one.isolable ? "well" : "trouble" }, one.text),
    ...(one.guaranteed ? [] : [element("p", { class: "trouble" }, text("desk.not_guaranteed"))]),
    part(
      "desk.close_these",
      one.valves.map((valve) => {
        const stick = button(text("desk.sticks"), () => ways.stick(valve.code), {
          title: text("desk.sticks_help"),
        });
        return element(
          "li",
          {},
          button(valve.code, () => ways.goTo(valve), { class: "quiet" }),
          stick,
        );
      }),
    ),
    part(
      "desk.stuck",
      stuck.map((code) =>
        element(
          "li",
          {},
          code,
          button(text("desk.works_again"), () => ways.stick(code)),
        ),
      ),
    ),
    element("h2", {}, text("desk.lost")),
    definitionList([
      [text("desk.length"), metres(lost.length_m)],
      [text("desk.households"), formatNumber(lost.households)],
      [text("desk.population"), formatNumber(lost.population)],
      [text("desk.buildings"), formatNumber(lost.buildings.length)],
      [text("desk.hydrants_dry"), formatNumber(lost.hydrants.length)],
    ]),
    part(
      "desk.critical",
      lost.critical.map((site) => line(site.name, null)),
    ),
    part(
      "desk.hydrants_dry",
      lost.hydrants.map((hydrant) => place(ways, hydrant, hydrant.code, "")),
    ),
    ...(one.affected
      ? [
          element(
            "p",
            {},
            text("desk.affected", {
              radius: one.affected.radius_m,
              households: formatNumber(one.affected.households),
              population: formatNumber(one.affected.population),
            }),
          ),
        ]
      : []),
    part(
      "desk.warnings",
      one.warnings.map((warning) => line(warning.text, null)),
    ),
    part(
      "desk.buildings",
      lost.buildings
        .slice(0, 60)
        .map((building) =>
          line(
            building.name || building.address || building.code,
            text("page.households_unit", { households: building.households }),
          ),
        ),
    ),
  );
}

export function heading(title: string, below: string): HTMLElement {
  return element("div", { class: "heading" }, element("h1", {}, title), element("p", {}, below));
}

function nameOf({ name, code }: { name: string; code: string }): string {
  return name || text("page.grid_number", { serial: Number(code.slice(-3)) });
}

function part(key: string, rows: HTMLElement[], none = ""): HTMLElement {
  if (rows.length === 0 && !none) return element("div", { hidden: "" });
  const body = rows.length
    ? element("ul", { class: "lines" }, ...rows)
    : element("p", { class: "none" }, none);
  return element("section", {}, element("h2", {}, optionalText(key) || key), body);
}

function line(words: string, more: Child): HTMLElement {
  return element(
    "li",
    {},
    element("span", {}, words),
    more === null || more === "" ? null : element("span", {}, more),
  );
}

function place(
  ways: Ways,
  at: { lon: number; lat: number },
  name: string,
  more: string,
): HTMLElement {
  return element(
    "li",
    {},
    button(name, () => ways.goTo(at), { class: "quiet" }),
    element("span", {}, more),
  );
}

function stationLine(station: Station): HTMLElement {
  const minutes = (station.response_s / 60).toFixed(1);
  const said = text("desk.station_said", {
    minutes,
    kilometres: (station.distance_m / 1000).toFixed(1),
  });
  return element(
    "li",
    {},
    element("span", {}, station.name),
    element("span", {}, said, " ", station.phone ? call(station.phone) : ""),
  );
}

function call(phone: string): HTMLElement {
  return element("a", { href: `tel:${phone}` }, phone);
}

function lacking(missing: Missing[], age: number | null): HTMLElement {
  const rows = missing.map((one) => element("li", {}, one.text));
  const days = age === null ? "" : text("desk.data_age", { hours: Math.round(age / 3600) });
  return element(
    "footer",
    { class: "none" },
    rows.length ? element("ul", {}, ...rows) : null,
    days,
  );
}

function metres(value: unknown): string {
  return typeof value === "number" ? `${formatNumber(Math.round(value))} m` : "";
}

function route(value: number): string {
  return text("desk.hose", { metres: formatNumber(Math.round(value)) });
}

function write(value: string | number | null): string {
  return value === null ? "" : String(value);
}
