// The toolbar above the map: tools, brush size, and what the colours show.

import { button, type Choice, element, elementById, icon, select } from "../dom";
import { text } from "../locale";
import { attachSearch } from "../search";
import type { Draft } from "./draft";
import { ICONS } from "./icons";
import type { PlanMap } from "./plan-map";
import { type PlanHit, searchPlan } from "./plan-search";
import { type SelectionTools, TOOLS, type Tool } from "./selection-tools";
import { SHADINGS, type Shading, shadingLegend } from "./shading";

export interface ToolbarOptions {
  draft: Draft;
  tools: SelectionTools;
  view: PlanMap;
  setTool(tool: Tool): void;
  onShading(): void;
  /** Go to a place that was searched for. */
  showPlace(place: { lon: number; lat: number }): void;
}

export function showToolbar(options: ToolbarOptions): void {
  const { draft, tools } = options;
  const bar = elementById("tools");
  bar.hidden = false;
  bar.setAttribute("aria-label", text("plan.tools"));
  const names = draft.isEditable ? TOOLS.filter((name) => name !== "eraser" || draft.hasHome) : [];
  bar.replaceChildren(
    ...names.map((name) => toolButton(options, name)),
    ...(draft.isEditable ? [brushSize(tools)] : []),
    shadingChoice(options),
    placeSearch(),
  );
  attachSearch<PlanHit>({
    search: (words) => searchPlan(draft, words),
    choose: (hit) => options.showPlace(hit),
  });
}

export function markActiveTool(tool: Tool): void {
  for (const item of elementById("tools").querySelectorAll<HTMLElement>("[data-tool]")) {
    item.setAttribute("aria-pressed", String(item.dataset.tool === tool));
  }
  elementById("tools").classList.toggle("brushing", tool === "brush" || tool === "eraser");
}

function toolButton({ setTool }: ToolbarOptions, name: Tool): HTMLElement {
  return button(icon(ICONS[name]), () => setTool(name), {
    class: "tool",
    title: text(`plan.tool_${name}_help`),
    "data-tool": name,
    "aria-label": text(`plan.tool_${name}`),
  });
}

function brushSize(tools: SelectionTools): HTMLElement {
  const size = element("input", {
    type: "range",
    min: "10",
    max: "90",
    value: String(tools.brushRadius),
  });
  size.setAttribute("aria-label", text("plan.brush_size"));
  size.addEventListener("input", () => {
    tools.brushRadius = Number(size.value);
  });
  return size;
}

function shadingChoice({ draft, view, onShading }: ToolbarOptions): HTMLElement {
  const legend = element("ul", { class: "shades" });
  const show = () => {
    const rows = shadingLegend(view.shading).map(([colour, words]) => {
      const mark = element("i", { class: "swatch" });
      mark.style.background = colour;
      return element("li", {}, mark, text(`plan.${words}`));
    });
    legend.replaceChildren(...rows);
  };
  const choices = SHADINGS.filter((name) => name !== "moved" || draft.hasHome).map(
    (name): Choice => [name, text(`plan.shade_${name}`)],
  );
  const choose = (name: string) => {
    view.shading = name as Shading;
    show();
    onShading();
  };
  const choice = select(choices, undefined, choose, { "aria-label": text("plan.colour_by") });
  return element("span", { class: "shading" }, choice, legend);
}

/** The field that searches for addresses and buildings of the community. */
function placeSearch(): HTMLElement {
  const field = element("input", {
    id: "search",
    type: "search",
    role: "combobox",
    autocomplete: "off",
    "aria-expanded": "false",
    "aria-controls": "found",
    placeholder: text("plan.search_place"),
    "aria-label": text("plan.search_place"),
  });
  const list = element("ul", { id: "found", role: "listbox", hidden: "" });
  list.setAttribute("aria-label", text("plan.search_place"));
  return element("search", {}, field, list);
}
