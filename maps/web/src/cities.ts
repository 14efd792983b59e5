// The cities of a database, and which of them a page opens on.

import { type Extent, uniteExtents } from "./bounds";
import { button, element } from "./dom";
import { type Answer, allPages, api, bodyOf } from "./http";
import { formatNumber, text } from "./locale";
import { session } from "./session";

/** Digits of a division's code that all parts of a city share. */
const CITY_DIGITS = 4;
const CITY_KEY = "gridatlas.city";

export type Regions = Answer<"/regions">;

export interface City {
  code: string;
  name: string;
  extent: Extent;
  /** Communities with a plan, their grids and households. */
  communities: number;
  grids: number;
  households: number;
}

/** Cities with the totals of their drawn communities, the one with the most households first. */
export function citiesOf(
  { features }: Pick<Regions, "features">,
  names: Map<string, string>,
): City[] {
  const cities = new Map<string, City>();
  for (const { properties, bbox } of features) {
    if (!bbox) continue;
    const code = properties.code.slice(0, CITY_DIGITS);
    const none = { code, name: names.get(code) ?? code, communities: 0, grids: 0, households: 0 };
    const city = cities.get(code) ?? { ...none, extent: bbox };
    city.extent = uniteExtents(city.extent, bbox);
    city.communities += properties.grids === null ? 0 : 1;
    city.grids += properties.grids ?? 0;
    city.households += properties.households ?? 0;
    cities.set(code, city);
  }
  return [...cities.values()].sort((one, other) => other.households - one.households);
}

/** The regions of a city. */
export function regionsOf(regions: Regions, city: City | null): Regions {
  if (!city) return regions;
  const features = regions.features.filter(({ properties }) =>
    properties.code.startsWith(city.code),
  );
  return { ...regions, features };
}

/** Names of cities by the digits that all parts of the city share. */
export async function fetchCityNames(): Promise<Map<string, string>> {
  const query = { level: "city", simplify: 5000 } as const;
  const { features } = await bodyOf(api.GET("/regions", { params: { query } }));
  return new Map(features.map(({ properties: { code, name } }) => [cityDigits(code), name]));
}

/**
 * The city that a page opens on: the caller's, the one of the address, or the one chosen before;
 * else the only one that is drawn. Null where the reader has to choose.
 */
export function openingCity(cities: City[], hints: (string | null | undefined)[]): City | null {
  for (const hint of hints) {
    const city = hint && cities.find(({ code }) => isSameCity(code, hint));
    if (city) return city;
  }
  const drawn = cities.filter(({ grids }) => grids > 0);
  const candidates = drawn.length > 0 ? drawn : cities;
  return candidates.length === 1 ? candidates[0]! : null;
}

/** Let the reader choose a city where nothing decides; without a choice the largest is shown. */
export async function chooseOpeningCity(cities: City[], hasView: boolean): Promise<City | null> {
  const requested = new URLSearchParams(location.search).get("city");
  const hints = [requested, session()?.scope, sessionStorage.getItem(CITY_KEY)];
  const city = openingCity(cities, hints);
  if (city || cities.length === 0 || hasView) return city ?? cities[0] ?? null;
  return chooseCity(cities);
}

/** Show the list of cities until the reader has chosen one. */
export function chooseCity(cities: City[]): Promise<City> {
  return new Promise((resolve) => {
    let chosen = cities[0]!;
    const rows = cities.map((city) => {
      const row = button(city.name, () => {
        chosen = city;
        dialog.close();
      });
      row.append(element("small", {}, cityTotals(city)));
      return element("li", {}, row);
    });
    const dialog = element(
      "dialog",
      { class: "cities", "aria-label": text("page.choose_city") },
      element("h2", {}, text("page.choose_city")),
      element("ul", {}, ...rows),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      sessionStorage.setItem(CITY_KEY, chosen.code);
      resolve(chosen);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The figures of a city's drawn communities in words. */
export function cityTotals({ communities, grids, households }: City): string {
  if (grids === 0) return text("page.not_drawn");
  return text("page.totals", {
    communities: formatNumber(communities),
    grids: formatNumber(grids),
    households: formatNumber(households),
  });
}

/** The extent that a page for staff opens on; undefined where there are no communities. */
export async function fetchOpeningExtent(hasView: boolean): Promise<Extent | undefined> {
  const query = { level: "city", simplify: 5000 } as const;
  const regions = await bodyOf(api.GET("/regions", { params: { query } }));
  const scope = session()?.scope ?? "";
  // one city with a border is shown without reading its communities
  if (regions.features.length === 1 && regions.bbox && !scope) return regions.bbox;
  const names = new Map(
    regions.features.map(({ properties: { code, name } }) => [cityDigits(code), name]),
  );
  const communities = await fetchAllCommunities();
  const own = communities.features.filter(({ properties, bbox }) => {
    return bbox && scope && properties.code.startsWith(significantDigits(scope));
  });
  if (own.length > 0) return own.map(({ bbox }) => bbox!).reduce(uniteExtents);
  return (await chooseOpeningCity(citiesOf(communities, names), hasView))?.extent;
}

async function fetchAllCommunities(): Promise<Regions> {
  const query = { level: "community", simplify: 10_000, limit: 1000 } as const;
  const pages = await allPages(bodyOf(api.GET("/regions", { params: { query } })));
  return { ...pages[0]!, features: pages.flatMap(({ features }) => features) };
}

const cityDigits = (code: string): string => code.slice(0, CITY_DIGITS);

/** The digits of a division's code without the zeros of the levels below. */
const significantDigits = (code: string): string =>
  code.replace(/(000)+$/, "").replace(/(00)+$/, "");

function isSameCity(city: string, code: string): boolean {
  const digits = significantDigits(code).slice(0, CITY_DIGITS);
  return digits.length >= CITY_DIGITS && city === digits;
}
