// The requests of the planner.

import type {
  FeatureCollection,
  Geometry,
  LineString,
  MultiLineString,
  MultiPolygon,
  Polygon,
} from "geojson";

import type { components } from "../../generated/api";
import { extentOf } from "../bounds";
import { type Answer, allPages, api, bodyOf, ifMatch, request } from "../http";

export type Plan = Answer<"/plans/{number}">;
export type Score = Plan["score"];
export type PlanGrid = Answer<"/plans/{number}/grids">["features"][number]["properties"];
export type Atom = Answer<"/plans/{number}/atoms">["features"][number]["properties"];
export type MovedAtom =
  Answer<"/plans/{number}/comparison/layer">["features"][number]["properties"];
export type Breach = Answer<"/plans/{number}/validation">["problems"][number];
export type EditAnswer = Answer<"/plans/{number}/edits", "post">;
export type Job = Answer<"/jobs/{number}">;
export type Community = Answer<"/regions">["features"][number]["properties"];
export type PlanEdit = Answer<"/plans/{number}/edits">["items"][number];
export type PlanComment = Answer<"/plans/{number}/comments">["items"][number];
export type Outlook = Answer<"/regions/{code}/outlook">["items"][number];
export type BuildingCounts = Answer<"/register/counts/{area}">["items"][number];
export type WhatIf = Answer<"/what-if/{number}">;
export type WhatIfRequest = components["schemas"]["WhatIfRequest"];
export type Street = Answer<"/what-if/streets">["features"][number];
export type PlanSummary = Answer<"/plans">["items"][number];
export interface Barrier {
  id: string;
  kind: Answer<"/plans/{number}/barriers">["features"][number]["properties"]["kind"];
  name: string;
  geometry: LineString | MultiLineString;
}
export type DrawRequest = components["schemas"]["DrawRequest"];
export type Edit =
  | components["schemas"]["Assign"]
  | components["schemas"]["Reassign"]
  | components["schemas"]["Split"]
  | components["schemas"]["Merge"]
  | components["schemas"]["Lock"]
  | components["schemas"]["Rename"]
  | components["schemas"]["ChangeKind"];

export type MicroGrid = Answer<"/plans/{number}/micro-grids">["features"][number]["properties"];

export type Areas<Properties> = FeatureCollection<Polygon | MultiPolygon, Properties>;

const MAX_ATOMS = 10_000;
const MAX_REGIONS = 1_000;
const MAX_BUILDINGS = 1_000;

/** The communities of a scope, with the figures of their plans in force or of their drafts. */
export async function fetchCommunities(scope: string, status: "published" | "draft" = "published") {
  const query = { level: "community", simplify: 30, limit: MAX_REGIONS, status } as const;
  const pages = await allPages(bodyOf(api.GET("/regions", { params: { query } })));
  return pages
    .flatMap(({ features }) => features)
    .filter(({ properties }) => isInScope(properties.code, scope));
}

/** Whether a division is part of another: codes end in zeros from the level below on. */
export function isInScope(code: string, scope: string): boolean {
  return code.startsWith(scope.replace(/(000)+$/, ""));
}

/** Names of streets by their codes. */
export async function fetchStreetNames(): Promise<Map<string, string>> {
  const query = { level: "street", simplify: 5000, limit: MAX_REGIONS } as const;
  const pages = await allPages(bodyOf(api.GET("/regions", { params: { query } })));
  const streets = pages.flatMap(({ features }) => features);
  return new Map(streets.map(({ properties: { code, name } }) => [code, name]));
}

export async function fetchPlans(code: string): Promise<Plan[]> {
  const params = { path: { code }, query: { limit: 100 } };
  const pages = await allPages(bodyOf(api.GET("/communities/{code}/plans", { params })));
  return pages.flatMap(({ items }) => items);
}

export const fetchPlan = (number: number) =>
  bodyOf(api.GET("/plans/{number}", { params: { path: { number } } }));

export const fetchGrids = (number: number): Promise<Areas<PlanGrid>> =>
  bodyOf(api.GET("/plans/{number}/grids", { params: { path: { number } } }));

export async function fetchAtoms(number: number): Promise<Areas<Atom>> {
  const params = { path: { number }, query: { limit: MAX_ATOMS } };
  const pages = await allPages(bodyOf(api.GET("/plans/{number}/atoms", { params })));
  return { type: "FeatureCollection", features: pages.flatMap(({ features }) => features) };
}

/** The buildings of a community as atoms in no grid, for a community without a plan. */
export async function fetchBuildings(community: string): Promise<Areas<Atom>> {
  const filter = encodeURIComponent(`region_code='${community}'`);
  const path = `/ogc/collections/building_detail/items?f=geojson&limit=1000&filter=${filter}`;
  const first = request(path).then((response) => response.json());
  const pages = await allPages<FeatureCollection & { links: { rel: string; href: string }[] }>(
    first,
  );
  const features = pages
    .flatMap((page) => page.features)
    .map(({ geometry, properties }, index) => ({
      type: "Feature" as const,
      geometry: geometry as Polygon | MultiPolygon,
      properties: buildingAtom(geometry, properties ?? {}, index),
    }));
  return { type: "FeatureCollection", features };
}

function buildingAtom(geometry: Geometry, building: Record<string, unknown>, atom: number): Atom {
  const [west, south, east, north] = extentOf(geometry);
  return {
    atom,
    grid: "",
    building: String(building.code),
    unit: null,
    name: String(building.name ?? ""),
    compound: building.compound_code ? String(building.compound_code) : null,
    households: Number(building.households ?? 0),
    workload: null,
    lon: (west + east) / 2,
    lat: (south + north) / 2,
  };
}

/** A plan without grids, for a community without a plan. */
export function emptyPlan(community: string): Plan {
  return {
    id: 0,
    community_code: community,
    community: "",
    version: 0,
    status: "draft",
    revision: 0,
    author: "",
    note: "",
    parent: null,
    stale: null,
    created_at: "",
    published_at: null,
    archived_at: null,
    limits: { target: 0, lower: 0, upper: 0, balance: "households" },
    score: {},
    undo: 0,
    redo: 0,
  };
}

export async function fetchBreaches(number: number): Promise<Breach[]> {
  const params = { path: { number } };
  return (await bodyOf(api.GET("/plans/{number}/validation", { params }))).problems;
}

export const postEdit = (number: number, revision: number, body: Edit) =>
  bodyOf(api.POST("/plans/{number}/edits", { params: revisionOf(number, revision), body }));

/** Send a file that assigns buildings to grids. */
export async function postAssignment(
  number: number,
  revision: number,
  file: File,
): Promise<EditAnswer> {
  const body = new FormData();
  body.append("file", file);
  const init = { method: "POST", body, headers: ifMatch(revision) };
  return (await request(`/plans/${number}/assignment`, init)).json() as Promise<EditAnswer>;
}

export function postStep(number: number, revision: number, direction: "undo" | "redo") {
  const params = revisionOf(number, revision);
  if (direction === "undo") return bodyOf(api.POST("/plans/{number}/undo", { params }));
  return bodyOf(api.POST("/plans/{number}/redo", { params }));
}

/** Who made the last edit of a plan; nothing where there is none. */
export async function fetchLastAuthor(number: number): Promise<string> {
  const params = { path: { number }, query: { limit: 1 } };
  return (await bodyOf(api.GET("/plans/{number}/edits", { params }))).items[0]?.author ?? "";
}

/** The edits of a plan, the newest first. */
export async function fetchEdits(number: number): Promise<PlanEdit[]> {
  const params = { path: { number }, query: { limit: 1000 } };
  return (await bodyOf(api.GET("/plans/{number}/edits", { params }))).items;
}

/** The lines that borders may follow. */
export async function fetchBarriers(number: number): Promise<Barrier[]> {
  const params = { path: { number } };
  const { features } = await bodyOf(api.GET("/plans/{number}/barriers", { params }));
  return features.map(({ id, properties, geometry }) => ({
    id,
    ...properties,
    geometry: geometry as LineString | MultiLineString,
  }));
}

export async function fetchComments(number: number): Promise<PlanComment[]> {
  const params = { path: { number }, query: { limit: 1000 } };
  return (await bodyOf(api.GET("/plans/{number}/comments", { params }))).items;
}

export const postComment = (number: number, words: string, [lon, lat]: [number, number]) =>
  bodyOf(
    api.POST("/plans/{number}/comments", {
      params: { path: { number } },
      body: { words, lon, lat },
    }),
  );

export const resolveComment = (number: number, comment: number, resolved: boolean) =>
  bodyOf(
    api.PATCH("/plans/{number}/comments/{comment}", {
      params: { path: { number, comment } },
      body: { resolved },
    }),
  );

export const deleteComment = (number: number, comment: number) =>
  bodyOf(
    api.DELETE("/plans/{number}/comments/{comment}", { params: { path: { number, comment } } }),
  );

/** The plans of a status in all communities that the caller may see. */
export async function fetchPlanSummaries(status: "draft" | "published"): Promise<PlanSummary[]> {
  const params = { query: { status, limit: 1000 } };
  const pages = await allPages(bodyOf(api.GET("/plans", { params })));
  return pages.flatMap(({ items }) => items);
}

/** Counts of the register by building of a community, within the caller's scope. */
export async function fetchRegister(community: string): Promise<Map<string, BuildingCounts>> {
  const query = { region: community, limit: MAX_BUILDINGS };
  const params = { path: { area: "building" }, query } as const;
  const pages = await allPages(bodyOf(api.GET("/register/counts/{area}", { params })));
  return new Map(pages.flatMap(({ items }) => items).map((counts) => [counts.code, counts]));
}

/** The households of communities next year; the server keeps to the caller's scope. */
export const fetchOutlook = (code: string) =>
  bodyOf(api.GET("/regions/{code}/outlook", { params: { path: { code } } }));

export const requestDrawing = (code: string, body: DrawRequest) =>
  bodyOf(api.POST("/communities/{code}/plans", { params: { path: { code } }, body }));

export const requestCompletion = (number: number) =>
  bodyOf(api.POST("/plans/{number}/complete", { params: { path: { number } } }));

export const requestMicroGrids = (number: number) =>
  bodyOf(api.POST("/plans/{number}/micro-grids", { params: { path: { number } } }));

export const fetchMicroGrids = (number: number): Promise<Areas<MicroGrid>> =>
  bodyOf(api.GET("/plans/{number}/micro-grids", { params: { path: { number } } }));

export const fetchJob = (number: number) =>
  bodyOf(api.GET("/jobs/{number}", { params: { path: { number } } }));

export const cancelJob = (number: number) =>
  bodyOf(api.DELETE("/jobs/{number}", { params: { path: { number } } }));

export const copyPlan = (number: number) =>
  bodyOf(api.POST("/plans/{number}/copy", { params: { path: { number } } }));

export const publishPlan = (number: number, revision: number, note: string) =>
  bodyOf(
    api.POST("/plans/{number}/publish", {
      params: revisionOf(number, revision),
      body: { note },
    }),
  );

export const restorePlan = (number: number) =>
  bodyOf(api.POST("/plans/{number}/restore", { params: { path: { number } } }));

export const discardPlan = ({ id, revision }: Plan) =>
  bodyOf(api.DELETE("/plans/{number}", { params: revisionOf(id, revision) }));

export const fetchComparison = (number: number, other: number) =>
  bodyOf(
    api.GET("/plans/{number}/comparison", {
      params: { path: { number }, query: { with: other } },
    }),
  );

export const fetchMovedAtoms = (number: number, other: number): Promise<Areas<MovedAtom>> =>
  bodyOf(
    api.GET("/plans/{number}/comparison/layer", {
      params: { path: { number }, query: { with: other } },
    }),
  );

export const requestWhatIf = (body: WhatIfRequest) => bodyOf(api.POST("/what-if", { body }));

export const fetchWhatIf = (number: number) =>
  bodyOf(api.GET("/what-if/{number}", { params: { path: { number } } }));

/** The streets, railways and waters of communities that may become a border. */
export async function fetchStreets(community: string[]): Promise<Street[]> {
  const params = { query: { community } };
  return (await bodyOf(api.GET("/what-if/streets", { params }))).features;
}

function revisionOf(number: number, revision: number) {
  return { path: { number }, header: ifMatch(revision) };
}
