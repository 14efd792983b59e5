// The cells of a community as a coverage: which cells are adjacent, where borders between grids run,
// and how many pieces a grid has. Adjacent cells share their corners exactly.

import type { MultiPolygon, Polygon, Position } from "geojson";

/** A piece of the border of a cell; `right` is -1 at the outer border. */
export interface Segment {
  from: Position;
  to: Position;
  left: number;
  right: number;
}

/** Cells with a shorter shared border, some 20 cm, are not adjacent. */
const MIN_SHARED_DEGREES = 2e-6;

export class Coverage {
  private readonly segments: Segment[];
  /** In square degrees. */
  private readonly areas: number[];
  readonly neighbours: Set<number>[];

  constructor(cells: (Polygon | MultiPolygon)[]) {
    const segments = new Map<string, Segment>();
    for (const [index, cell] of cells.entries()) {
      for (const ring of rings(cell)) {
        for (let at = 1; at < ring.length; at++) {
          addSegment(segments, ring[at - 1]!, ring[at]!, index);
        }
      }
    }
    this.segments = [...segments.values()];
    this.areas = cells.map(areaOf);
    this.neighbours = adjacency(this.segments, cells.length);
  }

  /** The segments between cells of different grids, and of the outer border. */
  borders(gridOf: (cell: number) => unknown): Position[][] {
    return this.segments
      .filter(({ left, right }) => right < 0 || gridOf(left) !== gridOf(right))
      .map(({ from, to }) => [from, to]);
  }

  /** Area and perimeter of each grid, in square metres and metres. */
  outlines<K>(
    gridOf: (cell: number) => K,
    [east, north]: [number, number],
  ): Map<K, { area: number; perimeter: number }> {
    const outlines = new Map<K, { area: number; perimeter: number }>();
    const outline = (cell: number) => {
      const grid = gridOf(cell);
      const known = outlines.get(grid) ?? { area: 0, perimeter: 0 };
      outlines.set(grid, known);
      return known;
    };
    for (const [cell, area] of this.areas.entries()) outline(cell).area += area * east * north;
    for (const { from, to, left, right } of this.segments) {
      if (right >= 0 && gridOf(left) === gridOf(right)) continue;
      const length = Math.hypot((to[0]! - from[0]!) * east, (to[1]! - from[1]!) * north);
      outline(left).perimeter += length;
      if (right >= 0) outline(right).perimeter += length;
    }
    return outlines;
  }

  /** Adjacent grids, each pair once. */
  touching<K>(gridOf: (cell: number) => K): [K, K][] {
    const pairs = new Map<K, Set<K>>();
    for (const [cell, neighbours] of this.neighbours.entries()) {
      const grid = gridOf(cell);
      for (const neighbour of neighbours) {
        const other = gridOf(neighbour);
        if (other !== grid && !pairs.get(other)?.has(grid)) {
          pairs.set(grid, (pairs.get(grid) ?? new Set<K>()).add(other));
        }
      }
    }
    return [...pairs].flatMap(([grid, others]) =>
      [...others].map((other): [K, K] => [grid, other]),
    );
  }

  /** The segments between two grids. */
  bordersBetween(gridOf: (cell: number) => unknown, one: unknown, other: unknown): Position[][] {
    return this.segments
      .filter(({ left, right }) => {
        if (right < 0) return false;
        const grids = [gridOf(left), gridOf(right)];
        return grids.includes(one) && grids.includes(other) && one !== other;
      })
      .map(({ from, to }) => [from, to]);
  }

  /** The segments between cells whose middle is within a distance, in metres, of some lines. */
  segmentsOn(lines: Position[][], distance: number, [east, north]: [number, number]): Set<Segment> {
    const pieces = lines.flatMap((line) =>
      line.slice(1).map((to, at) => [line[at]!, to] as [Position, Position]),
    );
    const margin = [distance / east, distance / north] as const;
    return new Set(
      this.segments.filter(({ from, to, right }) => {
        if (right < 0) return false;
        const middle = [(from[0]! + to[0]!) / 2, (from[1]! + to[1]!) / 2];
        return pieces.some(
          (piece) =>
            [0, 1].every(
              (axis) =>
                middle[axis]! >= Math.min(piece[0][axis]!, piece[1][axis]!) - margin[axis]! &&
                middle[axis]! <= Math.max(piece[0][axis]!, piece[1][axis]!) + margin[axis]!,
            ) && distanceTo(middle, piece, [east, north]) <= distance,
        );
      }),
    );
  }

  /** The connected parts of some cells where the cut segments join nothing. */
  parts(cells: number[], cut: ReadonlySet<Segment>): number[][] {
    const wanted = new Set(cells);
    const joining = this.segments.filter(
      (segment) => wanted.has(segment.left) && wanted.has(segment.right) && !cut.has(segment),
    );
    return components(wanted, adjacency(joining, this.areas.length));
  }

  /** The number of connected pieces of some cells. */
  pieces(cells: Iterable<number>): number {
    return components(cells, this.neighbours).length;
  }
}

/** Which cells are adjacent, by the segments that they share. */
function adjacency(segments: Segment[], count: number): Set<number>[] {
  const lengths = new Map<number, number>();
  for (const { from, to, left, right } of segments) {
    if (right < 0 || left === right) continue;
    const key = Math.min(left, right) * count + Math.max(left, right);
    const length = Math.hypot(to[0]! - from[0]!, to[1]! - from[1]!);
    lengths.set(key, (lengths.get(key) ?? 0) + length);
  }
  const neighbours = Array.from({ length: count }, () => new Set<number>());
  for (const [key, length] of lengths) {
    if (length < MIN_SHARED_DEGREES) continue;
    const [cell, other] = [Math.floor(key / count), key % count];
    neighbours[cell]!.add(other);
    neighbours[other]!.add(cell);
  }
  return neighbours;
}

/** The connected components of some cells. */
function components(cells: Iterable<number>, neighbours: Set<number>[]): number[][] {
  const unvisited = new Set(cells);
  const found: number[][] = [];
  for (const start of unvisited) {
    const component = [start];
    unvisited.delete(start);
    for (const cell of component) {
      for (const neighbour of neighbours[cell]!) {
        if (unvisited.delete(neighbour)) component.push(neighbour);
      }
    }
    found.push(component);
  }
  return found;
}

/** The distance in metres of a position to a piece of a line. */
function distanceTo(
  position: Position,
  [from, to]: [Position, Position],
  [east, north]: [number, number],
): number {
  const [x, y] = [(position[0]! - from[0]!) * east, (position[1]! - from[1]!) * north];
  const [dx, dy] = [(to[0]! - from[0]!) * east, (to[1]! - from[1]!) * north];
  const length = dx * dx + dy * dy;
  const along = length > 0 ? Math.min(1, Math.max(0, (x * dx + y * dy) / length)) : 0;
  return Math.hypot(x - along * dx, y - along * dy);
}

function addSegment(
  segments: Map<string, Segment>,
  from: Position,
  to: Position,
  cell: number,
): void {
  const [start, end] = [from.join(), to.join()];
  const key = start < end ? `${start} ${end}` : `${end} ${start}`;
  const known = segments.get(key);
  if (known) known.right = cell;
  else segments.set(key, { from, to, left: cell, right: -1 });
}

/** The area of a polygon or several, in square degrees. */
function areaOf(area: Polygon | MultiPolygon): number {
  const polygons = area.type === "Polygon" ? [area.coordinates] : area.coordinates;
  const sizes = polygons.flatMap((polygon) =>
    polygon.map((ring, at) => (at === 0 ? 1 : -1) * Math.abs(ringArea(ring))),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function ringArea(ring: Position[]): number {
  const [x0, y0] = ring[0] ?? [0, 0];
  let doubled = 0;
  for (let at = 1; at < ring.length; at++) {
    const [a, b] = [ring[at - 1]!, ring[at]!];
    doubled += (a[0]! - x0!) * (b[1]! - y0!) - (b[0]! - x0!) * (a[1]! - y0!);
  }
  return doubled / 2;
}

/** All rings of a polygon or several, outer rings and holes. */
export function rings(area: Polygon | MultiPolygon): Position[][] {
  return area.type === "Polygon" ? area.coordinates : area.coordinates.flat();
}

/** Whether a polygon or several contain a position (ray casting, even-odd). */
export function contains(area: Polygon | MultiPolygon, [x, y]: Position): boolean {
  let inside = false;
  for (const ring of rings(area)) {
    for (let at = 1; at < ring.length; at++) {
      const [a, b] = [ring[at - 1]!, ring[at]!];
      if (
        a[1]! > y! !== b[1]! > y! &&
        x! < ((b[0]! - a[0]!) * (y! - a[1]!)) / (b[1]! - a[1]!) + a[0]!
      ) {
        inside = !inside;
      }
    }
  }
  return inside;
}
