// The place of a report: a pin set by pointer, keyboard, address search or the device's position.

import type { GeoJSONSource, Map as LibreMap, Marker } from "maplibre-gl";
import { fetchOpeningExtent } from "../cities";
import { notify } from "../dom";
import { type Language, languageTag, text } from "../locale";
import { loadStyle, waitForStyle } from "../map-style";
import { fetchGridAt, type Grid } from "../public/public-api";
import type { Place } from "../public/view-address";

const PLACE_ZOOM = 16.5;
const PADDING_PX = 16;
const PIN_COLOUR = "#c8102e";
const NEARBY = "nearby";

export class PlacePicker {
  place: Place | null = null;
  /** The grid in force at the place, once known. */
  grid: Grid | null = null;
  /** The map; null until it is loaded. */
  map: LibreMap | null = null;
  private pin: Marker | null = null;

  constructor(private readonly onChange: (picker: PlacePicker) => void) {}

  /** Attach the map; until then a place can only be chosen without one. */
  attach(map: LibreMap, pin: Marker): void {
    this.map = map;
    this.pin = pin;
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
    if (this.place) this.mark(this.place, true);
  }

  setPlaceToCentre(): void {
    const centre = this.centre();
    if (centre) this.setPlace(centre);
  }

  /** The middle of the map; null before there is a map. */
  centre(): Place | null {
    if (!this.map) return null;
    const { lng, lat } = this.map.getCenter().wrap();
    return [lng, lat];
  }

  setPlace(place: Place, isShown = false): void {
    this.place = place;
    this.grid = null;
    this.mark(place, isShown);
    this.onChange(this);
    void this.readGrid(place);
  }

  private mark(place: Place, isShown: boolean): void {
    if (!this.map) return;
    this.pin?.setLngLat(place).addTo(this.map);
    if (!isShown) return;
    this.map.jumpTo({ center: place, zoom: Math.max(this.map.getZoom(), PLACE_ZOOM) });
  }

  clear(): void {
    this.place = null;
    this.grid = null;
    this.pin?.remove();
    this.onChange(this);
  }

  /** Remove the map with all that it shows. */
  remove(): void {
    this.place = null;
    this.map?.remove();
    this.map = null;
  }

  /** Go to the position of the device, if the browser gives it. */
  locate(): void {
    const { place } = this;
    navigator.geolocation.getCurrentPosition(
      ({ coords: { longitude, latitude } }) => {
        if (this.place === place) this.setPlace([longitude, latitude], true); // none chosen since
      },
      () => notify(text("page.no_position"), undefined, "calm"),
      { enableHighAccuracy: true, timeout: 10_000 },
    );
  }

  /** Mark places of released cases. */
  async showNearby(places: Place[]): Promise<void> {
    const { map } = this;
    if (!map) return;
    await waitForStyle(map);
    const data = {
      type: "FeatureCollection" as const,
      features: places.map((coordinates) => ({
        type: "Feature" as const,
        properties: {},
        geometry: { type: "Point" as const, coordinates },
      })),
    };
    const source = map.getSource<GeoJSONSource>(NEARBY);
    if (source) {
      source.setData(data);
      return;
    }
    map.addSource(NEARBY, { type: "geojson", data });
    map.addLayer({
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

/** Create the map in #map on which a picker chooses places. */
export async function openPlaceMap(picker: PlacePicker): Promise<LibreMap> {
  const [{ createMap, Marker }, style, extent] = await Promise.all([
    import("../map"),
    loadStyle(languageTag().slice(0, 2) as Language, "published", true),
    fetchOpeningExtent(false),
  ]);
  const map = createMap(style, extent, { hash: false, padding: paddingOf() });
  picker.attach(map, new Marker({ color: PIN_COLOUR }));
  // for the tests, which choose places on the map
  Object.assign(window, { gridatlas: { map } });
  return map;
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
  return text("case.grid_of", { community, serial });
}
