// The requests of the fire page.

import type { components } from "../../generated/api";
import { type Answer, api, bodyOf, request } from "../http";

export interface Place {
  lon: number;
  lat: number;
}

export type Layout = Answer<"/fire/buildings/{code}">;
export type Incident = Answer<"/fire/incident">;
export type Isolation = Answer<"/networks/{network}/segments/{code}/isolation">;
export type KeyUnits = Answer<"/fire/key-units">;
export type FireItems = Answer<"/fire/buildings/{code}/items">;
export type FireItemsRequest = components["schemas"]["FireItemsRequest"];
export type Overlay = Answer<"/fire/overlays">["overlays"][number];
export type FireBlock = Answer<"/fire/separation/blocks">["blocks"][number];
export type Finding = Layout["findings"][number];
export type Severity = Finding["severity"];
export type Station = Layout["stations"][number];

/** The networks that a pipe is looked for in. */
const NETWORKS = ["gas", "water"] as const;
const MAX_PIPE_DISTANCE_M = 25;
const MAX_FINDINGS = 60;

export async function searchBuildings(words: string) {
  const query = { q: words, limit: 8 };
  const answer = await bodyOf(api.GET("/fire/buildings", { params: { query } }));
  const items = answer.buildings.map((hit) => ({ ...hit, kind: "building" as const }));
  return { items, asksNumber: answer.asks_number ?? false };
}

/** The code of the building at a place; a place without one is a problem 404. */
export async function fetchBuildingAt({ lon, lat }: Place): Promise<string | undefined> {
  const query = { lon, lat };
  return (await bodyOf(api.GET("/fire/buildings", { params: { query } }))).buildings[0]?.code;
}

export const fetchLayout = (code: string) =>
  bodyOf(api.GET("/fire/buildings/{code}", { params: { path: { code } } }));

export const fetchIncident = ({ lon, lat }: Place, radius: number) =>
  bodyOf(api.GET("/fire/incident", { params: { query: { lon, lat, radius } } }));

export const saveItems = (code: string, body: FireItemsRequest) =>
  bodyOf(api.PUT("/fire/buildings/{code}/items", { params: { path: { code } }, body }));

/** Attach a plan to a building: a form with a title and a file. */
export const attachPlan = (code: string, form: FormData) =>
  request(`${plansPath(code)}`, { method: "POST", body: form });

export const removePlan = (code: string, number: number) =>
  request(planPath(code, number), { method: "DELETE" });

export const planPath = (code: string, number: number) => `${plansPath(code)}/${number}`;

function plansPath(code: string): string {
  return `/fire/buildings/${encodeURIComponent(code)}/plans`;
}

/** The key units of the city, those with the least collected first. */
export const fetchKeyUnits = () => bodyOf(api.GET("/fire/key-units"));

export const fetchOverlays = () => bodyOf(api.GET("/fire/overlays"));

/** Compute the findings of the city again where its data changed. */
export const refreshFindings = () => bodyOf(api.POST("/fire/findings/refresh"));

export function fetchFindings(overlay: Overlay["id"], extent: number[], severity?: Severity) {
  const bbox = extent.map((side) => side.toFixed(6)).join();
  const query = { overlay, bbox, limit: MAX_FINDINGS, ...(severity ? { severity } : {}) };
  return bodyOf(api.GET("/fire/findings", { params: { query } }));
}

/** The blocks and pairs of buildings that stand too close, those with most households first. */
export const fetchFireBlocks = () =>
  bodyOf(api.GET("/fire/separation/blocks", { params: { query: { least: 2, limit: 1000 } } }));

/** The pipe nearest to a place, if there is one. */
export async function fetchNearestPipe({ lon, lat }: Place) {
  const query = { lon, lat, within: MAX_PIPE_DISTANCE_M };
  const answers = await Promise.allSettled(
    NETWORKS.map(async (network) => {
      const params = { path: { network }, query };
      const { segment } = await bodyOf(api.GET("/networks/{network}/nearest", { params }));
      return { network, ...segment };
    }),
  );
  return answers
    .flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))
    .sort((one, other) => one.distance_m - other.distance_m)[0];
}

export function fetchIsolation(network: string, code: string, stuck: string[]) {
  const path = { network: network as (typeof NETWORKS)[number], code };
  return bodyOf(
    api.GET("/networks/{network}/segments/{code}/isolation", {
      params: { path, query: { stuck } },
    }),
  );
}
