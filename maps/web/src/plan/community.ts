// A community: its plans with their score cards side by side, and drawing new ones.

import { button, element, elementById, notify } from "../dom";
import { ask, listen } from "../http";
import { formatNumber, text } from "../locale";
import { rings } from "./coverage";
import { drawDialog } from "./draw-dialog";
import type { Job, Plan } from "./plan-api";
import * as api from "./plan-api";
import { go } from "./route";
import { reasons, scoreTable } from "./score-table";

const SHOWN = 4;

export async function showCommunity(
  code: string,
  job: string | null,
  fills: () => Promise<string[]>,
): Promise<void> {
  const plans = await api.plans(code);
  const name = plans[0]?.community ?? (await communityName(code));
  const chosen = new Set(
    plans
      .filter((plan) => plan.status !== "archived")
      .slice(0, SHOWN)
      .map((plan) => plan.id),
  );
  const cards = element("div", { class: "cards" });
  const table = element("div", { class: "compare" });
  const show = () => {
    const shown = plans.filter((plan) => chosen.has(plan.id));
    table.replaceChildren(...(shown.length ? [scoreTable(shown), ...because(shown)] : []));
  };
  for (const plan of plans) cards.append(planCard(plan, chosen, show, fills));
  show();
  const progress = element("div", { class: "progress", role: "status", hidden: "" });
  elementById("side").replaceChildren(
    element("div", { class: "heading" }, element("h1", {}, name), element("p", {}, code)),
    element(
      "div",
      { class: "actions" },
      button(
        text("plan.draw"),
        () => drawDialog(code, plans, (job) => void follow(job, code, progress)),
        { class: "primary", id: "draw" },
      ),
    ),
    progress,
    plans.length ? cards : element("p", { class: "none" }, text("plan.no_plans")),
    table,
  );
  if (job) void follow(await ask<Job>(`/jobs/${job}`), code, progress);
}

async function communityName(code: string): Promise<string> {
  const found = await api.communities(code);
  return found[0]?.properties.name ?? code;
}

function because(shown: Plan[]): HTMLElement[] {
  return shown.flatMap((plan) => {
    const lines = reasons(plan.score);
    if (lines.length === 0) return [];
    const rows = lines.map((line) => element("li", {}, line));
    return [
      element("h3", {}, text("plan.version", { version: plan.version })),
      element("ul", { class: "reasons" }, ...rows),
    ];
  });
}

function planCard(
  plan: Plan,
  chosen: Set<number>,
  show: () => void,
  fills: () => Promise<string[]>,
): HTMLElement {
  const when = new Date(plan.published_at ?? plan.created_at).toLocaleString(
    document.documentElement.lang,
    {
      dateStyle: "medium",
      timeStyle: "short",
    },
  );
  const tick = element("input", { type: "checkbox" });
  tick.checked = chosen.has(plan.id);
  tick.setAttribute("aria-label", text("plan.side_by_side", { version: plan.version }));
  tick.addEventListener("change", () => {
    if (tick.checked) chosen.add(plan.id);
    else chosen.delete(plan.id);
    show();
  });
  const picture = element("a", {
    href: `/plan/p/${plan.id}`,
    class: "picture",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  void Promise.all([api.grids(plan.id), fills()]).then(([grids, colours]) =>
    picture.append(thumbnail(grids, colours)),
  );
  const traits = ((plan.score.traits ?? []) as string[])
    .map((trait) => text(`trait.${trait}`))
    .join(" · ");
  return element(
    "article",
    { class: `plan ${plan.status}` },
    picture,
    element(
      "div",
      {},
      element(
        "h2",
        {},
        element(
          "a",
          { href: `/plan/p/${plan.id}` },
          text("plan.version", { version: plan.version }),
        ),
      ),
      element("span", { class: `badge ${plan.status}` }, text(`plan.status_${plan.status}`)),
      plan.stale
        ? element(
            "span",
            { class: "badge stale", title: text("plan.stale_help") },
            text("plan.stale"),
          )
        : null,
      element("p", {}, [plan.author, when, traits].filter(Boolean).join(" · ")),
      plan.note ? element("p", { class: "note" }, plan.note) : null,
      element("label", {}, tick, text("plan.in_table")),
      plan.status === "draft"
        ? button(text("plan.discard"), () => void discard(plan), { class: "quiet" })
        : null,
    ),
  );
}

async function discard(plan: Plan): Promise<void> {
  if (!confirm(text("plan.discard_question", { version: plan.version }))) return;
  try {
    await api.discard(plan);
    go(location.pathname);
  } catch (error) {
    notify((error as Error).message);
  }
}

/** The grids of a plan as a small picture. */
function thumbnail(grids: api.Areas<api.GridProperties>, fills: string[]): SVGSVGElement {
  const places = grids.features.flatMap((grid) => rings(grid.geometry).flat());
  const xs = places.map((place) => place[0]!);
  const ys = places.map((place) => place[1]!);
  const [west, east, south, north] = [
    Math.min(...xs),
    Math.max(...xs),
    Math.min(...ys),
    Math.max(...ys),
  ];
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = 96 / Math.max((east - west) * squeeze, north - south);
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute(
    "viewBox",
    `-2 -2 ${(east - west) * squeeze * scale + 4} ${(north - south) * scale + 4}`,
  );
  for (const grid of grids.features) {
    const path = document.createElementNS(space, "path");
    const moves = rings(grid.geometry).map((ring) =>
      ring
        .map(
          ([x, y]) =>
            `${((x! - west) * squeeze * scale).toFixed(1)} ${((north - y!) * scale).toFixed(1)}`,
        )
        .join("L"),
    );
    path.setAttribute("d", moves.map((move) => `M${move}Z`).join(""));
    path.setAttribute("fill", fills[grid.properties.colour] ?? "#ddd");
    path.setAttribute("stroke", "#26323d");
    path.setAttribute("stroke-width", "0.8");
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
  }
  return svg;
}

/** Show how far a job is until it ends; then the new plans. */
async function follow(job: Job, code: string, place: HTMLElement): Promise<void> {
  place.hidden = false;
  const stop = new AbortController();
  const show = (now: Job) => {
    const bar = element("progress", {
      max: String(Math.max(now.total, 1)),
      "aria-label": text("plan.drawing"),
    });
    if (now.total > 0) bar.value = now.done;
    place.replaceChildren(
      element(
        "span",
        {},
        text(now.status === "queued" ? "plan.queued" : "plan.drawing"),
        now.total ? ` ${formatNumber(now.done)}/${formatNumber(now.total)}` : "",
      ),
      bar,
      button(text("plan.cancel"), () => void api.cancel(now)),
    );
  };
  show(job);
  const ended = (now: Job) => !["queued", "running"].includes(now.status);
  try {
    let last = job;
    if (!ended(last)) {
      await listen(
        `/jobs/${job.id}/events`,
        (_, data) => {
          last = data as Job;
          show(last);
          return ended(last) || !place.isConnected;
        },
        stop.signal,
      );
      if (!ended(last)) last = await ask<Job>(`/jobs/${job.id}`);
    }
    place.hidden = true;
    if (!place.isConnected) return;
    if (last.status === "done" && last.plans.length === 1 && job.kind !== "alternatives")
      go(`/plan/p/${last.plans[0]}`);
    else if (last.status === "done") {
      go(`/plan/c/${code}`);
      if (last.plans.length < last.wanted)
        notify(
          text("trait.fewer", { count: last.plans.length, asked: last.wanted }),
          undefined,
          "calm",
        );
    } else if (last.status === "failed") notify(last.problem?.detail ?? text("plan.draw_failed"));
    else notify(text("plan.cancelled"), undefined, "calm");
  } catch (error) {
    place.hidden = true;
    notify((error as Error).message);
  }
}
