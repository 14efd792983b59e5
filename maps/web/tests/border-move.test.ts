import { describe, expect, test } from "vitest";

import { borderMove, segmentsOfBarrier } from "../src/plan/border-move";
import type { Segment } from "../src/plan/coverage";
import type { Barrier } from "../src/plan/plan-api";
import { draft, EAST, WEST } from "./town";

function line(...coordinates: [number, number][]): Barrier {
  return { id: "0", kind: "street", name: "", geometry: { type: "LineString", coordinates } };
}

// grid WEST has the columns 0 and 1, EAST the column 2
const street = line([1, -1], [1, 3]);

describe("a border that is moved to a line", () => {
  test("gives each side to the grid that has more of it", () => {
    const town = draft();
    const move = borderMove(town, [WEST, EAST], segmentsOfBarrier(town, street));
    expect(move?.steps).toEqual([{ atoms: [10, 40], to: EAST }]);
    expect(move?.households).toBe(150);
    expect(move?.changes.map(({ grid, after }) => [grid, after]).sort()).toEqual([
      [WEST, 250],
      [EAST, 350],
    ]);
  });

  test("moves nothing where it lies on the line already", () => {
    const town = draft();
    const move = borderMove(town, [WEST, EAST], segmentsOfBarrier(town, line([2, -1], [2, 3])));
    expect(move?.atoms).toEqual([]);
  });

  test("is not moved to a line that ends inside, but to two lines that meet", () => {
    const town = draft();
    const half = segmentsOfBarrier(town, line([1, 0], [1, 1]));
    const rest = segmentsOfBarrier(town, line([1, 1], [2, 1]));
    const end = segmentsOfBarrier(town, line([2, 1], [2, 2]));
    expect(borderMove(town, [WEST, EAST], half)).toBeNull();
    const joined = new Set<Segment>([...half, ...rest, ...end]);
    expect(borderMove(town, [WEST, EAST], joined)?.steps).toEqual([{ atoms: [10], to: EAST }]);
  });

  test("is not moved to a line that cuts off a corner and leaves most of both grids together", () => {
    const town = draft();
    const corner = new Set<Segment>([
      ...segmentsOfBarrier(town, line([0, 1], [1, 1])),
      ...segmentsOfBarrier(town, line([1, 0], [1, 1])),
    ]);
    expect(borderMove(town, [WEST, EAST], corner)).toBeNull();
  });

  test("follows a line within half a metre, and none that is farther away", () => {
    const town = draft();
    const metre = 1 / 111_000;
    const near = segmentsOfBarrier(town, line([1 + 0.3 * metre, 0], [1 + 0.3 * metre, 2]));
    expect(near.size).toBe(2);
    expect(segmentsOfBarrier(town, line([1 + 2 * metre, 0], [1 + 2 * metre, 2])).size).toBe(0);
  });

  test("says where a grid would break a limit or is locked", () => {
    const town = draft({ locked: true });
    const move = borderMove(town, [WEST, EAST], segmentsOfBarrier(town, street));
    expect(move?.changes.find(({ grid }) => grid === EAST)?.breaks).toBe("locked");
  });
});
