// The extents of cities: where the public page opens, and what lies outside.

import type { Extent } from "../bounds";
import type { Communities } from "./public-api";

/** Digits of a division's code that all parts of a city share. */
const CITY_DIGITS = 4;

/** The extent of the city with the most households; undefined where there are no communities. */
export function largestCityExtent(communities: Communities): Extent | undefined {
  return cityExtents(communities)[0];
}

/** The extent of each city, the one with the most households first. */
export function cityExtents({ features }: Communities): Extent[] {
  const cities = new Map<string, { households: number; extent: Extent }>();
  for (const { properties, bbox } of features) {
    if (!bbox) continue;
    const code = properties.code.slice(0, CITY_DIGITS);
    const city = cities.get(code) ?? { households: 0, extent: bbox };
    city.households += 1 + (properties.households ?? 0);
    city.extent = union(city.extent, bbox);
    cities.set(code, city);
  }
  return [...cities.values()]
    .sort((one, other) => other.households - one.households)
    .map((city) => city.extent);
}

function union(one: Extent, other: Extent): Extent {
  return [
    Math.min(one[0], other[0]),
    Math.min(one[1], other[1]),
    Math.max(one[2], other[2]),
    Math.max(one[3], other[3]),
  ];
}
