// The panel of an incident: people, wind, water and valves in the circle.

import { button, definitionList, element, elementById } from "../dom";
import { formatDateTime, formatMetres, formatNumber, optionalText, text } from "../locale";
import type { Incident } from "./fire-api";
import { recordedItems } from "./items";
import {
  countText,
  gridName,
  heading,
  helpText,
  hoseLength,
  keyUnitItem,
  listItem,
  nameOf,
  type PanelActions,
  peopleText,
  phoneLink,
  placeItem,
  section,
  stationItem,
  typeAndMain,
} from "./panel";
import { rankWater, type WaterSource } from "./water-supply";
import { isDownwind, type Wind } from "./wind";

/** The eight winds, from north clockwise, in degrees. */
const WINDS = [0, 45, 90, 135, 180, 225, 270, 315];
const DEFAULT_SPEED_M_S = 3;

export function renderIncident(incident: Incident, wind: Wind | null, actions: PanelActions): void {
  const { totals } = incident;
  elementById("side").replaceChildren(
    heading(
      text("desk.incident"),
      text("desk.radius_said", { radius: formatNumber(incident.radius_m) }),
    ),
    element(
      "p",
      { class: "stamp" },
      `${formatDateTime(new Date().toISOString())} · ${incident.lat.toFixed(6)}, ${incident.lon.toFixed(6)}`,
    ),
    element(
      "div",
      { class: "actions" },
      button(text("desk.print_incident"), actions.printIncident, { class: "primary" }),
    ),
    radiusField(incident.radius_m, actions),
    definitionList([
      [text("desk.buildings"), formatNumber(totals.buildings)],
      [text("desk.households"), formatNumber(totals.households)],
      [text("desk.population"), countText(totals.population)],
      [text("desk.high_rise"), formatNumber(totals.high_rise)],
      [text("desk.residents"), countText(totals.residents)],
      [text("desk.need_help"), countText(totals.need_help)],
    ]),
    section(
      "desk.key_units",
      incident.buildings.flatMap((building) => building.key_units.map(keyUnitItem)),
    ),
    windSection(incident, wind, actions),
    section("desk.evacuate", incident.grids.map(evacuationItem)),
    section(
      "desk.critical",
      incident.critical.map((site) =>
        placeItem(
          actions,
          site,
          `${site.category_text} ${site.name}`,
          formatMetres(site.distance_m),
        ),
      ),
    ),
    section("desk.stations", incident.stations.map(stationItem)),
    section(
      "desk.water",
      rankWater(incident).map((source) => waterItem(source, actions)),
      text("desk.no_hydrant"),
    ),
    section(
      "desk.valves",
      incident.valves.map((valve) => {
        const name = `${optionalText(`desk.network_${valve.network}`)} ${valve.code}`;
        return placeItem(actions, valve, name, formatMetres(valve.distance_m));
      }),
    ),
    section(
      "desk.buildings",
      incident.buildings.map((building) => {
        const highRise = building.high_rise ? ` · ${text("desk.high_rise")}` : "";
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
    "aria-label": text("desk.radius"),
  });
  field.addEventListener("change", () => actions.setRadius(Number(field.value)));
  return field;
}

/** The wind, and whom the sector downwind of the incident holds. */
function windSection(incident: Incident, wind: Wind | null, actions: PanelActions): HTMLElement {
  const from = element("select", {}, element("option", { value: "" }, text("desk.wind_none")));
  for (const degrees of WINDS) {
    from.append(element("option", { value: String(degrees) }, text(`desk.wind_${degrees}`)));
  }
  from.value = wind ? String(wind.from) : "";
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
    element("h2", {}, text("desk.wind")),
    element("label", {}, text("desk.wind_from"), from),
    element("label", {}, text("desk.wind_speed"), speed),
    ...(wind ? downwindFigures(incident, wind) : []),
    element("p", { class: "none" }, text("desk.wind_aid")),
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
      [text("desk.downwind_buildings"), formatNumber(buildings.length)],
      [text("desk.households"), countText(sum("households"))],
      [text("desk.population"), countText(sum("population"))],
      [text("desk.downwind_critical"), critical.join(text("desk.and"))],
    ]),
  ];
}

/** A source of water with the way to it, and what it gives with all that are ranked before it. */
function waterItem(source: WaterSource, actions: PanelActions): HTMLElement {
  const kind = text(`desk.water_${source.kind}`);
  const flow =
    source.flow_l_s === null || source.total_l_s === null
      ? ""
      : text("desk.water_flow", {
          flow: formatNumber(source.flow_l_s),
          total: formatNumber(Math.round(source.total_l_s * 10) / 10),
        });
  const way = [hoseLength(source) + typeAndMain(source), flow].filter(Boolean).join(" · ");
  return placeItem(actions, source, `${kind} ${source.name}`, way);
}
