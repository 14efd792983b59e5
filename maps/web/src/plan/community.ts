// A community: its plans with their score cards side by side, and drawing new ones.

import { button, div, element, elementById, heading, notify } from "../dom";
import { formatDateTime, text } from "../locale";
import { openDrawDialog } from "./draw-dialog";
import { waitForJob } from "./job-progress";
import {
  discardPlan,
  fetchCommunities,
  fetchGrids,
  fetchJob,
  fetchPlans,
  type Job,
  type Plan,
} from "./plan-api";
import { openRestoreDialog } from "./publish-dialog";
import { goTo } from "./route";
import { reasonTexts, scoreTable } from "./score-table";
import { limitsText } from "./sizes";
import { planThumbnail } from "./thumbnail";

const MAX_COMPARED = 4;

export async function showCommunity(
  code: string,
  job: number | null,
  loadGridColours: () => Promise<string[]>,
  signal: AbortSignal,
): Promise<void> {
  const plans = await fetchPlans(code);
  const name = plans[0]?.community ?? (await fetchCommunityName(code));
  signal.throwIfAborted();
  const compared = new Set(
    plans
      .filter((plan) => plan.status !== "archived")
      .slice(0, MAX_COMPARED)
      .map((plan) => plan.id),
  );
  const table = element("div", { class: "compare" });
  const showTable = () => {
    const shown = plans.filter((plan) => compared.has(plan.id));
    table.replaceChildren(...(shown.length ? [scoreTable(shown), ...reasonLists(shown)] : []));
  };
  const setCompared = (plan: Plan, isCompared: boolean) => {
    if (isCompared) compared.add(plan.id);
    else compared.delete(plan.id);
    showTable();
  };
  showTable();
  const cards = plans.map((plan) => {
    const card = planCard(plan, compared.has(plan.id), (isCompared) =>
      setCompared(plan, isCompared),
    );
    void addThumbnail(card, plan, loadGridColours);
    return card;
  });
  const progress = element("div", { class: "progress", role: "status", hidden: "" });
  const draw = () => openDrawDialog(code, plans, (job) => void followJob(job, code, progress));
  elementById("side").replaceChildren(
    heading(name, code),
    div(
      "actions",
      button(text("plan.draw"), draw, { class: "primary", id: "draw" }),
      element("a", { href: `/plan/what-if?community=${code}` }, text("what_if.title")),
    ),
    progress,
    plans.length ? div("cards", ...cards) : element("p", { class: "none" }, text("plan.no_plans")),
    table,
  );
  if (job !== null) void followJob(await fetchJob(job), code, progress);
}

async function fetchCommunityName(code: string): Promise<string> {
  const [community] = await fetchCommunities(code);
  return community?.properties.name ?? code;
}

function reasonLists(plans: Plan[]): HTMLElement[] {
  return plans.flatMap(({ score, version }) => {
    const rows = reasonTexts(score).map((reason) => element("li", {}, reason));
    if (rows.length === 0) return [];
    return [
      element("h3", {}, text("page.version", { version })),
      element("ul", { class: "reasons" }, ...rows),
    ];
  });
}

function planCard(
  plan: Plan,
  isCompared: boolean,
  onCompare: (isCompared: boolean) => void,
): HTMLElement {
  const { version, status } = plan;
  const href = `/plan/p/${plan.id}`;
  const tick = element("input", { type: "checkbox" });
  tick.checked = isCompared;
  tick.setAttribute("aria-label", text("plan.side_by_side", { version }));
  tick.addEventListener("change", () => onCompare(tick.checked));
  const when = formatDateTime(plan.published_at ?? plan.created_at);
  const traits = (plan.score.traits ?? []).map((trait) => text(`trait.${trait}`)).join(" · ");
  const stale = { class: "badge stale", title: text("plan.stale_help") };
  return element(
    "article",
    { class: `plan ${status}` },
    element("a", { href, class: "picture", tabindex: "-1", "aria-hidden": "true" }),
    element(
      "div",
      {},
      element("h2", {}, element("a", { href }, text("page.version", { version }))),
      element("span", { class: `badge ${status}` }, text(`plan.status_${status}`)),
      plan.stale ? element("span", stale, text("plan.state_stale")) : null,
      element("p", {}, [plan.author, when, traits].filter(Boolean).join(" · ")),
      element("p", {}, limitsText(plan.limits)),
      plan.note ? element("p", { class: "note" }, plan.note) : null,
      element("label", {}, tick, text("plan.in_table")),
      status === "draft"
        ? button(text("plan.discard"), () => void discard(plan), { class: "quiet" })
        : null,
      status === "archived"
        ? button(text("plan.restore"), () => void restore(plan), { class: "quiet" })
        : null,
    ),
  );
}

async function addThumbnail(
  card: HTMLElement,
  plan: Plan,
  loadGridColours: () => Promise<string[]>,
): Promise<void> {
  const [grids, colours] = await Promise.all([fetchGrids(plan.id), loadGridColours()]);
  card.querySelector(".picture")?.append(planThumbnail(grids, colours));
}

async function restore(plan: Plan): Promise<void> {
  try {
    await openRestoreDialog(plan);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function discard(plan: Plan): Promise<void> {
  if (!confirm(text("plan.discard_question", { version: plan.version }))) return;
  try {
    await discardPlan(plan);
    goTo(location.pathname);
  } catch (error) {
    notify((error as Error).message);
  }
}

/** Show the progress of a job until it ends, then its plans. */
async function followJob(job: Job, code: string, container: HTMLElement): Promise<void> {
  container.hidden = false;
  try {
    const ended = await waitForJob(job, container, text("plan.drawing"));
    if (container.isConnected) showJobResult(ended, code);
  } catch (error) {
    notify((error as Error).message);
  } finally {
    container.hidden = true;
  }
}

function showJobResult({ status, kind, plans, wanted, problem }: Job, code: string): void {
  if (status === "failed") notify(problem?.detail ?? text("plan.draw_failed"));
  else if (status !== "done") notify(text("plan.cancelled"), undefined, "calm");
  else if (plans.length === 1 && kind !== "alternatives") goTo(`/plan/p/${plans[0]}`);
  else {
    goTo(`/plan/c/${code}`);
    if (plans.length >= wanted) return;
    notify(text("trait.fewer", { count: plans.length, asked: wanted }), undefined, "calm");
  }
}
