// The communities of the planner's scope, by street.

import type { Geometry } from "geojson";

import { chooseCity, chooseOpeningCity, citiesOf, fetchCityNames, type Regions } from "../cities";
import { button, type Choice, div, element, elementById, notify, select } from "../dom";
import { formatNumber, type Language, text } from "../locale";
import { session } from "../session";
import {
  filterCommunities,
  type ListedCommunity,
  STATES,
  type State,
  VIEWS,
  type View,
} from "./community-states";
import { draftQueue, percent } from "./draft-queue";
import { openDrawAllDialog } from "./draw-all";
import { communitiesExtent, type HomeMap, openHomeMap, viewLegend } from "./home-map";
import { outlookSection } from "./outlook";
import {
  fetchCommunities,
  fetchPlanSummaries,
  fetchStreetNames,
  isInScope,
  type PlanSummary,
} from "./plan-api";

/** Show the communities as a list and on a map; return how to close the map. */
export async function showCommunityList(
  lang: Language,
  signal: AbortSignal,
): Promise<{ close(): void }> {
  const scope = session()?.scope ?? "";
  let all = await loadCommunities(scope);
  let drafts = await fetchDrafts(scope);
  const cities = citiesOf({ features: all.map(asRegion) }, await fetchCityNames());
  signal.throwIfAborted();
  let city = cities.length > 1 ? await chooseOpeningCity(cities, false) : null;
  signal.throwIfAborted();
  const inCity = () => all.filter(({ code }) => !city || code.startsWith(city.code));
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: text("plan.search"),
    "aria-label": text("plan.search"),
  });
  const state = element("select", { "aria-label": text("plan.which") });
  const view = viewChoice();
  const legend = element("div");
  const list = element("div");
  const queue = element("div");
  const progress = element("div", { class: "progress", role: "status" });
  let map: HomeMap | null = null;
  const listed = () => filterCommunities(inCity(), state.value as State, search.value.trim());
  const fill = () => {
    const rows = listed();
    legend.replaceChildren(viewLegend(inCity(), view.value as View));
    list.replaceChildren(
      ...(rows.length
        ? streetLists(rows)
        : [element("p", { class: "none" }, text("plan.none_found"))]),
    );
    map?.show(rows, view.value as View);
  };
  for (const field of [state, view]) field.addEventListener("change", fill);
  search.addEventListener("input", fill);
  const reload = async () => {
    [all, drafts] = await Promise.all([loadCommunities(scope), fetchDrafts(scope)]);
    if (list.isConnected) show();
  };
  const show = () => {
    const undrawn = filterCommunities(inCity(), "undrawn", "");
    const drawAll = () => openDrawAllDialog(undrawn, progress, reload);
    const chosen = state.value;
    state.replaceChildren(...stateOptions(inCity()));
    if (chosen) state.value = chosen;
    const codes = new Set(inCity().map(({ code }) => code));
    queue.replaceChildren(draftQueue(drafts.filter((draft) => codes.has(draft.community_code))));
    const region = (city ?? cities[0])?.code.padEnd(12, "0");
    const outlook = region ? outlookSection(region) : "";
    elementById("side").replaceChildren(
      div(
        "heading",
        element("h1", {}, city?.name ?? text("page.communities")),
        element("p", {}, text("plan.choose_community")),
        cities.length > 1
          ? button(text("page.choose_city"), () => void change(), { class: "quiet" })
          : null,
        undrawn.length
          ? button(text("plan.draw_all", { count: formatNumber(undrawn.length) }), drawAll)
          : null,
        element("a", { href: "/plan/what-if" }, text("what_if.open")),
      ),
      progress,
      queue,
      outlook,
      view,
      legend,
      div("sieve", search, state),
      list,
    );
    fill();
  };
  const change = async () => {
    city = await chooseCity(cities);
    show();
    map?.fit(city.extent);
  };
  show();
  // the list is there at once, and also where the map can't be shown
  try {
    map = await openHomeMap(lang, communitiesExtent(inCity()), signal);
    map.show(listed(), view.value as View); // and leave the list, which may have the focus
  } catch (error) {
    signal.throwIfAborted();
    notify((error as Error).message);
  }
  return { close: () => map?.close() };
}

/** The choice of what the colours of the map show. */
function viewChoice(): HTMLSelectElement {
  const views = VIEWS.map((name): Choice => [name, text(`plan.view_${name}`)]);
  const attributes = { class: "view", "aria-label": text("plan.colour_by") };
  return select(views, undefined, undefined, attributes);
}

async function fetchDrafts(scope: string): Promise<PlanSummary[]> {
  const drafts = await fetchPlanSummaries("draft");
  return drafts.filter(({ community_code }) => isInScope(community_code, scope));
}

function stateOptions(communities: ListedCommunity[]): HTMLElement[] {
  return STATES.map((name) => {
    const count = formatNumber(filterCommunities(communities, name, "").length);
    return element("option", { value: name }, text(`plan.which_${name}`, { count }));
  });
}

function asRegion({ geometry, extent, ...properties }: ListedCommunity) {
  return {
    type: "Feature" as const,
    id: properties.code,
    geometry,
    properties,
    ...(extent ? { bbox: extent } : {}),
  } as Regions["features"][number];
}

export async function loadCommunities(scope: string): Promise<ListedCommunity[]> {
  const [published, drafts, streets, plans] = await Promise.all([
    fetchCommunities(scope),
    fetchCommunities(scope, "draft"),
    fetchStreetNames(),
    fetchPlanSummaries("published"),
  ]);
  const rates = new Map(plans.map((plan) => [plan.community_code, plan.within_limits]));
  const withDraft = new Set(
    drafts.flatMap(({ properties }) => (properties.grids === null ? [] : [properties.code])),
  );
  return published.map(({ properties, geometry, bbox }) => ({
    ...properties,
    street: streets.get(properties.parent_code ?? "") ?? "",
    hasDraft: withDraft.has(properties.code),
    withinLimits: rates.get(properties.code) ?? null,
    geometry: geometry as Geometry | null,
    extent: bbox,
  }));
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

function communityItem({
  code,
  name,
  grids,
  households,
  hasDraft,
  stale,
  withinLimits,
}: ListedCommunity): HTMLElement {
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
    withinLimits === null
      ? null
      : element("small", {}, text("plan.within_share", { share: percent(withinLimits) })),
    badge,
    stale
      ? element(
          "span",
          { class: "badge stale", title: text("plan.stale_help") },
          text("plan.state_stale"),
        )
      : null,
  );
  return element("li", {}, link);
}
