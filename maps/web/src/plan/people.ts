// Residents on the register, and those who need help to leave: by building, and by grid of a draft.

import { element } from "../dom";
import { formatNumber, text } from "../locale";
import type { Atom, BuildingCounts } from "./plan-api";

/** Counts of the register by building code, without buildings of other regions. */
export type Register = ReadonlyMap<string, BuildingCounts>;

export interface People {
  /** Null if the number is unknown for every dwelling. */
  residents: number | null;
  /** Null if the number is unknown for every dwelling. */
  needHelp: number | null;
  /** Dwellings whose residents are unknown. */
  uncounted: number;
  /** Whether a building is divided between grids; its people are shared by households then. */
  isEstimate: boolean;
}

export function peopleOfBuilding(register: Register, building: string | null): People | null {
  const counts = building === null ? undefined : register.get(building);
  if (!counts?.dwellings) return null;
  const { residents = null, need_help: needHelp = null, uncounted = 0 } = counts;
  return { residents, needHelp, uncounted, isEstimate: false };
}

/** People by grid code, without grids of which nobody is on the register. */
export function peopleOfGrids(register: Register, cells: readonly Atom[]): Map<string, People> {
  const cellsByBuilding = new Map<string, Atom[]>();
  for (const cell of cells) {
    if (cell.building === null) continue;
    cellsByBuilding.set(cell.building, [...(cellsByBuilding.get(cell.building) ?? []), cell]);
  }
  const sums = new Map<string, People>();
  for (const [building, parts] of cellsByBuilding) {
    const people = peopleOfBuilding(register, building);
    if (people === null) continue;
    const households = parts.reduce((sum, cell) => sum + cell.households, 0);
    const isEstimate = parts.some(({ grid }) => grid !== parts[0]!.grid);
    for (const cell of parts) {
      const share = households ? cell.households / households : 1 / parts.length;
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
