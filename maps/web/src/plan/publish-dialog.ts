// Publishing a plan or restoring an archived one: who moves, breaches, and a note.

import { div, element, notify } from "../dom";
import { openFormDialog } from "../form-dialog";
import { ProblemError } from "../http";
import { formatNumber, text } from "../locale";
import type { Draft } from "./draft";
import { movedList } from "./moved-list";
import {
  fetchBreaches,
  fetchComparison,
  fetchMovedAtoms,
  fetchPlans,
  type Plan,
  publishPlan,
  restorePlan,
} from "./plan-api";
import { goTo } from "./route";

export async function openPublishDialog(draft: Draft): Promise<void> {
  const { plan } = draft;
  const [breaches, moves] = await Promise.all([
    fetchBreaches(plan.id),
    movesFromPlanInForce(plan, (building) => draft.buildingName(building)),
  ]);
  const note = element("textarea", { id: "note", rows: "3", maxlength: "500" });
  const rows = breaches.map(({ detail }) => element("li", {}, detail));
  openFormDialog({
    action: text("plan.publish"),
    title: text("plan.publish_question", { community: plan.community, version: plan.version }),
    content: [
      publishMeans(),
      moves,
      rows.length ? div("trouble", element("ul", {}, ...rows)) : "",
      element("label", { for: "note" }, text("plan.note"), note),
    ],
    confirm: async () => {
      try {
        await publishPlan(plan.id, draft.plan.revision, note.value);
      } catch (error) {
        if (error instanceof ProblemError && error.status === 412) await draft.reload();
        throw error;
      }
      notify(text("plan.published"), undefined, "calm");
      goTo(`/plan/c/${plan.community_code}`);
    },
  });
}

export async function openRestoreDialog(plan: Plan): Promise<void> {
  const moves = await movesFromPlanInForce(plan, (building) => building);
  openFormDialog({
    action: text("plan.restore"),
    title: text("plan.restore_question", { version: plan.version }),
    content: [publishMeans(), moves],
    confirm: async () => {
      const { version } = await restorePlan(plan.id);
      notify(text("plan.restored", { version }), undefined, "calm");
      goTo(`/plan/c/${plan.community_code}`);
    },
  });
}

function publishMeans(): HTMLElement {
  return element("p", {}, text("plan.publish_means"));
}

/** Whose grid changes when a plan takes the place of the one in force. */
async function movesFromPlanInForce(
  { id, community_code }: Plan,
  nameOf: (building: string) => string,
): Promise<HTMLElement> {
  const inForce = (await fetchPlans(community_code)).find(({ status }) => status === "published");
  if (!inForce) return element("p", { class: "none" }, text("plan.first_plan"));
  const [figures, moved] = await Promise.all([
    fetchComparison(id, inForce.id),
    fetchMovedAtoms(id, inForce.id),
  ]);
  const sum = text("plan.moving_sum", {
    version: inForce.version,
    buildings: figures.moved_buildings,
    households: formatNumber(figures.moved_households),
  });
  const atoms = moved.features.map(({ properties }) => properties);
  return element(
    "section",
    { class: "moves" },
    element("h3", {}, text("plan.who_moves")),
    figures.moved_buildings ? element("p", {}, sum) : "",
    movedList(atoms, { nameOf }),
  );
}
