// The heading of a plan and its actions: undo, split, print, publish and so on.

import { button, type Child, div, element, elementById, icon, notify } from "../dom";
import { text } from "../locale";
import type { Draft } from "./draft";
import { openFileDialog } from "./file-dialog";
import { ICONS, type IconName } from "./icons";
import { copyPlan, fetchPlans, type Plan, requestCompletion, requestMicroGrids } from "./plan-api";
import { openPrintDialog } from "./print-dialog";
import { openPublishDialog } from "./publish-dialog";
import { goTo } from "./route";
import { limitsText } from "./sizes";

export interface PlanActionOptions {
  draft: Draft;
  canSplit: boolean;
  canMerge: boolean;
  split(): void;
  merge(): void;
}

export function planHeading(plan: Plan): HTMLElement {
  return div(
    "heading",
    element(
      "h1",
      {},
      plan.community,
      element("small", {}, ` ${text("page.version", { version: plan.version })}`),
    ),
    element("p", {}, limitsText(plan.limits)),
  );
}

export function planActions(options: PlanActionOptions): HTMLElement {
  const { draft } = options;
  return div(
    "actions",
    ...(draft.isEditable ? editActions(options) : readOnlyActions(draft.plan)),
    ...linkActions(draft),
    draft.isEditable
      ? button(text("plan.publish"), () => void openPublishDialog(draft), { class: "primary" })
      : null,
  );
}

function editActions({ draft, canSplit, canMerge, split, merge }: PlanActionOptions) {
  const { plan } = draft;
  const isLocked = [...draft.grids.values()].every((grid) => grid.locked);
  const lock = () => draft.send({ kind: "lock", grids: "all", locked: !isLocked });
  return [
    actionButton("undo", () => void draft.step("undo"), plan.undo > 0),
    actionButton("redo", () => void draft.step("redo"), plan.redo > 0),
    actionButton("split", split, canSplit),
    actionButton("merge", merge, canMerge),
    actionButton(isLocked ? "unlock" : "lock", lock, true),
    element("span", { class: "gap" }),
    button(text("plan.complete"), () => void completePlan(plan), {
      title: text("plan.complete_help"),
    }),
  ];
}

function actionButton(name: IconName, run: () => void, isEnabled: boolean): HTMLElement {
  const item = button(icon(ICONS[name]), run, {
    class: "tool",
    title: text(`plan.${name}_help`),
    "aria-label": text(`plan.${name}`),
    "data-act": name,
  });
  item.disabled = !isEnabled;
  return item;
}

function readOnlyActions(plan: Plan): HTMLElement[] {
  return [
    element("span", { class: `badge ${plan.status}` }, text(`plan.status_${plan.status}`)),
    plan.status === "draft"
      ? button(text("plan.edit"), () => goTo(`/plan/p/${plan.id}`), {})
      : button(text("plan.copy"), () => void openCopy(plan), { class: "primary" }),
  ];
}

function linkActions(draft: Draft): Child[] {
  const link = (name: string, run: () => void) =>
    button(text(`plan.${name}`), run, { title: text(`plan.${name}_help`) });
  return [
    draft.plan.status === "archived" ? null : microGridButton(draft),
    link("compare", () => void compare(draft.plan)),
    link("print", () => openPrintDialog(draft)),
    link("files", () => openFileDialog(draft)),
    link("share", () => void share(draft.plan)),
  ];
}

function microGridButton(draft: Draft): HTMLElement {
  return button(text("plan.micro"), () => void divideGrids(draft), {
    title: text("plan.micro_help"),
    "data-act": "micro",
  });
}

async function divideGrids(draft: Draft): Promise<void> {
  try {
    await draft.flush();
    const job = await requestMicroGrids(draft.plan.id);
    goTo(`/plan/c/${draft.plan.community_code}?job=${job.id}`);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function openCopy(plan: Plan): Promise<void> {
  try {
    const copy = await copyPlan(plan.id);
    goTo(`/plan/p/${copy.id}`);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function share(plan: Plan): Promise<void> {
  const address = `${location.origin}/plan/p/${plan.id}?view${location.hash}`;
  await navigator.clipboard.writeText(address).then(
    () => notify(text("plan.shared"), undefined, "calm"),
    () => notify(address, undefined, "calm"),
  );
}

async function compare({ id, community_code }: Plan): Promise<void> {
  const others = (await fetchPlans(community_code)).filter((plan) => plan.id !== id);
  const other = others.find((plan) => plan.status === "published") ?? others[0];
  if (other) goTo(`/plan/p/${id}/compare/${other.id}`);
  else notify(text("plan.nothing_to_compare"));
}

async function completePlan(plan: Plan): Promise<void> {
  try {
    const job = await requestCompletion(plan.id);
    goTo(`/plan/c/${plan.community_code}?job=${job.id}`);
  } catch (error) {
    notify((error as Error).message);
  }
}

/** Show whether the edits are saved, and the revision. */
export function showSaveState({ plan, isSaving, isEditable }: Draft): void {
  const saved = isEditable ? "saved" : "read_only";
  const key = isSaving ? "saving" : saved;
  elementById("state").textContent = text(`plan.${key}`, { revision: plan.revision });
  elementById("state").className = key;
}
