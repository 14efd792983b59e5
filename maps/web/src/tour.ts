// A guided tour of the page: a few steps, each beside what it explains.

import { button, div, element } from "./dom";
import { optionalText, text } from "./locale";
import "./tour.css";

/** The selector of what each step explains, by tour. */
const STEPS: Record<string, string[]> = {
  plan: ["#side", "#search, #draw", "#language"],
  edit: [".grids", "#tools", "#map", ".actions", ".trouble, .well"],
  fire: ["#search", "#side", "#tools"],
  data: ["#side"],
  cases: ["#side", "#map"],
  assess: ["#side"],
  admin: ["#side"],
  public: ["#search", "#here", "#map"],
};
const BOX_WIDTH_PX = 340;
const BOX_HEIGHT_PX = 190;

export function showTourOnFirstVisit(name: string): void {
  const key = `gridatlas.toured.${name}`;
  if (localStorage.getItem(key) || navigator.webdriver) return;
  localStorage.setItem(key, "yes");
  showTour(name);
}

/** Show a step of a tour, by default the first. */
export function showTour(name: string, step = 0): void {
  document.querySelector(".tour")?.remove();
  const steps = STEPS[name] ?? [];
  const target = steps[step];
  const words = optionalText(`tour.${name}_${step + 1}`);
  if (!target || !words) return;
  const box = tourBox(name, step, steps.length, words);
  document.body.append(box);
  const place = document.querySelector<HTMLElement>(target)?.getBoundingClientRect();
  if (place && place.width > 0) pointAt(place, box);
  const next = box.querySelector<HTMLElement>("button.primary");
  (next ?? box.querySelector<HTMLElement>("button"))?.focus();
}

function tourBox(name: string, step: number, count: number, words: string): HTMLElement {
  const close = () => {
    box.remove();
    document.querySelector(".spot")?.remove();
  };
  const next = () => {
    close();
    showTour(name, step + 1);
  };
  const isLast = step + 1 >= count;
  const box = element(
    "div",
    { class: "tour", role: "dialog", "aria-label": text("tour.help") },
    element("p", {}, words),
    div(
      "ways",
      element("small", {}, `${step + 1} / ${count}`),
      button(text("tour.end"), close, { class: "quiet" }),
      isLast ? null : button(text("page.next"), next, { class: "primary" }),
    ),
  );
  box.addEventListener("keydown", (event) => event.key === "Escape" && close());
  return box;
}

/** Highlight a place, and put the box beside or below it. */
function pointAt(place: DOMRect, box: HTMLElement): void {
  const spot = element("div", { class: "spot" });
  Object.assign(spot.style, {
    left: `${place.left - 4}px`,
    top: `${place.top - 4}px`,
    width: `${place.width + 8}px`,
    height: `${Math.min(place.height, innerHeight) + 8}px`,
  });
  document.body.append(spot);
  const isBeside = place.right + BOX_WIDTH_PX < innerWidth;
  const isHigh = place.height > innerHeight / 2;
  const left = isBeside
    ? place.right + 14
    : Math.max(12, Math.min(place.left, innerWidth - BOX_WIDTH_PX));
  const top = isBeside || isHigh ? place.top + 12 : place.bottom + 14;
  box.style.left = `${left}px`;
  box.style.top = `${Math.max(12, Math.min(top, innerHeight - BOX_HEIGHT_PX))}px`;
}
