// The box over the map: the cell under the pointer, and what a move would change.

import { button, element, elementById } from "../dom";
import { formatNumber, text } from "../locale";
import type { Draft } from "./draft";
import { gridName } from "./grid-list";
import type { Move } from "./move";
import { peopleOfBuilding, peopleText, type Register } from "./people";

export const isPreviewShown = (): boolean => !elementById("preview").hidden;
export const isAsking = (): boolean => elementById("preview").classList.contains("asking");

export function hidePreview(): void {
  elementById("preview").hidden = true;
  elementById("preview").classList.remove("asking");
}

export function showHint(words: string): void {
  elementById("preview").replaceChildren(element("p", {}, words));
  elementById("preview").hidden = false;
}

/** Show the cell under the pointer, with the people of its whole building. */
export function showCell(draft: Draft, register: Register, atom: number): void {
  const cell = draft.cell(atom);
  const grid = draft.grids.get(cell.grid);
  const people = peopleOfBuilding(register, cell.building);
  const words = [
    cell.name || cell.building || text("plan.open_ground"),
    text("page.households_unit", { households: formatNumber(cell.households) }),
    people ? peopleText(people) : "",
    grid ? gridName(grid) : "",
  ];
  showHint(words.filter(Boolean).join(" · "));
}

/** Show what a move would change; with `answers` ask whether to apply it. */
export function showMovePreview(
  draft: Draft,
  move: Move,
  answers: { apply(): void; leave(): void } | null,
): void {
  const box = elementById("preview");
  const rows = move.changes.map((change) => {
    const grid = draft.grids.get(change.grid);
    const name = grid ? gridName(grid) : text("plan.new_grid");
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
  const isLocked = move.changes.some((change) => change.breaks === "locked");
  box.replaceChildren(
    element("p", {}, moveSummary(draft, move)),
    element("ul", {}, ...rows),
    answers && !isLocked ? button(text("plan.do_it"), answers.apply, { class: "primary" }) : "",
    answers ? button(text("page.cancel"), answers.leave) : "",
  );
  box.classList.toggle("asking", answers !== null);
  box.hidden = false;
  if (answers) box.querySelector<HTMLElement>("button")?.focus();
}

function moveSummary(draft: Draft, move: Move): string {
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
