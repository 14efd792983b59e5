import { beforeAll, describe, expect, test } from "vitest";

import { setLocale } from "../src/locale";
import { filterCommunities, rateOf, type State, stateOf } from "../src/plan/community-states";
import { percent } from "../src/plan/draft-queue";
import { moveGroups } from "../src/plan/move-groups";
import { isInScope } from "../src/plan/plan-api";
import { cellCentre, draftExtent, labelFeatures } from "../src/plan/plan-features";
import { bestValue, reasonTexts } from "../src/plan/score-table";
import { thumbnailShape } from "../src/plan/thumbnail";
import { draft, EAST, grid, WEST } from "./town";

beforeAll(() =>
  setLocale("en", {
    "reason.too_few": "Only {households} households",
    "plan.households_short": "{households} hh",
  }),
);

describe("the best figure", () => {
  test("is the largest or the smallest", () => {
    expect(bestValue([1, null, 3], "more")).toBe(3);
    expect(bestValue([1, null, 3], "less")).toBe(1);
  });

  test("is none where all are the same", () => {
    expect(bestValue([2, 2], "more")).toBeNull();
    expect(bestValue([2, null], "less")).toBeNull();
  });
});

test("reasons are told in the reader's language", () => {
  expect(reasonTexts({ reasons: [["too_few", { households: 120 }]] })).toEqual([
    "Only 120 households",
  ]);
  expect(reasonTexts({})).toEqual([]);
});

test("a scope holds its own divisions", () => {
  expect(isInScope("420602001001", "420602000000")).toBe(true);
  expect(isInScope("420602001001", "420602001000")).toBe(true);
  expect(isInScope("420602002001", "420602001000")).toBe(false);
  expect(isInScope("420602002001", "")).toBe(true);
});

describe("the list of communities", () => {
  const base = {
    level: "community" as const,
    parent_code: null,
    households: null,
    stale: false,
    withinLimits: null,
    geometry: null,
    extent: undefined,
  };
  const communities = [
    { ...base, code: "1", name: "Gulou", grids: 3, street: "North", hasDraft: false },
    { ...base, code: "2", name: "Ximen", grids: null, street: "North", hasDraft: true },
    { ...base, code: "3", name: "Beimen", grids: null, street: "South", hasDraft: false },
  ];
  const codes = (state: State, words = "") =>
    filterCommunities(communities, state, words).map(({ code }) => code);

  test("can be limited to those not drawn, or with a draft", () => {
    expect(codes("all")).toEqual(["1", "2", "3"]);
    expect(codes("undrawn")).toEqual(["2", "3"]);
    expect(codes("drafted")).toEqual(["2"]);
  });

  test("tells the state that needs attention first", () => {
    expect(communities.map(stateOf)).toEqual(["published", "drafted", "undrawn"]);
    expect(stateOf({ ...communities[1]!, stale: true })).toBe("stale");
  });

  test("rates a community by its grids within the limits", () => {
    const rates = [1, 0.95, 0.8, 0.5, null].map((withinLimits) =>
      rateOf({ ...communities[0]!, withinLimits }),
    );
    expect(rates).toEqual(["all", "most", "many", "few", "unknown"]);
    expect([1, 0.999, 0.58].map(percent)).toEqual([100, 99, 58]);
  });

  test("is searched by name, code and street", () => {
    expect(codes("all", "men")).toEqual(["2", "3"]);
    expect(codes("undrawn", "North")).toEqual(["2"]);
    expect(codes("all", "nowhere")).toEqual([]);
  });
});

test("moved atoms are grouped by their old and new grid", () => {
  const atom = { unit: null, building: "B1", from: WEST, to: EAST };
  const groups = moveGroups([
    { ...atom, atom: 1, households: 40 },
    { ...atom, atom: 2, households: 2 },
    { ...atom, atom: 3, households: 7, from: EAST, to: WEST },
    { ...atom, atom: 4, households: 9, building: "" },
  ]);
  expect(groups.map(({ title, households }) => [title, households])).toEqual([
    ["1 → 2", 42],
    ["2 → 1", 7],
  ]);
});

describe("a draft as map features", () => {
  test("has the extent of the whole, or of a grid", () => {
    expect(draftExtent(draft())).toEqual([0, 0, 3, 2]);
    expect(draftExtent(draft(), EAST)).toEqual([2, 0, 3, 2]);
  });

  test("places a cell without a building in the middle of its corners", () => {
    const plan = draft();
    Object.assign(plan.cells[0]!, { lon: null, lat: null });
    const [x, y] = cellCentre(plan, 0);
    expect(x).toBeCloseTo(0.4);
    expect(y).toBeCloseTo(0.4);
    expect(cellCentre(plan, 1)).toEqual([1.5, 0.5]);
  });

  test("labels grids in one of their cells, with a warning where something is wrong", () => {
    const [west, east] = labelFeatures(draft({ contiguous: false }), EAST);
    expect(west?.properties).toEqual({ title: "1", words: "400 hh", active: false });
    expect(east?.properties).toEqual({ title: "2 ⚠", words: "200 hh", active: true });
    expect(east?.geometry).toMatchObject({ coordinates: [2.5, 0.5] });
  });
});

test("a thumbnail has equal scales and a path for each grid", () => {
  const ring = [
    [0, 59],
    [2, 59],
    [2, 61],
    [0, 61],
    [0, 59],
  ];
  const geometry = { type: "Polygon" as const, coordinates: [ring] };
  const properties = grid(WEST, 100, { colour: 3 });
  const { viewBox, paths } = thumbnailShape({
    type: "FeatureCollection",
    features: [{ type: "Feature", geometry, properties }],
  });
  const [, , width, height] = viewBox.split(" ").map(Number);
  expect(height).toBeCloseTo(100);
  expect(width).toBeCloseTo(52); // a degree of longitude is half as long at 60 degrees north
  expect(paths).toEqual([{ d: "M0.0 96.0L48.0 96.0L48.0 0.0L0.0 0.0L0.0 96.0Z", colour: 3 }]);
});
