// Residents of the register, and those who need help to leave: of a building, and of the grids of a
// draft.

import { element } from "../dom";
import { formatNumber, text } from "../locale";
import type { Atom, BuildingCounts } from "./plan-api";

/** Counts of the register by building; buildings of other regions are not among them. */
export type Register = ReadonlyMap<string, BuildingCounts>;

export interface People {
  /** Null where no dwelling's number is known, as are those who need help. */
  residents: number | null;
  needHelp: number | null;
  /** Dwellings whose residents are unknown. */
  uncounted: number;
  /** Whether a building is divided among grids, which share its people by their households. */
  isEstimate: boolean;
}

export function peopleOfBuilding(register: Register, building: string | null): People | null {
  const counts = building === null ? undefined : register.get(building);
  if (!counts?.dwellings) return null;
  const { residents = null, need_help: needHelp = null, uncounted = 0 } = counts;
  return { residents, needHelp, uncounted, isEstimate: false };
}

/** People by grid; grids of which nobody is on the register are left out. */
export function peopleOfGrids(register: Register, cells: readonly Atom[]): Map<string, People> {
  const parts = new Map<string, Atom[]>();
  for (const cell of cells) {
    if (cell.building === null) continue;
    parts.set(cell.building, [...(parts.get(cell.building) ?? []), cell]);
  }
  const sums = new Map<string, People>();
  for (const [building, own] of parts) {
    const people = peopleOfBuilding(register, building);
    if (people === null) continue;
    const households = own.reduce((sum, cell) => sum + cell.households, 0);
    const isEstimate = own.some(({ grid }) => grid !== own[0]!.grid);
    for (const cell of own) {
      const share = households ? cell.households / households : 1 / own.length;
      sums.set(cell.grid, addShare(sums.get(cell.grid), { ...people, isEstimate }, share));
    }
  }
  return sums;
}

/** A line such as "812 residents, 14 need help"; null where nobody is on the register. */
export function peopleLine(people: People | null | undefined): HTMLElement | null {
  return people ? element("small", { class: "people" }, peopleText(people)) : null;
}

export function peopleText({ residents, needHelp, uncounted, isEstimate }: People): string {
  const words = text(isEstimate ? "plan.people_about" : "plan.people", {
    residents: countText(residents),
    help: countText(needHelp),
  });
  const count = Math.round(uncounted);
  return count > 0 ? words + text("plan.people_uncounted", { count }) : words;
}

function addShare(sum: People | undefined, people: People, share: number): People {
  return {
    residents: addKnown(sum?.residents, people.residents, share),
    needHelp: addKnown(sum?.needHelp, people.needHelp, share),
    uncounted: (sum?.uncounted ?? 0) + people.uncounted * share,
    isEstimate: people.isEstimate || (sum?.isEstimate ?? false),
  };
}

function addKnown(sum: number | null | undefined, count: number | null, share: number) {
  return count === null ? (sum ?? null) : (sum ?? 0) + count * share;
}

function countText(count: number | null): string {
  return count === null ? "?" : formatNumber(Math.round(count));
}
