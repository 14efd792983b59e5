// The cells of a community as a coverage: which share a border, where borders between grids run,
// in how many pieces a grid lies. Cells share their corners exactly, so corners are compared as
// they are.

import type { MultiPolygon, Polygon, Position } from "geojson";

interface Segment {
  from: Position;
  to: Position;
  left: number;
  right: number;
}

/** Shares of border shorter than this (degrees, some 20 cm) join nothing. */
const LEAST = 2e-6;

export class Coverage {
  private readonly segments: Segment[] = [];
  readonly neighbours: Set<number>[];

  constructor(cells: (Polygon | MultiPolygon)[]) {
    const known = new Map<string, Segment>();
    cells.forEach((cell, index) => {
      for (const ring of rings(cell)) {
        for (let at = 1; at < ring.length; at++) this.add(known, ring[at - 1]!, ring[at]!, index);
      }
    });
    this.segments.push(...known.values());
    this.neighbours = this.adjacency(cells.length);
  }

  /** The pieces of borders between cells whose grids differ, and of the outer border. */
  borders(gridOf: (cell: number) => unknown): Position[][] {
    return this.segments
      .filter(({ left, right }) => right < 0 || gridOf(left) !== gridOf(right))
      .map(({ from, to }) => [from, to]);
  }

  /** Grids that touch, each pair once. */
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

  /** In how many pieces some cells lie. */
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

  private add(known: Map<string, Segment>, from: Position, to: Position, cell: number): void {
    const [one, other] = [from.join(), to.join()];
    const key = one < other ? `${one} ${other}` : `${other} ${one}`;
    const before = known.get(key);
    if (before) before.right = cell;
    else known.set(key, { from, to, left: cell, right: -1 });
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
      if (shared < LEAST) continue;
      const [one, other] = [Math.floor(key / count), key % count];
      found[one]!.add(other);
      found[other]!.add(one);
    }
    return found;
  }
}

export function rings(area: Polygon | MultiPolygon): Position[][] {
  return area.type === "Polygon" ? area.coordinates : area.coordinates.flat();
}

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
