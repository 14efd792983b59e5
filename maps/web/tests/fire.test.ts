import { beforeAll, expect, test } from "vitest";

import { overlayVisibility } from "../src/fire/fire-layers";
import { type IsolationShapes, isolationMarkers, marker, pointGeometry } from "../src/fire/markers";
import { oldestCheck } from "../src/fire/overlays";
import { countText, hoseLength, peopleText } from "../src/fire/panel-items";
import { setLocale } from "../src/locale";

beforeAll(() => setLocale("en", {}));

test("overlays show the layers that belong to them", () => {
  const visible = (...overlays: string[]) =>
    [...overlayVisibility(new Set(overlays))].flatMap(([id, isVisible]) => (isVisible ? [id] : []));
  expect(visible()).toEqual([]);
  expect(visible("hydrant_spacing")).toEqual(["hydrant"]);
  expect(visible("hydrant_coverage", "response").sort()).toEqual([
    "hydrant",
    "hydrant-area",
    "response",
    "station",
  ]);
  expect(visible("separation")).toEqual([]);
});

test("the city was checked when its oldest overlay was", () => {
  const times = ["2026-03-02T00:00:00Z", null, "2026-03-01T00:00:00Z"];
  expect(oldestCheck(times.map((computed_at) => ({ computed_at })))).toBe("2026-03-01T00:00:00Z");
  expect(oldestCheck([{ computed_at: null }])).toBeNull();
});

test("a marker has a label only where there is one", () => {
  const geometry = pointGeometry({ lon: 112, lat: 32 });
  expect(marker(geometry, "valve").properties).toEqual({ sign: "valve", code: "" });
  expect(marker(geometry, "valve", "V1", "V1").properties).toEqual({
    sign: "valve",
    code: "V1",
    label: "V1",
  });
});

test("a shut-off marks the pipe, the valves, and what is lost if anything is", () => {
  const line = { type: "LineString" as const, coordinates: [] };
  const place = { lon: 112, lat: 32 };
  const signs = (lost: IsolationShapes["lost"]["geometry"]) =>
    isolationMarkers({
      segment: { geometry: line },
      lost: { geometry: lost, hydrants: [{ code: "H1", ...place }] },
      valves: [{ code: "V1", ...place }],
    }).map(({ properties }) => properties?.sign);
  expect(signs(line)).toEqual(["lost", "broken", "hydrant", "valve"]);
  expect(signs(null)).toEqual(["broken", "hydrant", "valve"]);
});

test.each([
  ["fire.hose", { route_m: 81.4, straight_m: 60 }],
  ["fire.hose_unknown", { route_m: null, straight_m: 60 }],
  ["fire.hydrant_out", { route_m: null, straight_m: 60, in_service: false }],
])("a hydrant is described by %s", (key, hydrant) => {
  setLocale("en", { [key]: `${key} {metres}` });
  const metres = key === "fire.hose" ? "81" : "60";
  expect(hoseLength(hydrant)).toBe(`${key} ${metres}`);
});

test("a number of people that is not on record is unknown, not none", () => {
  const said = "{households} households, {population} people";
  setLocale("en", { "fire.people_said": said, "fire.people_unknown": "?", "page.unknown": "?" });
  expect(peopleText({ households: 2, population: 0 })).toBe("2 households, 0 people");
  expect(peopleText({ households: 2, population: null })).toBe("?");
  expect([countText(0), countText(null)]).toEqual(["0", "?"]);
});
