// The panel of an incident: people, wind, water and valves in the circle.

import {
  button,
  type Choice,
  definitionList,
  div,
  element,
  elementById,
  heading,
  select,
} from "../dom";
import { formatDateTime, formatMetres, formatNumber, optionalText, text } from "../locale";
import type { Incident } from "./fire-api";
import { recordedItems } from "./items";
import type { PanelActions } from "./panel";
import {
  countText,
  gridName,
  helpText,
  hoseLength,
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
import { rankWater, type WaterSource } from "./water-supply";
import { isDownwind, type Wind } from "./wind";

/** The eight winds, from north clockwise, in degrees. */
const WINDS = [0, 45, 90, 135, 180, 225, 270, 315];
const DEFAULT_SPEED_M_S = 3;

export function renderIncident(incident: Incident, wind: Wind | null, actions: PanelActions): void {
  const { totals } = incident;
  elementById("side").replaceChildren(
    heading(
      text("fire.mode_incident"),
      text("fire.radius_said", { radius: formatNumber(incident.radius_m) }),
    ),
    element(
      "p",
      { class: "stamp" },
      `${formatDateTime(new Date().toISOString())} · ${incident.lat.toFixed(6)}, ${incident.lon.toFixed(6)}`,
    ),
    div(
      "actions",
      button(text("fire.print_incident"), actions.printIncident, { class: "primary" }),
    ),
    radiusField(incident.radius_m, actions),
    definitionList([
      [text("page.buildings"), formatNumber(totals.buildings)],
      [text("fire.households"), formatNumber(totals.households)],
      [text("fire.population"), countText(totals.population)],
      [text("fire.high_rise"), formatNumber(totals.high_rise)],
      [text("fire.residents"), countText(totals.residents)],
      [text("fire.need_help"), countText(totals.need_help)],
    ]),
    section(
      "building_sheet.key_units",
      incident.buildings.flatMap((building) => building.key_units.map(keyUnitItem)),
    ),
    windSection(incident, wind, actions),
    section("fire.evacuate", incident.grids.map(evacuationItem)),
    section(
      "fire.critical",
      incident.critical.map((site) =>
        placeItem(
          actions,
          site,
          `${site.category_text} ${site.name}`,
          formatMetres(site.distance_m),
        ),
      ),
    ),
    section("fire.stations", incident.stations.map(stationItem)),
    section(
      "fire.water",
      rankWater(incident).map((source) => waterItem(source, actions)),
      text("fire.no_hydrant"),
    ),
    section(
      "fire.valves",
      incident.valves.map((valve) => {
        const name = `${optionalText(`page.network_${valve.network}`)} ${valve.code}`;
        return placeItem(actions, valve, name, formatMetres(valve.distance_m));
      }),
    ),
    section(
      "page.buildings",
      incident.buildings.map((building) => {
        const highRise = building.high_rise ? ` · ${text("fire.high_rise")}` : "";
        return element(
          "li",
          {},
          button(nameOf(building), () => actions.showBuilding(building.code), { class: "quiet" }),
          element(
            "span",
            {},
            `${formatMetres(building.distance_m)}${highRise}${helpText(building)}`,
          ),
          element("small", {}, recordedItems(building)),
        );
      }),
    ),
  );
}

function evacuationItem(grid: Incident["grids"][number]): HTMLElement {
  const phone = grid.phone ? phoneLink(grid.phone) : "";
  const manager = element("span", {}, grid.manager, " ", phone);
  return listItem(`${grid.community ?? ""} ${gridName(grid)} · ${peopleText(grid)}`, manager);
}

function radiusField(radius: number, actions: PanelActions): HTMLElement {
  const field = element("input", {
    type: "range",
    min: "50",
    max: "1000",
    step: "50",
    value: String(radius),
    "aria-label": text("fire.radius"),
  });
  field.addEventListener("change", () => actions.setRadius(Number(field.value)));
  return field;
}

/** The wind, and whom the sector downwind of the incident holds. */
function windSection(incident: Incident, wind: Wind | null, actions: PanelActions): HTMLElement {
  const winds = WINDS.map((degrees): Choice => [String(degrees), text(`fire.wind_${degrees}`)]);
  const from = select([["", text("fire.wind_none")], ...winds], wind ? String(wind.from) : "");
  const speed = element("input", {
    type: "number",
    min: "0",
    max: "40",
    step: "0.5",
    value: String(wind?.speed_m_s ?? DEFAULT_SPEED_M_S),
  });
  const change = () => {
    if (!speed.checkValidity()) return;
    const values = { from: Number(from.value), speed_m_s: speed.valueAsNumber || 0 };
    actions.setWind(from.value === "" ? null : values);
  };
  for (const field of [from, speed]) field.addEventListener("change", change);
  return element(
    "section",
    { class: "wind" },
    element("h2", {}, text("fire.wind")),
    element("label", {}, text("fire.wind_from"), from),
    element("label", {}, text("fire.wind_speed"), speed),
    ...(wind ? downwindFigures(incident, wind) : []),
    element("p", { class: "none" }, text("fire.wind_aid")),
  );
}

function downwindFigures(incident: Incident, wind: Wind): HTMLElement[] {
  const isHit = (place: { lon: number; lat: number }) => isDownwind(incident, place, wind);
  const buildings = incident.buildings.filter(isHit);
  const sum = (column: "households" | "population") => {
    const known = buildings.flatMap((building) => building[column] ?? []);
    const isKnown = known.length > 0 || buildings.length === 0;
    return isKnown ? known.reduce((total, count) => total + count, 0) : null;
  };
  const critical = incident.critical.filter(isHit).map(({ name, category_text }) => {
    return `${category_text} ${name}`;
  });
  return [
    definitionList([
      [text("fire.downwind_buildings"), formatNumber(buildings.length)],
      [text("fire.households"), countText(sum("households"))],
      [text("fire.population"), countText(sum("population"))],
      [text("fire.downwind_critical"), critical.join(text("page.and"))],
    ]),
  ];
}

/** A source of water with the way to it, and what it gives with all that are ranked before it. */
function waterItem(source: WaterSource, actions: PanelActions): HTMLElement {
  const kind = text(`fire.water_${source.kind}`);
  const flow =
    source.flow_l_s === null || source.total_l_s === null
      ? ""
      : text("fire.water_flow", {
          flow: formatNumber(source.flow_l_s),
          total: formatNumber(Math.round(source.total_l_s * 10) / 10),
        });
  const way = [hoseLength(source) + typeAndMain(source), flow].filter(Boolean).join(" · ");
  return placeItem(actions, source, `${kind} ${source.name}`, way);
}
