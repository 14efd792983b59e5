// A guided first visit: a few steps, each beside what it speaks of; never shown twice unasked.

import { button, element } from "./dom";
import { optionalText, text } from "./locale";
import "./tour.css";

/** What each step points at. */
const STEPS: Record<string, string[]> = {
  plan: ["#side", "#search, #draw", "#language"],
  edit: [".grids", "#tools", "#map", ".actions", ".trouble, .well"],
  fire: ["#search", "#side", "#tools"],
  data: ["#side"],
  public: ["#search", "#here", "#map"],
};

export function showTourOnFirstVisit(name: string): void {
  const key = `gridatlas.toured.${name}`;
  if (localStorage.getItem(key) || navigator.webdriver) return;
  localStorage.setItem(key, "yes");
  showTour(name);
}

export function showTour(name: string, at = 0): void {
  document.querySelector(".tour")?.remove();
  const target = STEPS[name]?.[at];
  const words = optionalText(`tour.${name}_${at + 1}`);
  if (!target || !words) return;
  const place = document.querySelector<HTMLElement>(target)?.getBoundingClientRect();
  const end = () => (box.remove(), document.querySelector(".spot")?.remove());
  const last = at + 1 >= STEPS[name]!.length;
  const box = element(
    "div",
    { class: "tour", role: "dialog", "aria-label": text("tour.help") },
    element("p", {}, words),
    element(
      "div",
      { class: "ways" },
      element("small", {}, `${at + 1} / ${STEPS[name]!.length}`),
      button(text("tour.end"), end, { class: "quiet" }),
      ...(last
        ? []
        : [button(text("tour.next"), () => (end(), showTour(name, at + 1)), { class: "primary" })]),
    ),
  );
  box.addEventListener("keydown", (event) => event.key === "Escape" && end());
  document.body.append(box);
  if (place && place.width > 0) {
    const spot = element("div", { class: "spot" });
    Object.assign(spot.style, {
      left: `${place.left - 4}px`,
      top: `${place.top - 4}px`,
      width: `${place.width + 8}px`,
      height: `${Math.min(place.height, innerHeight) + 8}px`,
    });
    document.body.append(spot);
    const beside = place.right + 340 < innerWidth;
    const below = beside || place.height > innerHeight / 2 ? place.top + 12 : place.bottom + 14;
    box.style.left = `${beside ? place.right + 14 : Math.max(12, Math.min(place.left, innerWidth - 340))}px`;
    box.style.top = `${Math.max(12, Math.min(below, innerHeight - 190))}px`;
  }
  box.querySelector<HTMLElement>("button.primary, button")?.focus();
}
