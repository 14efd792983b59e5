// The communities of one's scope, street by street.

import { element, elementById } from "../dom";
import { formatNumber, text } from "../locale";
import { session } from "../session";
import type { Community } from "./plan-api";
import * as api from "./plan-api";

const STATES = ["all", "undrawn", "drafted"] as const;
type State = (typeof STATES)[number];

interface Listed extends Community {
  street: string;
  /** Whether somebody has begun a plan that is not in force yet. */
  drafted: boolean;
}

export async function showList(): Promise<void> {
  const found = await listed(session()?.scope ?? "");
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: text("plan.search"),
    "aria-label": text("plan.search"),
  });
  const state = element("select", { "aria-label": text("plan.which") });
  for (const name of STATES) {
    const count = found.filter((one) => isIn(name, one)).length;
    state.append(
      element(
        "option",
        { value: name },
        text(`plan.which_${name}`, { count: formatNumber(count) }),
      ),
    );
  }
  const list = element("div");
  const fill = () => {
    const asked = search.value.trim();
    const rows = found.filter(
      (one) =>
        isIn(state.value as State, one) &&
        [one.name, one.code, one.street].some((words) => words.includes(asked)),
    );
    list.replaceChildren(
      ...(rows.length
        ? byStreet(rows)
        : [element("p", { class: "none" }, text("plan.none_found"))]),
    );
  };
  search.addEventListener("input", fill);
  state.addEventListener("change", fill);
  fill();
  elementById("side").replaceChildren(
    element(
      "div",
      { class: "heading" },
      element("h1", {}, text("plan.communities")),
      element("p", {}, text("plan.choose_community")),
    ),
    element("div", { class: "sieve" }, search, state),
    list,
  );
}

async function listed(scope: string): Promise<Listed[]> {
  const [found, drafts, streets] = await Promise.all([
    api.communities(scope),
    api.communities(scope, "draft"),
    api.streets(),
  ]);
  const drafted = new Set(
    drafts.flatMap(({ properties }) => (properties.grids === null ? [] : [properties.code])),
  );
  return found.map(({ properties }) => ({
    ...properties,
    street: streets.get(properties.parent_code ?? "") ?? "",
    drafted: drafted.has(properties.code),
  }));
}

function isIn(state: State, { grids, drafted }: Listed): boolean {
  return state === "all" || (state === "drafted" ? drafted : grids === null);
}

function byStreet(rows: Listed[]): HTMLElement[] {
  const streets = new Map<string, Listed[]>();
  for (const one of rows) streets.set(one.street, [...(streets.get(one.street) ?? []), one]);
  return [...streets].flatMap(([street, own]) => [
    element(
      "h2",
      { class: "street" },
      street,
      element(
        "small",
        {},
        ` ${text("plan.communities_count", { count: formatNumber(own.length) })}`,
      ),
    ),
    element("ul", { class: "communities" }, ...own.map(row)),
  ]);
}

function row({ code, name, grids, households, drafted }: Listed): HTMLElement {
  const figures =
    grids === null
      ? text("page.not_drawn")
      : `${text("page.grids_unit", { grids: formatNumber(grids) })} · ${text("page.households_unit", { households: formatNumber(households ?? 0) })}`;
  const badge = drafted
    ? element("span", { class: "badge draft" }, text("plan.status_draft"))
    : null;
  const link = element(
    "a",
    { href: `/plan/c/${code}` },
    element("b", {}, name),
    element("small", {}, figures),
    badge,
  );
  return element("li", {}, link);
}
