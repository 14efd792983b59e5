// Buildings that move between two plans, grouped by their old and new grid.

import { button, div, element } from "../dom";
import { formatNumber, text } from "../locale";
import { moveGroups } from "./move-groups";
import type { MovedAtom } from "./plan-api";

export interface MovedListOptions {
  /** The name of a building by its code. */
  nameOf(building: string): string;
  /** Go to an atom on the map. */
  showAtom?(atom: number): void;
  /** The title of the group of an atom; by default the serial numbers of its grids. */
  titleOf?(atom: MovedAtom): string;
}

export function movedList(
  moved: MovedAtom[],
  { nameOf, showAtom, titleOf }: MovedListOptions,
): HTMLElement {
  const groups = moveGroups(moved, titleOf);
  if (groups.length === 0) return element("p", { class: "none" }, text("plan.nobody_moves"));
  const lists = groups.map(({ title, households, atoms }) => {
    const rows = atoms.map((atom) => {
      const words = `${nameOf(atom.building) || atom.building} · ${householdsText(atom.households)}`;
      const row = showAtom ? button(words, () => showAtom(atom.atom), { class: "quiet" }) : words;
      return element("li", {}, row);
    });
    return element(
      "details",
      {},
      element("summary", {}, `${title} · ${householdsText(formatNumber(households))}`),
      element("ul", {}, ...rows),
    );
  });
  return div("movers", ...lists);
}

function householdsText(households: number | string): string {
  return text("page.households_unit", { households });
}
