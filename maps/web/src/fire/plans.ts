// The plans attached to a building: opened in a tab, attached and removed in the panel.

import { button, element } from "../dom";
import { text } from "../locale";
import type { Layout } from "./fire-api";

const ACCEPTED = "application/pdf,image/jpeg,image/png,image/webp";
const MAX_TITLE_LENGTH = "100";

type Plan = Layout["plans"][number];

interface PlanActions {
  openPlan(code: string, number: number): void;
  attachPlan(code: string, form: FormData): void;
  removePlan(code: string, number: number): void;
}

/** The plans of a building, and a form to attach another one. */
export function plansSection({ code, plans }: Layout, actions: PlanActions): HTMLElement {
  const list = plans.length
    ? element("ul", { class: "lines" }, ...plans.map((plan) => planItem(code, plan, actions)))
    : element("p", { class: "none" }, text("fire.no_plans"));
  const attach = button(text("fire.attach_plan"), () => {
    const form = planForm(code, actions);
    attach.replaceWith(form);
    form.querySelector("input")?.focus();
  });
  return element(
    "section",
    { class: "plans" },
    element("h2", {}, text("fire.plans")),
    list,
    attach,
  );
}

function planItem(code: string, plan: Plan, actions: PlanActions): HTMLElement {
  const removal = text("fire.plan_remove", { title: plan.title });
  return element(
    "li",
    {},
    button(plan.title, () => actions.openPlan(code, plan.id), { class: "quiet" }),
    element("span", {}, text("fire.plan_pages", { pages: plan.pages })),
    button("×", () => actions.removePlan(code, plan.id), {
      class: "quiet",
      "aria-label": removal,
      title: removal,
    }),
  );
}

function planForm(code: string, actions: PlanActions): HTMLFormElement {
  const title = element("input", { name: "title", maxlength: MAX_TITLE_LENGTH, required: "" });
  const file = element("input", { name: "plan", type: "file", accept: ACCEPTED, required: "" });
  const form = element(
    "form",
    {},
    element("label", {}, text("fire.plan_title"), title),
    element("label", {}, text("fire.plan_file"), file),
    element("button", { type: "submit", class: "primary" }, text("fire.plan_attach")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    actions.attachPlan(code, new FormData(form));
  });
  return form;
}
