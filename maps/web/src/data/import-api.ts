// The requests of the import page.

import type { Extent } from "../bounds";
import { type Answer, api, bodyOf, request } from "../http";

export type Run = Answer<"/imports/runs">["items"][number];
export type RunWithReport = Answer<"/imports/runs/{number}">;
export type RunReport = RunWithReport["report"];
export type RunStatus = Run["status"];
export type Fate = NonNullable<RunReport["differences"]>[string][number]["fate"];
export type QuarantinedFeature = Answer<"/imports/quarantine">["items"][number];
export type Version = Answer<"/layers/{layer}/features/{code}/history">["items"][number];
export type LayerFeature = Answer<"/layers/{layer}/features">["features"][number];

/** What may be done with a run. */
export type Decision = "approve" | "dismiss" | "rollback";

const PAGE_SIZE = 50;

export function fetchRuns(offset: number, status: RunStatus | null) {
  const query = { limit: PAGE_SIZE, offset, ...(status ? { status } : {}) };
  return bodyOf(api.GET("/imports/runs", { params: { query } }));
}

export const fetchRun = (number: number) =>
  bodyOf(api.GET("/imports/runs/{number}", { params: { path: { number } } }));

/** Approve, dismiss or roll back a run; the last with the later runs of its layers if wanted. */
export function decideRun(number: number, decision: Decision, withLater: boolean): Promise<Run> {
  const params = { path: { number } };
  if (decision === "approve") return bodyOf(api.POST("/imports/runs/{number}/approve", { params }));
  if (decision === "dismiss") return bodyOf(api.POST("/imports/runs/{number}/dismiss", { params }));
  const body = { with_later: withLater };
  return bodyOf(api.POST("/imports/runs/{number}/rollback", { params, body }));
}

/** The first page of the quarantine, of one run or of all. */
export function fetchQuarantine(run: number | null) {
  const query = { limit: PAGE_SIZE, ...(run === null ? {} : { run }) };
  return bodyOf(api.GET("/imports/quarantine", { params: { query } }));
}

export const replayRun = (run: number) =>
  bodyOf(api.POST("/imports/quarantine/replay", { body: { run } }));

/** Replay features of the quarantine as a file that a person mended has them. */
export async function replayFile(
  file: File,
): Promise<Answer<"/imports/quarantine/replay", "post">> {
  const body = new FormData();
  body.set("file", file);
  return (await request("/imports/quarantine/replay", { method: "POST", body })).json();
}

export function exportQuarantine(
  run: number | null,
  format: "geojson" | "csv" | "gpkg",
): Promise<Blob> {
  const query = { format, ...(run === null ? {} : { run }) };
  return bodyOf<Blob>(
    api.GET("/imports/quarantine/export", { params: { query }, parseAs: "blob" }),
  );
}

export const fetchLayers = () => bodyOf(api.GET("/layers"));

export function searchFeatures(layer: string, words: string, offset: number) {
  const query = { limit: PAGE_SIZE, offset, q: words };
  return bodyOf(api.GET("/layers/{layer}/features", { params: { path: { layer }, query } }));
}

export function fetchFeaturesIn(layer: string, extent: Extent) {
  const query = { limit: PAGE_SIZE, bbox: extent.join() };
  return bodyOf(api.GET("/layers/{layer}/features", { params: { path: { layer }, query } }));
}

/** What a feature is and was, the newest version first. */
export const fetchHistory = (layer: string, code: string) =>
  bodyOf(api.GET("/layers/{layer}/features/{code}/history", { params: { path: { layer, code } } }));
