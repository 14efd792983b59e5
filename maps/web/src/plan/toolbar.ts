// The bar above the map: tools, the size of the brush, what the colours say.

import { button, element, elementById, icon } from "../dom";
import { text } from "../locale";
import type { Draft } from "./draft";
import { ICONS } from "./icons";
import type { View } from "./plan-map";
import { legendOf, SHADES, type Shade } from "./plan-style";
import { TOOLS, type Tool, type Tools } from "./selection-tools";

export interface Barred {
  draft: Draft;
  tools: Tools;
  view: View;
  use(tool: Tool): void;
  shaded(): void;
}

export function showBar(barred: Barred): void {
  const { draft } = barred;
  const bar = elementById("tools");
  bar.hidden = false;
  bar.setAttribute("aria-label", text("plan.tools"));
  const names = draft.editable ? TOOLS.filter((name) => name !== "eraser" || draft.hasHome) : [];
  bar.replaceChildren(
    ...names.map((name) => toolButton(barred, name)),
    ...(draft.editable ? [brushSize(barred.tools)] : []),
    shades(barred),
  );
}

export function press(tool: Tool): void {
  for (const one of elementById("tools").querySelectorAll<HTMLElement>("[data-tool]")) {
    one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
  }
  elementById("tools").classList.toggle("brushing", tool === "brush" || tool === "eraser");
}

function toolButton({ use }: Barred, name: Tool): HTMLElement {
  const made = button(icon(ICONS[name]), () => use(name), {
    class: "tool",
    title: text(`plan.tool_${name}_help`),
    "data-tool": name,
  });
  made.setAttribute("aria-label", text(`plan.tool_${name}`));
  return made;
}

function brushSize(tools: Tools): HTMLElement {
  const size = element("input", {
    type: "range",
    min: "10",
    max: "90",
    value: String(tools.brush),
  });
  size.setAttribute("aria-label", text("plan.brush_size"));
  size.addEventListener("input", () => (tools.brush = Number(size.value)));
  return size;
}

function shades({ draft, view, shaded }: Barred): HTMLElement {
  const legend = element("ul", { class: "shades" });
  const choice = element("select", { "aria-label": text("plan.colour_by") });
  for (const name of SHADES.filter((one) => one !== "moved" || draft.hasHome)) {
    choice.append(element("option", { value: name }, text(`plan.shade_${name}`)));
  }
  const show = () => {
    const rows = legendOf(view.shade).map(([colour, words]) => {
      const mark = element("i", { class: "swatch" });
      mark.style.background = colour;
      return element("li", {}, mark, text(`plan.${words}`));
    });
    legend.replaceChildren(...rows);
  };
  choice.addEventListener("change", () => {
    view.shade = choice.value as Shade;
    show();
    shaded();
  });
  return element("span", { class: "shading" }, choice, legend);
}
