// The results of the fire page: in the panel at once, on the map as soon as it is loaded.

import type { Feature } from "geojson";
import type { Map as LibreMap, MapMouseEvent } from "maplibre-gl";

import { type Extent, extentOf, fitExtent } from "../bounds";
import { notify } from "../dom";
import { openFile } from "../http";
import { text } from "../locale";
import { formatAddress, type View } from "./address";
import {
  attachPlan,
  type FireItemsRequest,
  fetchBuildingAt,
  fetchIncident,
  fetchIsolation,
  fetchKeyUnits,
  fetchLayout,
  fetchNearestPipe,
  type Incident,
  type Layout,
  type Place,
  planPath,
  removePlan,
  saveItems,
} from "./fire-api";
import { setAnswer } from "./fire-layers";
import { renderIncident } from "./incident-panel";
import type { Mode } from "./main";
import { incidentMarkers, isolationMarkers, layoutMarkers, marker, pointGeometry } from "./markers";
import { type PanelActions, renderBuilding, renderIsolation, renderKeyUnits } from "./panel";
import { printWithMap } from "./print-page";
import { downwindSector, type Wind } from "./wind";

const DEFAULT_RADIUS_M = 300;
/** The zoom from which streets can be told apart. */
const STREET_ZOOM = 14;
const BUILDING_ZOOM = 17.5;
const CLICK_TOLERANCE_PX = 6;

export class Results {
  private centre: Place | null = null;
  private radius = DEFAULT_RADIUS_M;
  private wind: Wind | null = null;
  private incident: Incident | null = null;
  private segment: { network: string; code: string } | null = null;
  private stuckValves: string[] = [];
  private requestCount = 0;

  constructor(
    private readonly mapLoaded: Promise<LibreMap>,
    private readonly setMode: (mode: Mode) => void,
  ) {}

  private readonly actions: PanelActions = {
    printSheet: (code) => void openFile(`/fire/buildings/${encodeURIComponent(code)}/sheet.pdf`),
    showIncident: (place) => void this.showIncident(place),
    showBuilding: (code) => void this.showBuilding(code, true),
    saveItems: (code, items) => void this.saveItems(code, items),
    openPlan: (code, number) => void openFile(planPath(code, number)),
    attachPlan: (code, form) =>
      void this.change(code, attachPlan(code, form), text("fire.plan_attached")),
    removePlan: (code, number) =>
      void this.change(code, removePlan(code, number), text("fire.plan_removed")),
    goTo: (place) => void this.goTo(place),
    setRadius: (metres) => void (this.centre && this.showIncident(this.centre, metres)),
    setWind: (wind) => void this.setWind(wind),
    printIncident: () => void this.printIncident(),
    toggleStuck: (valve) => void this.toggleStuck(valve),
  };

  /** Show a view; `early` is the layout of its building if it was requested before. */
  async show(view: View, early?: Promise<Layout | null>): Promise<void> {
    if (view.kind === "building") await this.showBuilding(view.code, true, early);
    else if (view.kind === "incident") await this.showIncident(view.place, view.radius);
    else await this.showIsolation(view.network, view.segment, view.stuck);
  }

  async showBuilding(code: string, zoom: boolean, early?: Promise<Layout | null>): Promise<void> {
    this.setMode("building");
    const layout = await this.latest(loadLayout(code, early));
    if (!layout) return;
    pushAddress({ kind: "building", code });
    renderBuilding(layout, this.actions);
    const map = await this.mark(layoutMarkers(layout));
    if (zoom) fitExtent(map, extentOf(layout.geometry), resultPadding());
  }

  /** Show the building at a place; a place without one is a problem 404. */
  async showBuildingAt(place: Place): Promise<void> {
    const count = ++this.requestCount;
    const code = await fetchBuildingAt(place);
    if (code && count === this.requestCount) await this.showBuilding(code, false);
  }

  /** Drop the answers that are still to come: the panel shows something else. */
  dropRequests(): void {
    this.requestCount += 1;
  }

  /** List the key units of the city, those with the least collected first. */
  async showKeyUnits(): Promise<void> {
    const answer = await this.latest(fetchKeyUnits());
    if (answer) renderKeyUnits(answer, this.actions);
  }

  private saveItems(code: string, items: FireItemsRequest): Promise<void> {
    return this.change(code, saveItems(code, items), text("page.saved"));
  }

  /** Show a building again after a change of its sheet, or why the change failed. */
  private async change(code: string, request: Promise<unknown>, done: string): Promise<void> {
    try {
      await request;
    } catch (error) {
      return notify((error as Error).message);
    }
    notify(done, undefined, "calm");
    await this.showBuilding(code, false);
  }

  async showIncident(place: Place, radius = this.radius): Promise<void> {
    this.setMode("incident");
    const incident = await this.latest(fetchIncident(place, radius));
    if (!incident) return;
    [this.centre, this.radius] = [place, radius];
    pushAddress({ kind: "incident", place, radius });
    this.incident = incident;
    const map = await this.renderIncident(incident);
    const extent = extentOf(incident.area);
    if (!isInView(map, extent)) fitExtent(map, extent, resultPadding(40));
  }

  private async renderIncident(incident: Incident): Promise<LibreMap> {
    renderIncident(incident, this.wind, this.actions);
    const { wind } = this;
    const sector = wind ? [marker(downwindSector(incident, incident.radius_m, wind), "wind")] : [];
    return this.mark([...sector, ...incidentMarkers(incident)]);
  }

  private async setWind(wind: Wind | null): Promise<void> {
    this.wind = wind;
    if (!this.incident) return;
    const focused = document.activeElement?.closest("label")?.textContent;
    await this.renderIncident(this.incident);
    for (const label of document.querySelectorAll<HTMLElement>(".wind label")) {
      if (label.textContent === focused) label.querySelector<HTMLElement>("select, input")?.focus();
    }
  }

  private async printIncident(): Promise<void> {
    if (!this.incident) return;
    printWithMap(await this.mapLoaded, extentOf(this.incident.area));
  }

  async showIsolation(network: string, code: string, stuck: string[] = []): Promise<void> {
    this.setMode("isolation");
    const isolation = await this.latest(fetchIsolation(network, code, stuck));
    if (!isolation) return;
    [this.segment, this.stuckValves] = [{ network, code }, stuck];
    pushAddress({ kind: "isolation", network, segment: code, stuck });
    renderIsolation(isolation, stuck, this.actions);
    const map = await this.mark(isolationMarkers(isolation));
    const extent = extentOf(isolation.segment.geometry, ...isolation.valves.map(pointGeometry));
    if (!isInView(map, extent, 0)) fitExtent(map, extent, resultPadding());
  }

  /** Shut off the pipe that was clicked, or mark the clicked valve as stuck. */
  async handlePipeClick({ point }: MapMouseEvent, place: Place): Promise<void> {
    const map = await this.mapLoaded;
    const [valve] = map.queryRenderedFeatures(point, { layers: ["answer-point"] });
    if (this.segment && valve && ["valve", "stuck"].includes(String(valve.properties.sign))) {
      return this.toggleStuck(String(valve.properties.code));
    }
    const corner = (offset: number): [number, number] => [point.x + offset, point.y + offset];
    const box: [[number, number], [number, number]] = [
      corner(-CLICK_TOLERANCE_PX),
      corner(CLICK_TOLERANCE_PX),
    ];
    const [pipe] = map.queryRenderedFeatures(box, { layers: ["pipe"] });
    if (pipe) {
      return this.showIsolation(String(pipe.properties.network), String(pipe.properties.code));
    }
    const count = ++this.requestCount;
    const nearest = await fetchNearestPipe(place);
    if (count !== this.requestCount) return;
    if (nearest) await this.showIsolation(nearest.network, nearest.code);
    else notify(text("fire.no_pipe_here"), undefined, "calm");
  }

  private async toggleStuck(valve: string): Promise<void> {
    if (!this.segment) return;
    const others = this.stuckValves.filter((code) => code !== valve);
    const stuck = others.length < this.stuckValves.length ? others : [...others, valve];
    await this.showIsolation(this.segment.network, this.segment.code, stuck);
  }

  private async goTo({ lon, lat }: Place): Promise<void> {
    const map = await this.mapLoaded;
    map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), BUILDING_ZOOM) });
  }

  private async mark(features: Feature[]): Promise<LibreMap> {
    const map = await this.mapLoaded;
    setAnswer(map, features);
    return map;
  }

  /** The answer, or null if it failed or another request was made meanwhile. */
  private async latest<T>(request: Promise<T>): Promise<T | null> {
    const count = ++this.requestCount;
    try {
      const answer = await request;
      return count === this.requestCount ? answer : null;
    } catch (error) {
      if (count === this.requestCount) notify((error as Error).message);
      return null;
    }
  }
}

async function loadLayout(code: string, early?: Promise<Layout | null>): Promise<Layout> {
  return (await early) ?? fetchLayout(code);
}

/** Put a view into the address, beside the map's own part of it. */
function pushAddress(view: View): void {
  const query = formatAddress(view);
  if (query !== location.search) history.pushState(null, "", `/fire${query}${location.hash}`);
}

/** Space around a result, clear of the list of overlays. */
function resultPadding(around = 130): { top: number; right: number; bottom: number; left: number } {
  const overlays = document.querySelector<HTMLDetailsElement>("#overlays details[open]");
  const width = window.innerWidth >= 900 ? (overlays?.offsetWidth ?? 0) : 0;
  const left = Math.min(around, window.innerWidth / 6);
  return { top: around, bottom: around / 2, left, right: left + width };
}

/** Whether an extent is in view, at least at a share of its width and at street zoom. */
function isInView(map: LibreMap, [west, south, east, north]: Extent, share = 0.12): boolean {
  const bounds = map.getBounds();
  const width = (east - west) / (bounds.getEast() - bounds.getWest());
  const isInside = bounds.contains([west, south]) && bounds.contains([east, north]);
  return isInside && width >= share && map.getZoom() >= STREET_ZOOM;
}
