// Talking to the server: one way to ask, who asks, and what went wrong in the caller's words.

import { element, notify } from "./dom";
import { text } from "./locale";
import { accessToken, renewToken } from "./session";

/** An answer that is a problem document (RFC 9457). */
export class ProblemError extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly document: Record<string, unknown> = {},
  ) {
    super(detail);
  }
}

/** The server could not be reached at all. */
export function isOffline(error: unknown): boolean {
  return error instanceof ProblemError && error.status === 0;
}

export interface Asked {
  method?: string;
  body?: unknown;
  revision?: number | undefined;
  signal?: AbortSignal;
}

/** Ask for JSON. */
export async function ask<T>(path: string, asked: Asked = {}): Promise<T> {
  const response = await request(path, asked);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Ask, with one fresh token where the old one has run out; problems are thrown. */
export async function request(path: string, asked: Asked = {}): Promise<Response> {
  let response = await send(path, asked, accessToken());
  if (response.status === 401) {
    const fresh = await renewToken();
    if (fresh) response = await send(path, asked, fresh);
  }
  if (response.ok) return response;
  const document = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const detail = document.detail ?? document.title ?? response.statusText;
  throw new ProblemError(response.status, String(detail), document);
}

async function send(path: string, asked: Asked, bearer: string | null): Promise<Response> {
  const headers: Record<string, string> = { "Accept-Language": document.documentElement.lang };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (asked.revision !== undefined) headers["If-Match"] = `"${asked.revision}"`;
  const init: RequestInit = { method: asked.method ?? "GET", headers };
  if (asked.signal) init.signal = asked.signal;
  if (asked.body instanceof FormData || asked.body instanceof URLSearchParams) {
    init.body = asked.body;
  } else if (asked.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(asked.body);
  }
  try {
    return await fetch(path, init);
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ProblemError(0, text("page.unreachable"));
  }
}

/** Open a file that is only for who is signed in: what a browser shows in a tab, else saved. */
export async function openFile(path: string): Promise<void> {
  try {
    const answer = await request(path);
    const address = URL.createObjectURL(await answer.blob());
    const name =
      /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "";
    if (/pdf|html/.test(answer.headers.get("Content-Type") ?? "")) window.open(address, "_blank");
    else element("a", { href: address, download: name }).click();
    window.setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    notify((error as Error).message);
  }
}

/** Read server-sent events until the stream ends or `on` says that it is enough. */
export async function listen(
  path: string,
  on: (event: string, data: unknown) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const response = await request(path, { signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value.replace(/\r/g, "");
    for (let end = waiting.indexOf("\n\n"); end >= 0; end = waiting.indexOf("\n\n")) {
      const lines = waiting.slice(0, end).split("\n");
      waiting = waiting.slice(end + 2);
      const field = (name: string) =>
        lines
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).trim())
          .join("\n");
      if (field("data") && on(field("event") || "message", JSON.parse(field("data")))) {
        await reader.cancel();
        return;
      }
    }
  }
}

/** Every page of a list under `key`. */
export async function everything<T>(path: string, key: "items" | "features"): Promise<T[]> {
  const all: T[] = [];
  let next: string | undefined = path;
  while (next) {
    const page: Record<string, unknown> = await ask(next);
    all.push(...(page[key] as T[]));
    next = following(page);
  }
  return all;
}

export function following(page: Record<string, unknown>): string | undefined {
  const links = (page.links ?? []) as { rel: string; href: string }[];
  const href = links.find((link) => link.rel === "next")?.href;
  if (!href) return undefined;
  const url = new URL(href, location.href);
  return url.pathname + url.search;
}
