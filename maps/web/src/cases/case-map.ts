// The map of cases: clustered points, and grids coloured by how many cases of the queue they have.
// The page holds all cases while they are few. Else it holds those in the view, or clusters that
// the server makes, and requests them again when the view or a case changes.

import type { FeatureCollection } from "geojson";
import type {
  ExpressionSpecification,
  GeoJSONSource,
  LayerSpecification,
  Map as LibreMap,
  StyleSpecification,
} from "maplibre-gl";

import { isMotionReduced } from "../bounds";
import { fetchOpeningExtent } from "../cities";
import { element, elementById, notify } from "../dom";
import { formatNumber, type Language, text } from "../locale";
import { createMap, waitForLoad } from "../map";
import { loadStyle } from "../map-style";
import type { CasePoints, CaseSummary, MapView } from "./case-api";
import { isOverdue } from "./case-filter";

/** Few to many cases in a grid (ColorBrewer YlOrRd). */
const HEAT_COLOURS = ["#ffffb2", "#fecc5c", "#fd8d3c", "#f03b20", "#bd0026"] as const;
const NO_COLOUR = "#00000000";
const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const OPENED_ZOOM = 16;
/** Delay that collects changes before the map is drawn, or its cases are read, again. */
const DRAW_DELAY_MS = 200;
const STALE_DELAY_MS = 1000;
/** Zoom levels that a click on a cluster of the server adds. */
const CLUSTER_ZOOM_STEP = 2;
const FONTS = ["PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"];
const CLICKED_LAYERS = ["cases-cluster", "cases-point", "clusters-cluster", "clusters-point"];
/** The number of cases in a cluster; from 1000 on in thousands. */
const SHORT_COUNT: ExpressionSpecification = [
  "case",
  [">=", ["get", "point_count"], 1000],
  ["concat", ["to-string", ["round", ["/", ["get", "point_count"], 1000]]], "k"],
  ["to-string", ["get", "point_count"]],
];
const MARKED_LAYER: LayerSpecification = {
  id: "marked",
  type: "circle",
  source: "marked",
  paint: {
    "circle-color": NO_COLOUR,
    "circle-radius": 13,
    "circle-stroke-color": "#1d262e",
    "circle-stroke-width": 3.5,
  },
};
const PADDING = { top: 40, right: 40, bottom: 40, left: 40 };

export interface Place {
  lon: number;
  lat: number;
}

export class CaseMap {
  private points: CasePoints = { ...EMPTY, features: [], numberMatched: 0, grids: {} };
  private drawTimer: number | undefined;
  private staleTimer: number | undefined;
  /** Called when the cases of the view must be read again. */
  onStale: () => void = () => undefined;
  /** What a click on the map does instead of opening a case. */
  onPlace: ((place: Place) => void) | null = null;

  private constructor(
    private readonly map: LibreMap,
    private readonly open: (number: string) => void,
  ) {}

  /** Open the map; `open` is called with the number of a case that is clicked. */
  static async create(lang: Language, open: (number: string) => void): Promise<CaseMap> {
    const hasView = location.hash.includes("map=");
    const [style, extent] = await Promise.all([
      loadStyle(lang, "published"),
      fetchOpeningExtent(hasView),
    ]);
    const map = createMap(caseStyle(style), extent, { padding: PADDING });
    map.on("error", (event) => notify(event.error.message));
    Object.assign(window, { gridatlas: { map } });
    await waitForLoad(map);
    const caseMap = new CaseMap(map, open);
    caseMap.attach();
    return caseMap;
  }

  /** Show the cases of the queue. */
  show(points: CasePoints): void {
    // a source keeps numbers as identifiers of features only
    for (const { id, properties } of points.features) {
      if (!("point_count" in properties)) properties.number = String(id);
    }
    this.points = points;
    this.draw();
  }

  /** Show a changed case where it belongs into the queue, else take it off. */
  merge(changed: CaseSummary, belongs: boolean): void {
    if (this.isPartial()) {
      this.staleTimer ??= window.setTimeout(() => {
        this.staleTimer = undefined;
        this.onStale();
      }, STALE_DELAY_MS);
      return;
    }
    const { number, group, state, grid, lon, lat } = changed;
    const features = this.points.features.filter(({ id }) => id !== number);
    const properties = { number, group, state, grid, is_overdue: isOverdue(changed) };
    if (belongs) {
      const geometry = { type: "Point" as const, coordinates: [lon, lat] };
      features.push({ type: "Feature", id: number, geometry, properties });
    }
    const added = features.length - this.points.features.length;
    this.points = { ...this.points, features, numberMatched: this.points.numberMatched + added };
    this.drawTimer ??= window.setTimeout(() => this.draw(), DRAW_DELAY_MS);
  }

  /** Mark a place, or none. */
  mark(place: Place | null): void {
    const data: FeatureCollection = place
      ? {
          type: "FeatureCollection",
          features: [
            {
              type: "Feature",
              properties: {},
              geometry: { type: "Point", coordinates: [place.lon, place.lat] },
            },
          ],
        }
      : EMPTY;
    this.source("marked").setData(data);
  }

  /** Move the map to a place, if it is not in view. */
  reveal({ lon, lat }: Place): void {
    if (this.map.getZoom() >= OPENED_ZOOM - 2 && this.map.getBounds().contains([lon, lat])) return;
    const zoom = Math.max(this.map.getZoom(), OPENED_ZOOM);
    this.map.easeTo({ center: [lon, lat], zoom, duration: isMotionReduced() ? 0 : 500 });
  }

  /** The middle of what the map shows. */
  centre(): Place {
    const { lng: lon, lat } = this.map.getCenter();
    return { lon, lat };
  }

  /** What the map shows now. */
  view(): MapView {
    const bounds = this.map.getBounds();
    const sides = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    const limits = [180, 90, 180, 90];
    const bbox = sides.map((side, i) => Math.max(-limits[i]!, Math.min(limits[i]!, side)));
    return {
      bbox: bbox.map((side) => side.toFixed(6)).join(),
      zoom: this.map.getZoom().toFixed(2),
    };
  }

  resize(): void {
    this.map.resize();
  }

  /** Whether some cases of the queue are missing, or only counted in clusters. */
  isPartial(): boolean {
    return this.points.features.length < this.points.numberMatched;
  }

  private draw(): void {
    window.clearTimeout(this.drawTimer);
    this.drawTimer = undefined;
    const { features, grids } = this.points;
    const collection = { type: "FeatureCollection" as const, features };
    const isClustered = features.some(({ properties }) => "point_count" in properties);
    this.source("cases").setData(isClustered ? EMPTY : collection);
    this.source("clusters").setData(isClustered ? collection : EMPTY);
    const counts = this.isPartial() ? new Map(Object.entries(grids)) : countByGrid(this.points);
    this.map.setPaintProperty("grid-heat", "fill-color", heatColour(counts));
    showKey(Math.max(0, ...counts.values()));
  }

  private attach(): void {
    const { map } = this;
    map.on("click", (event) => {
      if (this.onPlace) {
        const { lng: lon, lat } = event.lngLat.wrap();
        return this.onPlace({ lon, lat });
      }
      const hit = map.queryRenderedFeatures(event.point, { layers: CLICKED_LAYERS })[0];
      if (!hit) return;
      if (hit.properties.number) return this.open(String(hit.properties.number));
      if (hit.source === "clusters")
        return void map.easeTo({ center: event.lngLat, zoom: map.getZoom() + CLUSTER_ZOOM_STEP });
      void this.source("cases")
        .getClusterExpansionZoom(Number(hit.properties.cluster_id))
        .then((zoom) => map.easeTo({ center: event.lngLat, zoom }));
    });
    map.on("moveend", () => {
      if (this.isPartial()) this.onStale();
    });
    for (const layer of CLICKED_LAYERS) {
      map.on("mouseenter", layer, () => {
        map.getCanvas().style.cursor = "pointer";
      });
      map.on("mouseleave", layer, () => {
        map.getCanvas().style.cursor = "";
      });
    }
  }

  private source(id: string): GeoJSONSource {
    return this.map.getSource(id) as GeoJSONSource;
  }
}

/** The number of cases by grid. */
function countByGrid({ features }: CasePoints): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { properties } of features) {
    if ("grid" in properties && properties.grid)
      counts.set(properties.grid, (counts.get(properties.grid) ?? 0) + 1);
  }
  return counts;
}

/** The colour of a share of the most cases that a grid has. */
function heatClass(count: number, most: number): string {
  const index = Math.ceil((count / Math.max(most, 1)) * HEAT_COLOURS.length) - 1;
  return HEAT_COLOURS[Math.max(0, Math.min(index, HEAT_COLOURS.length - 1))]!;
}

function heatColour(counts: Map<string, number>): string | ExpressionSpecification {
  if (counts.size === 0) return NO_COLOUR;
  const most = Math.max(...counts.values());
  const cases = [...counts].flatMap(([code, count]) => [code, heatClass(count, most)]);
  return ["match", ["get", "code"], ...cases, NO_COLOUR] as unknown as ExpressionSpecification;
}

function caseStyle(style: StyleSpecification): StyleSpecification {
  const layers = style.layers.map((layer): LayerSpecification => {
    if (layer.id === "community-fill")
      return { ...layer, layout: { visibility: "none" } } as LayerSpecification;
    if (layer.id !== "grid-fill" || layer.type !== "fill") return layer;
    return { ...layer, id: "grid-heat", paint: { "fill-color": NO_COLOUR, "fill-opacity": 0.6 } };
  });
  return {
    ...style,
    sources: {
      ...style.sources,
      cases: { type: "geojson", data: EMPTY, cluster: true, clusterRadius: 44, clusterMaxZoom: 16 },
      clusters: { type: "geojson", data: EMPTY },
      marked: { type: "geojson", data: EMPTY },
    },
    layers: [...layers, ...caseLayers("cases"), ...caseLayers("clusters"), MARKED_LAYER],
  };
}

/** The layers of a source of cases. */
function caseLayers(source: "cases" | "clusters"): LayerSpecification[] {
  return [
    {
      id: `${source}-cluster`,
      type: "circle",
      source,
      filter: ["has", "point_count"],
      paint: {
        "circle-color": "#1f5f8b",
        "circle-radius": ["step", ["get", "point_count"], 13, 20, 17, 200, 22],
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 2,
      },
    },
    {
      id: `${source}-count`,
      type: "symbol",
      source,
      filter: ["has", "point_count"],
      layout: {
        "text-field": SHORT_COUNT,
        "text-font": FONTS,
        "text-size": 12.5,
        "text-allow-overlap": true,
      },
      paint: { "text-color": "#fff" },
    },
    {
      id: `${source}-point`,
      type: "circle",
      source,
      filter: ["!", ["has", "point_count"]],
      paint: {
        "circle-color": ["case", ["get", "is_overdue"], "#a8432f", "#1f5f8b"],
        "circle-radius": ["case", ["get", "is_overdue"], 8, 6.5],
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 2,
      },
    },
  ];
}

/** Explain the colours of grids. */
function showKey(most: number): void {
  const patches = HEAT_COLOURS.map((colour) => {
    const patch = element("i");
    patch.style.background = colour;
    return patch;
  });
  const many = most > 0 ? ` (${formatNumber(most)})` : "";
  elementById("key").replaceChildren(
    element("span", {}, text("cases.map_key")),
    element(
      "span",
      { class: "patches" },
      text("cases.map_key_few"),
      ...patches,
      `${text("cases.map_key_many")}${many}`,
    ),
  );
}
