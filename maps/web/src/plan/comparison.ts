// Two plans of a community: one swiped over the other, with their differences and who moves.

import type { Map as LibreMap } from "maplibre-gl";

import { button, definitionList, element, elementById } from "../dom";
import { formatMetres, formatNumber, type Language, text } from "../locale";
import { Draft } from "./draft";
import { moveGroups } from "./move-groups";
import { fetchComparison, fetchMovedAtoms, type MovedAtom, type Plan } from "./plan-api";
import { cellCentre, draftExtent } from "./plan-features";
import { PlanMap } from "./plan-map";
import { scoreTable } from "./score-table";

const BUILDING_ZOOM = 17.5;

export async function showComparison(
  id: number,
  other: number,
  lang: Language,
): Promise<{ plan: Plan; close(): void }> {
  const [one, two, figures, moved] = await Promise.all([
    Draft.open(id, () => undefined),
    Draft.open(other, () => undefined),
    fetchComparison(id, other),
    fetchMovedAtoms(id, other),
  ]);
  elementById("other").hidden = false;
  const extent = draftExtent(one);
  const [left, right] = await Promise.all([
    PlanMap.open(lang, extent, "other"),
    PlanMap.open(lang, extent),
  ]);
  left.load(two);
  right.load(one);
  for (const view of [left, right]) view.showDifferences(moved);
  linkMaps(left.map, right.map);
  attachSwipe();
  const goTo = (center: [number, number]) =>
    void right.map.easeTo({ center, zoom: Math.max(right.map.getZoom(), BUILDING_ZOOM) });
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
    definitionList([
      [text("plan.moved_households"), formatNumber(figures.moved_households)],
      [text("plan.moved_buildings"), formatNumber(figures.moved_buildings)],
      [text("plan.border_added"), formatMetres(figures.border_added_m)],
      [text("plan.border_removed"), formatMetres(figures.border_removed_m)],
    ]),
    scoreTable([two, one].map((draft) => ({ ...draft.plan, score: draft.score() }))),
    element("h2", {}, text("plan.who_moves")),
    movedBuildings(
      moved.features.map(({ properties }) => properties),
      one,
      goTo,
    ),
  );
  Object.assign(window, { gridatlas: { map: right.map } });
  const close = () => {
    for (const view of [left, right]) view.close();
    for (const id of ["other", "swipe"]) elementById(id).hidden = true;
  };
  return { plan: one.plan, close };
}

/** Buildings that move, grouped by their old and new grid. */
function movedBuildings(
  moved: MovedAtom[],
  plan: Draft,
  goTo: (centre: [number, number]) => void,
): HTMLElement {
  const groups = moveGroups(moved);
  if (groups.length === 0) return element("p", { class: "none" }, text("plan.nobody_moves"));
  const lists = groups.map(({ title, households, atoms }) => {
    const rows = atoms.map((atom) => {
      const words = `${buildingName(atom, plan)} · ${householdsText(atom.households)}`;
      const centre = cellCentre(plan, plan.index(atom.atom)) as [number, number];
      return element(
        "li",
        {},
        button(words, () => goTo(centre), { class: "quiet" }),
      );
    });
    return element(
      "details",
      {},
      element("summary", {}, `${title} · ${householdsText(formatNumber(households))}`),
      element("ul", {}, ...rows),
    );
  });
  return element("div", { class: "movers" }, ...lists);
}

function householdsText(households: number | string): string {
  return text("page.households_unit", { households });
}

function buildingName({ building }: MovedAtom, plan: Draft): string {
  return plan.cells.find((cell) => cell.building === building)?.name || building;
}

/** Keep two maps at the same view. */
function linkMaps(one: LibreMap, other: LibreMap): void {
  let isFollowing = false;
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("move", () => {
      if (isFollowing) return;
      isFollowing = true;
      to.jumpTo({ center: from.getCenter(), zoom: from.getZoom() });
      isFollowing = false;
    });
  }
}

/** Show the line between the two maps, which pointer or keys move. */
function attachSwipe(): void {
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
