// What the page asks of the API.

import type { FeatureCollection, Geometry } from "geojson";

import { text } from "./locale";

export type Status = "published" | "draft";

export interface Community {
  code: string;
  name: string;
  grids: number | null;
  households: number | null;
}

export interface Grid {
  code: string;
  serial: number;
  name: string;
  kind: "general" | "dedicated";
  households: number;
  buildings: number;
  colour: number;
  community_code: string;
  community: string;
  street: string;
  version: number;
  status: Status | "archived";
}

export interface Collection<P> extends FeatureCollection<Geometry | null, P> {
  numberMatched: number;
  links: { rel: string; href: string }[];
}

/** An answer that is a problem document (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

/** Every community with the figures of its plan; the collection's bbox is the city's extent. */
export function communities(status: Status): Promise<Collection<Community>> {
  return everyPage(`/regions?level=community&simplify=50&limit=1000&status=${status}`);
}

/** The name of the city, or nothing where there are several or none. */
export async function cityName(): Promise<string> {
  const cities = await get<Collection<{ name: string }>>("/regions?level=city&simplify=5000");
  return cities.numberMatched === 1 ? (cities.features[0]?.properties.name ?? "") : "";
}

/** The grid at a place, or null. */
export async function gridAt(lon: number, lat: number, status: Status): Promise<Grid | null> {
  try {
    const found = await get<Collection<Grid>>(`/grids?lon=${lon}&lat=${lat}&status=${status}`);
    return found.features[0]?.properties ?? null;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

async function everyPage<P>(path: string): Promise<Collection<P>> {
  const all = await get<Collection<P>>(path);
  let next = following(all);
  while (next) {
    const page = await get<Collection<P>>(next);
    all.features.push(...page.features);
    next = following(page);
  }
  return all;
}

function following<P>(page: Collection<P>): string | undefined {
  const href = page.links.find((link) => link.rel === "next")?.href;
  if (!href) return undefined;
  const url = new URL(href, location.href);
  return url.pathname + url.search;
}

async function get<T>(path: string): Promise<T> {
  const lang = document.documentElement.lang;
  let response: Response;
  try {
    response = await fetch(path, { headers: { "Accept-Language": lang } });
  } catch {
    throw new Problem(0, text("page.unreachable"));
  }
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  throw new Problem(response.status, problem.detail ?? response.statusText);
}
