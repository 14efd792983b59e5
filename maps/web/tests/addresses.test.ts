import { describe, expect, test } from "vitest";

import { formatAddress, parseAddress, type View } from "../src/fire/address";
import { parsePlace } from "../src/plan/route";

describe("addresses of the fire page", () => {
  const views: View[] = [
    { kind: "building", code: "B 1/2&3" },
    { kind: "incident", place: { lon: 112.123456, lat: 32.01 }, radius: 450 },
    { kind: "isolation", network: "gas", segment: "G:1", stuck: [] },
    { kind: "isolation", network: "water", segment: "W-1", stuck: ["V1", "V+2"] },
  ];

  test.each(views)("keep a $kind", (view) => {
    expect(parseAddress(formatAddress(view))).toEqual(view);
  });

  test("may leave the radius out", () => {
    const place = { lon: 112.1, lat: 32 };
    expect(parseAddress("?incident=112.1,32")).toEqual({
      kind: "incident",
      place,
      radius: undefined,
    });
  });

  test.each(["", "?", "?pipe=gas", "?other=1"])("may name no view: '%s'", (search) => {
    expect(parseAddress(search)).toBeNull();
  });
});

describe("addresses of the planner", () => {
  test("name the list, a community and its job", () => {
    expect(parsePlace("/plan", "")).toEqual({ page: "list" });
    expect(parsePlace("/plan/c/420602001001", "")).toEqual({
      page: "community",
      code: "420602001001",
      job: null,
    });
    expect(parsePlace("/plan/c/420602001001", "?job=12")).toMatchObject({ job: 12 });
  });

  test("name a plan, to edit or to look at", () => {
    expect(parsePlace("/plan/p/7", "")).toEqual({ page: "plan", id: 7, isReadOnly: false });
    expect(parsePlace("/plan/p/7", "?view")).toMatchObject({ isReadOnly: true });
  });

  test("name two plans to compare", () => {
    expect(parsePlace("/plan/p/7/compare/5", "")).toEqual({ page: "compare", id: 7, other: 5 });
  });
});
