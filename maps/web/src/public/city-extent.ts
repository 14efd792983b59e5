// Where the page opens.

import type { Collection, Community } from "./public-api";

/** Digits of a division's code that all parts of a city share. */
const CITY_DIGITS = 4;

/** The extent to open on: of the city with the most households, where several are loaded. */
export function largestCityExtent(found: Collection<Community>): number[] | undefined {
  const cities = new Map<string, { households: number; extent: number[] }>();
  for (const { properties, bbox } of found.features) {
    if (!bbox) continue;
    const code = properties.code.slice(0, CITY_DIGITS);
    const city = cities.get(code) ?? { households: 0, extent: [180, 90, -180, -90] };
    city.households += 1 + (properties.households ?? 0);
    const [west, south, east, north] = city.extent as [number, number, number, number];
    city.extent = [
      Math.min(west, bbox[0]),
      Math.min(south, bbox[1]),
      Math.max(east, bbox[2]),
      Math.max(north, bbox[3]!),
    ];
    cities.set(code, city);
  }
  return [...cities.values()].sort((a, b) => b.households - a.households)[0]?.extent;
}
