// Search in a plan: buildings by name and code, addresses by the city's search.

import { type Hits, type SearchHit, searchCity } from "../search";
import type { Draft } from "./draft";
import { cellCentre } from "./plan-features";

const MAX_BUILDINGS = 5;

export type PlanHit = SearchHit & { lon: number; lat: number };

/** Places in the community of a plan that some words name. */
export async function searchPlan(draft: Draft, words: string): Promise<Hits<PlanHit>> {
  const { items, asksNumber } = await searchCity(words);
  const buildings = findBuildings(draft, words);
  const known = new Set(buildings.map(({ code }) => code));
  const places = items.filter(
    ({ code, kind, lon, lat }) =>
      kind !== "region" && !known.has(code) && draft.cellAt([lon, lat]) !== null,
  );
  return { items: [...buildings, ...places], asksNumber: asksNumber && places.length > 0 };
}

/** Buildings whose name or code contains some words, those named exactly first. */
export function findBuildings(draft: Draft, words: string): PlanHit[] {
  const hits = new Map<string, PlanHit>();
  for (const [index, { building, name }] of draft.cells.entries()) {
    if (!building || hits.has(building)) continue;
    if (!name.includes(words) && !building.includes(words)) continue;
    const [lon, lat] = cellCentre(draft, index) as [number, number];
    const exact = name === words || building === words;
    hits.set(building, { code: building, name: name || building, address: "", exact, lon, lat });
  }
  return [...hits.values()]
    .sort((one, other) => Number(other.exact) - Number(one.exact))
    .slice(0, MAX_BUILDINGS);
}
