// The extent that the public page opens on.

import type { Extent } from "../bounds";
import type { Communities } from "./public-api";

/** Digits of a division's code that all parts of a city share. */
const CITY_DIGITS = 4;

/** The extent of the city with the most households; undefined where there are no communities. */
export function largestCityExtent({ features }: Communities): Extent | undefined {
  const cities = new Map<string, { households: number; extent: Extent }>();
  for (const { properties, bbox } of features) {
    if (!bbox) continue;
    const code = properties.code.slice(0, CITY_DIGITS);
    const city = cities.get(code) ?? { households: 0, extent: bbox };
    city.households += 1 + (properties.households ?? 0);
    city.extent = union(city.extent, bbox);
    cities.set(code, city);
  }
  return [...cities.values()].sort((one, other) => other.households - one.households)[0]?.extent;
}

function union(one: Extent, other: Extent): Extent {
  return [
    Math.min(one[0], other[0]),
    Math.min(one[1], other[1]),
    Math.max(one[2], other[2]),
    Math.max(one[3], other[3]),
  ];
}
