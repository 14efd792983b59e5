// Signing in with the city's identity provider (OpenID Connect): this page leaves for it with a
// challenge, and comes back at /signed-in with a code, which our server takes to the provider.

import { text } from "./locale";

const PENDING_KEY = "gridatlas.signing-in";
const RETURN_PATH = "/signed-in";

/** What has to be remembered while the reader is at the provider's. */
export interface PendingSignIn {
  state: string;
  nonce: string;
  verifier: string;
  /** The place to go back to. */
  back: string;
}

/** Whether there is a provider; hashes are made on secure origins only. */
export async function isOffered(): Promise<boolean> {
  if (!window.isSecureContext) return false;
  try {
    const answer = await fetch("/auth/providers");
    return answer.ok && ((await answer.json()) as { oidc: unknown }).oidc !== null;
  } catch {
    return false;
  }
}

/** Leave for the provider. */
export async function redirectToProvider(back: string): Promise<void> {
  const { authorization_endpoint, client_id } = await fetchProvider();
  const asked: PendingSignIn = {
    state: randomToken(),
    nonce: randomToken(),
    verifier: randomToken(),
    back,
  };
  sessionStorage.setItem(PENDING_KEY, JSON.stringify(asked));
  const address = new URL(authorization_endpoint);
  const query = {
    response_type: "code",
    client_id,
    redirect_uri: redirectUri(),
    scope: "openid profile",
    state: asked.state,
    nonce: asked.nonce,
    code_challenge: await codeChallenge(asked.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  location.assign(address);
}

/** What was asked for in this window, once. */
export function takePendingSignIn(): PendingSignIn | null {
  const kept = sessionStorage.getItem(PENDING_KEY);
  sessionStorage.removeItem(PENDING_KEY);
  return JSON.parse(kept ?? "null") as PendingSignIn | null;
}

/** The address that the provider has to know as ours. */
export const redirectUri = (): string => location.origin + RETURN_PATH;

async function fetchProvider(): Promise<{ authorization_endpoint: string; client_id: string }> {
  const headers = { "Accept-Language": document.documentElement.lang };
  const answer = await fetch("/auth/entrance", { headers }).catch(() => null);
  if (!answer) throw new Error(text("page.unreachable"));
  const said = (await answer.json()) as {
    authorization_endpoint: string;
    client_id: string;
    detail?: string;
  };
  if (!answer.ok) throw new Error(said.detail ?? answer.statusText);
  return said;
}

/** 256 bits of chance. */
const randomToken = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** The hash by which the provider knows the verifier again (RFC 7636, 4.2). */
async function codeChallenge(verifier: string): Promise<string> {
  return base64url(
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))),
  );
}

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
