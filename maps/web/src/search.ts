// Searching as one types: a list under the field, by pointer or keys.

import { element, elementById } from "./dom";
import { ask } from "./http";
import { optionalText, text } from "./locale";

export interface SearchHit {
  kind: string;
  code: string;
  name: string;
  address: string;
  grid: string | null;
  community: string | null;
  lon: number | null;
  lat: number | null;
  bbox: [number, number, number, number] | null;
}

/** A pause in typing, in milliseconds, before the server is asked. */
const DEBOUNCE_MS = 160;

export interface SearchOptions {
  /** Where to ask; the answer's `items` are listed. */
  search(words: string): Promise<SearchHit[]>;
  choose(found: SearchHit): void;
}

export const searchCity = (words: string): Promise<SearchHit[]> =>
  ask<{ items: SearchHit[] }>(`/search?limit=8&q=${encodeURIComponent(words)}`).then(
    (page) => page.items,
  );

/** Write the field's words in the page's language. */
export function labelSearchField(): void {
  const field = elementById("search") as HTMLInputElement;
  field.placeholder = text("page.search");
  field.setAttribute("aria-label", text("page.search"));
}

export function attachSearch({ search: find, choose }: SearchOptions): void {
  const field = elementById("search") as HTMLInputElement;
  const list = elementById("found");
  let waiting: number | undefined;
  let shown: SearchHit[] = [];
  let at = -1;
  let asked = "";

  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    at = -1;
  };
  const take = (found: SearchHit) => {
    field.value = found.name || found.address;
    close();
    choose(found);
  };
  const show = (found: SearchHit[]) => {
    shown = found;
    at = -1;
    list.replaceChildren(
      ...found.map((one, index) => {
        const item = element(
          "li",
          { role: "option", id: `found-${index}` },
          element("span", {}, one.name || one.address || one.code),
          element("small", {}, describeHit(one)),
        );
        item.addEventListener("pointerdown", (event) => (event.preventDefault(), take(one)));
        return item;
      }),
    );
    if (found.length === 0) list.append(element("li", { class: "none" }, text("page.none_found")));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  };
  const seek = async () => {
    const words = field.value.trim();
    if (words === asked && !list.hidden) return;
    asked = words;
    if (words === "") return close();
    const found = await find(words);
    if (asked === words) show(found);
  };
  field.addEventListener("input", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => void seek(), DEBOUNCE_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter") {
      window.clearTimeout(waiting);
      const chosen = shown[Math.max(at, 0)];
      if (!list.hidden && chosen && asked === field.value.trim()) take(chosen);
      else void seek().then(() => shown.length === 1 && take(shown[0]!));
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % Math.max(shown.length, 1);
      [...list.children].forEach((item, index) =>
        item.setAttribute("aria-selected", String(index === at)),
      );
      field.setAttribute("aria-activedescendant", `found-${at}`);
    }
  });
  field.addEventListener("blur", () => window.setTimeout(close, 150));
}

function describeHit(one: SearchHit): string {
  return [optionalText(`page.found_${one.kind}`), one.name ? one.address : "", one.community]
    .filter(Boolean)
    .join(" · ");
}
