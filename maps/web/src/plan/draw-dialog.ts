// What a drawing is asked for: limits, weights, time, and what gets a grid of its own.

import { button, element } from "../dom";
import { formatNumber, text } from "../locale";
import { type Area, pickAreas } from "./area-picker";
import { pickWishes, said as saidOf, sent, type Wish } from "./constraint-picker";
import type { Job, Plan } from "./plan-api";
import * as api from "./plan-api";

/** Kinds of facility that may have a grid of their own. */
const DEDICATED = ["school", "market", "hospital", "park"];

/** What each fault costs (geo.partition.objective.Weights), as far as a planner weighs it. */
export const WEIGHTS = { balance: 30, border: 1, compactness: 15, compound: 60, moved: 1 };
type Weight = keyof typeof WEIGHTS;

/** How much more or less a fault may weigh. */
const FACTORS: [string, number][] = [
  ["none", 0],
  ["less", 0.3],
  ["usual", 1],
  ["more", 3],
  ["most", 10],
];

const SECONDS = 60;

export function drawDialog(code: string, plans: Plan[], begun: (job: Job) => void): void {
  const before = plans.find((plan) => plan.status === "published") ?? plans[0];
  const areas: Area[] = [];
  const wishes: Wish[] = [];
  const said = element("p", { class: "said", role: "alert" });
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", {}, text("plan.draw")),
    element(
      "div",
      { class: "fields" },
      figure("target", 400, 1, 5000),
      figure("lower", 300, 0, 5000),
      figure("upper", 500, 1, 5000),
      figure("alternatives", 1, 1, 5),
    ),
    before ? start() : null,
    own(code, areas),
    buildings(code, before, wishes),
    element(
      "details",
      { class: "further" },
      element("summary", {}, text("plan.draw_further")),
      figure("seconds", SECONDS, 1, 600),
      weights(),
      tick("whole_compounds"),
    ),
    said,
    element(
      "div",
      { class: "ways" },
      element("button", { type: "submit", class: "primary" }, text("plan.draw_go")),
      button(text("plan.leave_it"), () => dialog.close()),
    ),
  );
  const dialog = element("dialog", { "aria-label": text("plan.draw") }, form);
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    api.draw(code, asked(new FormData(form), areas, wishes, before)).then(
      (job) => {
        dialog.close();
        history.replaceState(null, "", `/plan/c/${code}?job=${job.id}`);
        begun(job);
      },
      (error: Error) => (said.textContent = error.message),
    );
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** What is sent: nothing that is as usual. */
function asked(
  given: FormData,
  areas: Area[],
  wishes: Wish[],
  before: Plan | undefined,
): Record<string, unknown> {
  const whole = (name: string) => Number(given.get(name));
  const body: Record<string, unknown> = {
    target: whole("target"),
    lower: whole("lower"),
    upper: whole("upper"),
    alternatives: whole("alternatives"),
  };
  const heavier = Object.entries(WEIGHTS).filter(([name]) => given.get(name) !== "1");
  if (heavier.length)
    body.weights = Object.fromEntries(heavier.map(([name, usual]) => [name, usual * whole(name)]));
  if (whole("seconds") !== SECONDS) body.seconds = whole("seconds");
  if (given.get("whole_compounds")) body.whole_compounds = true;
  if (given.getAll("dedicated").length) body.dedicated = given.getAll("dedicated");
  if (areas.length) body.areas = areas.map(({ name, geometry }) => ({ name, geometry }));
  const fresh = before === undefined || Boolean(given.get("fresh"));
  if (fresh) body.fresh = true;
  return { ...body, ...sent(wishes, fresh ? undefined : before) };
}

function figure(name: string, value: number, least: number, most: number): HTMLElement {
  const input = element("input", {
    type: "number",
    name,
    value: String(value),
    min: String(least),
    max: String(most),
    required: "",
  });
  return element("label", {}, text(`plan.draw_${name}`), input);
}

function tick(name: string): HTMLElement {
  return element(
    "label",
    { class: "tick" },
    element("input", { type: "checkbox", name }),
    text(`plan.draw_${name}`),
  );
}

function start(): HTMLElement {
  const fresh = element("select", { name: "fresh" });
  fresh.append(
    element("option", { value: "" }, text("plan.draw_from_before")),
    element("option", { value: "yes" }, text("plan.draw_from_nothing")),
  );
  return element("label", {}, text("plan.draw_start"), fresh);
}

function weights(): HTMLElement {
  const choices = (Object.keys(WEIGHTS) as Weight[]).map((name) => {
    const choice = element("select", { name });
    for (const [words, factor] of FACTORS)
      choice.append(
        element(
          "option",
          { value: String(factor), ...(factor === 1 ? { selected: "" } : {}) },
          text(`plan.weight_${words}`),
        ),
      );
    return element("label", {}, text(`plan.weigh_${name}`), choice);
  });
  return element(
    "fieldset",
    { class: "weights" },
    element("legend", {}, text("plan.draw_weights")),
    element("div", { class: "fields" }, ...choices),
  );
}

/** What gets a grid of its own: facilities by their kind, and areas drawn on a map. */
function own(code: string, areas: Area[]): HTMLElement {
  const kinds = DEDICATED.map((kind) =>
    element(
      "label",
      { class: "tick" },
      element("input", { type: "checkbox", name: "dedicated", value: kind }),
      text(`plan.dedicated_${kind}`),
    ),
  );
  const drawn = element("span", {});
  const show = () =>
    drawn.replaceChildren(
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
    element("div", { class: "areas" }, pick, drawn),
  );
}

/** What is wished of single buildings. */
function buildings(code: string, before: Plan | undefined, wishes: Wish[]): HTMLElement {
  const told = element("span", {});
  const pick = button(text("plan.wishes_pick"), () => {
    const upper = Number(pick.form!.querySelector<HTMLInputElement>("[name=upper]")!.value);
    void pickWishes(code, before, wishes, upper).then(() => told.replaceChildren(saidOf(wishes)));
  });
  return element(
    "fieldset",
    {},
    element("legend", {}, text("plan.wishes")),
    element("div", { class: "areas" }, pick, told),
  );
}
