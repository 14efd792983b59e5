// The box over the map: what is under the pointer, and what a move would do before it is made.

import { button, element, elementById } from "../dom";
import { formatNumber, text } from "../locale";
import type { Draft, Move } from "./draft";
import { nameOf } from "./grid-list";

export const isShown = (): boolean => !elementById("preview").hidden;
export const waitsForYes = (): boolean => elementById("preview").classList.contains("asking");

export function hide(): void {
  elementById("preview").hidden = true;
  elementById("preview").classList.remove("asking");
}

export function hint(words: string): void {
  elementById("preview").replaceChildren(element("p", {}, words));
  elementById("preview").hidden = false;
}

/** Say what is under the pointer. */
export function tell(draft: Draft, atoms: number[]): void {
  const cell = draft.cell(atoms[0]!);
  const grid = draft.grids.get(cell.grid);
  const words = [
    cell.name || cell.building || text("plan.open_ground"),
    text("page.households_unit", { households: formatNumber(cell.households) }),
    grid ? nameOf(grid) : "",
  ];
  hint(words.filter(Boolean).join(" · "));
}

/** Show what a move would do; where it breaks something, ask before it is made. */
export function showPreview(
  draft: Draft,
  move: Move,
  ways: { make(): void; leave(): void } | null,
): void {
  const box = elementById("preview");
  const rows = move.changes.map((change) => {
    const grid = draft.grids.get(change.grid);
    const name = grid ? nameOf(grid) : text("plan.new_grid");
    const warning = change.breaks
      ? element("strong", {}, ` ${text(`plan.breaks_${change.breaks}`)}`)
      : null;
    return element(
      "li",
      {},
      `${name} ${formatNumber(change.before)} → ${formatNumber(change.after)}`,
      warning,
    );
  });
  const locked = move.changes.some((change) => change.breaks === "locked");
  box.replaceChildren(
    element("p", {}, moving(draft, move)),
    element("ul", {}, ...rows),
    ways && !locked ? button(text("plan.do_it"), ways.make, { class: "primary" }) : "",
    ways ? button(text("plan.leave_it"), ways.leave) : "",
  );
  box.classList.toggle("asking", ways !== null);
  box.hidden = false;
  if (ways) box.querySelector<HTMLElement>("button")?.focus();
}

function moving(draft: Draft, move: Move): string {
  const name =
    move.buildings === 1 ? move.atoms.map((atom) => draft.cell(atom).name).find(Boolean) : "";
  const sum = text("plan.moving", {
    buildings: move.buildings,
    households: formatNumber(move.households),
  });
  return name
    ? `${name} · ${text("page.households_unit", { households: formatNumber(move.households) })}`
    : sum;
}
