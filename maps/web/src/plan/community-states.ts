// The states of communities: what a planner has to know of each, and which are listed.

import type { Geometry } from "geojson";

import type { Extent } from "../bounds";
import type { Community } from "./plan-api";

export const STATES = ["all", "undrawn", "drafted", "stale"] as const;
export type State = (typeof STATES)[number];

export interface ListedCommunity extends Community {
  street: string;
  /** Whether there is a plan that is not published yet. */
  hasDraft: boolean;
  /** The share of the grids in force within the limits; null where none is known. */
  withinLimits: number | null;
  geometry: Geometry | null;
  extent: Extent | undefined;
}

export const STATE_COLOURS = {
  undrawn: "#d3d7da",
  drafted: "#f0b45c",
  stale: "#c8553d",
  published: "#5a9e6f",
} as const;
export type CommunityState = keyof typeof STATE_COLOURS;

/** What a planner has to know of a community first. */
export function stateOf({ grids, hasDraft, stale }: ListedCommunity): CommunityState {
  if (stale) return "stale";
  if (hasDraft) return "drafted";
  return grids === null ? "undrawn" : "published";
}

/** What the map of communities shows. */
export const VIEWS = ["state", "rate"] as const;
export type View = (typeof VIEWS)[number];

export const RATE_COLOURS = {
  all: "#3f8f63",
  most: "#9cc46b",
  many: "#f0b45c",
  few: "#c8553d",
  unknown: "#d3d7da",
} as const;
export type Rate = keyof typeof RATE_COLOURS;

/** How many of a community's grids are within the limits. */
export function rateOf({ withinLimits }: ListedCommunity): Rate {
  if (withinLimits === null) return "unknown";
  if (withinLimits >= 1) return "all";
  if (withinLimits >= 0.9) return "most";
  return withinLimits >= 0.7 ? "many" : "few";
}

/** The colour of a community on the map. */
export function colourOf(community: ListedCommunity, view: View): string {
  return view === "rate" ? RATE_COLOURS[rateOf(community)] : STATE_COLOURS[stateOf(community)];
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

function isInState(state: State, { grids, hasDraft, stale }: ListedCommunity): boolean {
  const states = { all: true, undrawn: grids === null, drafted: hasDraft, stale };
  return states[state];
}
