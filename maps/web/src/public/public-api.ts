// The requests of the public page.

import type { Extent } from "../bounds";
import { type Answer, allPages, api, bodyOf, ProblemError } from "../http";

export type Status = "published" | "draft";
export type Communities = Answer<"/regions">;
export type Community = Communities["features"][number]["properties"];
export type Grid = Answer<"/grids">["features"][number]["properties"];
export type GridCard = Answer<"/grids/{code}">["properties"];
export type PublicCounts = Answer<"/register/communities">["items"][number];
export type Manager = NonNullable<GridCard["manager"]>;
export type Station = NonNullable<GridCard["station"]>;

/** Every community with the figures of its plan; the bbox of the list is the city's extent. */
export async function fetchCommunities(status: Status): Promise<Communities> {
  const query = { level: "community", simplify: 50, limit: 1000, status } as const;
  const pages = await allPages(bodyOf(api.GET("/regions", { params: { query } })));
  return { ...pages[0]!, features: pages.flatMap((page) => page.features) };
}

/** Counts of the register by community; the server withholds counts of one or two. */
export const fetchRegister = async (region: string): Promise<PublicCounts[]> =>
  (await bodyOf(api.GET("/register/communities", { params: { query: { region } } }))).items;

/** A grid in force with its manager. */
export const fetchGrid = (code: string) =>
  bodyOf(api.GET("/grids/{code}", { params: { path: { code } } }));

/** The link to a grid or place for others, and its QR code. */
export const fetchShareLink = (grid: string, place: string) =>
  bodyOf(api.GET("/share", { params: { query: { grid, place } } }));

/** The grid at a place with its extent, or null. */
export async function fetchGridAt(
  lon: number,
  lat: number,
  status: Status,
): Promise<{ properties: Grid; bbox?: Extent } | null> {
  try {
    const query = { lon, lat, status };
    const grids = await bodyOf(api.GET("/grids", { params: { query } }));
    return grids.features[0] ?? null;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return null;
    throw error;
  }
}
