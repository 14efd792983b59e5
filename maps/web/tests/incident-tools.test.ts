import { describe, expect, test } from "vitest";

import { enclosedArea, pieceLengths } from "../src/fire/measure";
import { rankWater } from "../src/fire/water-supply";
import { downwindSector, halfAngle, isDownwind } from "../src/fire/wind";
import { metresPerDegree } from "../src/geodesy";

const HERE = { lon: 112.14, lat: 32.04 };
const [EAST, NORTH] = metresPerDegree(HERE.lat);

/** A place some metres east and north of here. */
function at(east: number, north: number) {
  return { lon: HERE.lon + east / EAST, lat: HERE.lat + north / NORTH };
}

describe("measuring", () => {
  test("gives the pieces of a line in metres", () => {
    const lengths = pieceLengths([HERE, at(300, 0), at(300, 400)]);
    expect(lengths[0]).toBeCloseTo(300, 0);
    expect(lengths[1]).toBeCloseTo(400, 0);
    expect(pieceLengths([HERE])).toEqual([]);
  });

  test("gives the area that three or more places enclose, in either direction", () => {
    const square = [HERE, at(100, 0), at(100, 50), at(0, 50)];
    expect(enclosedArea(square)).toBeCloseTo(5000, 0);
    expect(enclosedArea([...square].reverse())).toBeCloseTo(5000, 0);
    expect(enclosedArea([HERE, at(100, 0)])).toBe(0);
  });
});

describe("the sector downwind", () => {
  const north = { from: 0, speed_m_s: 6 };

  test("lies where the wind blows to", () => {
    expect(isDownwind(HERE, at(0, -200), north)).toBe(true);
    expect(isDownwind(HERE, at(0, 200), north)).toBe(false);
    expect(isDownwind(HERE, at(200, 0), { from: 270, speed_m_s: 6 })).toBe(true);
    expect(isDownwind(HERE, HERE, north)).toBe(true);
  });

  test("is wider in light wind, and the whole circle in a calm", () => {
    expect([6, 3, 1, 0.2].map((speed_m_s) => halfAngle({ from: 0, speed_m_s }))).toEqual([
      20, 30, 45, 180,
    ]);
    const beside = at(-100, -173); // 30 degrees from the middle
    expect(isDownwind(HERE, beside, north)).toBe(false);
    expect(isDownwind(HERE, beside, { from: 0, speed_m_s: 1 })).toBe(true);
    expect(isDownwind(HERE, at(0, 200), { from: 0, speed_m_s: 0 })).toBe(true);
  });

  test("is drawn from the middle to the circle, across north too", () => {
    for (const from of [0, 90, 180, 350]) {
      const wind = { from, speed_m_s: 6 };
      const [ring] = downwindSector(HERE, 300, wind).coordinates;
      expect(ring!.at(0)).toEqual(ring!.at(-1));
      for (const [lon, lat] of ring!.slice(2, -2)) {
        const place = { lon: lon!, lat: lat! };
        expect(pieceLengths([HERE, place])[0]).toBeCloseTo(300, 0);
        expect(isDownwind(HERE, place, wind)).toBe(true);
      }
    }
  });
});

test("water is ranked: known routes, unknown ones, then what is out of service", () => {
  const hydrant = (code: string, route_m: number | null, straight_m: number, more = {}) => ({
    ...{ code, route_m, straight_m, distance_m: straight_m, flow_l_s: 15, pressure_mpa: null },
    ...{ hydrant_type: null, hydrant_type_text: null, main_dn: null },
    ...{ in_service: true, ...HERE, ...more },
  });
  const pond = { code: "P", name: "Pond", category: "intake", category_text: "", phone: "" };
  const ranked = rankWater({
    hydrants: [
      hydrant("broken", 20, 10, { in_service: false }),
      hydrant("unknown", null, 80),
      hydrant("far", 140, 90, { flow_l_s: 10 }),
      hydrant("near", 60, 50),
      hydrant("unmeasured", 100, 60, { flow_l_s: null }),
    ],
    intakes: [{ ...pond, distance_m: 70, ...HERE }],
  });
  expect(ranked.map(({ code, total_l_s }) => [code, total_l_s])).toEqual([
    ["near", 15],
    ["unmeasured", null],
    ["far", 25],
    ["P", null],
    ["unknown", 40],
    ["broken", null],
  ]);
});
