// What the fire page shows, as the query of its address: a building, an incident, or a pipe that is
// shut off, with the valves that cannot be closed.

import type { Place } from "./fire-api";

export type View =
  | { kind: "building"; code: string }
  | { kind: "incident"; place: Place; radius: number | undefined }
  | { kind: "isolation"; network: string; segment: string; stuck: string[] };

/** The view that an address names, or null. */
export function parseAddress(search: string): View | null {
  const query = new URLSearchParams(search);
  const building = query.get("building");
  if (building) return { kind: "building", code: building };
  const [lon, lat, radius] = (query.get("incident") ?? "").split(",").map(Number);
  if (lon !== undefined && lat !== undefined) {
    return { kind: "incident", place: { lon, lat }, radius: radius || undefined };
  }
  const [, network, segment] = /^([^:]*):(.*)$/.exec(query.get("pipe") ?? "") ?? [];
  if (network === undefined || segment === undefined) return null;
  return { kind: "isolation", network, segment, stuck: query.getAll("stuck") };
}

/** The query that names a view. */
export function formatAddress(view: View): string {
  return `?${new URLSearchParams(queryOf(view))}`;
}

function queryOf(view: View): [string, string][] {
  if (view.kind === "building") return [["building", view.code]];
  if (view.kind === "incident") {
    const { place, radius } = view;
    const parts = [place.lon.toFixed(6), place.lat.toFixed(6), ...(radius ? [radius] : [])];
    return [["incident", parts.join()]];
  }
  const stuck = view.stuck.map((valve): [string, string] => ["stuck", valve]);
  return [["pipe", `${view.network}:${view.segment}`], ...stuck];
}
