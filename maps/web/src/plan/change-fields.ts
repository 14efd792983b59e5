// The fields of the form of a what-if, and the request that they make.

import { div, element } from "../dom";
import { text } from "../locale";
import type { Change } from "./change";
import type { WhatIfRequest } from "./plan-api";

/** The request for a change, with the fields of the form. */
export function requestOf({ kind, communities, border, street, line }: Change, fields: FormData) {
  const coordinates = line as [number, number][];
  const numbers = ["target", "lower", "upper", "seconds"].map((name) => [
    name,
    Number(fields.get(name)),
  ]);
  const ways = { street: { street }, line: { line: { type: "LineString", coordinates } } };
  return {
    kind,
    communities,
    ...(kind === "merge" ? {} : ways[border]),
    ...Object.fromEntries(numbers),
    balance: fields.get("balance"),
    fresh: fields.has("fresh"),
  } as WhatIfRequest;
}

/** Limits of the grids, time limit, balance, and whether to start from nothing. */
export function limitFields(): HTMLElement {
  const values = { target: 400, lower: 300, upper: 500, seconds: 20 };
  const numbers = Object.entries(values).map(([name, value]) => {
    const max = name === "seconds" ? "600" : "5000";
    const given = { type: "number", name, value: String(value), min: "1", max, required: "" };
    return element("label", {}, text(`plan.draw_${name}`), element("input", given));
  });
  const balance = element(
    "select",
    { name: "balance" },
    ...["households", "workload"].map((value) =>
      element("option", { value }, text(`plan.balance_${value}`)),
    ),
  );
  return element(
    "details",
    {},
    element("summary", {}, text("what_if.limits")),
    div("fields", ...numbers),
    element("label", {}, text("plan.draw_balance"), balance),
    element(
      "label",
      { class: "tick" },
      element("input", { type: "checkbox", name: "fresh" }),
      text("what_if.fresh"),
    ),
  );
}

/** A choice of one value, with a title. */
export function radios<Name extends string>(
  name: string,
  title: string,
  values: readonly Name[],
  chosen: Name,
  onChoose: (value: Name) => void,
): HTMLElement {
  return element(
    "fieldset",
    {},
    element("legend", {}, title),
    ...radioLabels(name, values, chosen, onChoose),
  );
}

export function radioLabels<Name extends string>(
  name: string,
  values: readonly Name[],
  chosen: Name,
  onChoose: (value: Name) => void,
): HTMLElement[] {
  return values.map((value) => {
    const input = element("input", { type: "radio", name, value });
    input.checked = value === chosen;
    input.addEventListener("change", () => onChoose(value));
    return element("label", { class: "tick" }, input, text(`what_if.${name}_${value}`));
  });
}
