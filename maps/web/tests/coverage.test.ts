import { describe, expect, test } from "vitest";

import { Coverage, contains, rings } from "../src/plan/coverage";
import { cells } from "./town";

const town = new Coverage(cells().features.map(({ geometry }) => geometry));

describe("a coverage", () => {
  test("joins cells that share a border, not those that share a corner", () => {
    expect([...town.neighbours[0]!].sort()).toEqual([1, 3]);
    expect([...town.neighbours[4]!].sort()).toEqual([1, 3, 5]);
  });

  test("counts connected pieces", () => {
    expect(town.pieces([])).toBe(0);
    expect(town.pieces([0, 1, 2])).toBe(1);
    expect(town.pieces([0, 2])).toBe(2);
    expect(town.pieces([0, 4, 2])).toBe(3);
  });

  test("lists adjacent grids once", () => {
    expect(town.touching((cell) => (cell % 3 < 2 ? "west" : "east"))).toEqual([["west", "east"]]);
    expect(town.touching(() => "one")).toEqual([]);
  });

  test("has the outer border and the borders between grids", () => {
    expect(town.borders(() => "one")).toHaveLength(10);
    expect(town.borders((cell) => cell % 3 < 2)).toHaveLength(12);
  });

  test("measures grids in metres", () => {
    const outlines = town.outlines((cell) => cell % 3 < 2, [10, 100]);
    expect(outlines.get(true)).toEqual({ area: 4 * 1000, perimeter: 2 * (20 + 200) });
    expect(outlines.get(false)).toEqual({ area: 2 * 1000, perimeter: 2 * (10 + 200) });
  });
});

describe("a polygon with a hole", () => {
  const outer = [
    [0, 0],
    [4, 0],
    [4, 4],
    [0, 4],
    [0, 0],
  ];
  const hole = [
    [1, 1],
    [2, 1],
    [2, 2],
    [1, 2],
    [1, 1],
  ];
  const polygon = { type: "Polygon" as const, coordinates: [outer, hole] };

  test("contains what is in it and not in the hole", () => {
    expect(contains(polygon, [3, 3])).toBe(true);
    expect(contains(polygon, [1.5, 1.5])).toBe(false);
    expect(contains(polygon, [5, 3])).toBe(false);
  });

  test("has the same rings alone and as one of several", () => {
    const several = { type: "MultiPolygon" as const, coordinates: [polygon.coordinates] };
    expect(rings(several)).toEqual(rings(polygon));
  });
});
