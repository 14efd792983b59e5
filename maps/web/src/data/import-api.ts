// What the data desk asks of the API.

import type { Feature, Geometry } from "geojson";

import { ask, request } from "../http";

export type Way = "approve" | "dismiss" | "rollback";
export type Counts = Record<string, number>;

export interface Run {
  id: number;
  layer: string;
  source: string;
  status: string;
  started_at: string;
  finished_at: string | null;
  counts: Record<string, Counts>;
  timings: Record<string, number>;
  revision: number | null;
  file: string | null;
  concerns: { key: string; said: string }[];
  rejected: Counts;
  waiting: number;
  failure: string | null;
}

export interface Difference {
  code: string;
  fate: "added" | "changed" | "removed";
  columns: string[] | null;
  shape: Geometry | null;
}

export interface Stale {
  plan: number;
  community: string;
  version: number;
  households: number;
  grids: string[];
}

export interface Density {
  cell: number;
  cells: { lon: number; lat: number; fate: Difference["fate"]; count: number }[];
}

/** A place on a network that a person should look at. */
export interface Spot {
  code: string;
  end?: string;
  lon: number;
  lat: number;
}

export interface Told extends Run {
  report: {
    differences?: Record<string, Difference[]>;
    density?: Record<string, Density>;
    passed_over?: Counts;
    timings_until_held?: Counts;
    moved?: { code: string; old: string | null; new: string }[];
    moved_count?: number;
    units_removed?: { code: string; building: string; households: number; source: string }[];
    units_removed_count?: number;
    ends_loosened?: { code: string; source: string }[];
    ends_loosened_count?: number;
    network?: {
      made?: number;
      loose_ends?: Spot[];
      near_misses?: (Spot & { near: string })[];
      reversed?: Spot[];
      far_ends?: Spot[];
    };
    stale?: Stale[];
    proposals?: string[];
    corrections_kept?: {
      layer: string;
      code: string;
      field: string;
      value: unknown;
      delivered: unknown;
      actor: string;
    }[];
    topology?: {
      breaches?: { kind: string; codes: string[]; area_m2: number; lon: number; lat: number }[];
    };
  };
}

export interface Held {
  id: number;
  run: number;
  layer: string;
  code: string | null;
  reason: string;
  said: string;
  detail: string | null;
  properties: Record<string, unknown> | null;
  geometry: Geometry | null;
}

export interface Items<T> {
  numberMatched: number;
  items: T[];
}

export const PAGE = 50;

/** What may be done with a run in its state. */
export function waysOf(run: Run): Way[] {
  if (run.status === "held") return ["approve", "dismiss"];
  return run.status === "published" ? ["rollback"] : [];
}

export const runs = (offset: number, status: string): Promise<Items<Run>> =>
  ask(`/imports/runs?limit=${PAGE}&offset=${offset}${status ? `&status=${status}` : ""}`);

export const run = (id: number): Promise<Told> => ask(`/imports/runs/${id}`);

export const act = (id: number, way: Way, withLater = false): Promise<Run> =>
  ask(`/imports/runs/${id}/${way}`, {
    method: "POST",
    ...(way === "rollback" ? { body: { with_later: withLater } } : {}),
  });

export const quarantine = (run: number | null, offset: number): Promise<Items<Held>> =>
  ask(`/imports/quarantine?limit=${PAGE}&offset=${offset}${run === null ? "" : `&run=${run}`}`);

export const replay = (run: number): Promise<{ runs: Run[] }> =>
  ask("/imports/quarantine/replay", { method: "POST", body: { run } });

export function replayFile(file: File): Promise<{ runs: Run[] }> {
  const body = new FormData();
  body.set("file", file);
  return ask("/imports/quarantine/replay", { method: "POST", body });
}

export async function download(run: number | null, format: string): Promise<Blob> {
  const asked = `format=${format}${run === null ? "" : `&run=${run}`}`;
  return (await request(`/imports/quarantine/export?${asked}`)).blob();
}

export interface LayerTold {
  layer: string;
  features: number;
  columns: Record<string, string>;
}

export interface Version {
  revision: number;
  source: string;
  valid_from: string;
  valid_to: string | null;
  changed: string[];
  properties: Record<string, unknown>;
  geometry: Geometry | null;
}

export const layers = (): Promise<Items<LayerTold>> => ask("/layers");

export interface Sought {
  words?: string;
  bbox?: number[];
  offset?: number;
}

export const features = (
  layer: string,
  { words = "", bbox, offset = 0 }: Sought,
): Promise<{ numberMatched: number; features: Feature[] }> =>
  ask(
    `/layers/${layer}/features?limit=${PAGE}&offset=${offset}&q=${encodeURIComponent(words)}${bbox ? `&bbox=${bbox.join()}` : ""}`,
  );

export const history = (layer: string, code: string): Promise<Items<Version>> =>
  ask(`/layers/${layer}/features/${encodeURIComponent(code)}/history`);
