// The list of overlays: switched on and off, with the number of findings and those in view.

import type { Geometry } from "geojson";
import type { Map as LibreMap } from "maplibre-gl";
import { extentOf } from "../bounds";
import { button, element, elementById, notify } from "../dom";
import { formatDateTime, formatNumber, text } from "../locale";
import {
  type FireBlock,
  fetchFindings,
  fetchFireBlocks,
  fetchOverlays,
  type Overlay,
  refreshFindings,
  type Severity,
} from "./fire-api";
import { SEVERITY_COLOURS, setOverlays } from "./fire-layers";
import { showLayerLegend } from "./layer-legend";
import { findingItem } from "./panel-items";

const SEVERITIES: Severity[] = ["high", "medium", "low", "missing"];
const FINDING_VIEW = { maxZoom: 18.5, padding: 120 };

const activeOverlays = new Set<Overlay["id"]>();
/** Counts the requests for findings: answers to earlier ones are dropped. */
let requestCount = 0;

export async function showOverlayList(map: LibreMap): Promise<void> {
  const findings = element("ul", { class: "findings" });
  const rows = element("ul", { class: "lines" });
  const status = element("div", { class: "age" });
  const fill = async () => {
    const { overlays } = await fetchOverlays();
    rows.replaceChildren(...overlays.map((overlay) => overlayItem(map, overlay, findings)));
    status.replaceChildren(...checkStatus(overlays, fill));
  };
  await fill();
  const box = element(
    "details",
    { class: "overlays" },
    element("summary", {}, text("fire.overlays")),
    rows,
    severityLegend(),
    element("ul", { id: "layer-legend", class: "lines" }),
    status,
    findings,
  );
  box.open = window.innerWidth >= 900;
  elementById("overlays").replaceChildren(box);
  map.on("moveend", () => void showFindings(map, findings));
  map.on("zoomend", () => showLayerLegend(map));
  showLayerLegend(map);
}

/** When the overlay computed longest ago was computed; null where none was. */
export function oldestCheck(overlays: Pick<Overlay, "computed_at">[]): string | null {
  const times = overlays.flatMap(({ computed_at }) => (computed_at ? [computed_at] : []));
  return times.sort()[0] ?? null;
}

/** When the city was checked, and a button to check it again where its data changed. */
function checkStatus(overlays: Overlay[], reload: () => Promise<void>): HTMLElement[] {
  const checked = oldestCheck(overlays);
  const when = checked
    ? text("fire.checked_at", { when: formatDateTime(checked) })
    : text("fire.never_checked");
  if (!overlays.some(({ stale }) => stale)) return [element("small", {}, when)];
  const refresh = async () => {
    check.disabled = true;
    check.textContent = text("fire.checking");
    await refreshFindings().catch((error: Error) => notify(error.message));
    await reload();
  };
  const check = button(text("fire.check_now"), () => void refresh(), {
    title: text("fire.check_help"),
  });
  return [element("small", {}, checked ? `${when} · ${text("fire.data_changed")}` : when), check];
}

function overlayItem(map: LibreMap, overlay: Overlay, findings: HTMLElement): HTMLElement {
  const tick = element("input", { type: "checkbox", id: `overlay-${overlay.id}` });
  tick.addEventListener("change", () => {
    if (tick.checked) activeOverlays.add(overlay.id);
    else activeOverlays.delete(overlay.id);
    setOverlays(map, activeOverlays);
    showLayerLegend(map);
    void showFindings(map, findings);
  });
  tick.checked = activeOverlays.has(overlay.id);
  const counts = overlay.computed_at
    ? SEVERITIES.map((severity) => countBadge(severity, overlay.findings[severity] ?? 0))
    : [element("small", {}, text("fire.unchecked"))];
  return element(
    "li",
    { title: overlay.text },
    element("label", { for: tick.id }, tick, overlay.title),
    element("span", { class: "counts" }, ...counts),
  );
}

function countBadge(severity: Severity, count: number): HTMLElement {
  const title = text(`fire.severity_${severity}`);
  const badge = element("b", { class: "count", title }, formatNumber(count));
  badge.style.background = SEVERITY_COLOURS[severity];
  return badge;
}

function severityLegend(): HTMLElement {
  const rows = SEVERITIES.map((severity) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = SEVERITY_COLOURS[severity];
    return element("span", {}, mark, text(`fire.severity_${severity}`));
  });
  return element("p", { class: "severities" }, ...rows);
}

/** List the findings of the active overlays in view. */
async function showFindings(map: LibreMap, list: HTMLElement): Promise<void> {
  const count = ++requestCount;
  if (activeOverlays.size === 0) return list.replaceChildren();
  const requested = [...activeOverlays];
  const hasBlocks = activeOverlays.has("separation");
  const extent = map.getBounds().toArray().flat();
  // pairs of buildings are thousands: they are listed as the blocks that they make up
  const blocks = hasBlocks ? (await fetchFireBlocks()).blocks : [];
  const pages = await Promise.all(
    requested.map((overlay) =>
      fetchFindings(overlay, extent, overlay === "separation" ? "missing" : undefined),
    ),
  );
  if (count !== requestCount) return;
  const inView = blocks.filter((block) => isInView(map, block)).length;
  const total = pages.reduce((sum, page) => sum + page.numberMatched, inView);
  const rows = pages
    .flatMap((page) => page.features)
    .map(({ properties, bbox }) => {
      const row = findingItem(properties);
      const attributes = { class: "quiet", "aria-label": text("fire.go_there") };
      if (bbox) row.append(button("→", () => void map.fitBounds(bbox, FINDING_VIEW), attributes));
      return row;
    });
  list.replaceChildren(
    element("li", { class: "none" }, text("fire.in_view", { count: formatNumber(total) })),
    ...blocks.filter((block) => isInView(map, block)).map((block) => blockItem(map, block)),
    ...rows,
  );
}

function isInView(map: LibreMap, { lon, lat }: FireBlock): boolean {
  return map.getBounds().contains([lon, lat]);
}

function blockItem(map: LibreMap, block: FireBlock): HTMLElement {
  const { buildings, households, pairs, geometry } = block;
  const go = () => void map.fitBounds(extentOf(geometry as Geometry), FINDING_VIEW);
  return element(
    "li",
    { class: "block" },
    element(
      "span",
      {},
      element("b", {}, text("fire.block", { buildings: formatNumber(buildings) })),
      element(
        "small",
        {},
        text("fire.block_said", { households: formatNumber(households), pairs }),
      ),
    ),
    button("→", go, { class: "quiet", "aria-label": text("fire.go_there") }),
  );
}
