import { expect, test } from "vitest";

import { enlarge } from "../src/text-size";

test("sizes of labels are enlarged, alone and by zoom", () => {
  expect(enlarge(10)).toBeCloseTo(13.5);
  expect(enlarge(["interpolate", ["linear"], ["zoom"], 13, 10, 17, 20])).toEqual([
    "interpolate",
    ["linear"],
    ["zoom"],
    13,
    13.5,
    17,
    27,
  ]);
  expect(enlarge(["get", "size"])).toEqual(["get", "size"]);
});
