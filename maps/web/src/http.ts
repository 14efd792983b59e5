// Requests to the server: typed by its OpenAPI description, signed with the session's token,
// with problem documents thrown as errors.

import createClient from "openapi-fetch";

import type { paths } from "../generated/api";
import { element, notify } from "./dom";
import { languageTag, text } from "./locale";
import { accessToken, renewToken } from "./session";

type Method = "get" | "put" | "post" | "delete";
type Success = 200 | 201 | 202;
type ContentOf<Responses> =
  Responses extends Record<infer Status, unknown>
    ? Status extends Success
      ? Responses[Status] extends { content: infer Content }
        ? Content[keyof Content]
        : never
      : never
    : never;

/** The body of a successful answer. */
export type Answer<
  Path extends keyof paths,
  Name extends Method = "get",
> = paths[Path][Name] extends { responses: infer Responses } ? ContentOf<Responses> : never;

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

/** Whether the server could not be reached. */
export function isOffline(error: unknown): boolean {
  return error instanceof ProblemError && error.status === 0;
}

/** The API; paths, parameters and bodies are checked by the compiler. */
export const api = createClient<paths>({ fetch: send });

/** The body of an answer; problems have been thrown before. */
export async function bodyOf<Body>(answer: Promise<{ data?: Body }>): Promise<Body> {
  return (await answer).data as Body;
}

/** The header by which an edit names the revision that it was made on. */
export function ifMatch(revision: number): { "if-match": string } {
  return { "if-match": `"${revision}"` };
}

/** Request a path that the description does not type. */
export function request(path: string, init: RequestInit = {}): Promise<Response> {
  return send(new Request(path, init));
}

/** Send a request, once more with a renewed token if the server refuses the old one. */
async function send(request: Request): Promise<Response> {
  // a body can be read once, and may have to be sent twice
  const body = request.method === "GET" ? null : await request.arrayBuffer();
  let response = await sendAs(request, body, accessToken());
  if (response.status === 401) {
    const renewed = await renewToken();
    if (renewed) response = await sendAs(request, body, renewed);
  }
  if (response.ok) return response;
  const document = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const detail = document.detail ?? document.title ?? response.statusText;
  throw new ProblemError(response.status, String(detail), document);
}

async function sendAs(
  { url, method, headers, signal }: Request,
  body: ArrayBuffer | null,
  token: string | null,
): Promise<Response> {
  headers.set("Accept-Language", languageTag());
  if (token) headers.set("Authorization", `Bearer ${token}`);
  try {
    return await fetch(url, { method, headers, signal, body: body?.byteLength ? body : null });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ProblemError(0, text("page.unreachable"));
  }
}

/** Open a protected file: in a tab where the browser can show it, else as a download. */
export async function openFile(path: string): Promise<void> {
  try {
    const response = await request(path);
    const name = fileName(response.headers.get("Content-Disposition") ?? "");
    const isShown = /pdf|html|image/.test(response.headers.get("Content-Type") ?? "");
    openBlob(await response.blob(), isShown ? null : name);
  } catch (error) {
    notify((error as Error).message);
  }
}

/** Save a blob under a name; show it in a tab where the name is null. */
export function openBlob(blob: Blob, name: string | null): void {
  const address = URL.createObjectURL(blob);
  if (name === null) window.open(address, "_blank");
  else element("a", { href: address, download: name }).click();
  window.setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The file name in a Content-Disposition header, or nothing. */
export function fileName(disposition: string): string {
  return /filename="([^"]+)"/.exec(disposition)?.[1] ?? "";
}

/** Read server-sent events until the stream ends or `isLast` returns true for one. */
export async function readEvents(path: string, isLast: (data: unknown) => boolean): Promise<void> {
  const response = await request(path);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { events, rest } = splitEvents(buffer + value);
    buffer = rest;
    if (events.some((data) => isLast(JSON.parse(data)))) return reader.cancel();
  }
}

/** Split a stream of server-sent events into the data of the whole ones and what is left. */
export function splitEvents(stream: string): { events: string[]; rest: string } {
  const blocks = stream.replace(/\r/g, "").split("\n\n");
  const rest = blocks.pop() ?? "";
  const events = blocks.map((block) =>
    block
      .split("\n")
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice("data:".length).trim())
      .join("\n"),
  );
  return { events: events.filter((data) => data !== ""), rest };
}

interface Page {
  links: { rel: string; href: string }[];
}

/** A page of a list and all pages after it. */
export async function allPages<One extends Page>(first: Promise<One>): Promise<One[]> {
  const pages = [await first];
  for (let next = nextPath(pages[0]!); next; next = nextPath(pages.at(-1)!)) {
    const response = await request(next);
    pages.push((await response.json()) as One);
  }
  return pages;
}

/** Path and query of the page after this one. */
export function nextPath({ links }: Page): string | null {
  const href = links.find((link) => link.rel === "next")?.href;
  if (!href) return null;
  const url = new URL(href, "http://server.invalid");
  return url.pathname + url.search;
}
