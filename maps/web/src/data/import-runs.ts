// Import runs: what each changed, and the decisions that it waits for.

import {
  button,
  type Choice,
  definitionList,
  div,
  element,
  heading,
  notify,
  openDialog,
  select,
} from "../dom";
import { openFile } from "../http";
import { formatDateTime, formatNumber, text } from "../locale";
import { session } from "../session";
import { cascadeLists } from "./cascade";
import {
  CHANGE_COLOURS,
  changeFeature,
  changeLegend,
  fitFeatures,
  setSidebar,
  showFeatures,
  statusBadge,
} from "./change-map";
import {
  type Decision,
  decideRun,
  fetchRun,
  fetchRuns,
  type Run,
  type RunReport,
  type RunStatus,
  type RunWithReport,
} from "./import-api";
import { columnName, formatColumn, formatCounts, label, layerNames } from "./labels";
import { showQuarantine } from "./quarantine";
import { changeFeatures, decisionsFor, listCoverage, totalChanges } from "./run-summary";

type Difference = NonNullable<RunReport["differences"]>[string][number];

const STEPS = ["open", "stage", "check", "wait", "diff", "publish", "consequences"];
const STATUSES: RunStatus[] = [
  "held",
  "published",
  "unchanged",
  "rejected",
  "failed",
  "rolled_back",
];
const FATES = ["added", "changed", "removed", "unchanged"];
const MAX_DIFFERENCES = 100;

export async function showRuns(
  requested: string,
  navigate: (path: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const status = STATUSES.find((name) => name === requested) ?? null;
  const { items, numberMatched } = await fetchRuns(0, status);
  signal.throwIfAborted();
  const list = element("ul", { class: "runs" }, ...items.map(runItem));
  const add = async () => {
    const next = await fetchRuns(list.children.length, status);
    list.append(...next.items.map(runItem));
    more.hidden = list.children.length >= next.numberMatched;
  };
  const more = button(text("data.more"), () => void add());
  more.hidden = items.length >= numberMatched;
  setSidebar(
    heading(text("data.runs"), text("data.runs_said", { count: formatNumber(numberMatched) })),
    statusChoice(status, navigate),
    items.length ? list : element("p", { class: "none" }, text("data.no_runs")),
    more,
  );
  showFeatures([]);
}

export async function showRun(id: number, reload: () => void, signal: AbortSignal): Promise<void> {
  const run = await fetchRun(id);
  signal.throwIfAborted();
  const quarantine = element("section");
  const layers = layerNames(run.layer);
  const decisions = decisionsFor(run, session()?.role === "admin");
  const uploaded = run.uploaded_by
    ? ` · ${text("data.uploaded_by", { name: run.uploaded_by })}`
    : "";
  const subtitle = `${run.source} · ${formatDateTime(run.started_at)}${uploaded}`;
  setSidebar(
    heading(`#${run.id} ${layers}`, subtitle),
    element("p", {}, statusBadge(run), ` ${run.failure ?? ""}`),
    ...concernList(run),
    ...approvalNote(run, decisions),
    div(
      "actions",
      ...decisions.map((decision) => decisionButton(run, decision, reload)),
      button(text("data.report"), () => void openFile(`/imports/runs/${run.id}/report`)),
    ),
    ...changeSections(run),
    ...timingLists(run),
    quarantine,
  );
  await showQuarantine(id, quarantine, reload, signal);
  showFeatures(changeFeatures(run.report));
}

/** What a run changes, or would change: counts, consequences, and the features one by one. */
export function changeSections(run: RunWithReport): HTMLElement[] {
  return [
    countTable(run),
    ...cascadeLists(run.report),
    changeLegend(),
    element("p", {}, ...coverageLines(run)),
    differenceList(run.report),
  ];
}

function statusChoice(status: RunStatus | null, navigate: (path: string) => void): HTMLElement {
  const choices = STATUSES.map((value): Choice => [value, label("status", value)]);
  return select(
    [["", text("data.all")], ...choices],
    status ?? "",
    (value) => navigate(value ? `/data?status=${value}` : "/data"),
    { "aria-label": text("data.status") },
  );
}

function runItem(run: Run): HTMLElement {
  return element(
    "li",
    {},
    element(
      "a",
      { href: `/data/runs/${run.id}` },
      element("b", {}, `#${run.id} ${layerNames(run.layer)}`),
      statusBadge(run),
      element("small", {}, `${formatDateTime(run.started_at)} · ${run.source}`),
      element("small", {}, formatCounts(totalChanges(run))),
    ),
  );
}

function approvalNote({ status }: Run, decisions: Decision[]): HTMLElement[] {
  if (status !== "held" || decisions.includes("approve")) return [];
  return [element("p", { class: "none" }, text("data.wait_for_admin"))];
}

export function concernList({ concerns }: Run): HTMLElement[] {
  if (concerns.length === 0) return [];
  const rows = concerns.map(({ said }) => element("li", {}, said));
  return [div("trouble", element("ul", {}, ...rows))];
}

function countTable({ counts }: Run): HTMLElement {
  const rows = Object.entries(counts).map(([layer, changes]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, label("layer", layer)),
      ...FATES.map((fate) => element("td", {}, formatNumber(changes[fate] ?? 0))),
    ),
  );
  const heads = FATES.map((fate) => element("th", { scope: "col" }, label("count", fate)));
  return element(
    "table",
    { class: "card" },
    element("thead", {}, element("tr", {}, element("td"), ...heads)),
    element("tbody", {}, ...rows),
  );
}

/** Seconds by step; for a run that was held, before and after its approval. */
function timingLists({ timings, report }: RunWithReport): HTMLElement[] {
  const beforeApproval = report.timings_until_held;
  if (!beforeApproval) return [timingList(timings)];
  return [
    element("h2", {}, text("data.until_held")),
    timingList(beforeApproval),
    element("h2", {}, text("data.approved")),
    timingList(timings),
  ];
}

function timingList(seconds: Record<string, number>): HTMLElement {
  const steps = STEPS.filter((step) => step in seconds);
  return definitionList(
    steps.map((step) => [label("step", step), `${seconds[step]!.toFixed(1)} s`]),
  );
}

function coverageLines(run: RunWithReport): HTMLElement[] {
  return listCoverage(run).map(({ layer, listed, changed, hasDensity }) => {
    const line = text("report.shown_of", {
      layer: label("layer", layer),
      shown: formatNumber(listed),
      count: formatNumber(changed),
    });
    return element("small", {}, `${line}${hasDensity ? text("data.density") : ""} `);
  });
}

function differenceList({ differences = {} }: RunReport): HTMLElement {
  const rows = Object.entries(differences).flatMap(([layer, changes]) =>
    changes.slice(0, MAX_DIFFERENCES).map((change) => differenceItem(layer, change)),
  );
  return element(
    "details",
    {},
    element("summary", {}, text("data.differences")),
    element("ul", { class: "runs" }, ...rows),
  );
}

function differenceItem(
  layer: string,
  { code, fate, columns, values = {}, shape, before }: Difference,
): HTMLElement {
  const mark = element("i", { class: "mark" });
  mark.style.background = CHANGE_COLOURS[fate];
  const names = columns?.map(columnName).join(text("page.and"));
  const words = `${label("layer", layer)} ${code}${names ? ` (${names})` : ""}`;
  const show = () =>
    fitFeatures([shape, before].flatMap((one) => (one ? [changeFeature(one, "")] : [])));
  const rows = Object.entries(values).map(([column, pair]): [string, string] => [
    columnName(column),
    pair
      .slice(fate === "added" ? 1 : 0, fate === "removed" ? 1 : 2)
      .map((value) => formatColumn(column, value))
      .join(" → "),
  ]);
  const list = definitionList(rows);
  const isOpen = fate === "changed" || !rows.length;
  const details = isOpen
    ? list
    : element("details", {}, element("summary", {}, text("data.values")), list);
  return element("li", {}, mark, button(words, show, { class: "quiet" }), details);
}

function decisionButton(run: Run, decision: Decision, reload: () => void): HTMLElement {
  return button(text(`data.${decision}`), () => confirmDecision(run, decision, reload), {
    class: decision === "approve" ? "primary" : "",
    title: text(`data.${decision}_help`),
  });
}

/** Ask in a dialog, then approve, dismiss or roll back. */
function confirmDecision(run: Run, decision: Decision, reload: () => void): void {
  const message = element("p", { class: "said", role: "alert" });
  const withLater = element("input", { type: "checkbox" });
  const showStep = (step: string) => {
    message.textContent = STEPS.includes(step) ? label("step", step) : text("data.working");
  };
  const decide = async () => {
    confirm.disabled = true;
    try {
      await decideRun(run.id, decision, withLater.checked, showStep);
      dialog.close();
      notify(text(`data.${decision}_done`), undefined, "calm");
      reload();
    } catch (error) {
      message.textContent = (error as Error).message;
      confirm.disabled = false;
    }
  };
  const confirm = button(text(`data.${decision}`), () => void decide(), { class: "primary" });
  const counts = formatCounts(totalChanges(run));
  const dialog = element(
    "dialog",
    { "aria-label": text(`data.${decision}`) },
    element("h2", {}, text(`data.${decision}_question`, { run: run.id })),
    element("p", {}, `${text(`data.${decision}_help`)} ${counts}`),
    decision === "rollback"
      ? element("label", { class: "tick" }, withLater, text("data.with_later"))
      : null,
    message,
    div(
      "ways",
      confirm,
      button(text("page.cancel"), () => dialog.close()),
    ),
  );
  openDialog(dialog);
}
