// What the reader has chosen, as the page's address holds it: a grid, a place, or both.

import type { Extent } from "../bounds";

export type Place = [lon: number, lat: number];

export interface Selection {
  grid: string | null;
  place: Place | null;
}

/** About a tenth of a metre. */
const DEGREE_DIGITS = 6;

export function readSelection(search: string): Selection {
  const parameters = new URLSearchParams(search);
  return { grid: parameters.get("grid"), place: parsePlace(parameters.get("place")) };
}

/** The query of an address with another selection; the other parameters stay. */
export function withSelection(search: string, { grid, place }: Selection): string {
  const parameters = new URLSearchParams(search);
  for (const [name, value] of [
    ["grid", grid],
    ["place", place && formatPlace(place)],
  ] as const) {
    if (value) parameters.set(name, value);
    else parameters.delete(name);
  }
  const query = parameters.toString().replaceAll("%2C", ",");
  return query && `?${query}`;
}

export function formatPlace(place: Place): string {
  return place.map((degrees) => Number(degrees.toFixed(DEGREE_DIGITS))).join(",");
}

function parsePlace(value: string | null): Place | null {
  const [lon, lat, ...more] = (value ?? "").split(",").map((part) => Number(part || Number.NaN));
  const isPlace = more.length === 0 && Math.abs(lon ?? 999) <= 180 && Math.abs(lat ?? 999) <= 90;
  return isPlace ? [lon!, lat!] : null;
}

/** Whether a place is in one of the extents. */
export function isInside([lon, lat]: Place, extents: Extent[]): boolean {
  return extents.some(
    ([west, south, east, north]) => west <= lon && lon <= east && south <= lat && lat <= north,
  );
}
