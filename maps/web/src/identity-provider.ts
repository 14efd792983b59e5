// Sign in with the city's identity provider (OpenID Connect): the page redirects there with a code
// challenge; the provider returns to /signed-in with a code, which our server exchanges.

import type { Answer } from "./http";
import { languageTag, text } from "./locale";

const PENDING_KEY = "gridatlas.signing-in";
const RETURN_PATH = "/signed-in";

/** What /signed-in needs to check and to complete the sign-in. */
export interface PendingSignIn {
  state: string;
  nonce: string;
  verifier: string;
  /** The address to return to. */
  back: string;
}

/** Whether there is a provider; browsers compute hashes on secure origins only. */
export async function hasProvider(): Promise<boolean> {
  if (!window.isSecureContext) return false;
  try {
    const answer = await fetch("/auth/providers");
    return answer.ok && ((await answer.json()) as Answer<"/auth/providers">).oidc !== null;
  } catch {
    return false;
  }
}

/** Redirect to the provider. */
export async function redirectToProvider(back: string): Promise<void> {
  const { authorization_endpoint, client_id } = await fetchProvider();
  const pending: PendingSignIn = {
    state: randomToken(),
    nonce: randomToken(),
    verifier: randomToken(),
    back,
  };
  sessionStorage.setItem(PENDING_KEY, JSON.stringify(pending));
  const address = new URL(authorization_endpoint);
  const query = {
    response_type: "code",
    client_id,
    redirect_uri: redirectUri(),
    scope: "openid profile",
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await codeChallenge(pending.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  location.assign(address);
}

/** Remove and return the sign-in that this window began. */
export function takePendingSignIn(): PendingSignIn | null {
  const stored = sessionStorage.getItem(PENDING_KEY);
  sessionStorage.removeItem(PENDING_KEY);
  return JSON.parse(stored ?? "null") as PendingSignIn | null;
}

/** The address to register with the provider. */
export const redirectUri = (): string => location.origin + RETURN_PATH;

async function fetchProvider(): Promise<Answer<"/auth/entrance">> {
  const headers = { "Accept-Language": languageTag() };
  const answer = await fetch("/auth/entrance", { headers }).catch(() => null);
  if (!answer) throw new Error(text("page.unreachable"));
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? answer.statusText);
  return body;
}

/** 256 random bits. */
const randomToken = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** The S256 code challenge of a verifier (RFC 7636, 4.2). */
export async function codeChallenge(verifier: string): Promise<string> {
  return base64url(
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))),
  );
}

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
