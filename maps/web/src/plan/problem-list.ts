// The grids with problems: a line that says how many, with a list and a button to the next one.

import { button, div, element, icon } from "../dom";
import { text } from "../locale";
import type { Draft, DraftGrid } from "./draft";
import { ICONS } from "./icons";

export function gridsWithProblems(draft: Draft): DraftGrid[] {
  return [...draft.grids.values()].filter((grid) => !grid.within || !grid.contiguous);
}

export function problemLine(
  draft: Draft,
  showNext: () => void,
  showGrid: (code: string) => void,
): HTMLElement {
  const count = gridsWithProblems(draft).length;
  if (count === 0) return element("p", { class: "well" }, text("plan.no_problems"));
  const next = button(icon(ICONS.next), showNext, {
    class: "tool",
    title: text("plan.next_help"),
    "aria-label": text("plan.next"),
  });
  const list = draft.breaches.map(({ detail, grid }) =>
    element(
      "li",
      {},
      button(detail, () => showGrid(grid), { class: "quiet" }),
    ),
  );
  const summary = element("summary", {}, text("plan.problems", { count }));
  const details = element("details", {}, summary, element("ul", {}, ...list));
  return div("trouble", details, next);
}
