import { describe, expect, test } from "vitest";

import { extentOf } from "../src/bounds";
import { citiesOf, openingCity, regionsOf } from "../src/cities";
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
        grids: households === null ? null : 3,
        households,
        stale: false,
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

  const names = new Map([
    ["4206", "Xiangyang"],
    ["1101", "Beijing"],
  ]);
  const both = communities(
    ["420602001001", 500, [112, 32, 112.1, 32.1]],
    ["420606001001", null, [112.2, 32.2, 112.3, 32.3]],
    ["110101001001", 900, [116, 39, 116.1, 39.1]],
  );

  test("knows the totals of the drawn communities of each city", () => {
    expect(citiesOf(both, names)).toMatchObject([
      { code: "1101", name: "Beijing", communities: 1, grids: 3, households: 900 },
      { name: "Xiangyang", communities: 1, households: 500, extent: [112, 32, 112.3, 32.3] },
    ]);
    expect(citiesOf(communities(["420602001001", 500, undefined]), names)).toEqual([]);
  });

  test("on the city of the caller, else the one requested, else asks", () => {
    const cities = citiesOf(both, names);
    expect(openingCity(cities, [null, "420602001000"])?.name).toBe("Xiangyang");
    expect(openingCity(cities, ["110100000000", "420602001000"])?.name).toBe("Beijing");
    expect(openingCity(cities, [null, ""])).toBeNull();
    expect(openingCity(cities, ["430100000000"])).toBeNull();
  });

  test("on the only city that is drawn", () => {
    const one = communities(
      ["420602001001", 500, [112, 32, 112.1, 32.1]],
      ["110101001001", null, [116, 39, 116.1, 39.1]],
    );
    expect(openingCity(citiesOf(one, names), [])?.name).toBe("Xiangyang");
  });

  test("lists the communities of its city alone", () => {
    const [, xiangyang] = citiesOf(both, names);
    const codes = regionsOf(both, xiangyang!).features.map(({ properties }) => properties.code);
    expect(codes).toEqual(["420602001001", "420606001001"]);
  });
});
