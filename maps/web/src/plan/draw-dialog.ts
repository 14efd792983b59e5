// The dialog that requests a drawing.

import { button, type Choice, div, element, openDialog, select } from "../dom";
import { formatNumber, text } from "../locale";
import { type DrawnArea, pickAreas } from "./area-picker";
import { pickConstraints } from "./constraint-picker";
import { type Constraint, constraintSummary } from "./constraints";
import {
  DEDICATED_KINDS,
  DEFAULT_SECONDS,
  drawRequest,
  USUAL_FACTORS,
  WEIGHTS,
} from "./draw-request";
import { type Job, type Plan, requestDrawing } from "./plan-api";

/** Factors by which a planner may scale a weight. */
const WEIGHT_FACTORS: [string, number][] = [
  ["none", 0],
  ["less", 0.3],
  ["usual", 1],
  ["more", 3],
  ["most", 10],
];

export function openDrawDialog(code: string, plans: Plan[], onStart: (job: Job) => void): void {
  const previous = plans.find((plan) => plan.status === "published") ?? plans[0];
  const areas: DrawnArea[] = [];
  const constraints: Constraint[] = [];
  const message = element("p", { class: "said", role: "alert" });
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", {}, text("plan.draw")),
    div(
      "fields",
      balanceChoice(previous),
      numberField("target", 400, 1, 5000),
      numberField("lower", 300, 0, 5000),
      numberField("upper", 500, 1, 5000),
      numberField("alternatives", 1, 1, 5),
    ),
    previous ? startChoice() : null,
    dedicatedChoices(code, areas),
    constraintChoice(code, previous, constraints),
    element(
      "details",
      { class: "further" },
      element("summary", {}, text("plan.draw_further")),
      numberField("seconds", DEFAULT_SECONDS, 1, 600),
      weightChoices(),
      checkbox("whole_compounds"),
    ),
    message,
    div(
      "ways",
      element("button", { type: "submit", class: "primary" }, text("plan.draw_go")),
      button(text("page.cancel"), () => dialog.close()),
    ),
  );
  const dialog = element("dialog", { "aria-label": text("plan.draw") }, form);
  const submit = async () => {
    try {
      const request = drawRequest(new FormData(form), areas, constraints, previous);
      const job = await requestDrawing(code, request);
      dialog.close();
      history.replaceState(null, "", `/plan/c/${code}?job=${job.id}`);
      onStart(job);
    } catch (error) {
      message.textContent = (error as Error).message;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  openDialog(dialog);
}

function numberField(name: string, value: number, min: number, max: number): HTMLElement {
  const input = element("input", {
    type: "number",
    name,
    value: String(value),
    min: String(min),
    max: String(max),
    required: "",
  });
  return element("label", {}, text(`plan.draw_${name}`), input);
}

/** Whether grids get equal households or equal workload: at first as the plan before. */
function balanceChoice(previous: Plan | undefined): HTMLElement {
  const choices = ["households", "workload"].map(
    (value): Choice => [value, text(`plan.balance_${value}`)],
  );
  const attributes = { name: "balance", title: text("plan.draw_balance_help") };
  const balance = select(choices, previous?.limits.balance, undefined, attributes);
  return element("label", {}, text("plan.draw_balance"), balance);
}

function checkbox(name: string): HTMLElement {
  return element(
    "label",
    { class: "tick" },
    element("input", { type: "checkbox", name }),
    text(`plan.draw_${name}`),
  );
}

function startChoice(): HTMLElement {
  const choices: Choice[] = [
    ["", text("plan.draw_from_before")],
    ["yes", text("plan.draw_from_nothing")],
  ];
  const fresh = select(choices, "", undefined, { name: "fresh" });
  return element("label", {}, text("plan.draw_start"), fresh);
}

function weightChoices(): HTMLElement {
  const choices = Object.keys(WEIGHTS).map((name) => {
    const factors = WEIGHT_FACTORS.map(
      ([words, factor]): Choice => [String(factor), text(`plan.weight_${words}`)],
    );
    const usual = String(USUAL_FACTORS[name] ?? 1);
    const choice = select(factors, usual, undefined, { name: `weight_${name}` });
    return element("label", {}, text(`plan.weigh_${name}`), choice);
  });
  return element(
    "fieldset",
    { class: "weights" },
    element("legend", {}, text("plan.draw_weights")),
    div("fields", ...choices),
  );
}

/** What gets a grid of its own: kinds of facilities, and areas drawn on a map. */
function dedicatedChoices(code: string, areas: DrawnArea[]): HTMLElement {
  const kinds = DEDICATED_KINDS.map((kind) =>
    element(
      "label",
      { class: "tick" },
      element("input", { type: "checkbox", name: "dedicated", value: kind }),
      text(`plan.dedicated_${kind}`),
    ),
  );
  const summary = element("span", {});
  const show = () =>
    summary.replaceChildren(
      areas.length
        ? text("plan.areas_said", {
            count: formatNumber(areas.length),
            names: areas.map((area) => area.name).join("、"),
          })
        : "",
    );
  const pick = button(text("plan.areas"), () => void pickAreas(code, areas).then(show));
  return element(
    "fieldset",
    {},
    element("legend", {}, text("plan.draw_dedicated")),
    ...kinds,
    div("areas", pick, summary),
  );
}

function constraintChoice(
  code: string,
  previous: Plan | undefined,
  constraints: Constraint[],
): HTMLElement {
  const summary = element("span", {});
  const pick = button(text("plan.constraints_pick"), () => {
    const upper = Number(pick.form!.querySelector<HTMLInputElement>("[name=upper]")!.value);
    void pickConstraints(code, previous, constraints, upper).then(() =>
      summary.replaceChildren(constraintSummary(constraints)),
    );
  });
  return element(
    "fieldset",
    {},
    element("legend", {}, text("plan.constraints")),
    div("areas", pick, summary),
  );
}
