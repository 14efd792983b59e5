import { beforeAll, describe, expect, test } from "vitest";

import { setLocale } from "../src/locale";
import { constraintRequest, constraintSummary, isPossible } from "../src/plan/constraints";
import { drawRequest, WEIGHTS } from "../src/plan/draw-request";
import { plan } from "./town";

beforeAll(() =>
  setLocale("en", { "plan.constraint_together": "Together", "plan.constraint_apart": "Apart" }),
);

describe("the request of constraints", () => {
  test("has every pair of buildings to be kept apart", () => {
    const request = constraintRequest([{ kind: "apart", codes: ["A", "B", "C"] }], undefined);
    expect(request).toEqual({
      apart: [
        ["A", "B"],
        ["A", "C"],
        ["B", "C"],
      ],
    });
  });

  test("names the previous plan for what stays in it, each code once", () => {
    const constraints = [
      { kind: "stay" as const, codes: ["A", "B"] },
      { kind: "locked" as const, codes: ["B", "G"] },
    ];
    expect(constraintRequest(constraints, { id: 7 })).toEqual({
      locked: ["A", "B", "G"],
      before: 7,
    });
    expect(constraintRequest(constraints, undefined)).toEqual({});
  });

  test("keeps groups that belong together", () => {
    const constraints = [
      { kind: "together" as const, codes: ["A", "B"] },
      { kind: "together" as const, codes: ["C", "D"] },
    ];
    expect(constraintRequest(constraints, undefined)).toEqual({
      together: [
        ["A", "B"],
        ["C", "D"],
      ],
    });
  });
});

test("a constraint needs enough buildings, and not too many to be kept apart", () => {
  expect([0, 1, 2].map((count) => isPossible("together", count))).toEqual([false, false, true]);
  expect([1, 2, 12, 13].map((count) => isPossible("apart", count))).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(isPossible("stay", 1)).toBe(true);
});

test("constraints are counted by kind", () => {
  const constraints = [
    { kind: "apart" as const, codes: [] },
    { kind: "together" as const, codes: [] },
    { kind: "apart" as const, codes: [] },
  ];
  expect(constraintSummary(constraints)).toBe("Together 1 · Apart 2");
});

describe("the request of a drawing", () => {
  function form(more: Record<string, string> = {}): FormData {
    const data = new FormData();
    const limits = { balance: "households", target: "400", lower: "300", upper: "500" };
    const fields = { ...limits, alternatives: "1", seconds: "60" };
    const names = ["balance", "border", "compactness", "compound", "moved"];
    const weights = Object.fromEntries(names.map((name) => [`weight_${name}`, "1"]));
    for (const [name, value] of Object.entries({ ...fields, ...weights, ...more })) {
      data.append(name, value);
    }
    return data;
  }
  const usual = { target: 400, lower: 300, upper: 500, alternatives: 1 };

  test("leaves defaults out", () => {
    expect(drawRequest(form(), [], [], plan())).toEqual(usual);
  });

  test("starts from scratch without a previous plan, or if asked to", () => {
    expect(drawRequest(form(), [], [], undefined)).toEqual({ ...usual, fresh: true });
    const constraints = [{ kind: "stay" as const, codes: ["A"] }];
    expect(drawRequest(form({ fresh: "yes" }), [], constraints, plan())).toEqual({
      ...usual,
      fresh: true,
    });
    expect(drawRequest(form(), [], constraints, plan())).toEqual({
      ...usual,
      locked: ["A"],
      before: 7,
    });
  });

  test("scales weights, also to nothing", () => {
    const request = drawRequest(form({ weight_balance: "3", weight_moved: "0" }), [], [], plan());
    expect(request.weights).toEqual({ balance: 3 * WEIGHTS.balance, moved: 0 });
  });

  test.each(["walk", "station"])("weighs ways (%s) only where they are asked for", (name) => {
    const request = (factor: string) =>
      drawRequest(form({ [`weight_${name}`]: factor }), [], [], plan());
    expect(request("0")).toEqual(usual);
    expect(request("1").weights).toEqual({ [name]: 20 });
  });

  test("has facilities and areas that get a grid of their own", () => {
    const data = form({ whole_compounds: "on", seconds: "90" });
    data.append("dedicated", "school");
    data.append("dedicated", "park");
    const area = {
      id: "1",
      name: "Campus",
      geometry: { type: "Polygon" as const, coordinates: [] },
    };
    expect(drawRequest(data, [area], [], plan())).toEqual({
      ...usual,
      seconds: 90,
      whole_compounds: true,
      dedicated: ["school", "park"],
      areas: [{ name: "Campus", geometry: area.geometry }],
    });
  });
});
