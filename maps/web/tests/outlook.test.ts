import { expect, test } from "vitest";

import { misfitsFirst, neededGrids } from "../src/plan/outlook";
import type { Outlook } from "../src/plan/plan-api";

const ROW: Outlook = {
  code: "420602001001",
  name: "北门社区",
  grids: 4,
  households: 1600,
  next_year: 1700,
  years: 3,
  fewest_grids: 4,
  most_grids: 5,
  fit: "fits",
  fit_next_year: "fits",
  residents: 4000,
  verified_share: 0.5,
};

test("communities whose grids will not fit come first", () => {
  const rows: Outlook[] = [
    { ...ROW, code: "1" },
    { ...ROW, code: "2", fit_next_year: "too_many" },
    { ...ROW, code: "3", fit_next_year: "no_trend" },
    { ...ROW, code: "4", fit_next_year: "too_few" },
  ];
  expect(misfitsFirst(rows).map(({ code }) => code)).toEqual(["2", "4", "1", "3"]);
});

test("needed grids are a range, one number, or unknown", () => {
  expect(neededGrids(ROW)).toBe("4–5");
  expect(neededGrids({ ...ROW, most_grids: 4 })).toBe("4");
  expect(neededGrids({ ...ROW, fewest_grids: null, most_grids: null })).toBe("");
});
