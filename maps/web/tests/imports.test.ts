import { describe, expect, test } from "vitest";

import type { RunReport } from "../src/data/import-api";
import { changeFeatures, decisionsFor, listCoverage, totalChanges } from "../src/data/run-summary";

test("what may be done with a run depends on its status", () => {
  expect(decisionsFor({ status: "held" })).toEqual(["approve", "dismiss"]);
  expect(decisionsFor({ status: "published" })).toEqual(["rollback"]);
  expect(decisionsFor({ status: "failed" })).toEqual([]);
});

test("an administrator approves what was uploaded", () => {
  const run = { status: "held" as const, uploaded_by: "clerk" };
  expect(decisionsFor(run)).toEqual(["dismiss"]);
  expect(decisionsFor(run, true)).toEqual(["approve", "dismiss"]);
});

test("changes are summed over layers, without what is unchanged", () => {
  const counts = {
    building: { added: 2, unchanged: 100 },
    road: { added: 1, removed: 4 },
  };
  expect(totalChanges({ counts, waiting: 0 })).toEqual({ added: 3, removed: 4 });
  expect(totalChanges({ counts, waiting: 5 })).toEqual({ added: 3, removed: 4, held: 5 });
});

const POINT = { type: "Point" as const, coordinates: [112, 32] };
const report: RunReport = {
  differences: {
    building: [
      { code: "B1", fate: "added", columns: null, shape: POINT },
      { code: "B2", fate: "changed", columns: ["name"], shape: null },
    ],
  },
  density: {
    building: {
      cell: 0.5,
      cells: [
        { lon: 112, lat: 32, fate: "added", count: 25 },
        { lon: 112.5, lat: 32, fate: "removed", count: 100 },
      ],
    },
  },
};

test("a report says how many of the changes it lists", () => {
  const counts = { building: { added: 25, changed: 1, removed: 100, unchanged: 7 } };
  expect(listCoverage({ counts, report })).toEqual([
    { layer: "building", listed: 2, changed: 126, hasDensity: true },
  ]);
  expect(listCoverage({ counts: {}, report: {} })).toEqual([]);
});

describe("changes on the map", () => {
  const [few, many, outline, ...rest] = changeFeatures(report);

  test("are squares, the more opaque the more they hold", () => {
    expect(few?.geometry).toMatchObject({
      coordinates: [
        [
          [112, 32],
          [112.5, 32],
          [112.5, 32.5],
          [112, 32.5],
          [112, 32],
        ],
      ],
    });
    expect(few?.properties).toEqual({ change: "added", depth: 0.35 });
    expect(many?.properties).toEqual({ change: "removed", depth: 0.6 });
  });

  test("are outlines where there is a shape", () => {
    expect(outline).toEqual({
      type: "Feature",
      geometry: POINT,
      properties: { change: "added" },
    });
    expect(rest).toEqual([]);
  });

  test("are none in an empty report", () => {
    expect(changeFeatures({})).toEqual([]);
  });
});
