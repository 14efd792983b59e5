// The list of grids: figures that follow every gesture, locks, and the choice for merging.

import { button, div, element, icon } from "../dom";
import { formatNumber, text } from "../locale";
import type { Draft, DraftGrid } from "./draft";
import { ICONS } from "./icons";
import type { Move } from "./move";
import { type People, peopleLine, peopleOfGrids, type Register } from "./people";

export interface GridListOptions {
  draft: Draft;
  fills: string[];
  active: string | null;
  pending: Move | null;
  merging: Set<string>;
  register: Register;
  selectGrid(code: string | null): void;
  onMergeChange(): void;
}

export function gridList(options: GridListOptions): HTMLElement {
  const people = peopleOfGrids(options.register, options.draft.cells);
  const rows = [...options.draft.grids.values()]
    .sort((one, other) => one.code.localeCompare(other.code))
    .map((grid) => gridRow(options, grid, people.get(grid.code)));
  return element("ul", { class: "grids" }, ...rows);
}

export function gridName(grid: DraftGrid): string {
  return grid.name || text("page.grid_number", { serial: grid.serial });
}

function gridRow(
  options: GridListOptions,
  grid: DraftGrid,
  people: People | undefined,
): HTMLElement {
  const { draft, active, fills, pending, selectGrid } = options;
  const change = pending?.changes.find((candidate) => candidate.grid === grid.code);
  const size = change?.after ?? draft.size(grid);
  const delta = change ? change.after - change.before : 0;
  const swatch = element("i", { class: "swatch" });
  swatch.style.background = fills[grid.colour] ?? "";
  const row = button(
    element(
      "span",
      { class: "row" },
      swatch,
      element(
        "span",
        { class: "name" },
        gridName(grid),
        grid.kind === "dedicated" ? element("small", {}, ` ${text("page.kind_dedicated")}`) : null,
      ),
      delta
        ? element(
            "em",
            { class: delta > 0 ? "up" : "down" },
            `${delta > 0 ? "+" : "−"}${formatNumber(Math.abs(delta))}`,
          )
        : null,
      element("b", {}, formatNumber(size)),
      draft.isByWorkload
        ? element("small", {}, text("plan.households_short", { households: grid.households }))
        : null,
      meter(draft, grid, size),
      peopleLine(people),
    ),
    () => selectGrid(grid.code === active ? null : grid.code),
    { class: "pick", "aria-pressed": String(grid.code === active), "data-code": grid.code },
  );
  return element(
    "li",
    { class: rowClasses(grid, change?.breaks ?? null) },
    row,
    ...(draft.isEditable ? rowTools(options, grid) : []),
  );
}

/** A bar of the households, or workload, up to 1.3 times the upper limit, with the range of the limits. */
function meter(draft: Draft, grid: DraftGrid, size: number): HTMLElement {
  const { lower, upper } = draft.plan.limits;
  const share = (value: number) => `${Math.min(100, (value / (upper * 1.3)) * 100)}%`;
  const fill = element("span", { class: "fill" });
  fill.style.width = share(size);
  const band = element("span", { class: "band" });
  band.style.left = share(lower);
  band.style.width = `calc(${share(upper)} - ${share(lower)})`;
  return element(
    "span",
    { class: `meter${grid.kind === "dedicated" ? " free" : ""}`, "aria-hidden": "true" },
    band,
    fill,
  );
}

function rowTools(
  { draft, merging, onMergeChange }: GridListOptions,
  grid: DraftGrid,
): HTMLElement[] {
  const lock = button(
    icon(ICONS[grid.locked ? "lock" : "unlock"]),
    () => draft.send({ kind: "lock", grids: [grid.code], locked: !grid.locked }),
    { class: "tool small", "aria-pressed": String(grid.locked), title: text("plan.lock_help") },
  );
  lock.setAttribute(
    "aria-label",
    `${text(grid.locked ? "plan.unlock" : "plan.lock")} ${grid.serial}`,
  );
  const tick = element("input", { type: "checkbox", title: text("plan.merge_pick") });
  tick.setAttribute("aria-label", `${text("plan.merge_pick")} ${grid.serial}`);
  tick.checked = merging.has(grid.code);
  tick.addEventListener("change", () => {
    if (tick.checked) merging.add(grid.code);
    else merging.delete(grid.code);
    onMergeChange();
  });
  return [lock, tick];
}

function rowClasses(grid: DraftGrid, breaks: string | null): string {
  return [
    grid.within && grid.contiguous ? "" : "off",
    breaks ? "breaks" : "",
    grid.locked ? "locked" : "",
  ]
    .join(" ")
    .trim();
}

/** A form for name and kind of a grid. */
export function gridForm(draft: Draft, code: string): HTMLElement {
  const grid = draft.grids.get(code)!;
  const name = element("input", {
    value: grid.name,
    maxlength: "60",
    placeholder: text("page.grid_number", { serial: grid.serial }),
    id: "grid-name",
  });
  name.addEventListener("change", () =>
    draft.send({ kind: "rename", grid: code, name: name.value.trim() }),
  );
  const kind = element("input", { type: "checkbox", id: "grid-kind" });
  kind.checked = grid.kind === "dedicated";
  kind.addEventListener("change", () =>
    draft.send({ kind: "kind", grid: code, to: kind.checked ? "dedicated" : "general" }),
  );
  return div(
    "chosen",
    element("label", { for: "grid-name" }, text("plan.grid_name")),
    name,
    element(
      "label",
      { class: "tick", title: text("plan.grid_dedicated_help") },
      kind,
      text("page.kind_dedicated"),
    ),
  );
}

/** How many micro-grids a grid has, and why they are not as they should be. */
export function microGridLine(grid: DraftGrid | undefined): HTMLElement | null {
  if (!grid || grid.kind === "dedicated") return null;
  const { code, micro_grids: count, micro_reasons } = grid;
  const words = count
    ? text("page.micro_grids", { count: formatNumber(count) })
    : text("plan.micro_none");
  const reasons = (micro_reasons ?? []).map(([key, fields]) =>
    element("li", {}, text(`reason.${key}`, { grid: code, ...fields })),
  );
  return div("micro", element("p", {}, words), element("ul", {}, ...reasons));
}
