// Large text: panels, dialogs and the labels of the map a third larger. The choice is remembered.

import type { StyleSpecification } from "maplibre-gl";

import { elementById } from "./dom";
import { text } from "./locale";

const KEY = "gridatlas.text_size";
const LARGE_FACTOR = 1.35;

function isTextLarge(): boolean {
  try {
    return localStorage.getItem(KEY) === "large";
  } catch {
    return false;
  }
}

/** Set the size of the text, and let the button `#text-size` change it. */
export function attachTextSize(): void {
  document.documentElement.classList.toggle("large", isTextLarge());
  const toggle = elementById("text-size");
  toggle.textContent = text("page.text_size");
  toggle.title = text("page.text_size_help");
  toggle.setAttribute("aria-label", text("page.text_size_help"));
  toggle.setAttribute("aria-pressed", String(isTextLarge()));
  toggle.addEventListener("click", () => {
    try {
      localStorage.setItem(KEY, isTextLarge() ? "normal" : "large");
    } catch {
      // a browser that blocks storage keeps the usual size
    }
    location.reload(); // the labels of a map have the size that it was made with
  });
}

/** Enlarge the labels of a map's style where large text is chosen. */
export function enlargeLabels(style: StyleSpecification): StyleSpecification {
  if (!isTextLarge()) return style;
  const layers = style.layers.map((layer) => {
    const size = layer.type === "symbol" ? layer.layout?.["text-size"] : undefined;
    if (size === undefined) return layer;
    return { ...layer, layout: { ...layer.layout, "text-size": enlarge(size) } };
  });
  return { ...style, layers } as StyleSpecification;
}

/** A size, or the sizes of an interpolation by zoom, enlarged. */
export function enlarge(size: unknown): unknown {
  if (typeof size === "number") return size * LARGE_FACTOR;
  if (!Array.isArray(size) || size[0] !== "interpolate") return size;
  // ["interpolate", how, input, zoom, size, zoom, size, ...]
  return size.map((part, at) => (at >= 4 && at % 2 === 0 ? enlarge(part) : part));
}
