// What the desks have in common: who may come in, their head, and how what goes wrong is told.

import { byId, notify } from "./dom";
import { type Language, otherLanguage, preferredLanguage, remember, speak, text } from "./locale";
import { need, showSession } from "./session";
import { tour } from "./tour";

export interface Desk {
  /** Part of the catalogue that the page speaks from. */
  page: "plan" | "fire" | "data";
  role: string;
  title: string;
  /** Which tour fits what is on the screen. */
  tour(): string;
}

/** Speak the reader's language, write the head and let in who may; return the language. */
export async function openDesk(desk: Desk): Promise<Language> {
  const lang = preferredLanguage();
  await speak(lang, desk.page);
  writeHead(desk, lang);
  await need(desk.role);
  showSession();
  return lang;
}

function writeHead({ title, tour: fitting }: Desk, lang: Language): void {
  document.title = `${text(title)} · Gridatlas`;
  byId("home").textContent = text(title);
  byId("language").textContent = text("page.language");
  byId("language").lang = lang === "zh" ? "en" : "zh-CN";
  byId("language").addEventListener("click", () => {
    remember(otherLanguage());
    location.reload();
  });
  byId("help").textContent = text("tour.help");
  byId("help").addEventListener("click", () => tour(fitting()));
}

/** Begin; whatever nobody caught is said at the foot of the page. */
export function run(start: () => Promise<void>): void {
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
