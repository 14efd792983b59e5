// Overlays with their counts: on and off, with what they found in view.

import type { Map as LibreMap } from "maplibre-gl";

import { button, byId, element } from "../dom";
import { number, text } from "../locale";
import * as api from "./api";
import type { Overlay } from "./api";
import { SEVERITY, showOverlays } from "./layers";
import { findingLine } from "./panel";

const on = new Set<string>();

export async function listOverlays(map: LibreMap): Promise<void> {
  const { overlays } = await api.overlays();
  const found = element("ul", { class: "findings" });
  const rows = overlays.map((overlay) => overlayRow(map, overlay, found));
  const box = element("details", { class: "overlays" }, element("summary", {}, text("desk.overlays")), element("ul", { class: "lines" }, ...rows), severities(), found);
  box.open = window.innerWidth >= 900;
  byId("overlays").replaceChildren(box);
  map.on("moveend", () => void listFindings(map, found));
}

function overlayRow(map: LibreMap, overlay: Overlay, found: HTMLElement): HTMLElement {
  const tick = element("input", { type: "checkbox", id: `overlay-${overlay.id}` });
  tick.addEventListener("change", () => {
    if (tick.checked) on.add(overlay.id);
    else on.delete(overlay.id);
    showOverlays(map, on);
    void listFindings(map, found);
  });
  const counts = (["high", "medium", "low", "missing"] as const).map((severity) => {
    const badge = element("b", { class: "count", title: text(`desk.severity_${severity}`) }, number(overlay.findings[severity] ?? 0));
    badge.style.background = SEVERITY[severity] ?? "";
    return badge;
  });
  return element("li", { title: overlay.text }, element("label", { for: tick.id }, tick, overlay.title), element("span", { class: "counts" }, ...counts));
}

function severities(): HTMLElement {
  const rows = Object.entries(SEVERITY).map(([name, colour]) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = colour;
    return element("span", {}, mark, text(`desk.severity_${name}`));
  });
  return element("p", { class: "severities" }, ...rows);
}

async function listFindings(map: LibreMap, place: HTMLElement): Promise<void> {
  if (on.size === 0) return place.replaceChildren();
  const bounds = map.getBounds();
  const bbox = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const asked = [...on];
  const pages = await Promise.all(asked.map((overlay) => api.findings(overlay, bbox)));
  if (asked.join() !== [...on].join()) return;
  const total = pages.reduce((sum, page) => sum + page.numberMatched, 0);
  const rows = pages.flatMap((page) => page.features).map((feature) => {
    const row = findingLine(feature.properties);
    const box = feature.bbox as [number, number, number, number] | undefined;
    if (box) row.append(button("→", () => void map.fitBounds(box, { maxZoom: 18.5, padding: 120 }), { class: "quiet", "aria-label": text("desk.go_there") }));
    return row;
  });
  place.replaceChildren(element("li", { class: "none" }, text("desk.in_view", { count: number(total) })), ...rows);
}
