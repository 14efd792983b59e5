// What the desks have in common: who may come in, their head, and how what goes wrong is told.

import { elementById, notify } from "./dom";
import {
  type Language,
  loadLocale,
  otherLanguage,
  preferredLanguage,
  rememberLanguage,
  text,
} from "./locale";
import { requireRole, showSession } from "./session";
import { showTour } from "./tour";

export interface StaffPage {
  /** Part of the catalogue that the page speaks from. */
  page: "plan" | "fire" | "data";
  role: string;
  title: string;
  /** Which tour fits what is on the screen. */
  tour(): string;
}

/** Speak the reader's language, write the head and let in who may; return the language. */
export async function openStaffPage(desk: StaffPage): Promise<Language> {
  const lang = preferredLanguage();
  await loadLocale(lang, desk.page);
  writeHead(desk, lang);
  await requireRole(desk.role);
  showSession();
  return lang;
}

function writeHead({ title, tour: fitting }: StaffPage, lang: Language): void {
  document.title = `${text(title)} · Gridatlas`;
  elementById("home").textContent = text(title);
  elementById("language").textContent = text("page.language");
  elementById("language").lang = lang === "zh" ? "en" : "zh-CN";
  elementById("language").addEventListener("click", () => {
    rememberLanguage(otherLanguage());
    location.reload();
  });
  elementById("help").textContent = text("tour.help");
  elementById("help").addEventListener("click", () => showTour(fitting()));
}

/** Begin; whatever nobody caught is said at the foot of the page. */
export function runPage(start: () => Promise<void>): void {
  window.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    notify((event.reason as Error).message);
  });
  start().catch((error: Error) => notify(error.message));
}

/** Follow links within the desk without loading the page anew. */
export function followLinks(root: string, go: (path: string) => void): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as HTMLElement).closest("a");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
    if (!link || !plain || link.target || link.download || !link.pathname.startsWith(root)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
