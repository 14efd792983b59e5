import { describe, expect, test } from "vitest";

import { extentOf } from "../src/bounds";
import { largestCityExtent } from "../src/public/city-extent";
import type { Communities } from "../src/public/public-api";

describe("the extent of geometries", () => {
  test("holds all their positions", () => {
    const line = {
      type: "LineString" as const,
      coordinates: [
        [112, 33],
        [113, 32],
      ],
    };
    expect(extentOf(line, { type: "Point", coordinates: [111, 32.5] })).toEqual([111, 32, 113, 33]);
  });

  test("holds those of collections", () => {
    const point = { type: "Point" as const, coordinates: [112, 33] };
    expect(extentOf({ type: "GeometryCollection", geometries: [point] })).toEqual([
      112, 33, 112, 33,
    ]);
  });

  test("is inverted where there are none", () => {
    const [west, south, east, north] = extentOf();
    expect(west).toBeGreaterThan(east);
    expect(south).toBeGreaterThan(north);
  });
});

describe("the page opens", () => {
  type Box = [number, number, number, number];
  function communities(...rows: [string, number | null, Box | undefined][]): Communities {
    const features = rows.map(([code, households, bbox]) => ({
      type: "Feature" as const,
      id: code,
      geometry: null,
      properties: {
        code,
        name: code,
        level: "community" as const,
        parent_code: null,
        grids: null,
        households,
      },
      ...(bbox ? { bbox } : {}),
    }));
    const count = features.length;
    return {
      type: "FeatureCollection",
      numberMatched: count,
      numberReturned: count,
      links: [],
      features,
    };
  }

  test("on all communities of the city with the most households", () => {
    const found = communities(
      ["420602001001", 500, [112, 32, 112.1, 32.1]],
      ["420606001001", 700, [112.2, 32.2, 112.3, 32.3]],
      ["110101001001", 900, [116, 39, 116.1, 39.1]],
    );
    expect(largestCityExtent(found)).toEqual([112, 32, 112.3, 32.3]);
  });

  test("on what has a place", () => {
    expect(largestCityExtent(communities(["420602001001", 500, undefined]))).toBeUndefined();
    expect(largestCityExtent(communities())).toBeUndefined();
    const unknown = communities(["420602001001", null, [1, 2, 3, 4]]);
    expect(largestCityExtent(unknown)).toEqual([1, 2, 3, 4]);
  });
});
