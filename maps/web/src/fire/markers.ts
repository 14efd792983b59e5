// What the map marks of a building, an incident and a shut-off: features that say in `sign` what
// they are.

import type { Feature, Geometry } from "geojson";

import { formatMetres } from "../locale";
import type { Incident, Isolation, Layout, Place } from "./fire-api";

export function marker(geometry: Geometry, sign: string, label = "", code = ""): Feature {
  const properties = { sign, code, ...(label ? { label } : {}) };
  return { type: "Feature", geometry, properties };
}

export function pointGeometry({ lon, lat }: Place): Geometry {
  return { type: "Point", coordinates: [lon, lat] };
}

export function layoutMarkers(layout: Layout): Feature[] {
  const closeNeighbours = layout.neighbours.flatMap(({ too_close, line, distance_m }) =>
    too_close && line ? [marker(line, "close", `${distance_m.toFixed(1)} m`)] : [],
  );
  return [
    ...layout.ladder.areas.map((area) => marker(area, "ladder")),
    ...layout.stations.map((station) => marker(station.route, "drive")),
    ...layout.hydrants.flatMap(({ route }) => (route ? [marker(route, "hose")] : [])),
    ...closeNeighbours,
    marker(layout.geometry, "building"),
    ...layout.units.map((unit) => marker(pointGeometry(unit), "entrance", unit.name)),
    ...layout.hydrants.map((hydrant) =>
      marker(pointGeometry(hydrant), "hydrant", formatMetres(hydrant.route_m)),
    ),
    ...layout.intakes.map((site) => marker(pointGeometry(site), "hydrant", site.name)),
    ...layout.fire_lane.obstacles.map((obstacle) => marker(pointGeometry(obstacle), "obstacle")),
    ...Object.values(layout.valves)
      .flat()
      .map((valve) => marker(pointGeometry(valve), "valve", valve.name || valve.code)),
  ];
}

export function incidentMarkers(incident: Incident): Feature[] {
  return [
    marker(incident.area, "area"),
    ...incident.hydrants.map((hydrant) => marker(pointGeometry(hydrant), "hydrant")),
    ...incident.intakes.map((site) => marker(pointGeometry(site), "hydrant", site.name)),
    ...incident.valves.map((valve) => marker(pointGeometry(valve), "shut")),
    ...incident.critical.map((site) => marker(pointGeometry(site), "critical", site.name)),
    ...incident.stations.slice(0, 1).map((station) => marker(station.route, "drive")),
  ];
}

interface CodedPlace extends Place {
  code: string;
}

/** The parts of a shut-off that are drawn. */
export interface IsolationShapes {
  segment: Pick<Isolation["segment"], "geometry">;
  valves: CodedPlace[];
  lost: Pick<Isolation["lost"], "geometry"> & { hydrants: CodedPlace[] };
}

export function isolationMarkers({ lost, segment, valves }: IsolationShapes): Feature[] {
  return [
    ...(lost.geometry ? [marker(lost.geometry, "lost")] : []),
    marker(segment.geometry, "broken"),
    ...lost.hydrants.map((hydrant) => marker(pointGeometry(hydrant), "hydrant", "", hydrant.code)),
    ...valves.map((valve) => marker(pointGeometry(valve), "valve", valve.code, valve.code)),
  ];
}
