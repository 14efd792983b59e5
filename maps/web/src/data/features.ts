// The layers: every live feature with all that is known of it, and what it was before.

import type { Feature, Geometry } from "geojson";
import type { MapMouseEvent } from "maplibre-gl";

import { button, definitionList, element } from "../dom";
import { formatNumber, optionalText, text } from "../locale";
import { draw, heading, said, side, theMap, when, zoom } from "./change-map";
import type { Version } from "./import-api";
import * as api from "./import-api";

/** How far around a click, in pixels, features are looked for. */
const NEAR = 5;

export async function showLayers(): Promise<void> {
  const { items } = await api.layers();
  const rows = items.map(({ layer, features }) =>
    element(
      "li",
      {},
      element(
        "a",
        { href: `/data/layers/${layer}` },
        element("b", {}, said("layer", layer)),
        element("span", {}, formatNumber(features)),
      ),
    ),
  );
  side(
    heading(text("data.layers"), text("data.layers_said")),
    element("ul", { class: "runs" }, ...rows),
  );
  draw([]);
}

export async function showLayer(
  layer: string,
  words: string,
  go: (path: string) => void,
): Promise<void> {
  const field = element("input", {
    type: "search",
    value: words,
    "aria-label": text("data.seek"),
    placeholder: text("data.seek"),
  });
  const form = element(
    "form",
    { class: "seek" },
    field,
    element("button", { type: "submit" }, text("data.find")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(`/data/layers/${layer}?q=${encodeURIComponent(field.value.trim())}`);
  });
  const list = element("ul", { class: "runs" });
  const more = button(text("data.more"), () => void add());
  const seen: Feature[] = [];
  const count = element("p", {}, "");
  const add = async () => {
    const page = await api.features(layer, { words, offset: seen.length });
    seen.push(...page.features);
    list.append(...page.features.map((one) => featureLine(layer, one)));
    more.hidden = seen.length >= page.numberMatched;
    count.textContent = text("data.features_said", { count: formatNumber(page.numberMatched) });
    draw(seen, { go: words !== "" });
  };
  side(
    element("div", { class: "heading" }, element("h1", {}, said("layer", layer)), count),
    form,
    element("p", { class: "none" }, text("data.click_map")),
    list,
    more,
  );
  clicks(layer, go);
  await add();
}

function featureLine(layer: string, one: Feature): HTMLElement {
  const { code, name, address } = one.properties as Record<string, string>;
  return element(
    "li",
    {},
    element(
      "a",
      { href: `/data/layers/${layer}/${encodeURIComponent(code!)}` },
      element("b", {}, name || address || code!),
      element("small", {}, code!),
    ),
  );
}

let stop = (): void => undefined;

/** Open the feature under a click, as long as its layer is shown. */
function clicks(layer: string, go: (path: string) => void): void {
  stop();
  const map = theMap();
  const clicked = async ({ point: { x, y } }: MapMouseEvent) => {
    if (!location.pathname.startsWith(`/data/layers/${layer}`)) return;
    const [west, south] = map.unproject([x - NEAR, y + NEAR]).toArray();
    const [east, north] = map.unproject([x + NEAR, y - NEAR]).toArray();
    const { features } = await api.features(layer, { bbox: [west, south, east, north] });
    const found = features[0]?.properties?.code;
    if (found) go(`/data/layers/${layer}/${encodeURIComponent(String(found))}`);
  };
  map.on("click", clicked);
  stop = () => map.off("click", clicked);
}

export async function showFeature(layer: string, code: string): Promise<void> {
  const { items } = await api.history(layer, code);
  const [now] = items;
  const gone = now!.valid_to !== null;
  const { name, address } = now!.properties as Record<string, string>;
  side(
    heading(name || address || code, `${said("layer", layer)} · ${code}`),
    element("p", {}, element("a", { href: `/data/layers/${layer}` }, `← ${said("layer", layer)}`)),
    ...(gone
      ? [element("p", { class: "trouble" }, text("data.gone", { when: when(now!.valid_to!) }))]
      : []),
    definitionList(
      Object.entries(now!.properties).map(([key, value]): [string, string] => [
        columnSaid(key),
        written(key, value),
      ]),
    ),
    element("h2", {}, text("data.history")),
    element(
      "ol",
      { class: "history" },
      ...items.map((one, index) => versionLine(one, items[index + 1] ?? null)),
    ),
  );
  draw(now!.geometry ? [shape(now!.geometry, gone ? "removed" : "")] : []);
}

function versionLine(one: Version, before: Version | null): HTMLElement {
  const span = `${when(one.valid_from)} – ${one.valid_to ? when(one.valid_to) : text("data.now")}`;
  const rows = one.changed
    .filter((name) => name !== "geom")
    .map((name): [string, string] => [
      columnSaid(name),
      `${written(name, before?.properties[name])} → ${written(name, one.properties[name])}`,
    ]);
  const moved = one.changed.includes("geom") && before?.geometry && one.geometry;
  const shapes = () => {
    const both = [
      ...(before?.geometry ? [shape(before.geometry, "removed")] : []),
      ...(one.geometry ? [shape(one.geometry, "added")] : []),
    ];
    draw(both, { go: false });
    zoom(both);
  };
  return element(
    "li",
    {},
    element("b", {}, span),
    element(
      "small",
      {},
      text("data.version_said", { revision: one.revision, source: one.source || "—" }),
    ),
    before === null ? element("small", {}, text("data.first_version")) : null,
    rows.length ? definitionList(rows) : null,
    moved ? button(text("data.shape_changed"), shapes, { class: "quiet" }) : null,
  );
}

function shape(geometry: Geometry, change: string): Feature {
  return { type: "Feature", geometry, properties: { change } };
}

/** Units of columns, by how their names end. */
const UNITS = [
  ["_m", "m"],
  ["_mm", "mm"],
  ["_l_s", "L/s"],
  ["_mpa", "MPa"],
  ["_t", "t"],
  ["_percent", "%"],
] as const;

function columnSaid(name: string): string {
  return optionalText(`field.${name}`) || name;
}

function written(name: string, value: unknown): string {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return text(value ? "data.yes" : "data.no");
  if (Array.isArray(value)) return value.join(text("data.and"));
  const unit = UNITS.find(([ending]) => name.endsWith(ending))?.[1];
  return (
    optionalText(`${name}.${String(value)}`) || [String(value), unit].filter(Boolean).join(" ")
  );
}
