// The map of the public page and the selection on it.

import type { Map as LibreMap, MapMouseEvent, StyleSpecification } from "maplibre-gl";

import { type Extent, fitExtent } from "../bounds";
import type { City } from "../cities";
import { notify } from "../dom";
import { text } from "../locale";
import { createMap } from "../map";
import type { CityHit } from "../search";
import { hidePanel } from "./grid-card";
import type { Communities, Status } from "./public-api";
import {
  clearSelection,
  goToPlace,
  leavePaper,
  locateReader,
  openClickedGrid,
  openGridByCode,
  restoreSelection,
  showOnPaper,
} from "./selection";

/** The communities with the figures of their plans in force, or of their drafts. */
export interface PageState {
  /** The city that the page shows; null where there are no communities. */
  city: City | null;
  cities: City[];
  communities: Communities;
  status: Status;
}

export class CityMap {
  private readonly map: LibreMap;

  constructor(
    private readonly state: PageState,
    style: StyleSpecification,
  ) {
    const map = createMap(style, state.city?.extent);
    this.map = map;
    map.on("click", (event) => void this.handleClick(event));
    map.on("error", (event) => notify(text("page.failed", { reason: event.error.message })));
    map.on("mouseenter", "grid-fill", () => this.setCursor("pointer"));
    map.on("mouseleave", "grid-fill", () => this.setCursor(""));
    window.addEventListener("beforeprint", () => showOnPaper(map));
    window.addEventListener("afterprint", () => leavePaper(map));
    void restoreSelection(map, state.status);
    // browser tests query the map
    Object.assign(window, { gridatlas: { map } });
  }

  /** Change to the style of another language. */
  async setStyle(style: StyleSpecification): Promise<void> {
    this.map.setStyle(style);
    hidePanel();
    await restoreSelection(this.map, this.state.status);
  }

  fit(extent: Extent): void {
    fitExtent(this.map, extent);
  }

  async goToHit(hit: CityHit): Promise<void> {
    if (hit.kind === "region") return this.fit(hit.bbox);
    if (hit.kind === "grid") {
      this.clearSelection();
      return openGridByCode(this.map, hit.code);
    }
    await goToPlace(this.map, [hit.lon, hit.lat], this.state.status);
  }

  locateReader(): void {
    const { cities, status } = this.state;
    const extents = cities.map(({ extent }) => extent);
    locateReader(this.map, extents, status);
  }

  clearSelection(): void {
    clearSelection(this.map);
  }

  /** Open the clicked grid, or go to the clicked community where grids are too small to show. */
  private async handleClick({ point, lngLat }: MapMouseEvent): Promise<void> {
    const layers = ["grid-fill", "community-fill"];
    const areas = this.map.queryRenderedFeatures(point, { layers });
    const community = areas.find((area) => area.layer.id === "community-fill");
    if (community) return this.goToCommunity(String(community.properties.code));
    if (areas.length === 0) return this.clearSelection();
    const { lng, lat } = lngLat.wrap();
    await openClickedGrid(this.map, [lng, lat], this.state.status);
  }

  private goToCommunity(code: string): void {
    const { features } = this.state.communities;
    const extent = features.find((area) => area.properties.code === code)?.bbox;
    if (extent) this.fit(extent);
  }

  private setCursor(cursor: string): void {
    this.map.getCanvas().style.cursor = cursor;
  }
}
