// The legend of the map, read from its style.

import type { LayerSpecification, StyleSpecification } from "maplibre-gl";

import { element, elementById } from "./dom";
import { text } from "./locale";

/** Key of the catalogue, layer, and how the layer is drawn. */
const ENTRIES: [string, string, "area" | "line" | "dashed" | "road"][] = [
  ["grid_border", "grid-border", "line"],
  ["community_border", "community-border", "dashed"],
  ["building", "building", "area"],
  ["arterial", "road-arterial", "road"],
  ["street", "road-local", "road"],
  ["railway", "railway", "dashed"],
  ["water", "water", "area"],
  ["wall", "wall", "dashed"],
];

export function showLegend(style: StyleSpecification): void {
  const rows = ENTRIES.map(([key, layer, sign]) => row(key, layerSign(style, layer, sign)));
  elementById("legend").replaceChildren(
    element("summary", {}, text("page.legend")),
    element("ul", {}, row("grid", colourPatches(palette(style))), ...rows),
  );
}

/** The fill colours of grids by colour index. */
export function palette(style: StyleSpecification): string[] {
  const cases = paint(style, "grid-fill", "fill-color") as (string | number)[];
  return cases.slice(2, -1).filter((part): part is string => typeof part === "string");
}

function row(key: string, sign: HTMLElement): HTMLElement {
  return element("li", {}, sign, text(`legend.${key}`));
}

function colourPatches(colours: string[]): HTMLElement {
  const sign = element("span", { class: "sign patches" });
  for (const colour of colours.slice(0, 4)) {
    const patch = element("i");
    patch.style.background = colour;
    sign.append(patch);
  }
  return sign;
}

function layerSign(
  style: StyleSpecification,
  layer: string,
  kind: "area" | "line" | "dashed" | "road",
): HTMLElement {
  const sign = element("span", { class: `sign ${kind}` });
  if (kind === "area") {
    sign.style.background = String(paint(style, layer, "fill-color"));
    const edge = paint(style, `${layer}-edge`, "line-color");
    if (edge) sign.style.borderColor = String(edge);
  } else if (kind === "road") {
    sign.style.background = String(paint(style, `${layer}-fill`, "line-color"));
    sign.style.borderColor = String(paint(style, `${layer}-casing`, "line-color"));
  } else {
    sign.style.borderColor = String(paint(style, layer, "line-color"));
  }
  return sign;
}

function paint(style: StyleSpecification, id: string, property: string): unknown {
  const layer = style.layers.find((candidate: LayerSpecification) => candidate.id === id);
  return (layer?.paint as Record<string, unknown> | undefined)?.[property];
}
