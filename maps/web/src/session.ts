// Who is signed in. The refresh token is kept in the browser; pages of one browser share it, and
// only one at a time changes it, since a used one is void.

import { button, byId, element } from "./dom";
import { isOffered, leaveFor } from "./identity-provider";
import { spoken, text } from "./locale";

const KEPT = "gridatlas.session";

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
    return JSON.parse(localStorage.getItem(KEPT) ?? "null") as Session | null;
  } catch {
    return null;
  }
}

export function token(): string | null {
  return session()?.access_token ?? null;
}

/** A token after the server refused the last one: refreshed, else by signing in. */
export async function freshToken(): Promise<string | null> {
  const refused = token();
  if (!refused) return null;
  return alone(async () => {
    const now = session();
    if (now && now.access_token !== refused) return now.access_token;
    if (now?.refresh_token) {
      const grant = { grant_type: "refresh_token", refresh_token: now.refresh_token };
      const answer = await fetch("/auth/token", {
        method: "POST",
        body: new URLSearchParams(grant),
      });
      if (answer.ok) return keep((await answer.json()) as Session);
    }
    await spoken;
    return signIn(text("session.expired"));
  });
}

async function alone(work: () => Promise<string | null>): Promise<string | null> {
  // Locks exist on secure origins only; elsewhere one page alone is guarded.
  if (navigator.locks) return await navigator.locks.request(KEPT, work);
  signingIn ??= work().finally(() => (signingIn = undefined));
  return signingIn;
}

/** Ask for name and password over the page, whose state stays. */
export function signIn(reason = ""): Promise<string | null> {
  return new Promise((done) => {
    const name = input("username", "text", "username");
    const password = input("password", "password", "current-password");
    const said = element("p", { class: "said", role: "alert" }, reason);
    const enter = element("button", { type: "submit", class: "primary" }, text("session.sign_in"));
    const form = element(
      "form",
      {},
      element("h2", {}, text("session.sign_in")),
      said,
      labelled("session.name", name),
      labelled("session.password", password),
      enter,
    );
    void isOffered().then((offered) => {
      if (offered) form.append(byProvider(said));
    });
    const dialog = element(
      "dialog",
      { class: "session", "aria-label": text("session.sign_in") },
      form,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      enter.disabled = true;
      void enterWith(name.value, password.value).then((answer) => {
        enter.disabled = false;
        if (typeof answer === "string") return (said.textContent = answer);
        dialog.remove();
        return done(keep(answer));
      });
    });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The button that leads to the identity provider; what goes wrong is said in the dialog. */
function byProvider(said: HTMLElement): HTMLElement {
  const leave = button(text("session.by_provider"), () => {
    leave.disabled = true;
    leaveFor(location.pathname + location.search).catch((error: Error) => {
      leave.disabled = false;
      said.textContent = error.message;
    });
  });
  return leave;
}

function enterWith(username: string, password: string): Promise<Session | string> {
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
export async function need(...roles: string[]): Promise<Session> {
  for (;;) {
    const now = session();
    if (now && (roles.includes(now.role) || now.role === "admin")) return now;
    await signIn(now ? text("session.other_role", { role: text(`session.role_${now.role}`) }) : "");
  }
}

export async function signOut(): Promise<void> {
  const refresh = session()?.refresh_token ?? "";
  localStorage.removeItem(KEPT);
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
  byId("who").replaceChildren(
    element("span", { title: text(`session.role_${now.role}`) }, now.name),
    out,
  );
}

export function keep(fresh: Session): string {
  localStorage.setItem(KEPT, JSON.stringify(fresh));
  return fresh.access_token;
}

function input(name: string, type: string, autocomplete: string): HTMLInputElement {
  const attributes = { name, type, autocomplete, required: "", id: `session-${name}` };
  return element("input", attributes);
}

function labelled(key: string, field: HTMLInputElement): HTMLElement {
  return element("label", { for: field.id }, text(key), field);
}
