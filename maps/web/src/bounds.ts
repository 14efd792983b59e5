// Boxes around places, and going there: nothing here needs the map's own code to be loaded.

import type { Geometry } from "geojson";
import type { Map as LibreMap, PaddingOptions } from "maplibre-gl";

export type Extent = [number, number, number, number];

/** West, south, east, north of shapes. */
export function extentOf(...shapes: Geometry[]): Extent {
  const box: Extent = [180, 90, -180, -90];
  const take = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (typeof part[0] !== "number") return part.forEach(take);
    const [x, y] = part as [number, number];
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  };
  for (const shape of shapes) if ("coordinates" in shape) take(shape.coordinates);
  return box;
}

export function fitExtent(map: LibreMap, extent: number[], padding = fitPadding()): void {
  map.fitBounds(extent as Extent, {
    padding,
    maxZoom: 17.5,
    duration: isMotionReduced() ? 0 : 700,
  });
}

/** Room for the bar at the top, the panel beside it, and on a phone nothing else. */
export function fitPadding(): PaddingOptions {
  const narrow = window.innerWidth < 720;
  return narrow
    ? { top: 132, right: 18, bottom: 64, left: 18 }
    : { top: 140, right: 40, bottom: 40, left: 40 };
}

export function isMotionReduced(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
