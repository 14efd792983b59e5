// The planner's home as a map: communities coloured by the state of their plans.

import type { FeatureCollection } from "geojson";
import type { ExpressionSpecification, Map as LibreMap } from "maplibre-gl";

import { type Extent, fitExtent, uniteExtents } from "../bounds";
import { element } from "../dom";
import { formatNumber, type Language, text } from "../locale";
import { createMap, loaded, loadStyle } from "../map";
import {
  type CommunityState,
  type ListedCommunity,
  STATE_COLOURS,
  stateOf,
} from "./community-states";
import { EMPTY } from "./plan-style";
import { goTo } from "./route";

const PADDING = { top: 30, right: 30, bottom: 50, left: 30 };

export interface HomeMap {
  show(communities: ListedCommunity[]): void;
  fit(extent: Extent): void;
  close(): void;
}

export async function openHomeMap(lang: Language, extent: Extent | undefined): Promise<HomeMap> {
  const style = await loadStyle(lang, "published");
  const hidden = /^(grid|community)-/;
  style.layers = style.layers.filter(({ id }) => !hidden.test(id));
  style.sources.communities = { type: "geojson", data: EMPTY };
  const colour: ExpressionSpecification = [
    "match",
    ["get", "state"],
    ...Object.entries(STATE_COLOURS).flat(),
    "#ffffff",
  ] as unknown as ExpressionSpecification;
  style.layers.push(
    {
      id: "communities",
      type: "fill",
      source: "communities",
      paint: { "fill-color": colour, "fill-opacity": 0.72 },
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
  const ready = loaded(map);
  attachLinks(map);
  Object.assign(window, { gridatlas: { map } });
  return {
    show: (communities) => void ready.then(() => showCommunities(map, communities)),
    fit: (extent) => fitExtent(map, extent, PADDING),
    close: () => map.remove(),
  };
}

function showCommunities(map: LibreMap, communities: ListedCommunity[]): void {
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
                state: stateOf(community),
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

/** The states with their colours and how many communities are in each. */
export function stateLegend(communities: ListedCommunity[]): HTMLElement {
  const rows = (Object.keys(STATE_COLOURS) as CommunityState[]).map((state) => {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = STATE_COLOURS[state];
    const count = communities.filter((community) => stateOf(community) === state).length;
    return element("li", {}, swatch, `${text(`plan.state_${state}`)} ${formatNumber(count)}`);
  });
  return element("ul", { class: "states" }, ...rows);
}

/** The extent of communities; undefined where none has a border. */
export function communitiesExtent(communities: ListedCommunity[]): Extent | undefined {
  const extents = communities.flatMap(({ extent }) => (extent ? [extent] : []));
  return extents.length > 0 ? extents.reduce(uniteExtents) : undefined;
}
