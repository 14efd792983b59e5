// The area downwind of an incident, as an aid: a sector of its circle by wind direction and speed. It
// is no dispersion model.

import type { Polygon, Position } from "geojson";
import { metresPerDegree } from "../geodesy";
import type { Place } from "./fire-api";

export interface Wind {
  /** Where the wind comes from, in degrees clockwise from north. */
  from: number;
  speed_m_s: number;
}

/** Below this speed the direction says nothing: the whole circle is downwind. */
const CALM_M_S = 0.5;
const STEP_DEGREES = 5;

/** Half the angle of the sector, in degrees: the slower the wind, the less steady its direction. */
export function halfAngle({ speed_m_s }: Wind): number {
  if (speed_m_s < CALM_M_S) return 180;
  if (speed_m_s < 2) return 45;
  return speed_m_s < 5 ? 30 : 20;
}

/** Whether a place lies downwind of a centre. */
export function isDownwind(centre: Place, place: Place, wind: Wind): boolean {
  const [east, north] = metresPerDegree(centre.lat);
  const [dx, dy] = [(place.lon - centre.lon) * east, (place.lat - centre.lat) * north];
  const bearing = (Math.atan2(dx, dy) * 180) / Math.PI;
  const turn = Math.abs(((bearing - wind.from + 720) % 360) - 180);
  return turn <= halfAngle(wind) || (dx === 0 && dy === 0);
}

/** The sector downwind of a centre, up to a radius. */
export function downwindSector(centre: Place, radius: number, wind: Wind): Polygon {
  const half = halfAngle(wind);
  const [east, north] = metresPerDegree(centre.lat);
  const steps = Math.ceil((2 * half) / STEP_DEGREES);
  const arc = Array.from({ length: steps + 1 }, (_, step): Position => {
    const bearing = ((wind.from + 180 - half + (step * 2 * half) / steps) * Math.PI) / 180;
    return [
      centre.lon + (radius * Math.sin(bearing)) / east,
      centre.lat + (radius * Math.cos(bearing)) / north,
    ];
  });
  const middle: Position[] = half < 180 ? [[centre.lon, centre.lat]] : [];
  const ring = [...middle, ...arc];
  return { type: "Polygon", coordinates: [[...ring, ring[0]!]] };
}
