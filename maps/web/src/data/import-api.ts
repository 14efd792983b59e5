// The requests of the import page.

import type { Extent } from "../bounds";
import { delay } from "../dom";
import { type Answer, api, bodyOf, ProblemError, request } from "../http";
import type { Preview, UploadMapping } from "./upload-mapping";

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

const POLL_INTERVAL_MS = 1000;

/** Called with the step at which a job is. */
export type StepListener = (step: string) => void;

/**
 * Post work on runs and wait for its end: what takes longer than some seconds is answered as a job,
 * which is followed here.
 */
async function runWork<Result>(
  path: string,
  init: RequestInit,
  fetchResult: (runs: number[]) => Promise<Result>,
  onStep: StepListener = () => {},
): Promise<Result> {
  const answer = await request(path, { method: "POST", ...init });
  if (answer.status !== 202) return (await answer.json()) as Result;
  let job = (await answer.json()) as Answer<"/jobs/{number}">;
  while (job.status === "queued" || job.status === "running") {
    onStep(job.step ?? "");
    await delay(POLL_INTERVAL_MS);
    job = await bodyOf(api.GET("/jobs/{number}", { params: { path: { number: job.id } } }));
  }
  if (job.status !== "done") throw new ProblemError(409, job.problem?.detail ?? job.status);
  return fetchResult(job.runs);
}

const jsonBody = (body: unknown): RequestInit => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Approve, dismiss or roll back a run; the last with the later runs of its layers if wanted. */
export function decideRun(
  number: number,
  decision: Decision,
  withLater: boolean,
  onStep: StepListener,
): Promise<Run> {
  const init = decision === "rollback" ? jsonBody({ with_later: withLater }) : {};
  return runWork(
    `/imports/runs/${number}/${decision}`,
    init,
    (runs) => fetchRun(runs.at(-1) ?? number),
    onStep,
  );
}

/** Upload a file as it is. */
export async function uploadFile(file: File): Promise<Answer<"/imports/uploads", "post">> {
  const answer = await request(`/imports/uploads?name=${encodeURIComponent(file.name)}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: file,
  });
  return (await answer.json()) as Answer<"/imports/uploads", "post">;
}

export function fetchUpload(
  upload: string,
  query: { layer?: string; file_layer?: string; encoding?: string },
): Promise<Preview> {
  const params = { path: { upload }, query };
  return bodyOf(api.GET("/imports/uploads/{upload}", { params }));
}

export const deleteUpload = (upload: string) =>
  request(`/imports/uploads/${upload}`, { method: "DELETE" });

/** What the import of an uploaded file would change. */
export function dryRunUpload(upload: string, mapping: UploadMapping): Promise<RunWithReport> {
  const fetchResult = () =>
    bodyOf(api.GET("/imports/uploads/{upload}/dry-run", { params: { path: { upload } } }));
  return runWork(`/imports/uploads/${upload}/dry-run`, jsonBody(mapping), fetchResult);
}

export function importUpload(upload: string, mapping: UploadMapping): Promise<Run> {
  const fetchResult = (runs: number[]) => fetchRun(runs.at(-1)!);
  return runWork(`/imports/uploads/${upload}/import`, jsonBody(mapping), fetchResult);
}

/** The first page of the quarantine, of one run or of all. */
export function fetchQuarantine(run: number | null) {
  const query = { limit: PAGE_SIZE, ...(run === null ? {} : { run }) };
  return bodyOf(api.GET("/imports/quarantine", { params: { query } }));
}

const fetchReplayed = async (numbers: number[]): Promise<{ runs: Run[] }> => ({
  runs: await Promise.all(numbers.map(fetchRun)),
});

export const replayRun = (run: number) =>
  runWork("/imports/quarantine/replay", jsonBody({ run }), fetchReplayed);

/** Replay features of the quarantine as a file that a person mended has them. */
export function replayFile(file: File) {
  const body = new FormData();
  body.set("file", file);
  return runWork("/imports/quarantine/replay", { body }, fetchReplayed);
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
