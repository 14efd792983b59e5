// The field app of grid managers: it works from what the phone stores, and exchanges with the server
// whenever there is a connection.

import type { Map as LibreMap } from "maplibre-gl";

import { button, element, elementById, notify } from "../dom";
import {
  formatDateTime,
  languageTag,
  loadLocale,
  otherLanguage,
  preferredLanguage,
  switchLanguage,
  text,
} from "../locale";
import { session, signIn } from "../session";
import { runPage } from "../staff-page";
import {
  caseForm,
  dayInCity,
  dutiesView,
  stepForm,
  verificationForm,
  visitForm,
} from "./capture-views";
import { hydrantsView, hydrantView, inspectionForm } from "./hydrants";
import { isVerificationWaiting, serverTime } from "./outbox";
import { outboxView } from "./outbox-view";
import {
  bundle,
  closeStore,
  countEntries,
  openStore,
  readEntries,
  storedMap,
  sync,
  wipe,
} from "./store";
import { type SyncResult, startSync, syncNow } from "./sync";
import type { Bundle, Entry } from "./types";
import {
  buildingsView,
  buildingView,
  casesView,
  caseView,
  dwellingView,
  heading,
  mapView,
  type View,
  visitsView,
} from "./views";
import "./field.css";

const ROLE = "grid_manager";
const ACCOUNT_KEY = "gridatlas.field.account";
const SESSION_KEY = "gridatlas.session";
const TABS = ["map", "buildings", "cases", "visits", "hydrants", "duties"] as const;
const FORMS = new Set(["report", "visit", "verify", "inspect", "duties", "case"]);

let map: LibreMap | undefined;
/** The version of the surroundings on the map. */
let drawnVersion: string | undefined;
let lastResult: SyncResult | "running" = "running";
let isEnding = false;
/** Counts the views asked for: one that is ready late must not replace a later one. */
let viewCount = 0;

async function start(): Promise<void> {
  await loadLocale(preferredLanguage(), "field");
  registerWorker();
  writeHeader();
  if (session()?.role !== ROLE) await signInAsManager("");
  await openStoreOfSession();
  window.addEventListener("hashchange", () => void show());
  startSync({ started, finished, ended: (reason) => void endSession(reason) });
  await show();
}

/** The worker that keeps the app on the phone; without it the app needs a connection to open. */
function registerWorker(): void {
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.register("/field/worker.js", { scope: "/field" }).catch(() => undefined);
  void navigator.storage?.persist?.();
}

async function signInAsManager(reason: string): Promise<void> {
  let said = reason;
  do {
    await signIn(said);
    const role = session()?.role;
    said = role ? text("session.other_role", { role: text(`session.role_${role}`) }) : "";
  } while (session()?.role !== ROLE);
}

/** Open the database of the session's account; wipe that of another who used the phone before. */
async function openStoreOfSession(): Promise<void> {
  const account = session()!.name;
  const before = localStorage.getItem(ACCOUNT_KEY);
  if (before && before !== account) {
    await openStore(before);
    await wipe();
    closeStore();
  }
  localStorage.setItem(ACCOUNT_KEY, account);
  await openStore(account);
}

function started(): void {
  lastResult = "running";
  void writeState();
}

function finished(result: SyncResult): void {
  lastResult = result;
  void writeState();
  const isMapCurrent = viewName() === "map" && drawnVersion === storedMap?.version;
  if (map && bundle && isMapCurrent) void updateMap(map, bundle);
  else if (!FORMS.has(viewName())) void show();
}

async function updateMap(shown: LibreMap, own: Bundle): Promise<void> {
  const { updateFieldMap } = await import("./map-view");
  if (map === shown) updateFieldMap(shown, own);
}

/** The server ended the session: delete what the phone holds, and have the reader sign in. */
async function endSession(reason: string): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await wipe();
  localStorage.removeItem(SESSION_KEY);
  closeMap();
  elementById("view").replaceChildren(heading(text("field_app.wiped"), reason));
  await signInAsManager(reason);
  closeStore();
  await openStoreOfSession();
  isEnding = false;
  await syncNow();
  await show();
}

/** Sign out, once everything is sent. */
async function signOut(): Promise<void> {
  if (await countEntries()) return notify(text("field_app.send_first"));
  await wipe();
  const body = new URLSearchParams({ token: session()?.refresh_token ?? "" });
  localStorage.removeItem(SESSION_KEY);
  await fetch("/auth/revoke", { method: "POST", body }).catch(() => undefined);
  location.reload();
}

function writeHeader(): void {
  document.title = `${text("field_app.title")} · Gridatlas`;
  elementById("title").textContent = text("field_app.title");
  const language = elementById("language");
  language.textContent = text("page.language");
  language.lang = languageTag(otherLanguage());
  language.addEventListener("click", switchLanguage);
  elementById("sync").addEventListener("click", () => {
    location.hash = "#outbox";
    void syncNow();
  });
  elementById("tabs").setAttribute("aria-label", text("field_app.title"));
  elementById("tabs").replaceChildren(
    ...TABS.map((name) => element("a", { href: `#${name}` }, text(`field_app.${name}`))),
  );
}

async function writeState(): Promise<void> {
  const waiting = (await readEntries()).length;
  const label = waiting
    ? text("field_app.waiting", { count: waiting })
    : text(`field_app.sync_${lastResult}`);
  elementById("sync").textContent = label;
  elementById("sync").title = sync.syncedAt
    ? text("field_app.synced", { when: formatDateTime(sync.syncedAt) })
    : "";
}

function viewName(): string {
  return location.hash.slice(1).split("/")[0] || "map";
}

/** Show the view that the address names. */
async function show(): Promise<void> {
  if (isEnding) return;
  void writeState();
  const [name = "", ...rest] = (location.hash.slice(1) || "map").split("/");
  const code = decodeURIComponent(rest.join("/"));
  for (const tab of elementById("tabs").querySelectorAll("a"))
    tab.ariaCurrent = tab.hash === `#${name}` ? "page" : null;
  if (!bundle) {
    elementById("view").replaceChildren(heading(text("field_app.loading")));
    return;
  }
  if (!bundle.grids.length) {
    elementById("view").replaceChildren(heading(text("field_app.no_grid")), signOutButton());
    return;
  }
  viewCount += 1;
  const own = viewCount;
  const { view, start } = await viewOf(bundle, await readEntries(), name, code);
  if (own !== viewCount || isEnding) return;
  closeMap();
  elementById("view").replaceChildren(...view);
  elementById("view").className = name === "map" ? "full" : "";
  elementById("view").scrollTop = 0;
  map = start?.();
  drawnVersion = storedMap?.version;
  Object.assign(window, { gridatlas: { map } });
}

async function viewOf(
  own: Bundle,
  entries: Entry[],
  name: string,
  code: string,
): Promise<{ view: View; start?: () => LibreMap }> {
  if (name === "buildings") return { view: buildingsView(own) };
  if (name === "building") return { view: buildingView(own, code) };
  if (name === "dwelling")
    return { view: dwellingView(own, code, isVerificationWaiting(entries, code)) };
  if (name === "verify") return { view: await verificationForm(own, code, showAfterStoring) };
  if (name === "cases") return { view: casesView(own, entries) };
  if (name === "case") return { view: await caseWithStep(own, entries, code) };
  if (name === "report") return await caseForm(own, code, showAfterStoring);
  if (name === "visits") return { view: visitsView(own, entries) };
  if (name === "visit") return { view: await visitForm(own, code, showAfterStoring) };
  if (name === "hydrants")
    return { view: hydrantsView(own, entries, dayInCity(serverTime(new Date().toISOString()))) };
  if (name === "hydrant") return { view: hydrantView(own, entries, code) };
  if (name === "inspect") return { view: await inspectionForm(own, code, showAfterStoring) };
  if (name === "duties") return { view: await dutiesView(own, entries, showAfterStoring) };
  if (name === "outbox") return { view: await outbox(entries) };
  return mapView(own);
}

/** A case with the form of its next step, unless one waits to be sent. */
async function caseWithStep(own: Bundle, entries: Entry[], number: string): Promise<View> {
  const found = own.cases.find((serviceCase) => serviceCase.number === number);
  const isWaiting = entries.some(
    (entry) => entry.kind === "step" && entry.fields.number === number,
  );
  return caseView(
    own,
    number,
    found && !isWaiting ? await stepForm(found, showAfterStoring) : null,
  );
}

async function outbox(entries: Entry[]): Promise<View> {
  const locked = (await countEntries()) - entries.length;
  const decided = () => void show().then(syncNow);
  return [...outboxView(entries, locked, decided), signOutButton()];
}

function signOutButton(): HTMLElement {
  return button(text("session.sign_out"), () => void signOut());
}

/** Show a view after something was stored in the outbox. */
function showAfterStoring(hash: string): void {
  notify(text("field_app.stored"), undefined, "calm");
  if (location.hash === hash) void show();
  else location.hash = hash;
  void syncNow();
}

function closeMap(): void {
  map?.remove();
  map = undefined;
}

runPage(start);
