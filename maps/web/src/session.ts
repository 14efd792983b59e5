// The session. Its refresh token is stored in the browser and shared by all pages; a lock lets one
// page renew it at a time, because a used token is void.

import { button, element, elementById, notify } from "./dom";
import { openFormDialog } from "./form-dialog";
import type { Answer } from "./http";
import { hasProvider, redirectToProvider } from "./identity-provider";
import { languageTag, localeLoaded, otherLanguage, switchLanguage, text } from "./locale";

const SESSION_KEY = "gridatlas.session";
/** The page that each role works with. */
const ROLE_PAGES: Record<string, string> = {
  planner: "/plan",
  fire: "/fire",
  importer: "/data",
  grid_manager: "/cases",
  office: "/cases",
};
/** As on the server (geo.db.accounts). */
const MIN_PASSWORD_CHARACTERS = 12;

export type Session = Answer<"/auth/token", "post">;

let renewal: Promise<string | null> | undefined;

/** The stored session, or null. */
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

/** Replace a token that the server refused: by the refresh token, else by signing in. */
export async function renewToken(): Promise<string | null> {
  const refused = accessToken();
  if (!refused) return null;
  return withSessionLock(async () => {
    const current = session();
    if (current && current.access_token !== refused) return current.access_token;
    if (current?.refresh_token) {
      const grant = { grant_type: "refresh_token", refresh_token: current.refresh_token };
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

/** Do work that changes the session while no other page does. */
export async function withSessionLock(work: () => Promise<string | null>): Promise<string | null> {
  // Web Locks exist on secure origins only; elsewhere this guards one page by itself
  if (navigator.locks) return await navigator.locks.request(SESSION_KEY, work);
  renewal ??= work().finally(() => {
    renewal = undefined;
  });
  return renewal;
}

/** Ask for name and password in a dialog; the page keeps its state. */
export function signIn(reason = ""): Promise<string | null> {
  return new Promise((resolve) => {
    const name = inputField("username", "text", "username");
    const password = inputField("password", "password", "current-password");
    const message = element("p", { class: "said", role: "alert" }, reason);
    const submit = element("button", { type: "submit", class: "primary" }, text("session.sign_in"));
    const form = element(
      "form",
      {},
      element("h2", {}, text("session.sign_in")),
      message,
      reason ? rolePageLink() : null,
      labelField("session.name", name),
      labelField("session.password", password),
      submit,
      languageButton(),
    );
    void hasProvider().then((isOffered) => {
      if (isOffered) form.append(providerButton(message));
    });
    const dialog = element(
      "dialog",
      { class: "session", "aria-label": text("session.sign_in") },
      form,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit.disabled = true;
      const grant = { grant_type: "password", username: name.value, password: password.value };
      void requestSession(grant).then((answer) => {
        submit.disabled = false;
        if (typeof answer === "string") {
          message.textContent = answer;
          return;
        }
        dialog.remove();
        resolve(storeSession(answer));
      });
    });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A link to the page of the session's role, where this is another. */
function rolePageLink(): HTMLElement | null {
  const role = session()?.role ?? "";
  const href = ROLE_PAGES[role];
  if (!href || location.pathname.startsWith(href)) return null;
  const words = text("session.role_page", { role: text(`session.role_${role}`) });
  return element("p", {}, element("a", { href }, words));
}

/** The page's own language button lies behind the dialog. */
function languageButton(): HTMLElement {
  const attributes = { class: "quiet", lang: languageTag(otherLanguage()) };
  return button(text("page.language"), switchLanguage, attributes);
}

/** The button that leads to the identity provider; errors go into `message`. */
function providerButton(message: HTMLElement): HTMLElement {
  const leave = button(text("session.by_provider"), () => {
    leave.disabled = true;
    redirectToProvider(location.pathname + location.search).catch((error: Error) => {
      leave.disabled = false;
      message.textContent = error.message;
    });
  });
  return leave;
}

/** Request a session; return the server's reason where it refuses. */
export async function requestSession(grant: Record<string, string>): Promise<Session | string> {
  const body = new URLSearchParams(grant);
  const headers = { "Accept-Language": languageTag() };
  try {
    const answer = await fetch("/auth/token", { method: "POST", body, headers });
    if (answer.ok) return (await answer.json()) as Session;
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
    return problem.detail ?? answer.statusText;
  } catch {
    return text("page.unreachable");
  }
}

/** Have the reader sign in until the session has one of the roles, or is an administrator's. */
export async function requireRole(roles: readonly string[]): Promise<void> {
  for (;;) {
    const current = session()?.role;
    if (current && (roles.includes(current) || current === "admin")) return;
    await signIn(
      current ? text("session.other_role", { role: text(`session.role_${current}`) }) : "",
    );
  }
}

/** Revoke the session and load the page again. */
export async function signOut(): Promise<void> {
  const refresh = session()?.refresh_token ?? "";
  localStorage.removeItem(SESSION_KEY);
  const body = new URLSearchParams({ token: refresh });
  await fetch("/auth/revoke", { method: "POST", body }).catch(() => undefined);
  location.reload();
}

/** Show who is signed in, with a button to sign out. */
export function showSession(): void {
  const current = session();
  if (!current) return;
  const out = element("button", { type: "button", class: "quiet" }, text("session.sign_out"));
  out.addEventListener("click", () => void signOut());
  const account = button(current.name, changePassword, {
    class: "quiet",
    title: `${text(`session.role_${current.role}`)} · ${text("session.change_password")}`,
    "aria-label": text("session.account", { name: current.name }),
  });
  const isAdmin = current.role === "admin";
  elementById("who").replaceChildren(
    ...(isAdmin ? [element("a", { href: "/admin" }, text("session.accounts"))] : []),
    account,
    out,
  );
}

/** Change the password of the account; the session goes on. */
function changePassword(): void {
  const field = (key: string, autocomplete: "current-password" | "new-password") => {
    const input = element("input", { type: "password", autocomplete, required: "" });
    return { input, label: element("label", {}, text(key), input) };
  };
  const current = field("session.current_password", "current-password");
  const next = field("session.new_password", "new-password");
  const again = field("session.repeat_password", "new-password");
  next.input.minLength = MIN_PASSWORD_CHARACTERS;
  const rule = text("session.password_rule", { least: MIN_PASSWORD_CHARACTERS });
  next.label.append(element("small", {}, rule));
  openFormDialog({
    title: text("session.change_password"),
    content: [current.label, next.label, again.label],
    action: text("session.change_password"),
    confirm: async () => {
      if (next.input.value !== again.input.value) throw new Error(text("session.not_the_same"));
      storeSession(await putPassword(current.input.value, next.input.value));
      notify(text("session.password_changed"), undefined, "calm");
    },
  });
}

async function putPassword(current: string, password: string): Promise<Session> {
  const send = (token: string | null) =>
    fetch("/auth/password", {
      method: "PUT",
      body: JSON.stringify({ current, password }),
      headers: {
        "Content-Type": "application/json",
        "Accept-Language": languageTag(),
        Authorization: `Bearer ${token}`,
      },
    });
  let answer = await send(accessToken());
  if (answer.status === 401) answer = await send(await renewToken());
  if (answer.ok) return (await answer.json()) as Session;
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
  throw new Error(problem.detail ?? answer.statusText);
}

/** Store a session; return its access token. */
export function storeSession(opened: Session): string {
  localStorage.setItem(SESSION_KEY, JSON.stringify(opened));
  return opened.access_token;
}

function inputField(name: string, type: string, autocomplete: string): HTMLInputElement {
  const attributes = { name, type, autocomplete, required: "", id: `session-${name}` };
  return element("input", attributes);
}

function labelField(key: string, field: HTMLInputElement): HTMLElement {
  return element("label", { for: field.id }, text(key), field);
}
