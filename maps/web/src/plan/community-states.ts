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
