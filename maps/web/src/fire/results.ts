// Answers to who asks the fire desk: beside the map at once, on it as soon as it is there.

import type { Feature } from "geojson";
import type { Map as LibreMap, MapMouseEvent } from "maplibre-gl";
import { type Extent, extentOf, fitExtent } from "../bounds";
import { notify } from "../dom";
import { openFile } from "../http";
import { text } from "../locale";
import type { Incident, Isolation, Layout, Place } from "./fire-api";
import * as api from "./fire-api";
import { point, showAnswer, sign } from "./fire-layers";
import type { Mode } from "./main";
import { showIncident, showIsolation, showLayout, type Ways } from "./panel";

const NETWORKS = ["gas", "water"];
/** The zoom from which streets can be told apart. */
const STREETS = 14;

export class Answers {
  private centre: Place | null = null;
  private radius = 300;
  private segment: { network: string; code: string } | null = null;
  private stuck: string[] = [];
  private asked = 0;

  constructor(
    private readonly ready: Promise<LibreMap>,
    private readonly use: (mode: Mode) => void,
  ) {}

  private readonly ways: Ways = {
    print: (code) => void openFile(`/fire/buildings/${encodeURIComponent(code)}/sheet.pdf`),
    incidentAt: (place) => void this.incident(place),
    building: (code) => void this.building(code, true),
    goTo: ({ lon, lat }) =>
      void this.ready.then((map) =>
        map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 17.5) }),
      ),
    radius: (metres) => void (this.centre && this.incident(this.centre, metres)),
    stick: (valve) => {
      const stuck = this.stuck.includes(valve)
        ? this.stuck.filter((one) => one !== valve)
        : [...this.stuck, valve];
      if (this.segment) void this.isolation(this.segment.network, this.segment.code, stuck);
    },
  };

  async building(code: string, go: boolean, early?: Promise<Layout | null>): Promise<void> {
    this.use("building");
    const one = await this.answered(
      Promise.resolve(early).then((known) => known ?? api.layout(code)),
    );
    if (!one) return;
    keep({ building: code });
    showLayout(one, this.ways);
    const map = await this.ready;
    showAnswer(map, signsOfLayout(one));
    if (go) fitExtent(map, extentOf(one.geometry), room());
  }

  async incident(place: Place, radius = this.radius): Promise<void> {
    this.use("incident");
    const one = await this.answered(api.incident(place, radius));
    if (!one) return;
    [this.centre, this.radius] = [place, radius];
    keep({ incident: `${place.lon.toFixed(6)},${place.lat.toFixed(6)},${radius}` });
    showIncident(one, this.ways);
    const map = await this.ready;
    showAnswer(map, signsOfIncident(one));
    const box = extentOf(one.area);
    if (!isWellSeen(map, box)) fitExtent(map, box, room(40));
  }

  async isolation(network: string, code: string, stuck: string[] = []): Promise<void> {
    this.use("isolation");
    const one = await this.answered(api.isolation(network, code, stuck));
    if (!one) return;
    [this.segment, this.stuck] = [{ network, code }, stuck];
    keep(
      { pipe: `${network}:${code}` },
      stuck.map((valve): [string, string] => ["stuck", valve]),
    );
    showIsolation(one, stuck, this.ways);
    const map = await this.ready;
    showAnswer(map, signsOfIsolation(one));
    const box = extentOf(one.segment.geometry, ...one.valves.map(point));
    if (!isWellSeen(map, box, 0)) fitExtent(map, box, room());
  }

  /** The pipe under a click, or the valve there that can't be closed. */
  async pipeAt(event: MapMouseEvent, place: Place): Promise<void> {
    const map = await this.ready;
    const valve = map.queryRenderedFeatures(event.point, { layers: ["answer-point"] })[0];
    if (valve && this.segment && ["valve", "stuck"].includes(String(valve.properties.sign)))
      return this.ways.stick(String(valve.properties.code));
    const { x, y } = event.point;
    const [hit] = map.queryRenderedFeatures(
      [
        [x - 6, y - 6],
        [x + 6, y + 6],
      ],
      { layers: ["pipe"] },
    );
    if (hit) return this.isolation(String(hit.properties.network), String(hit.properties.code));
    const tried = await Promise.allSettled(
      NETWORKS.map(async (network) => ({
        network,
        ...(await api.nearest(network, place)).segment,
      })),
    );
    const found = tried
      .flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))
      .sort((one, other) => one.distance_m - other.distance_m)[0];
    if (found) await this.isolation(found.network, found.code);
    else notify(text("desk.no_pipe_here"), undefined, "calm");
  }

  /** The answer, or nothing where it failed or something else was asked for meanwhile. */
  private async answered<T>(asked: Promise<T>): Promise<T | null> {
    const own = ++this.asked;
    try {
      const answer = await asked;
      return own === this.asked ? answer : null;
    } catch (error) {
      if (own === this.asked) notify((error as Error).message);
      return null;
    }
  }
}

/** Keep the place in the address, beside the map's own part of it. */
function keep(query: Record<string, string>, more: [string, string][] = []): void {
  const asked = `?${new URLSearchParams([...Object.entries(query), ...more])}`;
  if (asked !== location.search) history.pushState(null, "", `/fire${asked}${location.hash}`);
}

/** Room on the map beside what lies over it. */
function room(around = 130): { top: number; right: number; bottom: number; left: number } {
  const side =
    document.querySelector<HTMLDetailsElement>("#overlays details[open]")?.offsetWidth ?? 0;
  const left = Math.min(around, window.innerWidth / 6);
  return {
    top: around,
    bottom: around / 2,
    left,
    right: left + (window.innerWidth >= 900 ? side : 0),
  };
}

/** Whether a box is on the map, as wide there as a share of it, and streets can be told apart. */
function isWellSeen(map: LibreMap, [west, south, east, north]: Extent, share = 0.12): boolean {
  const seen = map.getBounds();
  const wide = (east - west) / (seen.getEast() - seen.getWest());
  return (
    seen.contains([west, south]) &&
    seen.contains([east, north]) &&
    wide >= share &&
    map.getZoom() >= STREETS
  );
}

function signsOfLayout(one: Layout): Feature[] {
  return [
    ...one.ladder.areas.map((area) => sign(area, "ladder")),
    ...one.stations.map((station) => sign(station.route, "drive")),
    ...one.hydrants.flatMap((hydrant) => (hydrant.route ? [sign(hydrant.route, "hose")] : [])),
    ...one.neighbours
      .filter((other) => other.too_close)
      .map((other) => sign(other.line, "close", `${other.distance_m.toFixed(1)} m`)),
    sign(one.geometry, "building"),
    ...one.units.map((unit) => sign(point(unit), "entrance", unit.name)),
    ...one.hydrants.map((hydrant) =>
      sign(point(hydrant), "hydrant", `${Math.round(hydrant.route_m ?? hydrant.straight_m)} m`),
    ),
    ...one.fire_lane.obstacles.map((obstacle) => sign(point(obstacle), "obstacle")),
    ...Object.values(one.valves)
      .flat()
      .map((valve) => sign(point(valve), "valve", valve.name || valve.code)),
  ];
}

function signsOfIncident(one: Incident): Feature[] {
  return [
    sign(one.area, "area"),
    ...one.hydrants.map((hydrant) => sign(point(hydrant), "hydrant")),
    ...one.valves.map((valve) => sign(point(valve), "shut")),
    ...one.critical.map((site) => sign(point(site), "critical", site.name)),
    ...one.stations.slice(0, 1).map((station) => sign(station.route, "drive")),
  ];
}

function signsOfIsolation(one: Isolation): Feature[] {
  return [
    sign(one.lost.geometry, "lost"),
    sign(one.segment.geometry, "broken"),
    ...one.lost.hydrants.map((hydrant) => sign(point(hydrant), "hydrant", "", hydrant.code)),
    ...one.valves.map((valve) => sign(point(valve), "valve", valve.code, valve.code)),
  ];
}
