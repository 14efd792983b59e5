// The style of the map, without the map library, so that legends need not wait for that.

import type { Map as LibreMap, StyleSpecification } from "maplibre-gl";

import type { Language } from "./locale";

/** The city's style; with `archive` its tiles come from a PMTiles file if there is one. */
export async function loadStyle(
  lang: Language,
  status: "published" | "draft",
  archive = false,
): Promise<StyleSpecification> {
  const response = await fetch(`/style.json?lang=${lang}&status=${status}&archive=${archive}`);
  if (!response.ok) throw new Error(response.statusText);
  const style = (await response.json()) as StyleSpecification;
  for (const source of Object.values(style.sources)) {
    // workers have no page to resolve a relative address against
    if (source.type === "vector" && source.tiles) {
      source.tiles = source.tiles.map((tile) =>
        tile.startsWith("pmtiles://")
          ? tile.replace("pmtiles://", `pmtiles://${location.origin}`)
          : location.origin + tile,
      );
    }
  }
  return style;
}

/** Settles when a map has the layers of its style. */
export async function waitForStyle(map: LibreMap): Promise<void> {
  if (!map.getLayer("grid-selected")) await map.once("style.load");
}

/** Highlight a grid; an empty code highlights none. */
export function selectGrid(map: LibreMap, code: string): void {
  map.setFilter("grid-selected", ["==", ["get", "code"], code]);
}
