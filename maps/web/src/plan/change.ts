// A change of communities that a planner wants to try.

import type { Position } from "geojson";

import type { WhatIfRequest } from "./plan-api";

export type ChangeKind = WhatIfRequest["kind"];

export interface Change {
  kind: ChangeKind;
  communities: string[];
  /** Whether the new border runs along a street or is drawn. */
  border: "street" | "line";
  street: string;
  line: Position[];
}

/** The most communities of each kind; the server takes no more. */
const MOST: Record<ChangeKind, number> = { merge: 6, divide: 1, move: 2 };

export function newChange(communities: string[]): Change {
  const change: Change = { kind: "merge", communities: [], border: "street", street: "", line: [] };
  for (const code of communities) chooseCommunity(change, code);
  return change;
}

/** Add a community, in place of the last one if there are too many; remove it if it is there. */
export function chooseCommunity(change: Change, code: string): void {
  const others = change.communities.filter((other) => other !== code);
  const isNew = others.length === change.communities.length;
  change.communities = isNew ? [...others.slice(0, MOST[change.kind] - 1), code] : others;
}

/** Change the kind; of communities that are too many the first ones stay. */
export function setKind(change: Change, kind: ChangeKind): void {
  change.kind = kind;
  change.communities = change.communities.slice(0, MOST[kind]);
}

/** Whether as many communities are chosen as the change needs. */
export function hasCommunities({ kind, communities }: Change): boolean {
  return communities.length >= (kind === "merge" ? 2 : MOST[kind]);
}

/** Whether there is all that the server needs. */
export function isComplete(change: Change): boolean {
  const hasBorder = change.border === "street" ? change.street !== "" : change.line.length >= 2;
  return hasCommunities(change) && (change.kind === "merge" || hasBorder);
}
