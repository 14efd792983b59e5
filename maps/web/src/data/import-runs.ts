// Runs of imports: what each changed, and what may be done about it.

import type { Feature } from "geojson";

import { button, definitionList, element, notify } from "../dom";
import { openFile } from "../http";
import { formatNumber, text } from "../locale";
import { consequences } from "./cascade";
import {
  badge,
  CHANGES,
  draw,
  heading,
  layersSaid,
  legend,
  said,
  side,
  when,
  zoom,
} from "./change-map";
import type { Run, Told, Way } from "./import-api";
import * as api from "./import-api";
import { showQuarantine } from "./quarantine";

const STEPS = ["open", "stage", "check", "wait", "diff", "publish", "consequences"];

export async function showRuns(status: string, go: (path: string) => void): Promise<void> {
  const { items, numberMatched } = await api.runs(0, status);
  const list = element("ul", { class: "runs" }, ...items.map(runLine));
  const more = button(text("data.more"), () => void add(), {});
  const add = async () => {
    const next = await api.runs(list.children.length, status);
    list.append(...next.items.map(runLine));
    more.hidden = list.children.length >= next.numberMatched;
  };
  more.hidden = items.length >= numberMatched;
  const choice = element("select", { "aria-label": text("data.status") });
  for (const value of ["", "held", "published", "unchanged", "rejected", "failed", "rolled_back"]) {
    const option = element("option", { value }, value ? said("status", value) : text("data.all"));
    option.selected = value === status;
    choice.append(option);
  }
  choice.addEventListener("change", () =>
    go(choice.value ? `/data?status=${choice.value}` : "/data"),
  );
  side(
    heading(text("data.runs"), text("data.runs_said", { count: formatNumber(numberMatched) })),
    choice,
    items.length ? list : element("p", { class: "none" }, text("data.no_runs")),
    more,
  );
  draw([]);
}

function runLine(run: Run): HTMLElement {
  return element(
    "li",
    {},
    element(
      "a",
      { href: `/data/runs/${run.id}` },
      element("b", {}, `#${run.id} ${layersSaid(run.layer)}`),
      badge(run.status),
      element("small", {}, `${when(run.started_at)} · ${run.source}`),
      element("small", {}, counted(run)),
    ),
  );
}

export async function showRun(id: number, again: () => void): Promise<void> {
  const run = await api.run(id);
  const ways = api.waysOf(run).map((way) =>
    button(text(`data.${way}`), () => decide(run, way, again), {
      class: way === "approve" ? "primary" : "",
      title: text(`data.${way}_help`),
    }),
  );
  const held = element("section");
  side(
    heading(`#${run.id} ${layersSaid(run.layer)}`, `${run.source} · ${when(run.started_at)}`),
    element("p", {}, badge(run.status), run.failure ?? ""),
    ...(run.concerns.length
      ? [
          element(
            "div",
            { class: "trouble" },
            element("ul", {}, ...run.concerns.map((one) => element("li", {}, one.said))),
          ),
        ]
      : []),
    element(
      "div",
      { class: "actions" },
      ...ways,
      button(text("data.report"), () => void openFile(`/imports/runs/${run.id}/report`)),
    ),
    countTable(run),
    ...consequences(run),
    ...timings(run),
    legend(),
    element("p", {}, ...shownOf(run).map((line) => element("small", {}, line))),
    differences(run),
    held,
  );
  await showQuarantine(id, held, again);
  draw(changed(run));
}

function countTable(run: Run): HTMLElement {
  const fates = ["added", "changed", "removed", "unchanged"];
  const rows = Object.entries(run.counts).map(([layer, counts]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, said("layer", layer)),
      ...fates.map((fate) => element("td", {}, formatNumber(counts[fate] ?? 0))),
    ),
  );
  const head = element(
    "tr",
    {},
    element("td"),
    ...fates.map((fate) => element("th", { scope: "col" }, said("count", fate))),
  );
  return element(
    "table",
    { class: "card" },
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
}

/** Seconds a step; of a run that was held, until then and after it was approved. */
function timings(run: Told): HTMLElement[] {
  const listed = (steps: Record<string, number>) =>
    definitionList(
      STEPS.filter((step) => step in steps).map((step): [string, string] => [
        said("step", step),
        `${steps[step]!.toFixed(1)} s`,
      ]),
    );
  const until = run.report.timings_until_held;
  if (!until) return [listed(run.timings)];
  return [
    element("h2", {}, text("data.until_held")),
    listed(until),
    element("h2", {}, text("data.approved")),
    listed(run.timings),
  ];
}

/** How many of the differences the map shows one by one. */
function shownOf(run: Told): string[] {
  return Object.entries(run.report.differences ?? {}).map(([layer, found]) => {
    const counts = run.counts[layer] ?? {};
    const count = (counts.added ?? 0) + (counts.changed ?? 0) + (counts.removed ?? 0);
    const line = text("data.shown_of", {
      layer: said("layer", layer),
      shown: formatNumber(found.length),
      count: formatNumber(count),
    });
    return run.report.density?.[layer] ? `${line}${text("data.density")} ` : `${line} `;
  });
}

function differences(run: Told): HTMLElement {
  const rows = Object.entries(run.report.differences ?? {}).flatMap(([layer, found]) =>
    found.slice(0, 100).map((one) => {
      const mark = element("i", { class: "mark" });
      mark.style.background = CHANGES[one.fate] ?? "";
      const words = `${said("layer", layer)} ${one.code}${one.columns ? ` (${one.columns.join(", ")})` : ""}`;
      const show = button(
        words,
        () => one.shape && zoom([{ type: "Feature", geometry: one.shape, properties: {} }]),
        { class: "quiet" },
      );
      return element("li", {}, mark, show);
    }),
  );
  return element(
    "details",
    {},
    element("summary", {}, text("data.differences")),
    element("ul", { class: "runs" }, ...rows),
  );
}

function changed(run: Told): Feature[] {
  return [...dense(run), ...outlined(run)];
}

/** Where the differences are too many to be outlined: squares, the deeper the more they hold. */
function dense(run: Told): Feature[] {
  return Object.values(run.report.density ?? {}).flatMap(({ cell, cells }) => {
    const most = Math.max(...cells.map(({ count }) => count));
    return cells.map(({ lon, lat, fate, count }): Feature => {
      const ring = [
        [lon, lat],
        [lon + cell, lat],
        [lon + cell, lat + cell],
        [lon, lat + cell],
        [lon, lat],
      ];
      return {
        type: "Feature",
        geometry: { type: "Polygon", coordinates: [ring] },
        properties: { change: fate, depth: 0.1 + 0.5 * Math.sqrt(count / most) },
      };
    });
  });
}

function outlined(run: Told): Feature[] {
  return Object.values(run.report.differences ?? {})
    .flat()
    .flatMap((one) =>
      one.shape
        ? [{ type: "Feature", geometry: one.shape, properties: { change: one.fate } } as Feature]
        : [],
    );
}

/** Ask, then approve, dismiss or roll back. */
function decide(run: Run, way: Way, again: () => void): void {
  const refused = element("p", { class: "said", role: "alert" });
  const dialog = element("dialog", { "aria-label": text(`data.${way}`) });
  const later = element("input", { type: "checkbox" });
  const yes = button(
    text(`data.${way}`),
    () => {
      api.act(run.id, way, later.checked).then(
        () => {
          dialog.remove();
          notify(text(`data.${way}_done`), undefined, "calm");
          again();
        },
        (error: Error) => (refused.textContent = error.message),
      );
    },
    { class: "primary" },
  );
  dialog.append(
    element("h2", {}, text(`data.${way}_question`, { run: run.id })),
    element("p", {}, `${text(`data.${way}_help`)} ${counted(run)}`),
    ...(way === "rollback"
      ? [element("label", { class: "tick" }, later, text("data.with_later"))]
      : []),
    refused,
    element(
      "div",
      { class: "ways" },
      yes,
      button(text("data.leave_it"), () => dialog.remove()),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

function counted(run: Run): string {
  const sums: api.Counts = {};
  for (const counts of Object.values(run.counts)) {
    for (const [fate, count] of Object.entries(counts)) sums[fate] = (sums[fate] ?? 0) + count;
  }
  if (run.waiting) sums.held = run.waiting;
  return Object.entries(sums)
    .filter(([fate, count]) => count > 0 && fate !== "unchanged")
    .map(([fate, count]) => `${said("count", fate)} ${formatNumber(count)}`)
    .join(" · ");
}
