// The planner's home as a map: communities coloured by the state of their plans.

import type { FeatureCollection } from "geojson";
import type { Map as LibreMap } from "maplibre-gl";

import { type Extent, fitExtent, uniteExtents } from "../bounds";
import { element } from "../dom";
import { formatNumber, type Language, text } from "../locale";
import { createMap, waitForLoad } from "../map";
import { loadStyle } from "../map-style";
import {
  colourOf,
  type ListedCommunity,
  RATE_COLOURS,
  STATE_COLOURS,
  type View,
} from "./community-states";
import { EMPTY } from "./plan-style";
import { goTo } from "./route";

const PADDING = { top: 30, right: 30, bottom: 50, left: 30 };

export interface HomeMap {
  show(communities: ListedCommunity[], view: View): void;
  fit(extent: Extent): void;
  close(): void;
}

export async function openHomeMap(
  lang: Language,
  extent: Extent | undefined,
  signal: AbortSignal,
): Promise<HomeMap> {
  const style = await loadStyle(lang, "published");
  signal.throwIfAborted();
  const hidden = /^(grid|community)-/;
  style.layers = style.layers.filter(({ id }) => !hidden.test(id));
  style.sources.communities = { type: "geojson", data: EMPTY };
  style.layers.push(
    {
      id: "communities",
      type: "fill",
      source: "communities",
      paint: { "fill-color": ["get", "colour"], "fill-opacity": 0.72 },
    },
    {
      id: "community-borders",
      type: "line",
      source: "communities",
      paint: { "line-color": "#1d262e", "line-width": 1.4 },
    },
    {
      id: "community-names",
      type: "symbol",
      source: "communities",
      layout: {
        "text-field": ["get", "name"],
        "text-font": ["PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"],
        "text-size": 13,
      },
      paint: { "text-color": "#1d262e", "text-halo-color": "#ffffff", "text-halo-width": 1.6 },
    },
  );
  const map = createMap(style, extent, {
    hash: false,
    padding: PADDING,
    isFadeless: true,
  });
  const ready = waitForLoad(map);
  attachLinks(map);
  Object.assign(window, { gridatlas: { map } });
  return {
    show: (communities, view) => void ready.then(() => showCommunities(map, communities, view)),
    fit: (extent) => fitExtent(map, extent, PADDING),
    close: () => map.remove(),
  };
}

function showCommunities(map: LibreMap, communities: ListedCommunity[], view: View): void {
  const data: FeatureCollection = {
    type: "FeatureCollection",
    features: communities.flatMap((community) =>
      community.geometry
        ? [
            {
              type: "Feature" as const,
              geometry: community.geometry,
              properties: {
                code: community.code,
                name: community.name,
                colour: colourOf(community, view),
              },
            },
          ]
        : [],
    ),
  };
  const source = map.getSource("communities") as unknown as {
    setData(data: FeatureCollection): void;
  };
  source.setData(data);
}

function attachLinks(map: LibreMap): void {
  map.on("click", "communities", ({ features }) => {
    const code = features?.[0]?.properties.code;
    if (code) goTo(`/plan/c/${code}`);
  });
  map.on("mouseenter", "communities", () => {
    map.getCanvas().style.cursor = "pointer";
  });
  map.on("mouseleave", "communities", () => {
    map.getCanvas().style.cursor = "";
  });
}

/** The colours of a view and how many communities have each. */
export function viewLegend(communities: ListedCommunity[], view: View): HTMLElement {
  const colours = view === "rate" ? RATE_COLOURS : STATE_COLOURS;
  const rows = Object.entries(colours).map(([name, colour]) => {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = colour;
    const count = communities.filter((community) => colourOf(community, view) === colour).length;
    return element("li", {}, swatch, `${text(`plan.${view}_${name}`)} ${formatNumber(count)}`);
  });
  return element("ul", { class: "states" }, ...rows);
}

/** The extent of communities; undefined where none has a border. */
export function communitiesExtent(communities: ListedCommunity[]): Extent | undefined {
  const extents = communities.flatMap(({ extent }) => (extent ? [extent] : []));
  return extents.length > 0 ? extents.reduce(uniteExtents) : undefined;
}
