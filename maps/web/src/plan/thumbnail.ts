// A small picture of the grids of a plan.

import type { Position } from "geojson";

import { extentOf } from "../bounds";
import { rings } from "./coverage";
import type { Areas, PlanGrid } from "./plan-api";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 96;

export interface ThumbnailShape {
  viewBox: string;
  /** The SVG path and the palette index of each grid. */
  paths: { d: string; colour: number | null | undefined }[];
}

export function planThumbnail(grids: Areas<PlanGrid>, colours: string[]): SVGSVGElement {
  const { viewBox, paths } = thumbnailShape(grids);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", viewBox);
  for (const { d, colour } of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    path.setAttribute("fill", colours[colour ?? -1] ?? "#ddd");
    path.setAttribute("stroke", "#26323d");
    path.setAttribute("stroke-width", "0.8");
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
  }
  return svg;
}

/** The grids scaled to the size of the picture, with equal scales in both directions. */
export function thumbnailShape({ features }: Areas<PlanGrid>): ThumbnailShape {
  const [west, south, east, north] = extentOf(...features.map(({ geometry }) => geometry));
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = SIZE / Math.max((east - west) * squeeze, north - south);
  const point = ([x, y]: Position) =>
    `${((x! - west) * squeeze * scale).toFixed(1)} ${((north - y!) * scale).toFixed(1)}`;
  const paths = features.map(({ geometry, properties: { colour } }) => ({
    d: rings(geometry)
      .map((ring) => `M${ring.map(point).join("L")}Z`)
      .join(""),
    colour,
  }));
  const width = (east - west) * squeeze * scale + 4;
  const height = (north - south) * scale + 4;
  return { viewBox: `-2 -2 ${width} ${height}`, paths };
}
