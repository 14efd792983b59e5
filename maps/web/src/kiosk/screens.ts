// Parts of the terminal's screens.

import { button, div, element } from "../dom";
import { text } from "../locale";

/** A screen: heading, help, content, and the buttons that lead on. */
export function screen(
  { title, help = "" }: { title: string; help?: string },
  ...content: (Node | null)[]
): HTMLElement {
  return element(
    "section",
    {},
    element("h2", { tabindex: "-1" }, title),
    help ? element("p", { class: "help" }, help) : null,
    ...content,
  );
}

/** Large buttons, each with a label and what it does. */
export function tiles(entries: [label: string, act: () => void][]): HTMLElement {
  return div("tiles", ...entries.map(([label, act]) => button(label, act)));
}

/** Buttons to the step before and the next; the next can be forbidden until something is chosen. */
export function stepButtons(
  back: () => void,
  next: (() => void) | null,
  nextLabel = text("page.next"),
): { root: HTMLElement; next: HTMLButtonElement | null } {
  const forward = next && button(nextLabel, next, { class: "primary" });
  const root = div("steps", button(text("kiosk.back"), back), forward);
  return { root, next: forward };
}

/** Phrases of which several can be chosen, with those chosen before. */
export function phraseButtons(chosen: Set<string>, onChange: () => void): HTMLElement {
  const phrases = phraseList().map((phrase) => {
    const toggle = button(
      phrase,
      () => {
        if (!chosen.delete(phrase)) chosen.add(phrase);
        toggle.setAttribute("aria-pressed", String(chosen.has(phrase)));
        onChange();
      },
      { "aria-pressed": String(chosen.has(phrase)) },
    );
    return toggle;
  });
  return div("tiles phrases", ...phrases);
}

const PHRASE_COUNT = 8;

const phraseList = (): string[] =>
  Array.from({ length: PHRASE_COUNT }, (_, index) => text(`kiosk.phrase_${index + 1}`));
