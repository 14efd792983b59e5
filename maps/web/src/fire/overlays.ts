// The list of overlays: switched on and off, with the number of findings and those in view.

import type { Map as LibreMap } from "maplibre-gl";

import { button, element, elementById, notify } from "../dom";
import { formatDateTime, formatNumber, text } from "../locale";
import {
  fetchFindings,
  fetchOverlays,
  type Overlay,
  refreshFindings,
  type Severity,
} from "./fire-api";
import { SEVERITY_COLOURS, setOverlays } from "./fire-layers";
import { findingItem } from "./panel";

const SEVERITIES: Severity[] = ["high", "medium", "low", "missing"];
const FINDING_VIEW = { maxZoom: 18.5, padding: 120 };

const activeOverlays = new Set<Overlay["id"]>();

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
    element("summary", {}, text("desk.overlays")),
    rows,
    severityLegend(),
    status,
    findings,
  );
  box.open = window.innerWidth >= 900;
  elementById("overlays").replaceChildren(box);
  map.on("moveend", () => void showFindings(map, findings));
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
    ? text("desk.checked_at", { when: formatDateTime(checked) })
    : text("desk.never_checked");
  if (!overlays.some(({ stale }) => stale)) return [element("small", {}, when)];
  const refresh = async () => {
    check.disabled = true;
    check.textContent = text("desk.checking");
    await refreshFindings().catch((error: Error) => notify(error.message));
    await reload();
  };
  const check = button(text("desk.check_now"), () => void refresh(), {
    title: text("desk.check_help"),
  });
  return [element("small", {}, checked ? `${when} · ${text("desk.data_changed")}` : when), check];
}

function overlayItem(map: LibreMap, overlay: Overlay, findings: HTMLElement): HTMLElement {
  const tick = element("input", { type: "checkbox", id: `overlay-${overlay.id}` });
  tick.addEventListener("change", () => {
    if (tick.checked) activeOverlays.add(overlay.id);
    else activeOverlays.delete(overlay.id);
    setOverlays(map, activeOverlays);
    void showFindings(map, findings);
  });
  tick.checked = activeOverlays.has(overlay.id);
  const counts = overlay.computed_at
    ? SEVERITIES.map((severity) => countBadge(severity, overlay.findings[severity] ?? 0))
    : [element("small", {}, text("desk.unchecked"))];
  return element(
    "li",
    { title: overlay.text },
    element("label", { for: tick.id }, tick, overlay.title),
    element("span", { class: "counts" }, ...counts),
  );
}

function countBadge(severity: Severity, count: number): HTMLElement {
  const title = text(`desk.severity_${severity}`);
  const badge = element("b", { class: "count", title }, formatNumber(count));
  badge.style.background = SEVERITY_COLOURS[severity];
  return badge;
}

function severityLegend(): HTMLElement {
  const rows = SEVERITIES.map((severity) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = SEVERITY_COLOURS[severity];
    return element("span", {}, mark, text(`desk.severity_${severity}`));
  });
  return element("p", { class: "severities" }, ...rows);
}

/** List the findings of the active overlays in view. */
async function showFindings(map: LibreMap, list: HTMLElement): Promise<void> {
  if (activeOverlays.size === 0) return list.replaceChildren();
  const requested = [...activeOverlays];
  const extent = map.getBounds().toArray().flat();
  const pages = await Promise.all(requested.map((overlay) => fetchFindings(overlay, extent)));
  if (requested.join() !== [...activeOverlays].join()) return;
  const total = pages.reduce((sum, page) => sum + page.numberMatched, 0);
  const rows = pages
    .flatMap((page) => page.features)
    .map(({ properties, bbox }) => {
      const row = findingItem(properties);
      const attributes = { class: "quiet", "aria-label": text("desk.go_there") };
      if (bbox) row.append(button("→", () => void map.fitBounds(bbox, FINDING_VIEW), attributes));
      return row;
    });
  list.replaceChildren(
    element("li", { class: "none" }, text("desk.in_view", { count: formatNumber(total) })),
    ...rows,
  );
}
