// Measuring on the map: a line of places with its length, and the area that it encloses.

import type { Feature } from "geojson";
import { button, definitionList, div, element, elementById, heading } from "../dom";
import { metresPerDegree } from "../geodesy";
import { formatNumber, text } from "../locale";
import type { Place } from "./fire-api";
import { marker, pointGeometry } from "./markers";

/** The lengths of the pieces of a line, in metres. */
export function pieceLengths(places: Place[]): number[] {
  return places.slice(1).map((place, at) => {
    const before = places[at]!;
    const [east, north] = metresPerDegree((place.lat + before.lat) / 2);
    return Math.hypot((place.lon - before.lon) * east, (place.lat - before.lat) * north);
  });
}

/** The area in square metres that a line of places encloses, closed from its end to its start. */
export function enclosedArea(places: Place[]): number {
  const [first] = places;
  if (!first || places.length < 3) return 0;
  const [east, north] = metresPerDegree(first.lat);
  const points = places.map(({ lon, lat }) => [
    (lon - first.lon) * east,
    (lat - first.lat) * north,
  ]);
  const doubled = points.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = points[(at + 1) % points.length]!;
    return sum + x! * nextY! - nextX! * y!;
  }, 0);
  return Math.abs(doubled) / 2;
}

export class Measure {
  private places: Place[] = [];

  constructor(
    private readonly mark: (features: Feature[]) => void,
    private readonly centre: () => Promise<Place>,
  ) {}

  add(place: Place): void {
    this.places.push(place);
    this.show();
  }

  clear(): void {
    this.places = [];
    this.show();
  }

  /** Show the figures in the panel and the line on the map. */
  show(): void {
    const lengths = pieceLengths(this.places);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const area = enclosedArea(this.places);
    const tool = (key: string, run: () => void) => {
      const item = button(text(key), run);
      item.disabled = this.places.length === 0;
      return item;
    };
    const centre = button(
      text("fire.measure_centre"),
      () => void this.centre().then((place) => this.add(place)),
    );
    elementById("side").replaceChildren(
      heading(text("fire.mode_measure"), text("fire.measure_help")),
      div(
        "actions",
        centre,
        tool("fire.measure_back", () => {
          this.places.pop();
          this.show();
        }),
        tool("fire.measure_clear", () => this.clear()),
      ),
      element(
        "div",
        { role: "status" },
        definitionList([
          [text("fire.measure_length"), lengths.length ? `${round(total)} m` : ""],
          [text("fire.measure_last"), lengths.length > 1 ? `${round(lengths.at(-1)!)} m` : ""],
          [text("fire.measure_area"), area > 0 ? `${round(area)} m²` : ""],
        ]),
      ),
    );
    this.mark(this.features(lengths));
  }

  private features(lengths: number[]): Feature[] {
    const coordinates = this.places.map(({ lon, lat }) => [lon, lat]);
    const line = { type: "LineString" as const, coordinates };
    let total = 0;
    const points = this.places.map((place, at) => {
      total += lengths[at - 1] ?? 0;
      return marker(pointGeometry(place), "measured", at > 0 ? `${round(total)} m` : "");
    });
    return [...(lengths.length ? [marker(line, "measure")] : []), ...points];
  }
}

/** A length or area as it is read: tenths below a hundred. */
function round(value: number): string {
  return formatNumber(value < 100 ? Math.round(value * 10) / 10 : Math.round(value));
}
