// The map on which communities and the new border of a what-if are chosen.

import type { Feature, FeatureCollection, Position } from "geojson";
import type { GeoJSONSource, MapMouseEvent } from "maplibre-gl";

import type { Extent } from "../bounds";
import { elementById } from "../dom";
import type { Language } from "../locale";
import { waitUnlessAborted } from "../map";
import type { ListedCommunity } from "./community-states";
import { type HomeMap, openHomeMap } from "./home-map";
import type { Street } from "./plan-api";
import { EMPTY } from "./plan-style";

/** How near to a street, in pixels, a click takes it. */
const SNAP_PX = 8;
const BORDER = "#b3261e";

export class ChangeMap {
  onCommunity: (code: string) => void = () => undefined;
  onStreet: (code: string) => void = () => undefined;
  /** Gets the points of a drawn line. */
  onPoint: (position: Position) => void = () => undefined;
  private isDrawing = false;

  private constructor(private readonly home: HomeMap) {
    home.map.on("click", (event) => this.handleClick(event));
  }

  static async open(
    lang: Language,
    extent: Extent | undefined,
    communities: ListedCommunity[],
    signal: AbortSignal,
  ): Promise<ChangeMap> {
    const home = await openHomeMap(lang, extent, signal, () => undefined);
    await waitUnlessAborted(home.map, signal);
    home.show(communities, "state");
    addLayers(home);
    return new ChangeMap(home);
  }

  showChosen(codes: string[]): void {
    this.home.map.setFilter("chosen", ["in", ["get", "code"], ["literal", codes]]);
  }

  showStreets(streets: Street[], chosen: string): void {
    this.setData("streets", { type: "FeatureCollection", features: streets as Feature[] });
    this.home.map.setFilter("chosen-street", ["==", ["get", "code"], chosen]);
  }

  /** Show a line that is drawn, and a mark in the middle of the map while it is. */
  showLine(line: Position[], isDrawing: boolean): void {
    this.isDrawing = isDrawing;
    elementById("work").classList.toggle("drawing", isDrawing);
    const points = line.map((coordinates) => feature({ type: "Point", coordinates }));
    const whole = feature({ type: "LineString", coordinates: line });
    const features = line.length > 1 ? [whole, ...points] : points;
    this.setData("drawn", { type: "FeatureCollection", features });
  }

  centre(): Position {
    return this.home.map.getCenter().toArray();
  }

  close(): void {
    elementById("work").classList.remove("drawing");
    this.home.close();
  }

  private handleClick({ point, lngLat }: MapMouseEvent): void {
    const street = this.isDrawing ? null : this.codeAt("streets", point, SNAP_PX);
    const community = this.codeAt("communities", point, 0);
    if (this.isDrawing) this.onPoint(lngLat.toArray());
    else if (street) this.onStreet(street);
    else if (community) this.onCommunity(community);
  }

  /** The code of a feature of a layer within some pixels of a point; null where there is none. */
  private codeAt(layer: string, { x, y }: { x: number; y: number }, radius: number): string | null {
    const box: [[number, number], [number, number]] = [
      [x - radius, y - radius],
      [x + radius, y + radius],
    ];
    const [feature] = this.home.map.queryRenderedFeatures(box, { layers: [layer] });
    return feature ? String(feature.properties.code) : null;
  }

  private setData(source: string, data: FeatureCollection): void {
    (this.home.map.getSource(source) as GeoJSONSource).setData(data);
  }
}

function feature(geometry: Feature["geometry"]): Feature {
  return { type: "Feature", geometry, properties: {} };
}

function addLayers({ map }: HomeMap): void {
  for (const source of ["streets", "drawn"])
    map.addSource(source, { type: "geojson", data: EMPTY });
  map.addLayer({
    id: "chosen",
    type: "line",
    source: "communities",
    filter: ["in", ["get", "code"], ["literal", []]],
    paint: { "line-color": "#0b5d8f", "line-width": 4.5 },
  });
  map.addLayer({
    id: "streets",
    type: "line",
    source: "streets",
    layout: { "line-cap": "round" },
    paint: { "line-color": "#1f5f8b", "line-width": 3, "line-opacity": 0.7 },
  });
  map.addLayer({
    id: "chosen-street",
    type: "line",
    source: "streets",
    filter: ["==", ["get", "code"], ""],
    layout: { "line-cap": "round" },
    paint: { "line-color": BORDER, "line-width": 5.5 },
  });
  map.addLayer({
    id: "drawn",
    type: "line",
    source: "drawn",
    paint: { "line-color": BORDER, "line-width": 4 },
  });
  map.addLayer({
    id: "drawn-points",
    type: "circle",
    source: "drawn",
    filter: ["==", ["geometry-type"], "Point"],
    paint: { "circle-color": BORDER, "circle-radius": 5 },
  });
}
