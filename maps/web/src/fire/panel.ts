// The panel of the fire page: a building, an incident, or a shut-off.

import { button, definitionList, div, element, elementById, heading } from "../dom";
import { formatMetres, formatNumber, optionalText, text } from "../locale";
import type { Finding, FireItemsRequest, Isolation, KeyUnits, Layout, Place } from "./fire-api";
import { itemsSection } from "./items";
import {
  countText,
  findingItem,
  gridName,
  hoseLength,
  householdsText,
  keyUnitItem,
  listItem,
  nameOf,
  peopleText,
  phoneLink,
  placeItem,
  section,
  stationItem,
  typeAndMain,
} from "./panel-items";
import { plansSection } from "./plans";
import type { Wind } from "./wind";

const MAX_BUILDINGS = 60;

export interface PanelActions {
  printSheet(code: string): void;
  showIncident(place: Place): void;
  showBuilding(code: string): void;
  saveItems(code: string, request: FireItemsRequest): void;
  openPlan(code: string, number: number): void;
  attachPlan(code: string, form: FormData): void;
  removePlan(code: string, number: number): void;
  goTo(place: Place): void;
  setRadius(metres: number): void;
  setWind(wind: Wind | null): void;
  printIncident(): void;
  toggleStuck(valve: string): void;
}

export function renderBuilding(layout: Layout, actions: PanelActions): void {
  const { region } = layout;
  const address = layout.name ? layout.address : "";
  const community = region ? `${region.street ?? ""} ${region.name}` : "";
  elementById("side").replaceChildren(
    heading(nameOf(layout), [address, community].filter(Boolean).join(" · ")),
    div(
      "actions",
      button(text("fire.print_sheet"), () => actions.printSheet(layout.code), { class: "primary" }),
      button(text("fire.incident_here"), () => actions.showIncident(layout)),
    ),
    ...findingList(layout.findings),
    attributeList(layout),
    itemsSection(layout, actions.saveItems),
    plansSection(layout, actions),
    section("building_sheet.key_units", layout.key_units.map(keyUnitItem)),
    section(
      "fire.people_by_unit",
      (layout.people ?? []).map(peopleItem),
      layout.people === null ? text("fire.people_hidden") : text("building_sheet.not_recorded"),
    ),
    section("fire.surroundings", layout.surroundings.map(sideItem)),
    section("fire.grids", layout.grids.map(managerItem)),
    section("fire.entrances", layout.units.map(entranceItem)),
    section(
      "fire.hydrants",
      layout.hydrants.map((hydrant) => {
        const flow = hydrant.flow_l_s ? ` · ${hydrant.flow_l_s} L/s` : "";
        const more = hoseLength(hydrant) + typeAndMain(hydrant) + flow;
        return placeItem(actions, hydrant, hydrant.code, more);
      }),
      text("fire.no_hydrant"),
    ),
    section(
      "building_sheet.intakes",
      layout.intakes.map((site) =>
        placeItem(actions, site, site.name || site.code, formatMetres(site.distance_m)),
      ),
    ),
    section("fire.stations", layout.stations.map(stationItem)),
    section("building_sheet.fire_lane", [
      listItem(layout.fire_lane.text, null),
      ...layout.fire_lane.obstacles.map((obstacle) =>
        placeItem(actions, obstacle, obstacle.text, ""),
      ),
    ]),
    section("fire.ladder", [listItem(layout.ladder.text, null)]),
    ...Object.entries(layout.valves).map(([network, valves]) =>
      section(
        `fire.valves_${network}`,
        valves.map((valve) =>
          placeItem(actions, valve, valve.name || valve.code, formatMetres(valve.distance_m)),
        ),
        layout.valve_notes[network] ?? text("fire.no_valve"),
      ),
    ),
    section(
      "fire.neighbours",
      layout.neighbours.filter((other) => other.too_close).map(({ text }) => listItem(text, null)),
    ),
    dataNotes(layout),
  );
}

/** What is on record of the pipe. */
function pipeSheet({ segment }: Isolation): HTMLElement {
  return element(
    "details",
    { class: "pipe-sheet" },
    element("summary", {}, text("fire.pipe_record")),
    definitionList(segment.sheet.map(({ label, text: value }): [string, string] => [label, value])),
  );
}

/** The key units of the city, with how far their buildings' sheets are collected. */
export function renderKeyUnits(answer: KeyUnits, actions: PanelActions): void {
  const rows = answer.key_units.map((unit) => {
    const said = text("fire.key_unit_said", {
      items: unit.items,
      all: unit.items_all,
      plans: unit.plans,
    });
    return element(
      "li",
      {},
      button(unit.name, () => actions.showBuilding(unit.building_code), { class: "quiet" }),
      element("span", {}, said),
      unit.address ? element("small", {}, unit.address) : null,
    );
  });
  elementById("side").replaceChildren(
    heading(text("fire.key_units_all"), formatNumber(answer.numberMatched)),
    element("ul", { class: "lines" }, ...rows),
  );
}

export function renderIsolation(
  isolation: Isolation,
  stuck: string[],
  actions: PanelActions,
): void {
  const { lost, affected } = isolation;
  const network = optionalText(`page.network_${isolation.network}`) || isolation.network;
  elementById("side").replaceChildren(
    heading(text("fire.mode_isolation"), `${network} · ${isolation.segment.code}`),
    element("p", { class: isolation.isolable ? "well" : "trouble" }, isolation.text),
    isolation.guaranteed ? "" : element("p", { class: "trouble" }, text("fire.not_guaranteed")),
    pipeSheet(isolation),
    section(
      "fire.shut_sources",
      isolation.sources_to_shut.map((code) => element("li", {}, code)),
    ),
    section(
      "fire.close_these",
      isolation.valves.map((valve) =>
        element(
          "li",
          {},
          button(valve.code, () => actions.goTo(valve), { class: "quiet" }),
          button(text("fire.sticks"), () => actions.toggleStuck(valve.code), {
            title: text("fire.sticks_help"),
          }),
        ),
      ),
    ),
    section(
      "fire.stuck",
      stuck.map((code) =>
        element(
          "li",
          {},
          code,
          button(text("fire.works_again"), () => actions.toggleStuck(code)),
        ),
      ),
    ),
    element("h2", {}, text("fire.lost")),
    definitionList([
      [text("fire.length"), formatMetres(lost.length_m)],
      [text("fire.households"), formatNumber(lost.households)],
      [text("fire.population"), countText(lost.population)],
      [text("page.buildings"), formatNumber(lost.buildings.length)],
      [text("fire.hydrants_dry"), formatNumber(lost.hydrants.length)],
    ]),
    section(
      "fire.critical",
      lost.critical.map((site) => listItem(site.name, null)),
    ),
    section(
      "fire.hydrants_dry",
      lost.hydrants.map((hydrant) => placeItem(actions, hydrant, hydrant.code, "")),
    ),
    affected
      ? element(
          "p",
          {},
          text("fire.affected", {
            radius: affected.radius_m,
            people: peopleText(affected),
          }),
        )
      : "",
    section(
      "fire.warnings",
      isolation.warnings.map((warning) => listItem(warning.text, null)),
    ),
    section(
      "page.buildings",
      lost.buildings
        .slice(0, MAX_BUILDINGS)
        .map((building) => listItem(nameOf(building), householdsText(building.households))),
    ),
  );
}

function findingList(findings: Finding[]): HTMLElement[] {
  if (findings.length === 0) return [element("p", { class: "none" }, text("fire.no_findings"))];
  return [element("ul", { class: "findings" }, ...findings.map(findingItem))];
}

function attributeList({ attributes, compound }: Layout): HTMLElement {
  const storeys =
    attributes.storeys_above === null
      ? ""
      : text("fire.storeys", {
          above: attributes.storeys_above,
          below: attributes.storeys_below ?? 0,
        });
  return definitionList([
    [text("building_sheet.use"), attributes.use_text ?? attributes.use],
    [text("fire.storeys_label"), storeys],
    [text("building_sheet.height"), heightText(attributes)],
    [text("building_sheet.structure"), attributes.structure_text ?? attributes.structure],
    [text("fire.fire_class"), attributes.fire_class_text ?? valueText(attributes.fire_class)],
    [text("fire.year"), valueText(attributes.year_built)],
    [text("fire.people"), peopleText(attributes)],
    [text("fire.compound"), compound?.name ?? ""],
  ]);
}

function heightText({ height_m, estimated_height_m }: Layout["attributes"]): string {
  const metres = formatMetres(height_m ?? estimated_height_m);
  return height_m === null && metres ? text("fire.height_estimated", { height: metres }) : metres;
}

function managerItem(grid: Layout["grids"][number]): HTMLElement {
  const name = `${gridName(grid)} · ${grid.manager || text("fire.no_manager")}`;
  return listItem(name, grid.phone ? phoneLink(grid.phone) : null);
}

function entranceItem(unit: Layout["units"][number]): HTMLElement {
  return listItem(unit.name || unit.code, householdsText(unit.households));
}

/** What the data lacks, and how old it is. */
function dataNotes({ missing, data }: Layout): HTMLElement {
  const rows = missing.map((note) => element("li", {}, note.text));
  const age =
    data.age_s === null ? "" : text("fire.data_age", { hours: Math.round(data.age_s / 3600) });
  const list = rows.length ? element("ul", {}, ...rows) : null;
  return element("footer", { class: "none" }, list, age);
}

/** How a hydrant is reached: by hose, in a straight line where no route is known, or not at all. */
/** How a hydrant is built, and the diameter of its main, as far as they are on record. */
function peopleItem(unit: NonNullable<Layout["people"]>[number]): HTMLElement {
  const residents = countText(unit.residents);
  const counts = text("fire.residents_said", { residents, help: countText(unit.need_help) });
  return listItem(unit.unit || unit.unit_code || "–", counts);
}

/** The nearest building and road to one side. */
function sideItem({ title, building, road }: Layout["surroundings"][number]): HTMLElement {
  const beside = building
    ? [nameOf(building), building.use_text, formatMetres(building.distance_m)]
    : ["–"];
  const street = road ? `${road.name || road.code} ${formatMetres(road.distance_m)}` : "";
  return listItem(`${title} ${beside.filter(Boolean).join(" · ")}`, street);
}

function valueText(value: number | null): string {
  return value === null ? "" : String(value);
}
