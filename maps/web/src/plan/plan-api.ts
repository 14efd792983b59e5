// What the planner asks of the API.

import type { FeatureCollection, Geometry, MultiPolygon, Polygon } from "geojson";

import { extentOf } from "../bounds";
import { ask, everything } from "../http";

export type Status = "draft" | "published" | "archived";
export type Score = Record<string, unknown>;

export interface Limits {
  target: number;
  lower: number;
  upper: number;
}

export interface Plan {
  id: number;
  community_code: string;
  community: string;
  version: number;
  status: Status;
  revision: number;
  author: string;
  parent: number | null;
  stale: unknown;
  created_at: string;
  published_at: string | null;
  archived_at: string | null;
  limits: Limits;
  /** What was said when it was published. */
  note?: string;
  score: Score;
  undo: number;
  redo: number;
}

export interface GridProperties {
  code: string;
  serial: number;
  name: string;
  kind: "general" | "dedicated";
  households: number;
  atoms: number;
  within: boolean;
  contiguous: boolean;
  locked: boolean;
  colour: number;
}

export interface AtomProperties {
  atom: number;
  grid: string;
  building: string | null;
  unit: string | null;
  name: string;
  compound: string | null;
  households: number;
  lon: number | null;
  lat: number | null;
}

export interface Breach {
  kind: "below" | "above" | "not_contiguous" | "empty";
  grid: string;
  households: number | null;
  limit: number | null;
  detail: string;
}

export interface Edited {
  plan: number;
  revision: number;
  undo: number;
  redo: number;
  changed: { properties: GridProperties }[];
  removed: string[];
  atoms: Record<string, string>;
  problems: Breach[];
}

export interface Job {
  id: string | number;
  kind: string;
  status: "queued" | "running" | "done" | "failed" | "cancelled";
  step: string;
  done: number;
  total: number;
  community_code: string;
  plans: number[];
  /** How many drawings were asked for. */
  wanted: number;
  problem: { title: string; detail: string } | null;
}

export interface Comparison {
  plan: number;
  with: number;
  moved_households: number;
  moved_buildings: number;
  border_added_m: number;
  border_removed_m: number;
  grids: {
    code: string;
    before: number | null;
    after: number | null;
    gained: number;
    lost: number;
  }[];
}

export interface MovedProperties {
  atom: number;
  building: string | null;
  name?: string;
  households: number;
  from: string;
  to: string;
}

export interface Community {
  code: string;
  name: string;
  parent_code: string | null;
  grids: number | null;
  households: number | null;
}

export type Edit =
  | { kind: "assign"; atoms: number[]; grid: string | null }
  | { kind: "split"; grid: string; atoms?: number[] }
  | { kind: "merge"; grids: string[] }
  | { kind: "lock"; grids: string[] | "all"; locked: boolean }
  | { kind: "rename"; grid: string; name: string }
  | { kind: "kind"; grid: string; to: "general" | "dedicated" };

export type Areas<P> = FeatureCollection<Polygon | MultiPolygon, P>;

export interface CommunityFeature {
  properties: Community;
  bbox?: [number, number, number, number];
  geometry: Geometry | null;
}

/** The communities of a scope, with the figures of their plans in force or of their drafts. */
export function communities(
  scope: string,
  status: "published" | "draft" = "published",
): Promise<CommunityFeature[]> {
  const path = `/regions?level=community&simplify=30&limit=1000&status=${status}`;
  return everything<CommunityFeature>(path, "features").then((found) =>
    found.filter((one) => one.properties.code.startsWith(scope.replace(/(000)+$/, ""))),
  );
}

/** Names of streets by their codes. */
export async function streets(): Promise<Map<string, string>> {
  const found = await everything<CommunityFeature>(
    "/regions?level=street&simplify=5000&limit=1000",
    "features",
  );
  return new Map(found.map(({ properties: { code, name } }) => [code, name]));
}

export const plans = (community: string): Promise<Plan[]> =>
  everything<Plan>(`/communities/${community}/plans?limit=100`, "items");

export const plan = (id: number): Promise<Plan> => ask<Plan>(`/plans/${id}`);
export const grids = (id: number): Promise<Areas<GridProperties>> =>
  ask(`/plans/${id}/grids?limit=1000`);

export async function atoms(id: number): Promise<Areas<AtomProperties>> {
  const features = await everything<Areas<AtomProperties>["features"][number]>(
    `/plans/${id}/atoms?limit=10000`,
    "features",
  );
  return { type: "FeatureCollection", features };
}

/** Buildings of a community as cells, in no grid, for where there is no plan yet. */
export async function buildings(community: string): Promise<Areas<AtomProperties>> {
  const wanted = encodeURIComponent(`region_code='${community}'`);
  type Building = {
    geometry: MultiPolygon;
    properties: { code: string; name: string; compound_code: string | null; households: number };
  };
  const found = await everything<Building>(
    `/ogc/collections/building_detail/items?f=geojson&limit=1000&filter=${wanted}`,
    "features",
  );
  const features = found.map(
    ({ geometry, properties: { code, name, compound_code, households } }, atom) => {
      const [west, south, east, north] = extentOf(geometry);
      const properties = {
        atom,
        grid: "",
        building: code,
        unit: null,
        name,
        compound: compound_code,
        households,
        lon: (west + east) / 2,
        lat: (south + north) / 2,
      };
      return { type: "Feature" as const, geometry, properties };
    },
  );
  return { type: "FeatureCollection", features };
}

/** What stands for a plan where a community has none. */
export function noPlan(community: string): Plan {
  const [limits, score] = [{ target: 0, lower: 0, upper: 0 }, {}];
  const never = {
    created_at: "",
    published_at: null,
    archived_at: null,
    stale: null,
    parent: null,
  };
  return {
    id: 0,
    community_code: community,
    community: "",
    version: 0,
    status: "draft",
    revision: 0,
    author: "",
    limits,
    score,
    undo: 0,
    redo: 0,
    ...never,
  };
}

export const problems = (id: number): Promise<{ problems: Breach[] }> =>
  ask(`/plans/${id}/validation`);

export const edit = (id: number, revision: number, body: Edit): Promise<Edited> =>
  ask(`/plans/${id}/edits`, { method: "POST", body, revision });

export const step = (id: number, revision: number, way: "undo" | "redo"): Promise<Edited> =>
  ask(`/plans/${id}/${way}`, { method: "POST", revision });

export const draw = (community: string, body: Record<string, unknown>): Promise<Job> =>
  ask(`/communities/${community}/plans`, { method: "POST", body });

export const complete = (id: number): Promise<Job> =>
  ask(`/plans/${id}/complete`, { method: "POST" });
export const cancel = (job: Job): Promise<Job> => ask(`/jobs/${job.id}`, { method: "DELETE" });
export const copy = (id: number): Promise<Plan> => ask(`/plans/${id}/copy`, { method: "POST" });

export const publish = (id: number, revision: number, note: string): Promise<Plan> =>
  ask(`/plans/${id}/publish`, { method: "POST", revision, body: { note } });

export const discard = ({ id, revision }: Plan): Promise<void> =>
  ask(`/plans/${id}`, { method: "DELETE", revision });

export const comparison = (id: number, other: number): Promise<Comparison> =>
  ask(`/plans/${id}/comparison?with=${other}`);

export const moved = (id: number, other: number): Promise<Areas<MovedProperties>> =>
  ask(`/plans/${id}/comparison/layer?with=${other}`);
