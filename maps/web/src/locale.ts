// The words of the page: the catalogues of geo/locale, as the API serves them.

export type Language = "zh" | "en";

const REMEMBERED = "gridatlas.language";

let words: Record<string, string> = {};

/** The language asked for in the address, else the one chosen before, else Chinese. */
export function preferredLanguage(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered();
  return asked === "en" ? "en" : "zh";
}

/** Settles when the words are there. */
export let spoken: Promise<void> = Promise.resolve();

/** Read the words of a language; `page` names the part of the catalogue. */
export function speak(lang: Language, page = "public"): Promise<void> {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  spoken = learn(`/locale/${lang}?page=${page}`);
  return spoken;
}

async function learn(path: string): Promise<void> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(response.statusText);
  words = (await response.json()) as Record<string, string>;
}

export function remember(lang: Language): void {
  try {
    localStorage.setItem(REMEMBERED, lang);
  } catch {
    // a browser that keeps nothing still shows the map
  }
}

/** The text of a key with its fields filled in. */
export function text(key: string, fields: Record<string, string | number> = {}): string {
  const template = words[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(fields[name] ?? ""));
}

/** The text of a key, or nothing where the catalogue has none. */
export function known(key: string, fields: Record<string, string | number> = {}): string {
  return key in words ? text(key, fields) : "";
}

/** Tell the page how to change its language: the choice is kept and the page drawn anew. */
export function otherLanguage(): Language {
  return document.documentElement.lang === "zh-CN" ? "en" : "zh";
}

export function number(value: number): string {
  return value.toLocaleString(document.documentElement.lang);
}

function remembered(): string | null {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}
