// The choropleth map of an indicator.

import type { FeatureCollection } from "geojson";
import type {
  ExpressionSpecification,
  GeoJSONSource,
  Map as LibreMap,
  StyleSpecification,
} from "maplibre-gl";

import { extentOf, fitExtent } from "../bounds";
import { fetchOpeningExtent } from "../cities";
import { element, elementById, notify } from "../dom";
import { type Language, text } from "../locale";
import { createMap, waitForLoad } from "../map";
import { loadStyle } from "../map-style";
import { type FiguresMap, type Indicator, SCORE } from "./assess-api";
import {
  CLASS_COLOURS,
  classColour,
  classLimits,
  formatValue,
  indicatorName,
  NO_VALUE_COLOUR,
} from "./figures";

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const PADDING = { top: 40, right: 40, bottom: 40, left: 40 };

export class AssessMap {
  private constructor(private readonly map: LibreMap) {}

  /** Open the map; `choose` is called with the code of an area that is clicked. */
  static async create(lang: Language, choose: (code: string) => void): Promise<AssessMap> {
    const hasView = location.hash.includes("map=");
    const [style, extent] = await Promise.all([
      loadStyle(lang, "published"),
      fetchOpeningExtent(hasView),
    ]);
    const map = createMap(areaStyle(style), extent, { padding: PADDING });
    map.on("error", (event) => notify(event.error.message));
    Object.assign(window, { gridatlas: { map } });
    await waitForLoad(map);
    map.on("click", "area-fill", ({ features }) => {
      const code = features?.[0]?.properties.code;
      if (code) choose(String(code));
    });
    return new AssessMap(map);
  }

  /** Colour areas by an indicator or the score. */
  show(figures: FiguresMap, key: string, indicators: Indicator[]): void {
    const indicator = indicators.find((indicator) => indicator.key === key);
    const better = indicator?.better ?? "high";
    const valueAt = (index: number) => figures.features[index]!.properties[key] as number | null;
    const values = figures.features.map((_, index) => valueAt(index));
    const known = values.filter((value) => value !== null);
    const limits = known.length ? classLimits(known) : [];
    const features = figures.features.map((feature, index) => ({
      ...feature,
      properties: {
        code: feature.properties.code,
        name: feature.properties.name,
        colour: classColour(values[index] ?? null, limits, better),
      },
    }));
    (this.map.getSource("areas") as GeoJSONSource).setData({
      type: "FeatureCollection",
      features,
    });
    showLegend(indicatorName(indicators, key), key === SCORE ? undefined : indicator, known);
  }

  /** Outline an area. */
  choose(code: string): void {
    this.map.setFilter("area-chosen", ["==", ["get", "code"], code]);
  }

  fit(figures: FiguresMap): void {
    const extent = extentOf(...figures.features.map(({ geometry }) => geometry));
    if (extent[0] <= extent[2]) fitExtent(this.map, extent, PADDING);
  }
}

function showLegend(name: string, indicator: Indicator | undefined, known: number[]): void {
  const ordered = indicator?.better === "low" ? CLASS_COLOURS.toReversed() : CLASS_COLOURS;
  const patch = (colour: string) => {
    const sign = element("i");
    sign.style.background = colour;
    return sign;
  };
  const least = known.length ? formatValue(Math.min(...known), indicator) : "";
  const most = known.length ? formatValue(Math.max(...known), indicator) : "";
  elementById("key").replaceChildren(
    element("b", {}, name),
    element("span", { class: "patches" }, least, ...ordered.map(patch), most),
    element("span", { class: "patches" }, patch(NO_VALUE_COLOUR), text("assess.no_value")),
  );
}

function areaStyle(style: StyleSpecification): StyleSpecification {
  const colour = ["get", "colour"] as unknown as ExpressionSpecification;
  const layers = style.layers.filter(({ id }) => id !== "grid-fill" && id !== "community-fill");
  // areas lie below the labels
  const labels = layers.findIndex(({ type }) => type === "symbol");
  const place = labels < 0 ? layers.length : labels;
  return {
    ...style,
    sources: { ...style.sources, areas: { type: "geojson", data: EMPTY } },
    layers: [
      ...layers.slice(0, place),
      {
        id: "area-fill",
        type: "fill",
        source: "areas",
        paint: { "fill-color": colour, "fill-opacity": 0.68 },
      },
      {
        id: "area-border",
        type: "line",
        source: "areas",
        paint: { "line-color": "#26323d", "line-width": 1 },
      },
      {
        id: "area-chosen",
        type: "line",
        source: "areas",
        filter: ["==", ["get", "code"], ""],
        paint: { "line-color": "#a4161a", "line-width": 4 },
      },
      ...layers.slice(place),
    ],
  };
}
