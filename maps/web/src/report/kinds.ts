// Kinds of cases: grouped, searchable, and as the service guide describes them.

import { button, definitionList, div, element } from "../dom";
import { text } from "../locale";
import { type Field, fieldGroup } from "./fields";
import type { Kind } from "./report-api";

/** Kinds by group, in the order of the list. */
export function groupKinds(kinds: Kind[]): [string, Kind[]][] {
  const groups = new Map<string, Kind[]>();
  for (const kind of kinds) {
    groups.set(kind.group_name, [...(groups.get(kind.group_name) ?? []), kind]);
  }
  return [...groups];
}

/** Kinds that contain every word of a search in their name, group or department. */
export function findKinds(kinds: Kind[], search: string): Kind[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return kinds.filter(({ name, group_name, department_name }) => {
    const texts = `${name} ${group_name} ${department_name}`.toLowerCase();
    return words.every((word) => texts.includes(word));
  });
}

export interface KindField extends Field {
  value(): string;
  choose(key: string): void;
}

export function kindField(kinds: Kind[]): KindField {
  let chosen = "";
  const search = element("input", {
    type: "search",
    autocomplete: "off",
    placeholder: text("online.kind_search"),
    "aria-label": text("online.kind_search"),
  });
  const list = element("div", { class: "kinds" });
  const field = fieldGroup(text("online.kind"), "", search, list);
  const show = () => {
    const shown = findKinds(kinds, search.value);
    const groups = groupKinds(shown).map(([name, members]) =>
      element(
        "div",
        { role: "group", "aria-label": name },
        element("h3", {}, name),
        ...members.map((kind) => kindChoice(kind, kind.key === chosen)),
      ),
    );
    const none = element("p", { class: "help", role: "status" }, text("online.kind_none"));
    list.replaceChildren(...(shown.length > 0 ? groups : [none]));
  };
  search.addEventListener("input", show);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  list.addEventListener("change", (event) => {
    chosen = (event.target as HTMLInputElement).value;
    field.showMessage("");
  });
  show();
  return {
    ...field,
    value: () => chosen,
    choose: (key) => {
      chosen = key;
      search.value = "";
      show();
      list.querySelector("input:checked")?.scrollIntoView({ block: "nearest" });
    },
  };
}

function kindChoice({ key, name, visibility }: Kind, isChosen: boolean): HTMLElement {
  const input = element("input", { type: "radio", name: "kind", value: key });
  input.checked = isChosen;
  const isPrivate = visibility === "private";
  const note = isPrivate ? element("small", {}, text("online.kind_private")) : null;
  return element("label", {}, input, element("span", {}, name, note && " ", note));
}

/** What the service guide says of a kind. */
export function guideEntry(kind: Kind): HTMLElement {
  const facts = definitionList([
    [text("online.guide_department"), kind.department_name],
    [text("online.guide_where"), kind.place],
    [text("online.guide_deadline"), text("online.guide_days", { days: kind.days })],
  ]);
  return div(
    "guide",
    ...guideList("ul", "online.guide_documents", kind.documents),
    ...guideList("ol", "online.guide_steps", kind.steps),
    facts,
  );
}

function guideList(tag: "ul" | "ol", title: string, items: string[]): HTMLElement[] {
  if (items.length === 0) return [];
  const rows = items.map((item) => element("li", {}, item));
  return [element("h4", {}, text(title)), element(tag, {}, ...rows)];
}

/** The service guide: kinds with documents first, each with a button that reports it. */
export function serviceGuide(kinds: Kind[], report: (kind: Kind) => void): HTMLElement {
  const search = element("input", {
    type: "search",
    autocomplete: "off",
    placeholder: text("online.guide_search"),
    "aria-label": text("online.guide_search"),
  });
  const list = element("div");
  const show = () => {
    const shown = findKinds(sortForGuide(kinds), search.value);
    list.replaceChildren(
      ...groupKinds(shown).flatMap(([name, members]) => [
        element("h3", {}, name),
        ...members.map((kind) =>
          element(
            "details",
            {},
            element("summary", {}, kind.name),
            guideEntry(kind),
            button(text("online.guide_report"), () => report(kind)),
          ),
        ),
      ]),
    );
    if (shown.length === 0) list.append(element("p", {}, text("online.kind_none")));
  };
  search.addEventListener("input", show);
  show();
  const title = element("h2", { tabindex: "-1" }, text("online.guide"));
  return element("div", {}, title, search, list);
}

/** Public services first. */
export function sortForGuide(kinds: Kind[]): Kind[] {
  const isService = ({ group }: Kind) => Number(group === "service");
  return [...kinds].sort((one, other) => isService(other) - isService(one));
}
