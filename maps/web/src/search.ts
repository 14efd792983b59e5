// Search as you type: a list under the field, operated by pointer or keys.

import { element, elementById } from "./dom";
import { type Answer, api, bodyOf } from "./http";
import { optionalText, text } from "./locale";

/** What the list needs to know of a hit; the city's search tells more. */
export type SearchHit = Pick<CityHit, "code" | "name" | "address" | "exact"> & Partial<CityHit>;
export type CityHit = Answer<"/search">["items"][number];

/** Hits, and whether the words are a street alone, of which the hits list the numbers. */
export interface Hits<Hit extends SearchHit> {
  items: Hit[];
  asksNumber: boolean;
}

const DEBOUNCE_MS = 160;

export interface SearchOptions<Hit extends SearchHit> {
  search(words: string): Promise<Hits<Hit>>;
  choose(hit: Hit): void;
}

export async function searchCity(words: string): Promise<Hits<CityHit>> {
  const query = { q: words, limit: 8 };
  const { items, asks_number } = await bodyOf(api.GET("/search", { params: { query } }));
  return { items, asksNumber: asks_number ?? false };
}

/** Write the field's words in the page's language. */
export function labelSearchField(): void {
  const field = elementById("search") as HTMLInputElement;
  field.placeholder = text("page.search");
  field.setAttribute("aria-label", text("page.search"));
}

/** Let the field of the page search, and list the hits under it. */
export function attachSearch<Hit extends SearchHit>({ search, choose }: SearchOptions<Hit>): void {
  const field = elementById("search") as HTMLInputElement;
  const list = elementById("found");
  let timer: number | undefined;
  let hits: Hit[] = [];
  let active = -1;
  let searched = "";

  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    active = -1;
  };
  const take = (hit: Hit) => {
    field.value = hit.name || hit.address;
    close();
    choose(hit);
  };
  const show = ({ items, asksNumber }: Hits<Hit>) => {
    hits = items;
    active = -1;
    const note = listNote(hits, asksNumber);
    list.replaceChildren(...hits.map((hit, index) => hitItem(hit, index, take)));
    if (note) list.prepend(element("li", { class: "none" }, text(note)));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  };
  const update = async () => {
    const words = field.value.trim();
    if (words === searched && !list.hidden) return;
    searched = words;
    if (words === "") return close();
    const found = await search(words);
    if (searched === words) show(found);
  };
  const moveActive = (step: number) => {
    active = nextIndex(active, step, hits.length);
    for (const [index, item] of list.querySelectorAll("[role=option]").entries()) {
      item.setAttribute("aria-selected", String(index === active));
    }
    field.setAttribute("aria-activedescendant", `found-${active}`);
  };
  const submit = async () => {
    window.clearTimeout(timer);
    if (list.hidden || searched !== field.value.trim()) await update();
    const hit = hits[active] ?? onlyExactHit(hits);
    if (hit) take(hit);
  };
  field.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void update(), DEBOUNCE_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter") void submit();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      moveActive(event.key === "ArrowDown" ? 1 : -1);
    }
  });
  field.addEventListener("blur", () => window.setTimeout(close, 150));
  // words that were typed before
  if (field === document.activeElement) void update();
}

/** The index one step on in a list, around its ends; -1 stands before the first. */
export function nextIndex(index: number, step: number, count: number): number {
  return (index + step + count) % Math.max(count, 1);
}

/** The hit that Enter takes when none is chosen: the only one that the words name exactly. */
export function onlyExactHit<Hit extends SearchHit>(hits: Hit[]): Hit | undefined {
  const exact = hits.filter((hit) => hit.exact);
  return exact.length === 1 ? exact[0] : undefined;
}

/** The key of what is said above the hits: none, a street's numbers, or only similar ones. */
export function listNote(hits: SearchHit[], asksNumber: boolean): string | null {
  if (hits.length === 0) return "page.none_found";
  if (asksNumber) return "page.number_wanted";
  return hits.some((hit) => hit.exact) ? null : "page.only_near";
}

function hitItem<Hit extends SearchHit>(hit: Hit, index: number, take: (hit: Hit) => void) {
  const item = element(
    "li",
    { role: "option", id: `found-${index}` },
    element("span", {}, titleOf(hit)),
    element("small", {}, describeHit(hit)),
  );
  item.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    take(hit);
  });
  return item;
}

/** What names a hit: its address where a street's numbers are listed, else its name. */
export function titleOf({ number, name, address, code }: SearchHit): string {
  return (number ? address : name) || address || code;
}

function describeHit({ kind, name, address, community }: SearchHit): string {
  const parts = [kind ? optionalText(`page.found_${kind}`) : "", name ? address : "", community];
  return parts.filter(Boolean).join(" · ");
}
