// The place of a report: a pin set by pointer, keyboard, address search or the device's position.

import { type GeoJSONSource, type Map as LibreMap, Marker } from "maplibre-gl";
import { fetchOpeningExtent } from "../cities";
import { notify } from "../dom";
import { type Language, languageTag, text } from "../locale";
import { createMap, loadStyle } from "../map";
import { fetchGridAt, type Grid } from "../public/public-api";
import type { Place } from "../public/view-address";

const PLACE_ZOOM = 16.5;
const PADDING_PX = 16;
const NEARBY = "nearby";

export class PlacePicker {
  place: Place | null = null;
  /** The grid in force at the place, once known. */
  grid: Grid | null = null;
  private pin = new Marker({ color: "#c8102e" });

  constructor(
    readonly map: LibreMap,
    private readonly onChange: (picker: PlacePicker) => void,
  ) {
    map.on("click", (event) => {
      const { lng, lat } = event.lngLat.wrap();
      this.setPlace([lng, lat]);
    });
    map.getCanvas().addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.setPlaceToCentre();
    });
    map.getCanvas().setAttribute("aria-label", text("online.map_label"));
  }

  setPlaceToCentre(): void {
    this.setPlace(this.centre());
  }

  /** The middle of the map. */
  centre(): Place {
    const { lng, lat } = this.map.getCenter().wrap();
    return [lng, lat];
  }

  setPlace(place: Place, isShown = false): void {
    this.place = place;
    this.grid = null;
    this.pin.setLngLat(place).addTo(this.map);
    if (isShown) {
      this.map.jumpTo({ center: place, zoom: Math.max(this.map.getZoom(), PLACE_ZOOM) });
    }
    this.onChange(this);
    void this.readGrid(place);
  }

  clear(): void {
    this.place = null;
    this.grid = null;
    this.pin.remove();
    this.onChange(this);
  }

  /** Remove the map with all that it shows. */
  remove(): void {
    this.place = null;
    this.map.remove();
  }

  /** Go to the position of the device, if the browser gives it. */
  locate(): void {
    navigator.geolocation.getCurrentPosition(
      ({ coords: { longitude, latitude } }) => this.setPlace([longitude, latitude], true),
      () => notify(text("page.no_position"), undefined, "calm"),
      { enableHighAccuracy: true, timeout: 10_000 },
    );
  }

  /** Mark places of released cases. */
  showNearby(places: Place[]): void {
    const data = {
      type: "FeatureCollection" as const,
      features: places.map((coordinates) => ({
        type: "Feature" as const,
        properties: {},
        geometry: { type: "Point" as const, coordinates },
      })),
    };
    const source = this.map.getSource<GeoJSONSource>(NEARBY);
    if (source) {
      source.setData(data);
      return;
    }
    this.map.addSource(NEARBY, { type: "geojson", data });
    this.map.addLayer({
      id: NEARBY,
      type: "circle",
      source: NEARBY,
      paint: {
        "circle-radius": 8,
        "circle-color": "#b4530a",
        "circle-stroke-color": "#fff",
        "circle-stroke-width": 2,
      },
    });
  }

  private async readGrid(place: Place): Promise<void> {
    // without an answer the report is still possible: the server finds the grid again
    const found = await fetchGridAt(...place, "published").catch(() => null);
    if (this.place !== place) return;
    this.grid = found?.properties ?? null;
    this.onChange(this);
  }
}

/** A map in #map on which a place is chosen. */
export async function createPlacePicker(
  onChange: (picker: PlacePicker) => void,
): Promise<PlacePicker> {
  const [style, extent] = await Promise.all([
    loadStyle(languageTag().slice(0, 2) as Language, "published", true),
    fetchOpeningExtent(false),
  ]);
  const map = createMap(style, extent, { hash: false, padding: paddingOf() });
  const picker = new PlacePicker(map, onChange);
  // for the tests, which choose places on the map
  Object.assign(window, { gridatlas: { map } });
  return picker;
}

const paddingOf = () => ({
  top: PADDING_PX,
  right: PADDING_PX,
  bottom: PADDING_PX,
  left: PADDING_PX,
});

/** The place in words. */
export function describePlace({ place, grid }: PlacePicker): string {
  if (!place) return text("online.no_place");
  if (!grid) return text("online.place_outside_grids");
  const { community, serial } = grid;
  return text("online.place_at", { community, serial });
}
