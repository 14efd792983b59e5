// Layers and their features: what each feature is now, and what it was before.

import type { MapMouseEvent } from "maplibre-gl";

import { button, definitionList, div, element, heading } from "../dom";
import { formatDateTime, formatNumber, text } from "../locale";
import { changeFeature, changeMap, fitFeatures, setSidebar, showFeatures } from "./change-map";
import {
  fetchFeaturesIn,
  fetchHistory,
  fetchLayers,
  type LayerFeature,
  searchFeatures,
  type Version,
} from "./import-api";
import { columnName, formatColumn, label } from "./labels";

const CLICK_TOLERANCE_PX = 5;

export async function showLayers(signal: AbortSignal): Promise<void> {
  const { items } = await fetchLayers();
  signal.throwIfAborted();
  const rows = items.map(({ layer, features }) =>
    element(
      "li",
      {},
      element(
        "a",
        { href: `/data/layers/${layer}` },
        element("b", {}, label("layer", layer)),
        element("span", {}, formatNumber(features)),
      ),
    ),
  );
  setSidebar(
    heading(text("data.layers"), text("data.layers_said")),
    element("ul", { class: "runs" }, ...rows),
  );
  showFeatures([]);
}

export async function showLayer(
  layer: string,
  words: string,
  navigate: (path: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const list = element("ul", { class: "runs" });
  const count = element("p", {}, "");
  const features: LayerFeature[] = [];
  const add = async () => {
    const page = await searchFeatures(layer, words, features.length);
    if (signal.aborted) return;
    features.push(...page.features);
    list.append(...page.features.map((feature) => featureItem(layer, feature)));
    more.hidden = features.length >= page.numberMatched;
    count.textContent = text("data.features_said", { count: formatNumber(page.numberMatched) });
    showFeatures(
      features.flatMap(({ geometry }) => (geometry ? [changeFeature(geometry, "")] : [])),
      { zoom: words !== "" },
    );
  };
  const more = button(text("data.more"), () => void add());
  setSidebar(
    div("heading", element("h1", {}, label("layer", layer)), count),
    searchForm(layer, words, navigate),
    element("p", { class: "none" }, text("data.click_map")),
    list,
    more,
  );
  attachClick(layer, navigate);
  await add();
}

function searchForm(layer: string, words: string, navigate: (path: string) => void): HTMLElement {
  const field = element("input", {
    type: "search",
    value: words,
    "aria-label": text("data.seek"),
    placeholder: text("data.seek"),
  });
  const submit = element("button", { type: "submit" }, text("data.find"));
  const form = element("form", { class: "seek" }, field, submit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    navigate(`/data/layers/${layer}?q=${encodeURIComponent(field.value.trim())}`);
  });
  return form;
}

function featureItem(layer: string, { properties }: LayerFeature): HTMLElement {
  const code = String(properties.code);
  const link = element(
    "a",
    { href: featurePath(layer, code) },
    element("b", {}, nameOf(properties) || code),
    element("small", {}, code),
  );
  return element("li", {}, link);
}

let detachClick = (): void => undefined;

/** Open the feature under a click, as long as its layer is shown. */
function attachClick(layer: string, navigate: (path: string) => void): void {
  detachClick();
  const handleClick = async ({ target: map, point: { x, y } }: MapMouseEvent) => {
    if (!location.pathname.startsWith(`/data/layers/${layer}`)) return;
    const southWest = map.unproject([x - CLICK_TOLERANCE_PX, y + CLICK_TOLERANCE_PX]);
    const northEast = map.unproject([x + CLICK_TOLERANCE_PX, y - CLICK_TOLERANCE_PX]);
    const { features } = await fetchFeaturesIn(layer, [
      southWest.lng,
      southWest.lat,
      northEast.lng,
      northEast.lat,
    ]);
    const code = features[0]?.properties.code;
    if (code) navigate(featurePath(layer, String(code)));
  };
  const attached = changeMap().then((map) => map.on("click", handleClick));
  detachClick = () => void attached.then((subscription) => subscription.unsubscribe());
}

export async function showFeature(layer: string, code: string, signal: AbortSignal): Promise<void> {
  const { items } = await fetchHistory(layer, code);
  signal.throwIfAborted();
  const { properties, geometry, valid_to } = items[0]!;
  setSidebar(
    heading(nameOf(properties) || code, `${label("layer", layer)} · ${code}`),
    element("p", {}, element("a", { href: `/data/layers/${layer}` }, `← ${label("layer", layer)}`)),
    valid_to === null
      ? ""
      : element("p", { class: "trouble" }, text("data.gone", { when: formatDateTime(valid_to) })),
    definitionList(
      Object.entries(properties).map(([column, value]) => [
        columnName(column),
        formatColumn(column, value),
      ]),
    ),
    element("h2", {}, text("data.history")),
    element(
      "ol",
      { class: "history" },
      ...items.map((version, index) => versionItem(version, items[index + 1] ?? null)),
    ),
  );
  showFeatures(geometry ? [changeFeature(geometry, valid_to === null ? "" : "removed")] : []);
}

function versionItem(version: Version, previous: Version | null): HTMLElement {
  const until = version.valid_to ? formatDateTime(version.valid_to) : text("data.now");
  const rows = version.changed
    .filter((column) => column !== "geom")
    .map((column): [string, string] => [
      columnName(column),
      [previous, version].map((one) => formatColumn(column, one?.properties[column])).join(" → "),
    ]);
  const source = version.source || "—";
  return element(
    "li",
    {},
    element("b", {}, `${formatDateTime(version.valid_from)} – ${until}`),
    element("small", {}, text("data.version_said", { revision: version.revision, source })),
    previous === null ? element("small", {}, text("data.first_version")) : null,
    rows.length ? definitionList(rows) : null,
    version.changed.includes("geom") ? shapeButton(version, previous) : null,
  );
}

/** A button that shows the shape before and after; null where either is missing. */
function shapeButton(version: Version, previous: Version | null): HTMLElement | null {
  const [before, after] = [previous?.geometry, version.geometry];
  if (!before || !after) return null;
  const show = () => {
    const shapes = [changeFeature(before, "removed"), changeFeature(after, "added")];
    showFeatures(shapes, { zoom: false });
    fitFeatures(shapes);
  };
  return button(text("data.shape_changed"), show, { class: "quiet" });
}

function featurePath(layer: string, code: string): string {
  return `/data/layers/${layer}/${encodeURIComponent(code)}`;
}

function nameOf({ name, address }: Record<string, unknown>): string {
  return String(name || address || "");
}
