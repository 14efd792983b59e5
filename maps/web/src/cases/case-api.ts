// The requests of the case page.

import type { FeatureCollection, Point } from "geojson";

import { type Answer, api, bodyOf, readEvents, request } from "../http";

export type CaseSummary = Answer<"/casework/cases">["items"][number];
export type CaseDetails = Answer<"/casework/cases/{number}">;
export type CaseEvent = CaseDetails["events"][number];
export type CaseAction = CaseDetails["actions"][number];
export type CaseState = CaseSummary["state"];
export type CaseCounts = Answer<"/casework/summary">;
export type Kinds = Answer<"/casework/kinds">;
export type Kind = Kinds["kinds"][number];
export type Filed = Answer<"/casework/cases", "post">;
export type Order = "newest" | "due";

/** The properties of a case on the map. */
export interface PointProperties {
  number?: string;
  group: string;
  state: CaseState;
  grid: string | null;
  is_overdue: boolean;
}
/** Properties of a cluster, which stands for cases where they are too many. */
export interface ClusterProperties {
  point_count: number;
}
/** Cases in a view of the map; `grids` counts all cases of the queue, in the view or not. */
export type CasePoints = FeatureCollection<Point, PointProperties | ClusterProperties> & {
  numberMatched: number;
  grids: Record<string, number>;
};
/** The visible part of the map; `bbox` in degrees. */
export interface MapView {
  bbox: string;
  zoom: string;
}

export const PAGE_SIZE = 50;

export const fetchKinds = () => bodyOf(api.GET("/casework/kinds"));

export const fetchCounts = () => bodyOf(api.GET("/casework/summary"));

export const fetchMe = () => bodyOf(api.GET("/auth/me"));

/** A page of the list; `after` is the `next` of the page before. */
export async function fetchCases(
  filters: URLSearchParams,
  order: Order,
  after = "",
  limit = PAGE_SIZE,
): Promise<Answer<"/casework/cases">> {
  const query = new URLSearchParams(filters);
  query.set("order", order);
  query.set("limit", String(limit));
  if (after) query.set("after", after);
  return (await request(`/casework/cases?${query}`)).json();
}

export async function fetchPoints(filters: URLSearchParams, view: MapView): Promise<CasePoints> {
  const query = new URLSearchParams(filters);
  for (const [name, value] of Object.entries(view)) query.set(name, value);
  return (await request(`/casework/map?${query}`)).json();
}

export const fetchCase = (number: string) =>
  bodyOf(api.GET("/casework/cases/{number}", { params: { path: { number } } }));

export const fetchContact = (number: string) =>
  bodyOf(api.GET("/casework/cases/{number}/contact", { params: { path: { number } } }));

/** Codes of the grids in force in a community. */
export async function fetchGridCodes(community: string): Promise<string[]> {
  const query = { community, simplify: 5000, limit: 500 } as const;
  const { features } = await bodyOf(api.GET("/grids", { params: { query } }));
  return features.map(({ properties }) => properties.code);
}

/** Take a step of a case; return the case as it is then. */
export async function takeStep(number: string, form: FormData, key: string): Promise<CaseDetails> {
  return (await postForm(`/casework/cases/${number}/steps`, form, key)).json();
}

/** File a case. */
export async function fileCase(form: FormData, key: string): Promise<Filed> {
  return (await postForm("/casework/cases", form, key)).json();
}

function postForm(path: string, form: FormData, key: string): Promise<Response> {
  return request(path, { method: "POST", body: form, headers: { "Idempotency-Key": key } });
}

/** A key by which the server recognizes a request that is sent twice. */
export function idempotencyKey(): string {
  // randomUUID exists on secure origins only
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Follow changes until the stream ends: null where the list has to be read again. */
export function followChanges(onChange: (changed: CaseSummary | null) => void): Promise<void> {
  return readEvents("/casework/events", (data) => {
    onChange("number" in (data as object) ? (data as CaseSummary) : null);
    return false;
  });
}
