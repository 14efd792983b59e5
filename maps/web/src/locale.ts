// The texts of the page, from the catalogues of geo/locale, and numbers and times in its language.

export type Language = "zh" | "en";

type Fields = Record<string, string | number>;

const LANGUAGE_KEY = "gridatlas.language";
const TAGS = { zh: "zh-CN", en: "en" } as const;

let language: Language = "zh";
let catalogue: Record<string, string> = {};

/** The language given in the address, else the one chosen before, else the browser's. */
export function preferredLanguage(): Language {
  const given = new URLSearchParams(location.search).get("lang") ?? rememberedLanguage();
  return chooseLanguage(given ? [given] : navigator.languages);
}

/** The first of the languages that the page has, by default Chinese. */
export function chooseLanguage(tags: readonly string[]): Language {
  const known = tags.map((tag) => tag.toLowerCase().split("-")[0]);
  return known.find((tag): tag is Language => tag === "zh" || tag === "en") ?? "zh";
}

/** Remember the other language, and load the page again in it. */
export function switchLanguage(): void {
  rememberLanguage(otherLanguage());
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  history.replaceState(history.state, "", address);
  location.reload();
}

/** Resolves when the texts are loaded. */
export let localeLoaded: Promise<void> = Promise.resolve();

/** Load the texts of a language; `page` names the section of the catalogue. */
export function loadLocale(lang: Language, page = "public"): Promise<void> {
  document.documentElement.lang = TAGS[lang];
  const loading: Promise<void> = fetchCatalogue(`/locale/${lang}?page=${page}`).then((texts) => {
    if (localeLoaded !== loading) return localeLoaded; // another language was chosen meanwhile
    setLocale(lang, texts);
  });
  localeLoaded = loading;
  return loading;
}

/** Use a language and its texts. */
export function setLocale(lang: Language, texts: Record<string, string>): void {
  language = lang;
  catalogue = texts;
}

async function fetchCatalogue(path: string): Promise<Record<string, string>> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(response.statusText);
  return await response.json();
}

export function rememberLanguage(lang: Language): void {
  try {
    localStorage.setItem(LANGUAGE_KEY, lang);
  } catch {
    // a browser that blocks storage still shows the map
  }
}

function rememberedLanguage(): string | null {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
}

export function otherLanguage(): Language {
  return language === "zh" ? "en" : "zh";
}

/** The language that the page is in, as HTML and HTTP name it. */
export function languageTag(lang = language): string {
  return TAGS[lang];
}

/** The text of a key with its fields filled in; without one, the key. */
export function text(key: string, fields: Fields = {}): string {
  const template = catalogue[key] ?? key;
  return template
    .replace(/\{(\w+):([^{}|]+)\|([^{}|]+)\}/g, (_, name: string, one: string, many: string) =>
      String(fields[name]) === "1" ? one : many,
    )
    .replace(/\{(\w+)\}/g, (_, name: string) => String(fields[name] ?? ""));
}

/** The text of a key, or nothing where the catalogue has none. */
export function optionalText(key: string, fields: Fields = {}): string {
  return key in catalogue ? text(key, fields) : "";
}

export function formatNumber(value: number): string {
  return value.toLocaleString(languageTag());
}

/** Metres, rounded; nothing where there is no value. */
export function formatMetres(value: number | null | undefined): string {
  return typeof value === "number" ? `${formatNumber(Math.round(value))} m` : "";
}

export function formatDateTime(moment: string): string {
  return new Date(moment).toLocaleString(languageTag(), {
    dateStyle: "medium",
    timeStyle: "short",
  });
}
