import { expect, test } from "vitest";

import { peopleOfBuilding, peopleOfGrids } from "../src/plan/people";
import type { Atom, BuildingCounts } from "../src/plan/plan-api";
import { cells, EAST, WEST } from "./town";

const counts = (code: string, values: Partial<BuildingCounts>) =>
  [code, { code, name: "", dwellings: 1, uncounted: 0, ...values } as BuildingCounts] as const;

const atoms = (): Atom[] => cells().features.map(({ properties }) => properties);

test("people of a grid are those of its buildings, and null where none are known", () => {
  const register = new Map([
    counts("B0", { residents: 5, need_help: 1 }),
    counts("B1", { residents: 7, need_help: null, uncounted: 2 }),
    counts("B2", { residents: null, need_help: null, uncounted: 1 }),
  ]);
  const people = peopleOfGrids(register, atoms());
  expect(people.get(WEST)).toEqual({
    residents: 12,
    needHelp: 1,
    uncounted: 2,
    isEstimate: false,
  });
  expect(people.get(EAST)).toMatchObject({ residents: null, needHelp: null, uncounted: 1 });
});

test("people of a divided building are shared by households, and the sums say so", () => {
  const divided = atoms().map((cell, index) => ({
    ...cell,
    building: index === 1 || index === 2 ? "B1" : cell.building,
    households: index === 2 ? 300 : 100,
  }));
  const register = new Map([counts("B1", { residents: 40, need_help: 4 })]);
  const people = peopleOfGrids(register, divided);
  expect(people.get(WEST)).toMatchObject({ residents: 10, needHelp: 1, isEstimate: true });
  expect(people.get(EAST)).toMatchObject({ residents: 30, needHelp: 3, isEstimate: true });
});

test("a building that is not on the register, or of another region, has no people", () => {
  expect(peopleOfBuilding(new Map(), "B0")).toBeNull();
  expect(peopleOfBuilding(new Map([counts("B0", { dwellings: 0 })]), "B0")).toBeNull();
  expect(peopleOfBuilding(new Map(), null)).toBeNull();
  expect(peopleOfGrids(new Map(), atoms()).size).toBe(0);
});
