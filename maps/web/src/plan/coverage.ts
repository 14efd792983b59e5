// The cells of a community as a coverage: which cells are adjacent, where borders between grids run,
// and how many pieces a grid has. Adjacent cells share their corners exactly.

import type { MultiPolygon, Polygon, Position } from "geojson";

interface Segment {
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
    this.neighbours = this.adjacency(cells.length);
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

  /** The number of connected pieces of some cells. */
  pieces(cells: Iterable<number>): number {
    const unvisited = new Set(cells);
    let count = 0;
    for (const start of unvisited) {
      count += 1;
      const queue = [start];
      unvisited.delete(start);
      while (queue.length > 0) {
        for (const neighbour of this.neighbours[queue.pop()!]!) {
          if (unvisited.delete(neighbour)) queue.push(neighbour);
        }
      }
    }
    return count;
  }

  private adjacency(count: number): Set<number>[] {
    const lengths = new Map<number, number>();
    for (const { from, to, left, right } of this.segments) {
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
