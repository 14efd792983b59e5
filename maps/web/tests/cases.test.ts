import { describe, expect, test } from "vitest";

import { classColour, classLimits, NO_VALUE_COLOUR, trendRuns } from "../src/assess/figures";
import type { CaseSummary } from "../src/cases/case-api";
import {
  type CaseFilter,
  filterAddress,
  filterQuery,
  matchesFilter,
  mergeChanged,
  parseFilter,
} from "../src/cases/case-filter";

const RUNNING: CaseFilter = { view: "running", order: "due", values: {} };

function summary(number: string, more: Partial<CaseSummary> = {}): CaseSummary {
  return {
    ...{ number, revision: 1, state: "filed", kind: "burst_pipe", group: "component" },
    ...{ description: "Water", address: "", region: "420602001001", level: "grid" },
    ...{ channel: "page", handler: "420602001001002", supervised_at: null },
    ...{ filed_at: `2026-11-0${number}T08:00:00Z`, due_at: `2126-12-0${number}T08:00:00Z` },
    ...more,
  } as CaseSummary;
}

const numbers = (cases: CaseSummary[]) => cases.map(({ number }) => number);

describe("the filter of cases", () => {
  test("is read from the address and written to it", () => {
    const filter = parseFilter("?view=overdue&group=dispute&q=water&unknown=1", "office");
    expect(filter).toEqual({
      ...{ view: "overdue", order: "due" },
      values: { group: "dispute", q: "water" },
    });
    expect(parseFilter(filterAddress(filter), "office")).toEqual(filter);
    expect(filterQuery(filter).toString()).toBe("overdue=true&q=water&group=dispute");
  });

  test("offers a grid manager no view of an office", () => {
    expect(parseFilter("?view=to_close", "grid_manager").view).toBe("running");
    expect(parseFilter("?view=to_close", "office").order).toBe("newest");
  });

  test("decides as the server does whether a case belongs", () => {
    const matches = (values: CaseFilter["values"], more: Partial<CaseSummary> = {}) =>
      matchesFilter(summary("1", more), { view: "all", order: "due", values });
    expect(matches({ region: "420602000000" })).toBe(true);
    expect(matches({ region: "420603000000" })).toBe(false);
    expect(matches({ q: "wATER" })).toBe(true);
    expect(matches({ filed_to: "2026-11-01" }, { filed_at: "2026-11-01T15:59:00Z" })).toBe(true);
    expect(matches({ filed_to: "2026-11-01" }, { filed_at: "2026-11-01T16:00:00Z" })).toBe(false);
  });
});

describe("a changed case", () => {
  const cases = [summary("1"), summary("3")];

  test("is put where its deadline belongs", () => {
    expect(numbers(mergeChanged(cases, summary("2"), RUNNING, false))).toEqual(["1", "2", "3"]);
  });

  test("that would come last is left to the next page", () => {
    expect(numbers(mergeChanged(cases, summary("4"), RUNNING, true))).toEqual(["1", "3"]);
    expect(numbers(mergeChanged(cases, summary("4"), RUNNING, false))).toEqual(["1", "3", "4"]);
  });

  test("leaves a queue where it no longer belongs", () => {
    const closed = summary("1", { state: "archived", revision: 2 });
    expect(numbers(mergeChanged(cases, closed, RUNNING, false))).toEqual(["3"]);
  });

  test("that is older than the one shown changes nothing", () => {
    const shown = [summary("1", { revision: 3 })];
    const late = summary("1", { state: "archived", revision: 2 });
    expect(mergeChanged(shown, late, RUNNING, false)).toBe(shown);
  });
});

describe("figures of the assessment", () => {
  test("are dark where they are good", () => {
    const limits = classLimits([0, 100]);
    expect(classColour(100, limits, "high")).toBe(classColour(0, limits, "low"));
    expect(classColour(null, limits, "high")).toBe(NO_VALUE_COLOUR);
    expect(classColour(7, classLimits([7]), "high")).toBe(classColour(0, limits, "high"));
  });

  test("interrupt the trend where nothing was measured", () => {
    expect(trendRuns([50, null, 100], 100)).toEqual([[[0, 0.5]], [[1, 1]]]);
  });
});
