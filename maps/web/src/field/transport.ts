// Requests of the field app. Unlike those of other pages they open no sign-in dialog by themselves:
// the app has to tell a server that cannot be reached from one that ended the session.

import { languageTag } from "../locale";
import { accessToken, type Session, session, storeSession, withSessionLock } from "../session";

const TIMEOUT_MS = 30_000;

/** The server cannot be reached, or cannot answer now; `afterS` is when it asks to be tried again. */
export class UnreachableError extends Error {
  constructor(
    readonly afterS = 0,
    /** Whether the server failed at this request; others may succeed. */
    readonly isFault = false,
  ) {
    super("unreachable");
  }
}

/** The server ended the session, or the account may not use the app any more. */
export class SessionEndedError extends Error {}

/**
 * Send a request with the session's token. Answers of 5xx and 429 count as unreachable, and so do
 * successes that are not the server's, such as a page of a proxy: nothing is confirmed then.
 */
export async function send(path: string, init: RequestInit): Promise<Response> {
  let response = await sendAs(path, init);
  if (response.status === 401) {
    await renew(accessToken());
    response = await sendAs(path, init);
  }
  if (response.status === 401) throw new SessionEndedError(await detailOf(response));
  if (isTemporary(response) || !isFromServer(response))
    throw new UnreachableError(retryAfter(response), response.status === 500);
  return response;
}

async function sendAs(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("Accept-Language", languageTag());
  headers.set("Authorization", `Bearer ${accessToken() ?? ""}`);
  return await fetchOrFail(path, { ...init, headers });
}

async function fetchOrFail(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new UnreachableError();
  }
}

/** Renew the access token that was refused, unless another page has done so meanwhile. */
async function renew(refused: string | null): Promise<void> {
  await withSessionLock(async () => {
    const current = session();
    if (!current?.refresh_token) throw new SessionEndedError();
    if (current.access_token !== refused) return null;
    const body = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: current.refresh_token,
    });
    const headers = { "Accept-Language": languageTag() };
    const response = await fetchOrFail("/auth/token", { method: "POST", headers, body });
    if (response.status === 401) throw new SessionEndedError(await detailOf(response));
    if (!response.ok) throw new UnreachableError(retryAfter(response));
    return storeSession(await readJson<Session>(response));
  });
}

/** Read the body of a response; a connection lost meanwhile counts as an unreachable server. */
export async function readJson<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch {
    throw new UnreachableError();
  }
}

function isTemporary({ status }: Response): boolean {
  return status >= 500 || status === 429 || status === 408;
}

function isFromServer({ ok, status, headers }: Response): boolean {
  return !ok || status === 204 || /json|pmtiles/.test(headers.get("Content-Type") ?? "");
}

function retryAfter(response: Response): number {
  return Number(response.headers.get("Retry-After")) || 0;
}

async function detailOf(response: Response): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  return problem.detail ?? response.statusText;
}
