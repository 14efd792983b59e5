import { describe, expect, test } from "vitest";

import { cellColour, densityColour, deviationColour, shadingLegend } from "../src/plan/shading";
import { draft, WEST } from "./town";

const limits = { lower: 300, target: 400, upper: 500 };
const [below, , onTarget, , above] = ["#5e3c99", "#b2abd2", "#f7f7f7", "#fdb863", "#e66101"];
const FILLS = ["red", "green", "blue"];

describe("the colour of the deviation", () => {
  test("is the middle on target and the ends beyond the limits", () => {
    expect(deviationColour(400, limits)).toBe(onTarget);
    expect(deviationColour(0, limits)).toBe(below);
    expect(deviationColour(2000, limits)).toBe(above);
  });

  test("measures each side by its own limit", () => {
    const skewed = { lower: 200, target: 400, upper: 450 };
    expect(deviationColour(460, skewed)).toBe(above);
    expect(deviationColour(380, skewed)).toBe(onTarget);
  });
});

test("more households are darker, up to a limit", () => {
  expect(densityColour(0)).toBe("rgb(247,251,255)");
  expect(densityColour(60)).toBe("rgb(127,166,195)");
  expect(densityColour(120)).toBe(densityColour(5000));
});

describe("the colour of a cell", () => {
  test("is that of its grid by default", () => {
    expect(cellColour(draft(), 10, "grid", FILLS)).toBe("");
  });

  test("is the same in one compound, and neutral in none", () => {
    const plan = draft();
    const first = cellColour(plan, 0, "compound", FILLS);
    expect(FILLS).toContain(first);
    expect(cellColour(plan, 20, "compound", FILLS)).toBe(first);
    expect(cellColour(plan, 30, "compound", FILLS)).toBe("#eceef0");
  });

  test("tells atoms that moved since the plan before", () => {
    const plan = draft();
    const properties = {
      atom: 20,
      building: "B2",
      unit: null,
      households: 100,
      from: WEST,
      to: "",
    };
    const geometry = { type: "Polygon" as const, coordinates: [] };
    plan.setParentGrids({ features: [{ type: "Feature", geometry, properties }] });
    expect(cellColour(plan, 20, "moved", FILLS)).toBe("#e07b39");
    expect(cellColour(plan, 50, "moved", FILLS)).toBe("#eceef0");
  });

  test("leaves dedicated grids out of the deviation", () => {
    expect(cellColour(draft({ kind: "dedicated" }), 20, "deviation", FILLS)).toBe("");
  });
});

test("legends explain the colours that are used", () => {
  expect(shadingLegend("grid")).toEqual([]);
  expect(shadingLegend("deviation").map(([colour]) => colour)).toEqual([below, onTarget, above]);
  expect(shadingLegend("density")[1]?.[0]).toBe(densityColour(120));
});
