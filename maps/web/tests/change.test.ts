import { expect, test } from "vitest";

import { chooseCommunity, isComplete, newChange, setKind } from "../src/plan/change";
import { moveGroups } from "../src/plan/move-groups";
import { parsePlace } from "../src/plan/route";

test("a community is chosen and taken back", () => {
  const change = newChange(["1", "2"]);
  chooseCommunity(change, "1");
  expect(change.communities).toEqual(["2"]);
  expect(isComplete(change)).toBe(false);
  chooseCommunity(change, "3");
  expect(isComplete(change)).toBe(true);
});

test("one community too many takes the place of the last", () => {
  const change = newChange(["1", "2", "3"]);
  setKind(change, "move");
  expect(change.communities).toEqual(["1", "2"]);
  chooseCommunity(change, "4");
  expect(change.communities).toEqual(["1", "4"]);
  setKind(change, "divide");
  chooseCommunity(change, "5");
  expect(change.communities).toEqual(["5"]);
});

test("a new border is a street or a line of two points", () => {
  const change = newChange(["1"]);
  setKind(change, "divide");
  expect(isComplete(change)).toBe(false);
  change.street = "r2";
  expect(isComplete(change)).toBe(true);
  change.border = "line";
  change.line = [[112, 32]];
  expect(isComplete(change)).toBe(false);
  change.line.push([113, 32]);
  expect(isComplete(change)).toBe(true);
});

test("buildings that move are grouped by titles that may be given", () => {
  const [building, unit, households] = ["b", null, 3];
  const moved = [
    { atom: 0, building, unit, households, from: "420602001001001", to: "420602001001002" },
    { atom: 1, building, unit, households, from: "420602001002001", to: "420602001001002" },
  ];
  expect(moveGroups(moved).map(({ title }) => title)).toEqual(["1 → 2"]);
  const groups = moveGroups(moved, ({ from }) => from.slice(9, 12));
  expect(groups.map(({ title }) => title)).toEqual(["001", "002"]);
});

test("addresses name a what-if with its communities, its job and its result", () => {
  const communities = ["420602001001", "420602001002"];
  const search = `?${communities.map((code) => `community=${code}`).join("&")}`;
  expect(parsePlace("/plan/what-if", search)).toEqual({ page: "what-if", communities, job: null });
  expect(parsePlace("/plan/what-if", "?job=4")).toMatchObject({ job: 4 });
  expect(parsePlace("/plan/what-if/4", "")).toEqual({ page: "what-if-result", job: 4 });
});
