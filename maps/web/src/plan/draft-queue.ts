// The drafts that wait to be published, the oldest first.

import { element } from "../dom";
import { formatDateTime, formatNumber, text } from "../locale";
import type { PlanSummary } from "./plan-api";

export function draftQueue(drafts: PlanSummary[]): HTMLElement {
  return element(
    "details",
    { class: "queue" },
    element("summary", {}, text("plan.queue", { count: formatNumber(drafts.length) })),
    drafts.length
      ? element("ol", {}, ...drafts.map(draftItem))
      : element("p", { class: "none" }, text("plan.queue_empty")),
  );
}

function draftItem(draft: PlanSummary): HTMLElement {
  const { id, community, version, author, created_at, within_limits, comments, stale } = draft;
  const facts = [
    author,
    formatDateTime(created_at),
    within_limits === null ? "" : text("plan.within_share", { share: percent(within_limits) }),
    comments ? text("plan.comments", { count: comments }) : "",
  ];
  return element(
    "li",
    {},
    element(
      "a",
      { href: `/plan/p/${id}` },
      element("b", {}, community),
      ` ${text("page.version", { version })}`,
    ),
    element("small", {}, facts.filter(Boolean).join(" · ")),
    stale ? element("span", { class: "badge stale" }, text("plan.state_stale")) : null,
  );
}

/** A share in whole percent; not 100 where something is missing. */
export function percent(share: number): number {
  return Math.floor(share * 100 + 1e-9);
}
