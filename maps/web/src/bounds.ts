// Extents and how to fit the map to them, without loading the map library.

import type { Geometry } from "geojson";
import type { Map as LibreMap, PaddingOptions } from "maplibre-gl";

export type Extent = [number, number, number, number];

/** West, south, east, north of geometries; without points, west is greater than east. */
export function extentOf(...geometries: Geometry[]): Extent {
  const extent: Extent = [180, 90, -180, -90];
  for (const geometry of geometries) extend(extent, geometry);
  return extent;
}

function extend(extent: Extent, geometry: Geometry): void {
  if (geometry.type === "GeometryCollection") {
    for (const part of geometry.geometries) extend(extent, part);
  } else extendByPositions(extent, geometry.coordinates);
}

function extendByPositions(extent: Extent, positions: unknown[]): void {
  const [x, y] = positions;
  if (typeof x !== "number" || typeof y !== "number") {
    for (const part of positions) extendByPositions(extent, part as unknown[]);
    return;
  }
  extent[0] = Math.min(extent[0], x);
  extent[1] = Math.min(extent[1], y);
  extent[2] = Math.max(extent[2], x);
  extent[3] = Math.max(extent[3], y);
}

/** The mean of the corners of an outline. */
export function meanCorner(outline: Exclude<Geometry, { type: "GeometryCollection" }>) {
  const corners = [outline.coordinates].flat(3) as number[]; // x, y, x, y, ...
  const mean = (axis: 0 | 1) => {
    const values = corners.filter((_, at) => at % 2 === axis);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return [mean(0), mean(1)] as [number, number];
}

/** The smallest extent that holds two extents. */
export function uniteExtents(first: Extent, second: Extent): Extent {
  return [
    Math.min(first[0], second[0]),
    Math.min(first[1], second[1]),
    Math.max(first[2], second[2]),
    Math.max(first[3], second[3]),
  ];
}

export function fitExtent(map: LibreMap, extent: Extent, padding = fitPadding()): void {
  map.fitBounds(extent, {
    padding,
    maxZoom: 17.5,
    duration: isMotionReduced() ? 0 : 700,
  });
}

/** Space for the header and, on wide screens, the panel. */
export function fitPadding(): PaddingOptions {
  const isNarrow = window.innerWidth < 720;
  return isNarrow
    ? { top: 132, right: 18, bottom: 64, left: 18 }
    : { top: 140, right: 40, bottom: 40, left: 40 };
}

export function isMotionReduced(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
