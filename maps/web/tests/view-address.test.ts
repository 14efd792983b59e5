import { describe, expect, test } from "vitest";

import { formatPlace, isInside, readSelection, withSelection } from "../src/public/view-address";

describe("the address of the public page", () => {
  test("holds grid and place, and keeps other parameters", () => {
    const search = withSelection("?status=draft", {
      grid: "420602001001005",
      place: [112.1, 32.04],
    });
    expect(search).toBe("?status=draft&grid=420602001001005&place=112.1,32.04");
    expect(readSelection(search)).toEqual({ grid: "420602001001005", place: [112.1, 32.04] });
    expect(withSelection(search, { grid: null, place: null })).toBe("?status=draft");
  });

  test("names a place to a tenth of a metre", () => {
    expect(formatPlace([112.123456789, -32])).toBe("112.123457,-32");
  });

  test.each(["", "112", "112,", ",32", "112,32,1", "a,b", "190,32", "112,91"])(
    "with the place %s names none",
    (place) => {
      expect(readSelection(`?place=${place}`).place).toBeNull();
    },
  );
});

test("a place is inside an extent or outside all of them", () => {
  const extents: [number, number, number, number][] = [
    [112, 32, 113, 33],
    [116, 39, 117, 40],
  ];
  expect(isInside([116.5, 39.5], extents)).toBe(true);
  expect(isInside([114, 39.5], extents)).toBe(false);
  expect(isInside([114, 39.5], [])).toBe(false);
});
