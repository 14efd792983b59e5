// Who is signed in. The refresh token is kept in the browser; pages of one browser share it, and
// only one at a time changes it, since a used one is void.

import { button, element, elementById } from "./dom";
import { isOffered, redirectToProvider } from "./identity-provider";
import { localeLoaded, text } from "./locale";

const SESSION_KEY = "gridatlas.session";

export interface Session {
  access_token: string;
  refresh_token: string;
  role: string;
  scope: string;
  name: string;
}

let signingIn: Promise<string | null> | undefined;

export function session(): Session | null {
  try {
    return JSON.parse(localStorage.getItem(SESSION_KEY) ?? "null") as Session | null;
  } catch {
    return null;
  }
}

export function accessToken(): string | null {
  return session()?.access_token ?? null;
}

/** A token after the server refused the last one: refreshed, else by signing in. */
export async function renewToken(): Promise<string | null> {
  const refused = accessToken();
  if (!refused) return null;
  return withSessionLock(async () => {
    const now = session();
    if (now && now.access_token !== refused) return now.access_token;
    if (now?.refresh_token) {
      const grant = { grant_type: "refresh_token", refresh_token: now.refresh_token };
      const answer = await fetch("/auth/token", {
        method: "POST",
        body: new URLSearchParams(grant),
      });
      if (answer.ok) return storeSession((await answer.json()) as Session);
    }
    await localeLoaded;
    return signIn(text("session.expired"));
  });
}

async function withSessionLock(work: () => Promise<string | null>): Promise<string | null> {
  // Locks exist on secure origins only; elsewhere one page alone is guarded.
  if (navigator.locks) return await navigator.locks.request(SESSION_KEY, work);
  signingIn ??= work().finally(() => (signingIn = undefined));
  return signingIn;
}

/** Ask for name and password over the page, whose state stays. */
export function signIn(reason = ""): Promise<string | null> {
  return new Promise((done) => {
    const name = inputField("username", "text", "username");
    const password = inputField("password", "password", "current-password");
    const said = element("p", { class: "said", role: "alert" }, reason);
    const requestSession = element(
      "button",
      { type: "submit", class: "primary" },
      text("session.sign_in"),
    );
    const form = element(
      "form",
      {},
      element("h2", {}, text("session.sign_in")),
      said,
      labelField("session.name", name),
      labelField("session.password", password),
      requestSession,
    );
    void isOffered().then((offered) => {
      if (offered) form.append(providerButton(said));
    });
    const dialog = element(
      "dialog",
      { class: "session", "aria-label": text("session.sign_in") },
      form,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      requestSession.disabled = true;
      void requestPasswordSession(name.value, password.value).then((answer) => {
        requestSession.disabled = false;
        if (typeof answer === "string") return (said.textContent = answer);
        dialog.remove();
        return done(storeSession(answer));
      });
    });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The button that leads to the identity provider; what goes wrong is said in the dialog. */
function providerButton(said: HTMLElement): HTMLElement {
  const leave = button(text("session.by_provider"), () => {
    leave.disabled = true;
    redirectToProvider(location.pathname + location.search).catch((error: Error) => {
      leave.disabled = false;
      said.textContent = error.message;
    });
  });
  return leave;
}

function requestPasswordSession(username: string, password: string): Promise<Session | string> {
  return enter({ grant_type: "password", username, password });
}

/** Open a session; return what the server says where it opens none. */
export async function enter(grant: Record<string, string>): Promise<Session | string> {
  const body = new URLSearchParams(grant);
  const headers = { "Accept-Language": document.documentElement.lang };
  try {
    const answer = await fetch("/auth/token", { method: "POST", body, headers });
    if (answer.ok) return (await answer.json()) as Session;
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
    return problem.detail ?? answer.statusText;
  } catch {
    return text("page.unreachable");
  }
}

/** The session, after signing in where there is none or where its role is not one of these. */
export async function requireRole(...roles: string[]): Promise<Session> {
  for (;;) {
    const now = session();
    if (now && (roles.includes(now.role) || now.role === "admin")) return now;
    await signIn(now ? text("session.other_role", { role: text(`session.role_${now.role}`) }) : "");
  }
}

export async function signOut(): Promise<void> {
  const refresh = session()?.refresh_token ?? "";
  localStorage.removeItem(SESSION_KEY);
  const body = new URLSearchParams({ token: refresh });
  await fetch("/auth/revoke", { method: "POST", body }).catch(() => undefined);
  location.reload();
}

/** Show who is signed in, with a button to sign out. */
export function showSession(): void {
  const now = session();
  if (!now) return;
  const out = element("button", { type: "button", class: "quiet" }, text("session.sign_out"));
  out.addEventListener("click", () => void signOut());
  elementById("who").replaceChildren(
    element("span", { title: text(`session.role_${now.role}`) }, now.name),
    out,
  );
}

export function storeSession(fresh: Session): string {
  localStorage.setItem(SESSION_KEY, JSON.stringify(fresh));
  return fresh.access_token;
}

function inputField(name: string, type: string, autocomplete: string): HTMLInputElement {
  const attributes = { name, type, autocomplete, required: "", id: `session-${name}` };
  return element("input", attributes);
}

function labelField(key: string, field: HTMLInputElement): HTMLElement {
  return element("label", { for: field.id }, text(key), field);
}
