// The communities of the planner's scope, by street.

import { element, elementById } from "../dom";
import { formatNumber, text } from "../locale";
import { session } from "../session";
import { type Community, fetchCommunities, fetchStreetNames } from "./plan-api";

const STATES = ["all", "undrawn", "drafted"] as const;
type State = (typeof STATES)[number];

export interface ListedCommunity extends Community {
  street: string;
  /** Whether there is a plan that is not published yet. */
  hasDraft: boolean;
}

export async function showCommunityList(): Promise<void> {
  const communities = await loadCommunities(session()?.scope ?? "");
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: text("plan.search"),
    "aria-label": text("plan.search"),
  });
  const state = element("select", { "aria-label": text("plan.which") });
  for (const name of STATES) {
    const count = filterCommunities(communities, name, "").length;
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
    const rows = filterCommunities(communities, state.value as State, search.value.trim());
    list.replaceChildren(
      ...(rows.length
        ? streetLists(rows)
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

async function loadCommunities(scope: string): Promise<ListedCommunity[]> {
  const [published, drafts, streets] = await Promise.all([
    fetchCommunities(scope),
    fetchCommunities(scope, "draft"),
    fetchStreetNames(),
  ]);
  const withDraft = new Set(
    drafts.flatMap(({ properties }) => (properties.grids === null ? [] : [properties.code])),
  );
  return published.map(({ properties }) => ({
    ...properties,
    street: streets.get(properties.parent_code ?? "") ?? "",
    hasDraft: withDraft.has(properties.code),
  }));
}

/** The communities in a state whose name, code or street contains some words. */
export function filterCommunities(
  communities: ListedCommunity[],
  state: State,
  words: string,
): ListedCommunity[] {
  return communities.filter(
    (community) =>
      isInState(state, community) &&
      [community.name, community.code, community.street].some((field) => field.includes(words)),
  );
}

function isInState(state: State, { grids, hasDraft }: ListedCommunity): boolean {
  return state === "all" || (state === "drafted" ? hasDraft : grids === null);
}

function streetLists(rows: ListedCommunity[]): HTMLElement[] {
  const streets = new Map<string, ListedCommunity[]>();
  for (const row of rows) streets.set(row.street, [...(streets.get(row.street) ?? []), row]);
  return [...streets].flatMap(([street, communities]) => [
    element(
      "h2",
      { class: "street" },
      street,
      element(
        "small",
        {},
        ` ${text("plan.communities_count", { count: formatNumber(communities.length) })}`,
      ),
    ),
    element("ul", { class: "communities" }, ...communities.map(communityItem)),
  ]);
}

function communityItem({ code, name, grids, households, hasDraft }: ListedCommunity): HTMLElement {
  const figures =
    grids === null
      ? text("page.not_drawn")
      : `${text("page.grids_unit", { grids: formatNumber(grids) })} · ${text("page.households_unit", { households: formatNumber(households ?? 0) })}`;
  const badge = hasDraft
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
