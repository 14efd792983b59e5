// What the fire desk asks of the API.

import type { Feature, Geometry, LineString, MultiLineString, Polygon } from "geojson";

import { ask } from "../http";

export interface Place {
  lon: number;
  lat: number;
}

export interface Missing {
  key: string;
  count: number;
  text: string;
}

export interface Building extends Place {
  code: string;
  name: string;
  address: string;
}

export interface Hydrant extends Place {
  code: string;
  route_m: number | null;
  straight_m: number;
  flow_l_s: number | null;
  pressure_mpa: number | null;
  in_service?: boolean;
  route?: LineString;
}

export interface Station {
  code: string;
  name: string;
  phone: string;
  drive_s: number;
  response_s: number;
  distance_m: number;
  reached: boolean;
  route: LineString;
}

export interface Valve extends Place {
  code: string;
  name?: string;
  network?: string;
  kind?: string;
  is_open?: boolean | null;
  distance_m?: number;
  instead?: string[];
  instead_isolable?: boolean;
}

export interface Finding {
  overlay: string;
  rule: string;
  severity: "high" | "medium" | "low" | "missing";
  feature: string;
  title: string;
  text: string;
  clause: string;
  standard: string;
}

export interface Layout extends Building {
  geometry: Geometry;
  attributes: Record<string, string | number | boolean | null>;
  compound: { name: string; gated: boolean } | null;
  region: { code: string; name: string; street: string } | null;
  units: (Place & { code: string; name: string; storeys: number | null; households: number })[];
  grids: {
    code: string;
    name: string;
    manager: string | null;
    phone: string | null;
    households: number;
  }[];
  neighbours: {
    code: string;
    name: string;
    distance_m: number;
    required_m: number;
    too_close: boolean;
    text: string;
    line: LineString;
  }[];
  hydrants: Hydrant[];
  stations: Station[];
  fire_lane: { reached: boolean; text: string; obstacles: (Place & { text: string })[] };
  ladder: { required: boolean; found: boolean; areas: Polygon[]; text: string };
  valves: Record<string, Valve[]>;
  valve_notes?: Record<string, string | null>;
  findings: (Finding | Feature<Geometry, Finding>)[];
  review: { state: string; checker: string; checked_on: string | null; due_on: string | null };
  data: { published_at: string | null; age_s: number | null };
  missing: Missing[];
}

export interface Incident {
  centre: [number, number];
  radius_m: number;
  area: Polygon;
  totals: Record<"buildings" | "households" | "population" | "high_rise" | "units", number>;
  grids: {
    code: string;
    name: string;
    community: string | null;
    households: number;
    population: number;
    buildings: number;
    manager: string | null;
    phone: string | null;
  }[];
  buildings: (Building & {
    storeys_above: number | null;
    households: number;
    distance_m: number;
    high_rise: boolean;
  })[];
  critical: (Place & {
    code: string;
    name: string;
    category_text: string;
    phone: string;
    distance_m: number;
  })[];
  hydrants: Hydrant[];
  valves: Valve[];
  stations: Station[];
}

export interface Isolation {
  network: string;
  segment: { code: string; geometry: LineString };
  isolable: boolean;
  text: string;
  valves: Valve[];
  already_closed: string[];
  lost: {
    geometry: MultiLineString;
    length_m: number;
    hydrants: (Place & { code: string })[];
    buildings: (Building & { households: number })[];
    households: number;
    population: number;
    critical: { code: string; name: string }[];
  };
  affected: { radius_m: number; buildings: number; households: number; population: number } | null;
  guaranteed: boolean;
  warnings: { text: string }[];
}

export interface Overlay {
  id: string;
  title: string;
  text: string;
  findings: Partial<Record<Finding["severity"], number>>;
  /** When it was found last; null where it never was. */
  computed_at: string | null;
  /** Whether the data changed since. */
  stale: boolean;
}

export const search = (words: string): Promise<{ buildings: Building[] }> =>
  ask(`/fire/buildings?limit=8&q=${encodeURIComponent(words)}`);

export const buildingAt = ({ lon, lat }: Place): Promise<{ buildings: Building[] }> =>
  ask(`/fire/buildings?lon=${lon}&lat=${lat}`);

export const layout = (code: string): Promise<Layout> =>
  ask(`/fire/buildings/${encodeURIComponent(code)}`);

export const incident = ({ lon, lat }: Place, radius: number): Promise<Incident> =>
  ask(`/fire/incident?lon=${lon}&lat=${lat}&radius=${radius}`);

export const overlays = (): Promise<{ overlays: Overlay[] }> => ask("/fire/overlays");

/** Find the findings of the city anew where its data changed. */
export const refresh = (): Promise<unknown> => ask("/fire/findings/refresh", { method: "POST" });

export const findings = (
  overlay: string,
  bbox: number[],
): Promise<{ numberMatched: number; features: Feature<Geometry, Finding>[] }> =>
  ask(
    `/fire/findings?overlay=${overlay}&limit=60&bbox=${bbox.map((side) => side.toFixed(6)).join()}`,
  );

export const nearest = (
  network: string,
  { lon, lat }: Place,
): Promise<{ segment: { code: string; distance_m: number } }> =>
  ask(`/networks/${network}/nearest?lon=${lon}&lat=${lat}&within=25`);

export function isolation(network: string, segment: string, stuck: string[]): Promise<Isolation> {
  const asked = stuck.map((code) => `stuck=${encodeURIComponent(code)}`).join("&");
  return ask(`/networks/${network}/segments/${encodeURIComponent(segment)}/isolation?${asked}`);
}
