import { describe, expect, test } from "vitest";

import type { DraftEvent } from "../src/plan/draft";
import { Draft } from "../src/plan/draft";
import { GridColours } from "../src/plan/grid-colours";
import type { Move } from "../src/plan/move";
import type { EditAnswer } from "../src/plan/plan-api";
import { findBuildings } from "../src/plan/plan-search";
import { cells, draft, EAST, grid, grids, plan, WEST } from "./town";

function change(move: Move, code: string) {
  return move.changes.find((candidate) => candidate.grid === code);
}

function answer(more: Partial<EditAnswer>): EditAnswer {
  return {
    plan: 7,
    revision: 2,
    undo: 1,
    redo: 0,
    changed: [],
    removed: [],
    atoms: {},
    problems: [],
    households: { moved: 0 },
    ...more,
  };
}

describe("the preview of a move", () => {
  test("gives the households of both grids before and after", () => {
    const move = draft().preview([10], EAST);
    expect(change(move, WEST)).toEqual({ grid: WEST, before: 400, after: 300, breaks: null });
    expect(change(move, EAST)).toEqual({ grid: EAST, before: 200, after: 300, breaks: null });
    expect(move).toMatchObject({ atoms: [10], households: 100, buildings: 1 });
  });

  test("leaves the draft as it is", () => {
    const before = draft();
    before.preview([10], EAST);
    expect(before.cell(10).grid).toBe(WEST);
  });

  test("ignores atoms that are in the grid already", () => {
    expect(draft().preview([20, 50], EAST)).toMatchObject({ steps: [], atoms: [], changes: [] });
  });

  test("warns of a grid that gets too large or too small", () => {
    expect(change(draft().preview([0, 10, 30], EAST), EAST)?.breaks).toBe("above");
    expect(change(draft().preview([20], WEST), EAST)?.breaks).toBe("below");
  });

  test("does not warn of a limit that the move brings nearer", () => {
    const small = new Draft(
      plan({ limits: { target: 600, lower: 500, upper: 700, balance: "households" } }),
      cells(),
      grids(grid(WEST, 400), grid(EAST, 200)),
      () => undefined,
    );
    expect(change(small.preview([20], WEST), WEST)?.breaks).toBeNull();
  });

  test("counts workload where the plan balances it, and shows households beside it", () => {
    const heavy = cells();
    for (const { properties } of heavy.features) properties.workload = properties.households * 2;
    const limits = { target: 600, lower: 300, upper: 900, balance: "workload" } as const;
    const west = grid(WEST, 400, { workload: 800 });
    const east = grid(EAST, 200, { workload: 400 });
    const busy = new Draft(plan({ limits }), heavy, grids(west, east), () => undefined);
    const move = busy.preview([20], WEST);
    expect(change(move, WEST)).toMatchObject({ before: 800, after: 1000, breaks: "above" });
    expect(move.households).toBe(100);
    busy.applyAnswer(answer({ atoms: { "10": EAST } }));
    expect(busy.grids.get(EAST)).toMatchObject({ households: 300, workload: 600, within: true });
    expect(busy.score()).toMatchObject({ workload: 1200, smallest: 600, largest_households: 300 });
  });

  test("warns of a grid that falls into pieces", () => {
    const columns = draft();
    expect(change(columns.preview([0, 40], EAST), WEST)?.breaks).toBe("pieces");
  });

  test("refuses to change a locked grid", () => {
    expect(change(draft({ locked: true }).preview([10], EAST), EAST)?.breaks).toBe("locked");
  });

  test("knows no limits of a dedicated grid", () => {
    expect(change(draft({ kind: "dedicated" }).preview([20], WEST), EAST)?.breaks).toBeNull();
    expect(change(draft().preview([50], null, true), "new")?.breaks).toBeNull();
  });

  test("lets a new grid begin below the limits", () => {
    expect(change(draft().preview([50], null), "new")).toMatchObject({ after: 100, breaks: null });
  });
});

describe("the way home", () => {
  test("leads to the grids of the plan before", () => {
    const edited = draft();
    edited.setParentGrids({
      features: [
        {
          type: "Feature",
          geometry: { type: "Polygon", coordinates: [] },
          properties: {
            atom: 20,
            building: "B2",
            unit: null,
            households: 100,
            from: WEST,
            to: EAST,
          },
        },
      ],
    });
    expect(edited.hasHome).toBe(true);
    expect(edited.homeOf(20)).toBe(WEST);
    expect(edited.previewHome([20, 50]).steps).toEqual([{ to: WEST, atoms: [20] }]);
  });

  test("ends where the grid is no more", () => {
    const edited = draft();
    edited.setParentGrids({ features: [] });
    edited.grids.delete(EAST);
    expect(edited.homeOf(50)).toBeNull();
  });

  test("does not exist without a plan before", () => {
    expect(draft().hasHome).toBe(false);
  });
});

describe("the answer to an edit", () => {
  test("sets revision, undo steps and figures", () => {
    const events: DraftEvent[] = [];
    const edited = new Draft(plan(), cells(), grids(grid(WEST, 400), grid(EAST, 200)), (event) =>
      events.push(event),
    );
    edited.applyAnswer(answer({ atoms: { "10": EAST, "40": EAST } }));
    expect(edited.plan).toMatchObject({ revision: 2, undo: 1, redo: 0 });
    expect(edited.grids.get(EAST)?.households).toBe(350);
    expect(edited.grids.get(WEST)?.households).toBe(250);
    expect(events).toEqual([{ kind: "changed" }]);
  });

  test("removes grids, and marks those outside the limits", () => {
    const edited = draft();
    edited.applyAnswer(
      answer({ removed: [EAST], atoms: { "20": WEST, "50": WEST }, problems: [] }),
    );
    expect([...edited.grids.keys()]).toEqual([WEST]);
    expect(edited.grids.get(WEST)).toMatchObject({ households: 600, within: false });
  });

  test("does not change the colour that a grid has on the page", () => {
    const edited = draft();
    const colour = edited.grids.get(WEST)?.colour;
    const changed = {
      type: "Feature" as const,
      id: WEST,
      geometry: { type: "Polygon" as const, coordinates: [] },
      properties: grid(WEST, 400, { name: "Named", colour: null }),
    };
    edited.applyAnswer(answer({ changed: [changed] }));
    expect(edited.grids.get(WEST)).toMatchObject({ name: "Named", colour });
  });
});

describe("colours", () => {
  test("differ between neighbours, and stay where they do", () => {
    const edited = draft();
    const [west, east] = [edited.grids.get(WEST)!, edited.grids.get(EAST)!];
    expect(west.colour).not.toBe(east.colour);
    const before = [west.colour, east.colour];
    edited.applyAnswer(answer({}));
    expect([edited.grids.get(WEST)!.colour, edited.grids.get(EAST)!.colour]).toEqual(before);
  });

  test("change for the grid that has moved next to one of the same colour, and for no other", () => {
    const coverage = draft().coverage; // cells 0 1 2 above 3 4 5
    const colours = new GridColours(coverage);
    const grids = new Map(["a", "b", "c"].map((code, index) => [code, { colour: index % 2 }]));
    colours.assign(grids, ["a", "b", "c", "a", "b", "c"]);
    expect([...grids.values()].map(({ colour }) => colour)).toEqual([0, 1, 0]);
    colours.assign(grids, ["a", "b", "c", "a", "c", "c"]); // c gains a cell beside a
    expect(grids.get("a")!.colour).toBe(0);
    expect(grids.get("b")!.colour).toBe(1);
    expect([0, 1]).not.toContain(grids.get("c")!.colour);
  });
});

describe("the score card", () => {
  const scored = { gap_m2: 3, grids: 9, walk_m: 1, revision: 1 };

  test("is the server's while it is of the current revision", () => {
    expect(draft({}, { score: scored }).score()).toEqual(scored);
    expect(draft({}, { score: scored }).isScoreOutdated).toBe(false);
  });

  test("has the figures that the page computes after an edit, and else those of the server", () => {
    const edited = draft({}, { score: scored });
    edited.applyAnswer(answer({ revision: 2 }));
    expect(edited.isScoreOutdated).toBe(true);
    const { walk_m, polsby_popper, ...score } = edited.score();
    expect(score).toEqual({
      grids: 2,
      households: 600,
      within_limits: 1,
      smallest: 200,
      largest: 400,
      mean_deviation: 100,
      contiguous: true,
      compounds_split_all: 1,
      compounds_split: 1,
      gap_m2: 3,
      revision: 1,
    });
    expect(polsby_popper).toBeGreaterThan(0.6);
    expect(walk_m).toBeGreaterThan(10_000);
  });

  test("is replaced when the server has scored the revision on the page", () => {
    const edited = draft({}, { score: scored });
    edited.applyAnswer(answer({ revision: 2 }));
    expect(edited.updateScore({ revision: 2, score: scored })).toBe(false);
    expect(edited.updateScore({ revision: 3, score: { grids: 2, revision: 3 } })).toBe(false);
    expect(edited.updateScore({ revision: 2, score: { grids: 2, revision: 2 } })).toBe(true);
    expect(edited.score()).toEqual({ grids: 2, revision: 2 });
  });

  test("tells where compounds are divided, and whether that could be avoided", () => {
    const limits = { target: 100, lower: 50, upper: 200, balance: "households" } as const;
    const [place] = draft().places().compounds_split_all!;
    expect(place![0]).toBeLessThan(0.5);
    expect(place![2]).toBeGreaterThan(2.5);
    expect(draft().places().compounds_split).toHaveLength(1);
    expect(draft({}, { limits }).places()).toMatchObject({ compounds_split: [] });
    expect(draft({}, { limits }).places().compounds_split_all).toHaveLength(1);
  });
});

describe("a search in the plan", () => {
  test("finds buildings by name and code, exact names first", () => {
    const hits = findBuildings(draft(), "House 1");
    expect(hits[0]).toMatchObject({ code: "B1", name: "House 1", exact: true, lon: 1.5, lat: 0.5 });
    expect(findBuildings(draft(), "B4")).toHaveLength(1);
    expect(findBuildings(draft(), "nothing")).toEqual([]);
  });

  test("knows the cell at a position", () => {
    expect(draft().cellAt([2.5, 1.5])).toBe(5);
    expect(draft().cellAt([9, 9])).toBeNull();
  });
});

describe("a draft", () => {
  test("can be edited unless it is published or opened read-only", () => {
    expect(draft().isEditable).toBe(true);
    expect(draft({}, { status: "published" }).isEditable).toBe(false);
    expect(new Draft(plan(), cells(), grids(), () => undefined, true).isEditable).toBe(false);
  });
});
