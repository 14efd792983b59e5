// Colours of grids: neighbours differ, and a grid keeps its colour while others change.

import type { Coverage } from "./coverage";

/** Indices of the palette (maps/colours.py), the usual ones first. */
const COLOURS = [0, 1, 2, 3, 4, 5, 6, 7];

interface Coloured {
  colour: number;
}

export class GridColours {
  private gridsBefore: string[] = [];
  private save: (grids: Map<string, Coloured>) => void = () => undefined;

  constructor(private readonly coverage: Coverage) {}

  /** Take over the colours stored under a key, and store them there from now on. */
  restore(grids: Map<string, Coloured>, storage: Storage, key: string): void {
    const stored = JSON.parse(storage.getItem(key) ?? "{}") as Record<string, number>;
    for (const [code, grid] of grids) grid.colour = stored[code] ?? grid.colour;
    this.save = (grids) => {
      const colours = [...grids].map(([code, { colour }]) => [code, colour]);
      storage.setItem(key, JSON.stringify(Object.fromEntries(colours)));
    };
  }

  /**
   * Give a colour to each grid that has none, and another one to a changed grid that has become
   * the neighbour of a grid of the same colour.
   */
  assign(grids: Map<string, Coloured>, gridOf: string[]): void {
    const changed = this.changedGrids(gridOf);
    const neighbours = this.neighbours(gridOf);
    const takenBy = (code: string) =>
      [...(neighbours.get(code) ?? [])].map((other) => grids.get(other)?.colour);
    const order = [...grids.keys()].sort(
      (one, other) => Number(changed.has(other)) - Number(changed.has(one)),
    );
    for (const code of order) {
      const grid = grids.get(code)!;
      const taken = takenBy(code);
      if (COLOURS.includes(grid.colour) && !taken.includes(grid.colour)) continue;
      grid.colour = COLOURS.find((colour) => !taken.includes(colour)) ?? 0;
    }
    this.gridsBefore = [...gridOf];
    this.save(grids);
  }

  /** The grids that have gained or lost cells since the last time. */
  private changedGrids(gridOf: string[]): Set<string> {
    if (this.gridsBefore.length === 0) return new Set();
    const moved = gridOf.flatMap((grid, index) => {
      const before = this.gridsBefore[index]!;
      return before === grid ? [] : [grid, before];
    });
    return new Set(moved);
  }

  private neighbours(gridOf: string[]): Map<string, Set<string>> {
    const neighbours = new Map<string, Set<string>>();
    const add = (grid: string, other: string) =>
      neighbours.set(grid, (neighbours.get(grid) ?? new Set<string>()).add(other));
    for (const [one, other] of this.coverage.touching((cell) => gridOf[cell]!)) {
      add(one, other);
      add(other, one);
    }
    return neighbours;
  }
}
