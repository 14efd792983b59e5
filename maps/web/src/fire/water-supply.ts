// Sources of water near an incident in the order in which to try them, with what they give together.

import type { Incident, Place } from "./fire-api";

export interface WaterSource extends Place {
  kind: "hydrant" | "intake";
  code: string;
  name: string;
  route_m: number | null;
  straight_m: number;
  in_service: boolean;
  flow_l_s: number | null;
  hydrant_type_text: string | null;
  main_dn: number | null;
  /** The flow of this hydrant and of all that are ranked before it; null where it is unknown. */
  total_l_s: number | null;
}

type Sources = Pick<Incident, "hydrants" | "intakes">;

/**
 * Working hydrants with a known hose route first, then sources whose route is unknown, the nearest
 * first; hydrants out of service last.
 */
export function rankWater({ hydrants, intakes }: Sources): WaterSource[] {
  const sources = [
    ...hydrants.map((hydrant) => ({
      ...hydrant,
      kind: "hydrant" as const,
      name: hydrant.code,
      in_service: hydrant.in_service !== false,
    })),
    ...intakes.map((site) => ({
      ...site,
      kind: "intake" as const,
      name: site.name || site.code,
      route_m: null,
      straight_m: site.distance_m,
      in_service: true,
      flow_l_s: null,
      hydrant_type_text: null,
      main_dn: null,
    })),
  ];
  const rank = ({ in_service, route_m }: (typeof sources)[number]) =>
    in_service ? Number(route_m === null) : 2;
  const metres = ({ route_m, straight_m }: (typeof sources)[number]) => route_m ?? straight_m;
  sources.sort((one, other) => rank(one) - rank(other) || metres(one) - metres(other));
  let total = 0;
  return sources.map((source) => {
    const isCounted = source.in_service && source.flow_l_s !== null;
    if (isCounted) total += source.flow_l_s ?? 0;
    return { ...source, total_l_s: isCounted ? total : null };
  });
}
