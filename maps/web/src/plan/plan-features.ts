// A draft as map features: households of buildings, borders between grids, and labels of grids.

import type { Feature, FeatureCollection, Position } from "geojson";

import { type Extent, extentOf } from "../bounds";
import { rings } from "./coverage";
import type { Draft } from "./draft";
import { sizeText } from "./sizes";

/** A point with the households of each building. */
export function householdFeatures(draft: Draft): FeatureCollection {
  const features = draft.cells.flatMap((cell): Feature[] =>
    cell.building && cell.lon !== null && cell.lat !== null && cell.households > 0
      ? [
          {
            type: "Feature",
            geometry: { type: "Point", coordinates: [cell.lon, cell.lat] },
            properties: { households: String(cell.households) },
          },
        ]
      : [],
  );
  return { type: "FeatureCollection", features };
}

export function borderFeature(draft: Draft): Feature {
  const coordinates = draft.coverage.borders((index) => draft.cells[index]!.grid);
  return { type: "Feature", geometry: { type: "MultiLineString", coordinates }, properties: {} };
}

/** Serial number and households of each grid, with a warning where it is not as it should be. */
export function labelFeatures(draft: Draft, active: string | null): Feature[] {
  return [...draft.grids.values()].flatMap((grid) => {
    const position = labelPosition(draft, grid.code);
    if (!position) return [];
    const words = sizeText(draft.plan.limits, draft.size(grid));
    const warning = grid.within && grid.contiguous ? "" : " ⚠";
    const properties = { title: `${grid.serial}${warning}`, words, active: grid.code === active };
    return [{ type: "Feature", geometry: { type: "Point", coordinates: position }, properties }];
  });
}

/** The centre of the cell nearest to the middle of a grid. */
function labelPosition(draft: Draft, grid: string): Position | null {
  const centres = draft.cellsOf(grid).map((index) => cellCentre(draft, index));
  if (centres.length === 0) return null;
  const middle = [0, 1].map(
    (axis) => centres.reduce((sum, centre) => sum + centre[axis]!, 0) / centres.length,
  );
  const distance = (centre: Position) =>
    Math.hypot(centre[0]! - middle[0]!, centre[1]! - middle[1]!);
  return centres.reduce((best, centre) => (distance(centre) < distance(best) ? centre : best));
}

/** Where the building of a cell stands, or the mean of the cell's corners. */
export function cellCentre(draft: Draft, index: number): Position {
  const cell = draft.cells[index]!;
  if (cell.lon !== null && cell.lat !== null) return [cell.lon, cell.lat];
  const ring = rings(draft.areas.features[index]!.geometry)[0]!;
  const sum = ring.reduce(
    (total, corner) => [total[0]! + corner[0]!, total[1]! + corner[1]!],
    [0, 0],
  );
  return [sum[0]! / ring.length, sum[1]! / ring.length];
}

/** The extent of a draft, or of one of its grids. */
export function draftExtent(draft: Draft, grid?: string): Extent {
  const features = draft.areas.features.filter(
    (_, index) => grid === undefined || draft.cells[index]!.grid === grid,
  );
  return extentOf(...features.map(({ geometry }) => geometry));
}
