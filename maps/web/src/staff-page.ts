// What the pages for staff share: the role they require, their header and error messages.

import { elementById, notify } from "./dom";
import {
  type Language,
  languageTag,
  loadLocale,
  otherLanguage,
  preferredLanguage,
  switchLanguage,
  text,
} from "./locale";
import { requireRole, session, showSession } from "./session";
import { attachTextSize } from "./text-size";
import { showTour } from "./tour";

export interface StaffPage {
  /** The section of the catalogue. */
  page: "plan" | "fire" | "data" | "cases" | "assess" | "admin";
  /** The role that it is for, or several; administrators may open every page. */
  role: string | readonly string[];
  title: string;
  /** The name of the tour of what is on the screen. */
  tour(): string;
}

/** Load the texts, write the header and require the role; return the language. */
export async function openStaffPage(page: StaffPage): Promise<Language> {
  const lang = preferredLanguage();
  await loadLocale(lang, page.page);
  writeHeader(page);
  await requireRole([page.role].flat());
  showSession();
  return lang;
}

function writeHeader({ title, tour }: StaffPage): void {
  document.title = `${text(title)} · Gridatlas`;
  elementById("home").textContent = text(title);
  elementById("language").textContent = text("page.language");
  elementById("language").lang = languageTag(otherLanguage());
  elementById("language").addEventListener("click", switchLanguage);
  attachTextSize();
  elementById("help").textContent = text("tour.help");
  elementById("help").addEventListener("click", () => showTour(tour()));
}

/** The code of a page, which is loaded once it is likely to be used. */
interface PageCode {
  start(lang: Language): Promise<void>;
}

/** Open a page whose code is large: load it at once in a session, else when the reader signs in. */
export function runStaffPage(page: StaffPage, load: () => Promise<PageCode>): void {
  runPage(async () => {
    // an error is reported by the second import, once the texts are there
    const loadEarly = () => void load().catch(() => undefined);
    if (session()) loadEarly();
    else document.addEventListener("input", loadEarly, { once: true });
    const lang = await openStaffPage(page);
    const { start } = await load();
    await start(lang);
  });
}

/** Start a page; show uncaught errors as a notice. */
export function runPage(start: () => Promise<void>): void {
  window.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    notify((event.reason as Error).message);
  });
  start().catch((error: Error) => notify(error.message));
}

/** Navigate within the page where a link leads below `root`, without loading it again. */
export function followLinks(root: string, navigate: (path: string) => void): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as HTMLElement).closest("a");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
    if (!link || !plain || link.target || link.download || !link.pathname.startsWith(root)) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
