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
    this.neighbours = this.adjacency(cells.length);
  }

  /** The segments between cells of different grids, and of the outer border. */
  borders(gridOf: (cell: number) => unknown): Position[][] {
    return this.segments
      .filter(({ left, right }) => right < 0 || gridOf(left) !== gridOf(right))
      .map(({ from, to }) => [from, to]);
  }

  /** Adjacent grids, each pair once. */
  touching<K>(gridOf: (cell: number) => K): [K, K][] {
    const pairs = new Map<K, Set<K>>();
    this.neighbours.forEach((others, cell) => {
      const own = gridOf(cell);
      for (const other of others) {
        const grid = gridOf(other);
        if (grid !== own && !pairs.get(grid)?.has(own)) {
          pairs.set(own, (pairs.get(own) ?? new Set<K>()).add(grid));
        }
      }
    });
    return [...pairs].flatMap(([one, others]) => [...others].map((other): [K, K] => [one, other]));
  }

  /** The number of connected pieces of some cells. */
  pieces(cells: Iterable<number>): number {
    const waiting = new Set(cells);
    let found = 0;
    for (const start of waiting) {
      found += 1;
      const reached = [start];
      waiting.delete(start);
      while (reached.length > 0) {
        for (const next of this.neighbours[reached.pop()!]!) {
          if (waiting.delete(next)) reached.push(next);
        }
      }
    }
    return found;
  }

  private adjacency(count: number): Set<number>[] {
    const length = new Map<number, number>();
    for (const { from, to, left, right } of this.segments) {
      if (right < 0 || left === right) continue;
      const key = Math.min(left, right) * count + Math.max(left, right);
      length.set(key, (length.get(key) ?? 0) + Math.hypot(to[0]! - from[0]!, to[1]! - from[1]!));
    }
    const found = Array.from({ length: count }, () => new Set<number>());
    for (const [key, shared] of length) {
      if (shared < MIN_SHARED_DEGREES) continue;
      const [one, other] = [Math.floor(key / count), key % count];
      found[one]!.add(other);
      found[other]!.add(one);
    }
    return found;
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
