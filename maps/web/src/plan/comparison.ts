// Two plans of a community: swiped one over the other, with what differs, and who moves.

import type { Map as LibreMap } from "maplibre-gl";

import { button, element, elementById } from "../dom";
import { formatNumber, type Language, text } from "../locale";
import { Draft } from "./draft";
import type { MovedProperties, Plan } from "./plan-api";
import * as api from "./plan-api";
import { centre, extentOf, View } from "./plan-map";
import { scoreTable } from "./score-table";

export async function showComparison(
  id: number,
  other: number,
  lang: Language,
): Promise<{ plan: Plan; close(): void }> {
  const nobody = () => undefined;
  const [one, two] = await Promise.all([Draft.open(id, nobody), Draft.open(other, nobody)]);
  const [figures, moved] = await Promise.all([api.comparison(id, other), api.moved(id, other)]);
  elementById("other").hidden = false;
  const extent = extentOf(one);
  const [left, right] = await Promise.all([
    View.open(lang, extent, "other"),
    View.open(lang, extent),
  ]);
  left.load(two);
  right.load(one);
  for (const view of [left, right]) view.differing(moved);
  join(left.map, right.map);
  swipe();
  elementById("side").replaceChildren(
    element(
      "div",
      { class: "heading" },
      element("h1", {}, text("plan.compare")),
      element(
        "p",
        {},
        text("plan.swipe_help", { left: two.plan.version, right: one.plan.version }),
      ),
    ),
    element(
      "dl",
      { class: "facts" },
      ...fact("plan.moved_households", formatNumber(figures.moved_households)),
      ...fact("plan.moved_buildings", formatNumber(figures.moved_buildings)),
      ...fact("plan.border_added", `${formatNumber(Math.round(figures.border_added_m))} m`),
      ...fact("plan.border_removed", `${formatNumber(Math.round(figures.border_removed_m))} m`),
    ),
    scoreTable([two, one].map((draft) => ({ ...draft.plan, score: draft.score() }))),
    element("h2", {}, text("plan.who_moves")),
    movers(
      moved.features.map((feature) => feature.properties),
      one,
      (place) => right.map.easeTo({ center: place, zoom: Math.max(right.map.getZoom(), 17.5) }),
    ),
  );
  Object.assign(window, { gridatlas: { map: right.map } });
  const close = () => {
    for (const view of [left, right]) view.close();
    for (const id of ["other", "swipe"]) elementById(id).hidden = true;
  };
  return { plan: one.plan, close };
}

function fact(key: string, value: string): HTMLElement[] {
  return [element("dt", {}, text(key)), element("dd", {}, value)];
}

/** Buildings that move, by where from and where to. */
function movers(
  moved: MovedProperties[],
  plan: Draft,
  goTo: (place: [number, number]) => void,
): HTMLElement {
  const ways = new Map<string, MovedProperties[]>();
  for (const one of moved.filter((cell) => cell.building)) {
    const way = `${Number(one.from.slice(-3))} → ${Number(one.to.slice(-3))}`;
    ways.set(way, [...(ways.get(way) ?? []), one]);
  }
  if (ways.size === 0) return element("p", { class: "none" }, text("plan.nobody_moves"));
  const lines = [...ways].map(([way, cells]) => {
    const sum = cells.reduce((total, cell) => total + cell.households, 0);
    const rows = cells.map((cell) => {
      const words = `${nameOf(cell, plan)} · ${text("page.households_unit", { households: cell.households })}`;
      return element(
        "li",
        {},
        button(words, () => goTo(centre(plan, plan.index(cell.atom)) as [number, number]), {
          class: "quiet",
        }),
      );
    });
    return element(
      "details",
      {},
      element(
        "summary",
        {},
        `${way} · ${text("page.households_unit", { households: formatNumber(sum) })}`,
      ),
      element("ul", {}, ...rows),
    );
  });
  return element("div", { class: "movers" }, ...lines);
}

function nameOf(cell: MovedProperties, plan: Draft): string {
  const known = plan.cells.find((one) => one.building === cell.building);
  return known?.name || cell.name || cell.building || "";
}

/** Let two maps follow each other. */
function join(one: LibreMap, other: LibreMap): void {
  let leading = false;
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("move", () => {
      if (leading) return;
      leading = true;
      to.jumpTo({ center: from.getCenter(), zoom: from.getZoom() });
      leading = false;
    });
  }
}

/** The line between the two maps, moved by pointer or keys. */
function swipe(): void {
  const place = elementById("swipe");
  place.hidden = false;
  const range = element("input", {
    type: "range",
    min: "0",
    max: "100",
    value: "50",
    "aria-label": text("plan.swipe"),
  });
  const line = element("i");
  const set = () => {
    elementById("map").style.clipPath = `inset(0 0 0 ${range.value}%)`;
    line.style.left = `${range.value}%`;
  };
  range.addEventListener("input", set);
  place.replaceChildren(line, range);
  set();
}
