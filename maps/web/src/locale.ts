// The words of the page: the catalogues of geo/locale, as the API serves them.

export type Language = "zh" | "en";

const LANGUAGE_KEY = "gridatlas.language";

let catalogue: Record<string, string> = {};

/** The language asked for in the address, else the one chosen before, else Chinese. */
export function preferredLanguage(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? rememberedLanguage();
  return asked === "en" ? "en" : "zh";
}

/** Settles when the words are there. */
export let localeLoaded: Promise<void> = Promise.resolve();

/** Read the words of a language; `page` names the part of the catalogue. */
export function loadLocale(lang: Language, page = "public"): Promise<void> {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  localeLoaded = fetchCatalogue(`/locale/${lang}?page=${page}`);
  return localeLoaded;
}

async function fetchCatalogue(path: string): Promise<void> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(response.statusText);
  catalogue = (await response.json()) as Record<string, string>;
}

export function rememberLanguage(lang: Language): void {
  try {
    localStorage.setItem(LANGUAGE_KEY, lang);
  } catch {
    // a browser that keeps nothing still shows the map
  }
}

/** The text of a key with its fields filled in. */
export function text(key: string, fields: Record<string, string | number> = {}): string {
  const template = catalogue[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(fields[name] ?? ""));
}

/** The text of a key, or nothing where the catalogue has none. */
export function optionalText(key: string, fields: Record<string, string | number> = {}): string {
  return key in catalogue ? text(key, fields) : "";
}

/** Tell the page how to change its language: the choice is kept and the page drawn anew. */
export function otherLanguage(): Language {
  return document.documentElement.lang === "zh-CN" ? "en" : "zh";
}

export function formatNumber(value: number): string {
  return value.toLocaleString(document.documentElement.lang);
}

function rememberedLanguage(): string | null {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
}
