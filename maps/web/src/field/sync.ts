// Exchange with the server: read the bundle, send the outbox; again after a while if that fails. One page at a time, because several may be open.

import { languageTag, preferredLanguage } from "../locale";
import { sendEntries } from "./outbox";
import { bundle, storeBundle, storedMap, storeMap, storeSync, sync } from "./store";
import { readJson, SessionEndedError, send, UnreachableError } from "./transport";
import type { Bundle } from "./types";

const INTERVAL_MS = 60_000;
const FIRST_DELAY_MS = 2_000;
const MAX_DELAY_MS = 300_000;

export type SyncResult = "done" | "unreachable";

interface Listener {
  /** Before every attempt. */
  started(): void;
  /** After every attempt. */
  finished(result: SyncResult): void;
  /** The session has ended, with the server's reason. */
  ended(reason: string): void;
}

let listener: Listener;
let timer: number | undefined;
let failures = 0;
let running: Promise<void> | undefined;

/** Keep exchanging with the server: now, when the connection returns, and at intervals. */
export function startSync(events: Listener): void {
  listener = events;
  window.addEventListener("online", () => void syncNow());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void syncNow();
  });
  void syncNow();
}

/** Exchange with the server now; a call during an exchange waits for it and makes another. */
export async function syncNow(): Promise<void> {
  while (running) await running;
  running = exchange().finally(() => {
    running = undefined;
  });
  await running;
}

async function exchange(): Promise<void> {
  window.clearTimeout(timer);
  listener.started();
  try {
    await withLock(async () => {
      await readBundle(); // first: it tells the difference of the clocks
      if (await sendEntries()) await readBundle();
      await readMap().catch(ignoreFailure); // the app works without it: next time again
    });
    failures = 0;
    plan(INTERVAL_MS);
    listener.finished("done");
  } catch (error) {
    if (error instanceof SessionEndedError) return listener.ended(error.message);
    if (!(error instanceof UnreachableError)) throw error;
    const delay = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS);
    failures += 1;
    plan(Math.max(delay * (0.75 + Math.random() / 2), error.afterS * 1000));
    listener.finished("unreachable");
  }
}

function ignoreFailure(error: unknown): void {
  if (error instanceof SessionEndedError) throw error;
}

/** Read the map around the grids, unless the phone has this version of it. */
async function readMap(): Promise<void> {
  if (!bundle?.map) return;
  const version = `${bundle.map} ${languageTag()}`;
  if (storedMap?.version === version) return;
  const style = await send(`/style.json?lang=${preferredLanguage()}`, {});
  const tiles = await send("/field/map.pmtiles", { cache: "no-store" });
  if (style.status !== 200 || tiles.status !== 200) return;
  await storeMap({ version, style: await readJson(style), tiles: await tiles.arrayBuffer() });
}

function plan(delay: number): void {
  timer = window.setTimeout(() => void syncNow(), delay);
}

async function withLock(work: () => Promise<void>): Promise<void> {
  if (navigator.locks) await navigator.locks.request("gridatlas.field", work);
  else await work();
}

/** Read the bundle unless it is unchanged; note the difference of the clocks. */
async function readBundle(): Promise<void> {
  const language = languageTag();
  const etag = sync.language === language ? sync.etag : "";
  const response = await send("/field/bundle", {
    cache: "no-store",
    headers: etag ? { "If-None-Match": etag } : {},
  });
  const date = Date.parse(response.headers.get("Date") ?? "");
  const offset = Number.isNaN(date) ? sync.offset : date - Date.now();
  const state = { etag, language, offset, syncedAt: new Date(Date.now() + offset).toISOString() };
  if (response.status === 304) return storeSync(state);
  if (response.status === 403) {
    const problem = (await response.json()) as { detail?: string };
    throw new SessionEndedError(problem.detail);
  }
  if (!response.ok) throw new UnreachableError();
  state.etag = response.headers.get("ETag") ?? "";
  await storeBundle(await readJson<Bundle>(response), state);
}
