// What the page asks of the API.

import type { FeatureCollection, Geometry } from "geojson";

import { following, ask as get, ProblemError } from "../http";

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
  manager?: Manager | null;
  station?: Station | null;
}

/** Who looks after a grid, as the contact card prints it. */
export interface Manager {
  name: string;
  phone: string;
  duties: string;
  photo: string | null;
}

export interface Station {
  name: string;
  phone: string;
  address: string;
}

export interface Collection<P> extends FeatureCollection<Geometry | null, P> {
  numberMatched: number;
  links: { rel: string; href: string }[];
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

/** A grid with its manager. */
export function gridOf(code: string): Promise<{ properties: Grid; bbox?: number[] }> {
  return get(`/grids/${code}`);
}

/** The grid at a place, or null. */
export async function gridAt(lon: number, lat: number, status: Status): Promise<Grid | null> {
  try {
    const found = await get<Collection<Grid>>(`/grids?lon=${lon}&lat=${lat}&status=${status}`);
    return found.features[0]?.properties ?? null;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return null;
    throw error;
  }
}

async function everyPage<P>(path: string): Promise<Collection<P>> {
  const all = await get<Collection<P>>(path);
  let next = following(all as never);
  while (next) {
    const page = await get<Collection<P>>(next);
    all.features.push(...page.features);
    next = following(page as never);
  }
  return all;
}
